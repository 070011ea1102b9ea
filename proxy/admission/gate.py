"""Bounded concurrency with two lanes: `default` is served before `flex`.

A slot that becomes free is handed to a waiter in the same breath, so nobody who comes later can take it, and a lane
with room has no waiters: the way in is one comparison. Everything here runs on the event loop, without locks.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from proxy.errors import Overloaded

if TYPE_CHECKING:
    from proxy.config import LimitsConfig

FLEX = "flex"
"""The one lane with a name that matters: any other is the default lane."""

Waiters = OrderedDict[asyncio.Future[None], None]


class Gate:
    """At most `max_inflight` inside, of them `max_inflight_flex` by the flex lane.

    At most `max_waiting` wait, in order, none longer than `max_wait_s`. A full room turns away the newest of the flex
    lane before anyone of the default lane.
    """

    def __init__(self, *, max_inflight: int, max_inflight_flex: int, max_waiting: int, max_wait_s: float) -> None:
        self._max_inflight = max_inflight
        self._max_inflight_flex = max_inflight_flex
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._inflight = 0
        self._inflight_flex = 0
        self._waiting: Waiters = OrderedDict()
        self._waiting_flex: Waiters = OrderedDict()

    @property
    def inflight(self) -> int:
        """Both lanes together."""
        return self._inflight

    @property
    def inflight_flex(self) -> int:
        """The flex lane's part."""
        return self._inflight_flex

    def waiting(self, lane: str) -> int:
        """How many wait in this lane."""
        return len(self._waiters(lane))

    def adopt(self, limits: LimitsConfig) -> None:
        """Take over new limits. Lowered ones take effect as those inside leave."""
        self._max_inflight = limits.max_inflight
        self._max_inflight_flex = limits.max_inflight_flex
        self._max_waiting = limits.max_waiting
        self._max_wait_s = limits.max_wait_s
        self._hand_over()

    def enter(self, lane: str) -> bool:
        """Go in if there is room just now. After `True`, `release` must follow."""
        if self._inflight >= self._max_inflight:
            return False
        if lane == FLEX:
            if self._inflight_flex >= self._max_inflight_flex:
                return False
            self._inflight_flex += 1
        self._inflight += 1
        return True

    async def acquire(self, lane: str) -> None:
        """Go in, waiting if need be; never suspends when there is room. `release` must follow.

        Raises `Overloaded` when the room is full or the wait was too long. A cancelled waiter holds nothing.
        """
        if not self.enter(lane):
            await self._wait(lane)

    def release(self, lane: str) -> None:
        """Leave; the slot passes to whoever is next."""
        self._inflight -= 1
        if lane == FLEX:
            self._inflight_flex -= 1
        if self._waiting or self._waiting_flex:
            self._hand_over()

    def _waiters(self, lane: str) -> Waiters:
        return self._waiting_flex if lane == FLEX else self._waiting

    async def _wait(self, lane: str) -> None:
        self._make_room(lane)
        loop = asyncio.get_running_loop()
        waiters = self._waiters(lane)
        turn: asyncio.Future[None] = loop.create_future()
        waiters[turn] = None
        timer = loop.call_later(self._max_wait_s, self._turn_away, waiters, turn, "waited too long for a free slot")
        try:
            await turn
        except asyncio.CancelledError:
            # Granted and cancelled in one breath: the slot is ours and nobody else will give it back.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(lane)
            raise
        finally:
            timer.cancel()
            waiters.pop(turn, None)

    def _make_room(self, lane: str) -> None:
        flex = self._waiting_flex
        if len(self._waiting) + len(flex) < self._max_waiting:
            return
        if lane == FLEX or not flex:
            raise self._overloaded("the waiting room is full")
        self._turn_away(flex, next(reversed(flex)), "gave way to the default lane")

    def _turn_away(self, waiters: Waiters, turn: asyncio.Future[None], detail: str) -> None:
        waiters.pop(turn, None)
        if not turn.done():
            turn.set_exception(self._overloaded(detail))

    def _overloaded(self, detail: str) -> Overloaded:
        return Overloaded(
            "The gateway is at its limit of concurrent requests; try again shortly.",
            detail=f"{detail}: {self._inflight} in flight",
            retry_after_s=max(1.0, self._max_wait_s),
        )

    def _hand_over(self) -> None:
        for lane in ("default", FLEX):
            waiters = self._waiters(lane)
            while waiters and self.enter(lane):
                if not self._grant(waiters):
                    self._inflight -= 1
                    if lane == FLEX:
                        self._inflight_flex -= 1

    @staticmethod
    def _grant(waiters: Waiters) -> bool:
        turn, _ = waiters.popitem(last=False)
        if turn.done():  # cancelled, and not yet awake to take itself out
            return False
        turn.set_result(None)
        return True
