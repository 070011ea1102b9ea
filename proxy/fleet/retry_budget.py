"""Retries as a share of the load, so that a failing provider is not asked ever more often.

In units of concurrency, as requests to language models last long. Source: Envoy, `retry_budget` of circuit breakers
(20 % of the requests in flight, at least 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class RetryBudget:
    """At most `max(minimum, share * requests in flight)` retries in flight. Synchronous."""

    __slots__ = ("_load", "denied", "inflight", "minimum", "share")

    def __init__(self, load: Callable[[], int], share: float = 0.2, minimum: int = 3) -> None:
        self._load = load
        """The requests in flight, those that ask included."""
        self.share = share
        self.minimum = minimum
        self.inflight = 0
        """Retries under way."""
        self.denied = 0
        """Ever refused."""

    def acquire(self) -> bool:
        """Claim one retry; `False` when the budget is spent."""
        if self.inflight >= max(self.minimum, int(self.share * self._load())):
            self.denied += 1
            return False
        self.inflight += 1
        return True

    def release(self) -> None:
        """The retry has ended."""
        self.inflight -= 1
