"""What happened, as frozen records of ids and numbers. Never a prompt, never an answer, never a key.

Named tuples: one is made for every request, and a frozen dataclass of this size costs four times as much.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from proxy.usage import Usage


class Outcome(StrEnum):
    """How an exchange ended."""

    COMPLETED = "completed"
    REJECTED = "rejected"
    """The client's fault: bad request, bad key, over its limit."""
    FAILED = "failed"
    TRUNCATED = "truncated"
    """Content had flowed, then the provider broke off; the client was told so."""
    ABANDONED = "abandoned"
    """The client left."""


class AttemptFact(NamedTuple):
    """One try at one deployment."""

    deployment: str
    provider: str
    code: str
    """`ok`, or the code of the error that ended it."""
    status: int | None
    """The provider's HTTP status; `None` when none came."""
    duration_s: float
    ttft_s: float | None
    upstream_request_id: str | None = None
    part: str = "answer"
    """What it was begun for: `answer`, `hedge`, `splice` or `continuation`."""
    detail: str | None = None
    """For the operator: what went wrong, or how it took over."""
    usage: Usage | None = None
    """What it used, delivered or not; `None` when it said nothing that is billed."""
    cost_nano_usd: int | None = None


class Finished(NamedTuple):
    """One exchange, settled. Emitted exactly once however it ended."""

    exchange_id: str
    started_at_s: float
    """Unix time."""
    surface: str
    operation: str
    route: str
    """The configured route name, or `unknown`: never the client's raw string."""
    provider: str
    """Of the deployment that answered last; empty when none was asked."""
    deployment: str
    upstream_model: str
    key: str
    """The key's name, never the key."""
    stream: bool
    outcome: Outcome
    status: int
    """What the client saw."""
    error_code: str | None
    error_detail: str | None
    tier: str
    lane: str
    usage: Usage | None
    cost_nano_usd: int | None
    """`None`: unpriced or nothing to bill."""
    baseline_nano_usd: int | None
    """The same tokens at the price of the route's first listed deployment."""
    duration_s: float
    ttft_s: float | None
    """From the client's first byte to the first content."""
    tpot_s: float | None
    upstream_s: float
    """Time spent waiting for providers."""
    queue_s: float
    bytes_in: int
    bytes_out: int
    finish_reason: str | None
    attempts: tuple[AttemptFact, ...]
    client_request_id: str | None = None

    @property
    def overhead_s(self) -> float:
        """The gateway's own share: total less the wait for providers and in the queue."""
        return max(0.0, self.duration_s - self.upstream_s - self.queue_s)
