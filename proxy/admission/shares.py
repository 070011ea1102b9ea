"""Bounds of a whole gateway, divided among its workers.

What protects a provider or this machine's memory must hold in sum, so each worker gets its part rounded down. A part
below one would stop a worker altogether: then it is one, and `beyond` names what the sum exceeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.config import Config

NEEDED = ("max_inflight", "max_inflight_flex")
"""Of `limits`: without at least one of these a worker serves nobody."""
SPARED = ("max_waiting", "max_followed", "splice_total_bytes")
"""Of `limits`: a worker can do without."""


def share(config: Config, workers: int) -> Config:
    """The configuration of one worker among `workers`. A second division would divide again."""
    if workers == 1:
        return config
    limits = {name: max(1, getattr(config.limits, name) // workers) for name in NEEDED}
    limits |= {name: getattr(config.limits, name) // workers for name in SPARED}
    providers = {
        name: provider.model_copy(update={"max_connections": max(1, provider.max_connections // workers)})
        for name, provider in config.providers.items()
    }
    return config.model_copy(
        update={"limits": config.limits.model_copy(update=limits), "providers": providers},
    )


def beyond(config: Config, workers: int) -> Iterator[str]:
    """The bounds that do not hold in sum, by their path: they are smaller than the number of workers."""
    for name in NEEDED:
        if getattr(config.limits, name) < workers:
            yield f"limits.{name}"
    for name, provider in config.providers.items():
        if provider.max_connections < workers:
            yield f"providers.{name}.max_connections"
