"""Remembers the reasoning state that providers want back with a tool's result, for clients that do not keep it.

An OpenAI client sends back a tool call's id, name and arguments; Claude wants its signed thoughts with them, Gemini its
thought signature. Known to this process alone, for a while: who has lost it is served as well as goes without.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.dialects.dialect import Recall

MAX_STATES = 4096
MAX_BYTES = 32 * 1024 * 1024
"""Of all states together, by the length of their text."""
KEPT_S = 3600.0
"""A tool rarely takes longer."""


class StateMemory:
    """By the owner of the key and the id of the tool call."""

    __slots__ = ("_bytes", "_clock", "_states")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._states: OrderedDict[tuple[str, str], tuple[float, int, Mapping[str, Any]]] = OrderedDict()
        self._bytes = 0

    def keep(self, owner: str, states: Mapping[str, Mapping[str, Any]]) -> None:
        """Remember hub message fields by tool call id; the oldest are forgotten first."""
        for call_id, state in states.items():
            self._forget((owner, call_id))
            size = _size(state)
            if size > MAX_BYTES:
                continue
            self._states[owner, call_id] = (self._clock() + KEPT_S, size, state)
            self._bytes += size
        while len(self._states) > MAX_STATES or self._bytes > MAX_BYTES:
            self._forget(next(iter(self._states)))

    def of(self, owner: str) -> Recall:
        """What recalls the states of one owner."""
        return partial(self._recall, owner)

    def _recall(self, owner: str, call_id: str) -> Mapping[str, Any] | None:
        found = self._states.get((owner, call_id))
        if found is None:
            return None
        if found[0] < self._clock():
            self._forget((owner, call_id))
            return None
        return found[2]

    def _forget(self, key: tuple[str, str]) -> None:
        found = self._states.pop(key, None)
        if found is not None:
            self._bytes -= found[1]


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()))
    return sum(map(_size, value)) if isinstance(value, list) else 0
