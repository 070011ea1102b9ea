"""Bounded memory: what a policy remembers of deployments outgrows no limit, however many come and go."""

from __future__ import annotations

from typing import TypeVar

MAX_TRACKED = 4096
"""Deployments one policy remembers; the one known longest is forgotten first."""

V = TypeVar("V")


def remember(table: dict[str, V], key: str, value: V) -> V:
    """Store `value` under `key`, making room if needed, and return it."""
    if key not in table and len(table) >= MAX_TRACKED:
        del table[next(iter(table))]
    table[key] = value
    return value
