"""`cost`: whoever is expected to serve this very request for the least money."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import ClassVar

from policies.api import C, Feedback, Policy, Refused, RoutingRequest
from policies.costs import OutputEstimate, dollars
from policies.options import check_number, check_whole
from policies.spread import Share


@dataclass(eq=False)
class Cost(Policy):
    """Least expected cost: the prompt at its length's price, plus the output this deployment usually needs.

    Prices per token do not compare alone: long-context steps, fees per request and wordy models turn the order around.
    A deployment without a price is asked last, and never where the request names a limit. Equal costs go to the lower
    load, then the lower id.
    Source: OpenRouter, "Provider routing", which draws by inverse price; here the cheapest takes all.
    """

    name: ClassVar[str] = "cost"

    explore: float = 0.0
    """Share of requests, 0..1, that go to another affordable deployment, so that learning goes on."""
    seed: int = 0
    _output: OutputEstimate = field(default_factory=OutputEstimate, init=False, repr=False)
    _rng: Random = field(init=False, repr=False)
    _share: Share = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        check_number(self.name, "explore", self.explore, 0, 1)
        check_whole(self.name, "seed", self.seed)
        self._rng = Random(self.seed)  # noqa: S311 - spreads load, guards nothing
        self._share = Share(self.explore, self._rng.random())

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
        """Pick the cheapest. Raises `Refused` when `max_price_nano_usd` allows none."""
        costs = self._output.costs_nano_usd(request, candidates)
        offers = [
            (cost, c.inflight_requests, c.inflight_tokens, c.id, place)
            for place, (cost, c) in enumerate(zip(costs, candidates, strict=True))
        ]
        best = min(offers)
        limit = inf if request.max_price_nano_usd is None else request.max_price_nano_usd
        if best[0] > limit or (best[0] == inf and request.max_price_nano_usd is not None):
            raise Refused(
                f"This request may cost {dollars(limit)} at most, but the cheapest deployment that can serve it now "
                f"is expected to cost {dollars(best[0])}."
            )
        if len(offers) > 1 and self._share.is_due():
            others = [offer for offer in sorted(offers)[1:] if offer[0] <= limit and offer[0] < inf]
            if others:
                best = self._rng.choice(others)
        return candidates[best[-1]]

    def observe(self, feedback: Feedback) -> None:
        """Learn how long answers are."""
        self._output.learn(feedback)

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:
        """Name the expected cost."""
        cost = self._output.cost_nano_usd(request, chosen)
        least = min(self._output.costs_nano_usd(request, candidates))
        if cost > least:
            return f"explored at {dollars(cost)}, cheapest of {len(candidates)} is {dollars(least)}"
        return f"cheapest of {len(candidates)} at {dollars(cost)}"
