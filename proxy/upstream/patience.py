"""How long one attempt may still be waited for, and what running out of it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.errors import (
    ConnectFailed,
    ConnectionLost,
    ConnectionsExhausted,
    FirstTokenTimeout,
    StreamBroken,
    StreamStalled,
    StreamTimeout,
    TotalTimeout,
    UpstreamError,
)
from proxy.upstream.connection import ConnectionFault, ReadTimeout
from proxy.upstream.pool import ConnectTimeout, NoneFree

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.config import TimeoutsConfig

TIMER_SLACK_S = 0.01
"""An event loop may count in milliseconds: its timers may fire a little before the clock says so."""
TOO_LONG = "The request took longer than this gateway allows."


class Patience:
    """The limits of one attempt: before the first content, between two pieces, behind the last one, and in all."""

    __slots__ = ("_clock", "_deadline_s", "_end_by_s", "_finish_s", "_first_by_s", "_idle_s")

    def __init__(
        self, clock: Callable[[], float], deadline_s: float, timeouts: TimeoutsConfig, *, stream: bool
    ) -> None:
        self._clock = clock
        self._deadline_s = deadline_s
        self._first_by_s = clock() + (timeouts.first_token_s if stream else timeouts.answer_s)
        self._idle_s = timeouts.idle_s
        self._finish_s = timeouts.finish_s
        self._end_by_s: float | None = None

    def until_content(self) -> float:
        """Seconds that may be waited before the first content; 0 or less when there are none."""
        return min(self._deadline_s, self._first_by_s) - self._clock()

    def until_next(self) -> float:
        """Seconds that may be waited for the next piece after it; 0 or less when there are none."""
        return min(self._idle_s, self._deadline_s - self._clock())

    def until_end(self) -> float:
        """Seconds that may be waited for what only ends a complete answer; counted from the first call."""
        now_s = self._clock()
        if self._end_by_s is None:
            self._end_by_s = min(now_s + self._finish_s, self._deadline_s)
        return self._end_by_s - now_s

    def check(self) -> None:
        """Raise what running out of time means, if it has run out."""
        if self.until_content() <= 0:
            raise self._timeout(ReadTimeout("no time left before it was sent"))

    def before_sending(self, fault: ConnectionFault, waited_s: float, connect_s: float) -> UpstreamError:
        """What a fault while connecting means, after at most `waited_s` of `connect_s`."""
        if isinstance(fault, ConnectTimeout | NoneFree) and waited_s < connect_s:
            return self._timeout(fault)
        if isinstance(fault, NoneFree):
            return ConnectionsExhausted("Too many requests are under way to this provider.", detail=str(fault))
        return ConnectFailed("The provider cannot be reached.", detail=str(fault))

    def before_content(self, fault: ConnectionFault) -> UpstreamError:
        """What a fault means that happened before the first content."""
        if isinstance(fault, ReadTimeout):
            return self._timeout(fault)
        return ConnectionLost("The provider closed the connection before it answered.", detail=str(fault))

    def after_content(self, fault: ConnectionFault) -> StreamBroken:
        """What a fault means that happened after it."""
        if not isinstance(fault, ReadTimeout):
            return StreamBroken("The provider broke off in the middle of its answer.", detail=str(fault))
        if self._deadline_s - self._clock() < TIMER_SLACK_S:
            return StreamTimeout(TOO_LONG, detail="the stream was still under way")
        return StreamStalled("The provider fell silent in the middle of its answer.", detail=str(fault))

    def _timeout(self, fault: ConnectionFault) -> UpstreamError:
        if self._deadline_s <= self._first_by_s:
            return TotalTimeout(TOO_LONG, detail=str(fault))
        return FirstTokenTimeout("The provider did not begin to answer in time.", detail=str(fault))
