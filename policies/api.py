"""What a routing policy sees, what it answers, and what it is told afterwards.

Standard library only: a policy has no sockets, no clock and no idea of HTTP, so the same object runs in the gateway,
in a simulation and in a test. Prices are integers (nano-USD per million tokens): sums of floats drift, bills must not.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar

TOKENS_PER_MTOK = 1_000_000
ASSUMED_OUTPUT_TOKENS = 256
"""Output expected of a request that names no maximum."""


@dataclass(frozen=True, slots=True)
class Price:
    """What one deployment charges, in nano-USD per million tokens; cached and cache-write are parts of the input.

    `None` means "as other input", "as other output", or for an hour's cache write "as another cache write". `above`
    holds long-context prices as (prompt tokens, price), ascending: past the threshold the *whole* request is charged
    at that price, not the excess. `tiers` holds what other service tiers of the same offer cost, by name.
    """

    input_nano_usd_per_mtok: int
    output_nano_usd_per_mtok: int
    cache_read_nano_usd_per_mtok: int | None = None
    cache_write_nano_usd_per_mtok: int | None = None
    request_nano_usd: int = 0
    above: tuple[tuple[int, Price], ...] = ()
    cache_write_1h_nano_usd_per_mtok: int | None = None
    input_audio_nano_usd_per_mtok: int | None = None
    output_audio_nano_usd_per_mtok: int | None = None
    tiers: tuple[tuple[str, Price], ...] = ()

    def at(self, prompt_tokens: int) -> Price:
        """The price in force for a prompt of this length."""
        found = self
        for threshold, price in self.above:
            if prompt_tokens > threshold:
                found = price
        return found

    def tier(self, name: str) -> Price | None:
        """What the tier `name` costs; `None` when that is not known."""
        for tier, price in self.tiers:
            if tier == name:
                return price
        return None

    def cost_nano_usd(  # noqa: PLR0913 - one count of each kind
        self,
        input_tokens: int,
        output_tokens: int,
        cache_read_tokens: int = 0,
        cache_write_tokens: int = 0,
        *,
        cache_write_1h_tokens: int = 0,
        input_audio_tokens: int = 0,
        output_audio_tokens: int = 0,
    ) -> int:
        """Cost in nano-USD, rounded half up. The first four counts are disjoint; reasoning is part of the output.

        The last three are parts of them: of the cache writes, of the input, of the output.
        """
        price = self.at(input_tokens + cache_read_tokens + cache_write_tokens) if self.above else self
        read = price.cache_read_nano_usd_per_mtok
        write = price.cache_write_nano_usd_per_mtok
        total = (
            input_tokens * price.input_nano_usd_per_mtok
            + output_tokens * price.output_nano_usd_per_mtok
            + cache_read_tokens * (price.input_nano_usd_per_mtok if read is None else read)
            + cache_write_tokens * (price.input_nano_usd_per_mtok if write is None else write)
        )
        if cache_write_1h_tokens or input_audio_tokens or output_audio_tokens:
            # of the input that is sound nobody says how much was cached: what was not is counted first
            audio_tokens = min(input_audio_tokens, input_tokens)
            hour_tokens = min(cache_write_1h_tokens, cache_write_tokens)
            spoken_tokens = min(output_audio_tokens, output_tokens)
            total += _surcharge(price, hour_tokens, audio_tokens, spoken_tokens)
        return (total + TOKENS_PER_MTOK // 2) // TOKENS_PER_MTOK + price.request_nano_usd


def _surcharge(price: Price, cache_write_1h_tokens: int, input_audio_tokens: int, output_audio_tokens: int) -> int:
    """What tokens of these kinds cost beyond the plain ones they were counted as, times a million."""
    hour, heard, spoken = (
        price.cache_write_1h_nano_usd_per_mtok,
        price.input_audio_nano_usd_per_mtok,
        price.output_audio_nano_usd_per_mtok,
    )
    write = price.cache_write_nano_usd_per_mtok
    total = 0
    if hour is not None:
        total += cache_write_1h_tokens * (hour - (price.input_nano_usd_per_mtok if write is None else write))
    if heard is not None:
        total += input_audio_tokens * (heard - price.input_nano_usd_per_mtok)
    if spoken is not None:
        total += output_audio_tokens * (spoken - price.output_nano_usd_per_mtok)
    return total


@dataclass(slots=True)
class RoutingRequest:
    """All a policy may know of a request: numbers and ids, never a prompt. To be read only.

    Not frozen: one is made for every question, and freezing it trebles its price (1.6 us instead of 0.5).
    """

    model: str
    now_s: float
    """Monotonic time of this question. Policies have no clock of their own."""
    prompt_tokens: int = 0
    """An estimate (about four bytes a token); 0 when unknown."""
    max_output_tokens: int | None = None
    service_tier: str = "default"
    """`default` or `flex`, as the client asked."""
    session: str | None = None
    """The client's own stickiness key, if it sent one."""
    prefix_hashes: tuple[int, ...] = ()
    """Hashes of ever longer prefixes of the prompt, shortest first."""
    priority: int = 0
    attempt: int = 1
    """1 for the first question of an exchange."""
    waited_s: float = 0.0
    """Seconds since the exchange began."""
    max_price_nano_usd: int | None = None
    """The most this request may be expected to cost, whole."""
    untried: tuple[Candidate, ...] = ()
    """In `Policy.wait_s`: the usable candidates not asked yet in this exchange. Empty elsewhere."""

    def expected_output_tokens(self) -> int:
        """The output to reckon with before it is known."""
        if self.max_output_tokens is None:
            return ASSUMED_OUTPUT_TOKENS
        return min(self.max_output_tokens, ASSUMED_OUTPUT_TOKENS)


class Candidate(Protocol):
    """A read-only view of one live deployment."""

    @property
    def id(self) -> str:
        """Unique among the deployments of a route."""

    @property
    def provider(self) -> str:
        """The provider's configured name."""

    @property
    def weight(self) -> float:
        """Share among equals, > 0."""

    @property
    def priority(self) -> int:
        """0 is asked first; used by `failover`."""

    @property
    def tier(self) -> str:
        """The service tier this deployment sells: `default` or `flex`."""

    @property
    def price(self) -> Price | None:
        """`None`: not known, which is not the same as free."""

    @property
    def inflight_requests(self) -> int:
        """Running now."""

    @property
    def inflight_tokens(self) -> int:
        """Expected of what is running now: prompts and answers."""

    @property
    def ttft_s(self) -> float | None:
        """Smoothed time to first token in seconds; `None` before the first answer."""

    @property
    def tpot_s(self) -> float | None:
        """Smoothed time per output token in seconds; `None` before the first answer."""

    @property
    def error_rate(self) -> float:
        """Smoothed share of failed attempts, 0..1."""

    @property
    def rate_limit_remaining(self) -> float | None:
        """Share of the provider's rate limit left, 0..1; `None` when it does not say."""


C = TypeVar("C", bound=Candidate)


@dataclass(slots=True)
class Feedback:
    """How one attempt went. Sent once an attempt, when it has ended or failed. To be read only."""

    candidate: str
    """The candidate's id."""
    now_s: float
    ok: bool
    prompt_tokens: int = 0
    output_tokens: int = 0
    ttft_s: float | None = None
    duration_s: float = 0.0
    code: str = "ok"
    """`ok` or the error's code, e.g. `upstream_rate_limited`."""
    retry_after_s: float | None = None


class Refused(Exception):
    """The policy's options forbid every candidate. The message is shown to the client."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Policy(ABC):
    """Chooses a deployment. Synchronous, no I/O, deterministic for a given seed and history.

    A policy is a dataclass; its fields are its options, in the configuration file as in code.
    """

    name: ClassVar[str]
    uses_prefixes: ClassVar[bool] = False
    """Whether `RoutingRequest.prefix_hashes` is worth computing for it."""

    @abstractmethod
    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
        """Pick one of `candidates`: never empty, all usable, none tried before in this exchange.

        Asked again without it if it fails. Raises `Refused` when the options allow none of them.
        """

    def observe(self, feedback: Feedback) -> None:  # noqa: B027 - learning is optional
        """Learn how a choice went. Must not raise."""

    def wait_s(self, request: RoutingRequest, candidate: C, feedback: Feedback) -> float | None:  # noqa: ARG002 - for those who need it
        """After `candidate` lacked capacity: seconds until it may be asked once more, `None` to move on.

        While it waits the exchange holds no upstream connection. Only `flex` is patient.
        """
        return None

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:  # noqa: ARG002 - for those who need it
        """One short ASCII clause for people, without `;` or quotes: `cheapest of 3 at $0.000120`."""
        return f"{self.name} among {len(candidates)}"
