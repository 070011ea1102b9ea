"""A deadline that moves with every request, on a timer that does not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Deadline:
    """Calls `passed` once its time has come. The timer looks when it fires: setting a later time costs no timer."""

    __slots__ = ("_at_s", "_loop", "_passed", "_timer", "_timer_s")

    def __init__(self, loop: asyncio.AbstractEventLoop, passed: Callable[[], None]) -> None:
        self._loop = loop
        self._passed = passed
        self._at_s = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0

    def set(self, in_s: float) -> None:
        """Count anew, from now."""
        self._at_s = at_s = self._loop.time() + in_s
        if self._timer is None or self._timer_s > at_s:
            self._arm(at_s)

    def close(self) -> None:
        """There is none any more; the timer goes as well."""
        self._at_s = math.inf
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = at_s
        self._timer = self._loop.call_at(at_s, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._loop.time() >= self._at_s:
            self._passed()
        elif self._at_s < math.inf:
            self._arm(self._at_s)
