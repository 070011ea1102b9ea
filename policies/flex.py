"""`flex`: cheap capacity that may have no room, asked patiently, and left when patience or money says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from policies.api import C, Feedback, Policy, Refused, RoutingRequest
from policies.costs import NANO_PER_USD, OutputEstimate, dollars
from policies.options import check_above_zero, check_number, check_one_of, check_whole
from policies.registry import nested

FLEX = "flex"
STRICT, BOUNDED, PREFER = "strict", "bounded", "prefer"
MAX_BACKOFF_S = 60.0
MAX_WAIT_S = 86_400.0
NO_ROOM_CODES = frozenset({"upstream_capacity_exceeded", "upstream_overloaded", "upstream_rate_limited"})
"""Failures that time may heal, and that providers do not charge for."""


@dataclass(eq=False)
class Flex(Policy):
    """Flex requests go to flex deployments; whether they wait, and whether they may pay more, is the mode.

    | mode | waits for room | default tier |
    |---|---|---|
    | `strict` | up to `max_wait_s` | never: refused |
    | `bounded` | up to `max_wait_s` | after that, if the price allows |
    | `prefer` | never | at once, if the price allows |

    The price allows what is expected to cost at most `max_price_usd`, and the request's own limit if it has one. Other
    requests go to the default tier, or to what there is. Each is billed by the tier that answered, since a tier is a
    deployment with a price of its own.
    Source: OpenAI, "Flex processing" (429 `Resource Unavailable` is not charged; retry with back-off, or resend at the
    default tier).
    """

    name: ClassVar[str] = "flex"

    mode: str = BOUNDED
    max_wait_s: float = 30.0
    """Since the exchange began, over all waits."""
    backoff_s: float = 1.0
    """The first wait; doubles with every attempt up to 60 s, each shortened by up to half at random."""
    max_price_usd: float | None = None
    """The most a request may be expected to cost at the default tier."""
    within: str | Mapping[str, object] | Policy = "cost"
    """The policy that chooses within a tier: its name, or `{name: ..., option: ...}`."""
    seed: int = 0
    _inner: Policy = field(init=False, repr=False)
    _output: OutputEstimate = field(default_factory=OutputEstimate, init=False, repr=False)
    _rng: Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        check_one_of(self.name, "mode", self.mode, (STRICT, BOUNDED, PREFER))
        check_number(self.name, "max_wait_s", self.max_wait_s, 0, MAX_WAIT_S)
        check_above_zero(self.name, "backoff_s", self.backoff_s, MAX_BACKOFF_S)
        if self.max_price_usd is not None:
            check_number(self.name, "max_price_usd", self.max_price_usd, 0)
        check_whole(self.name, "seed", self.seed)
        self._inner = nested(self.name, "within", self.within)
        self._rng = Random(self.seed)  # noqa: S311 - spreads retries, guards nothing

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
        """Pick from the tier that is next. Raises `Refused` when mode or price allow no candidate."""
        return self._inner.choose(request, self._tier(request, candidates))

    def observe(self, feedback: Feedback) -> None:
        """Learn how long answers are; the inner policy learns what it learns."""
        self._output.learn(feedback)
        self._inner.observe(feedback)

    def wait_s(self, request: RoutingRequest, candidate: C, feedback: Feedback) -> float | None:
        """Back-off before `candidate` is asked again; `None` once patience ends or another flex one is untried."""
        if request.service_tier != FLEX or candidate.tier != FLEX or feedback.code not in NO_ROOM_CODES:
            return None
        left_s = self.max_wait_s - request.waited_s
        if self.mode == PREFER or any(other.tier == FLEX for other in request.untried):
            return None
        doublings = min(max(request.attempt - 1, 0), 32)
        step_s = min(self.backoff_s * 2.0**doublings, MAX_BACKOFF_S) * (0.5 + self._rng.random() / 2)
        step_s = min(max(step_s, feedback.retry_after_s or 0.0), max(left_s, 0.0))
        if step_s < self.backoff_s / 2 or (feedback.retry_after_s or 0.0) > left_s:
            return None  # the last moment is too short to change anything
        return step_s

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:
        """Name the tier, and the inner policy's reason."""
        tier = self._tier(request, candidates)
        fell_back = request.service_tier == FLEX and chosen.tier != FLEX
        prefix = f"{chosen.tier} tier as flex had no room" if fell_back else f"{chosen.tier} tier"
        return f"{prefix}, {self._inner.why(request, tier, chosen)}"

    def _tier(self, request: RoutingRequest, candidates: Sequence[C]) -> list[C]:
        """Those the inner policy may choose among."""
        default = [candidate for candidate in candidates if candidate.tier != FLEX]
        if request.service_tier != FLEX:
            return default or list(candidates)
        flex = [candidate for candidate in candidates if candidate.tier == FLEX]
        if found := self._output.affordable(request, flex, request.max_price_nano_usd):
            return found
        if self.mode == STRICT:
            raise Refused(
                "The flex tier has no room for this request now, and this route does not fall back to the default tier."
                " Try again later, or with `service_tier: default`.",
                retry_after_s=min(self.backoff_s * 2, MAX_BACKOFF_S),
            )
        limit = self._limit_nano_usd(request)
        if found := self._output.affordable(request, default, limit):
            return found
        raise Refused(
            "The flex tier has no room for this request now, and no deployment of the default tier is expected to cost "
            f"{dollars(limit or 0)} or less. Try again later, or with `service_tier: default`.",
            retry_after_s=min(self.backoff_s * 2, MAX_BACKOFF_S),
        )

    def _limit_nano_usd(self, request: RoutingRequest) -> float | None:
        limits: list[float] = []
        if self.max_price_usd is not None:
            limits.append(self.max_price_usd * NANO_PER_USD)
        if request.max_price_nano_usd is not None:
            limits.append(request.max_price_nano_usd)
        return min(limits, default=None)
