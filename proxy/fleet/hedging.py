"""When a route's requests get a second attempt, and how many may.

Source: Dean and Barroso, "The Tail at Scale", CACM 56 (2), 2013: a second request after the 95th percentile of the
expected latency adds about 5 % of load. That holds while latency is what was expected; when a provider turns slow as a
whole, every request is late, and only a budget keeps the load from doubling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.fleet.live import Live

MAX_SAVED = 10
"""Hedges that quiet times save up: so many more than its share may any run of requests have, at most."""
TOKEN = 1_000_000
"""One hedge, in millionths: whole numbers, as twenty times 0.05 should make exactly one."""


class Hedging:
    """Of one route: a bucket of tokens, filled by requests and emptied by hedges. Synchronous, and knows no clock.

    The bucket begins empty, so that the share holds from the first request on: of n requests in a row at most
    `max_share * n + MAX_SAVED` are hedged, and of the first n at most `max_share * n`. Shared by all the routes a
    wildcard derives; kept by a reload that leaves the route's `hedge` as it was, begun anew by one that changes it.
    """

    __slots__ = ("_delay_s", "_deposit", "_saved", "denied", "hedges")

    def __init__(self, delay_s: float | None, max_share: float) -> None:
        self._delay_s = delay_s
        """`None`: the p95 of the time to first token of the deployment asked first."""
        self._deposit = round(max_share * TOKEN)
        self._saved = 0
        self.hedges = 0
        """Ever granted."""
        self.denied = 0
        """Ever refused."""

    @property
    def is_measured(self) -> bool:
        """Whether the delay is a measured time to first token."""
        return self._delay_s is None

    def asked(self) -> None:
        """Count a request of the route, hedged or not."""
        self._saved = min(self._saved + self._deposit, MAX_SAVED * TOKEN)

    def delay_s(self, live: Live) -> float | None:
        """Seconds to wait for the first content of an attempt at this deployment; `None`: not known yet, no hedge."""
        return live.ttft_p95_s if self._delay_s is None else self._delay_s

    def acquire(self) -> bool:
        """Claim one hedge; `False` when the share is used up. There is no way back: one that lost has cost too."""
        if self._saved < TOKEN:
            self.denied += 1
            return False
        self._saved -= TOKEN
        self.hedges += 1
        return True
