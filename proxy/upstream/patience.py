"""How long one attempt may still be waited for, and what running out of it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.upstream.faults import ConnectionFault, ConnectTimeout, NoneFree, OutOfTime, Phase, ReadTimeout, meaning

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.config import TimeoutsConfig
    from proxy.errors import UpstreamError

TIMER_SLACK_S = 0.01
"""An event loop may count in milliseconds: its timers may fire a little before the clock says so."""


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

    def too_late(self) -> UpstreamError:
        """What it means that there is no time left to ask at all."""
        return self._out_of_time(ReadTimeout("no time left before it was sent"))

    def before_sending(self, fault: ConnectionFault, waited_s: float, connect_s: float) -> UpstreamError:
        """What a fault while connecting means, after at most `waited_s` of `connect_s`."""
        if isinstance(fault, ConnectTimeout | NoneFree) and waited_s < connect_s:
            return self._out_of_time(fault)
        return meaning(Phase.CONNECTING, fault)

    def before_content(self, fault: ConnectionFault) -> UpstreamError:
        """What a fault means that happened before the first content."""
        if isinstance(fault, ReadTimeout):
            return self._out_of_time(fault)
        return meaning(Phase.ASKED, fault)

    def after_content(self, fault: ConnectionFault) -> UpstreamError:
        """What a fault means that happened after it."""
        if isinstance(fault, ReadTimeout) and self._deadline_s - self._clock() < TIMER_SLACK_S:
            return meaning(Phase.ANSWERING, fault, OutOfTime)
        return meaning(Phase.ANSWERING, fault)

    def _out_of_time(self, fault: ConnectionFault) -> UpstreamError:
        """Of the two limits before the first content, the one that was nearer."""
        return meaning(Phase.ASKED, fault, OutOfTime if self._deadline_s <= self._first_by_s else ReadTimeout)
