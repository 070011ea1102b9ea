"""`round_robin`: each deployment in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from policies.api import C, Policy, RoutingRequest
from policies.spread import Turns


@dataclass(eq=False)
class RoundRobin(Policy):
    """Picks whoever was picked longest ago; weights do not count.

    By turns rather than by position, so that a deployment leaving or returning shifts nobody else's turn.
    """

    name: ClassVar[str] = "round_robin"

    _turns: Turns = field(default_factory=Turns, init=False, repr=False)

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:  # noqa: ARG002 - every policy is asked alike
        """Pick the one that waited longest."""
        return self._turns.took(self._turns.longest_ago(candidates))

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:  # noqa: ARG002 - every policy is asked alike
        """Name the circle's size."""
        return f"its turn among {len(candidates)}"
