"""`least_loaded`: whoever has the least to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar

from policies.api import C, Policy, RoutingRequest
from policies.options import check_whole
from policies.spread import SmoothWheel


@dataclass(eq=False)
class LeastLoaded(Policy):
    """Fewest requests in flight for its weight, then fewest tokens; among equals by weight.

    A full scan rather than two random picks: a route has few deployments, and the counts are at hand.
    Source: Envoy, "Supported load balancers", weighted least request.
    """

    name: ClassVar[str] = "least_loaded"

    seed: int = 0
    """Shifts the phase among equals."""
    _wheel: SmoothWheel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        check_whole(self.name, "seed", self.seed)
        self._wheel = SmoothWheel(self.seed)

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:  # noqa: ARG002 - every policy is asked alike
        """Pick the least loaded."""
        least: list[C] = []
        fewest = lightest = inf
        for candidate in candidates:
            weight = candidate.weight
            requests = candidate.inflight_requests / weight
            if requests > fewest:
                continue
            tokens = candidate.inflight_tokens / weight
            if requests < fewest or tokens < lightest:
                fewest, lightest, least = requests, tokens, [candidate]
            elif tokens == lightest:
                least.append(candidate)
        # An idle route has nothing but equals: they share by weight, else the first in the list would take all.
        return self._wheel.turn(least)

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:  # noqa: ARG002 - every policy is asked alike
        """Name its load."""
        return f"least loaded of {len(candidates)} with {chosen.inflight_requests} in flight"
