"""`failover`: the first tier that has a usable deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from policies.api import C, Policy, RoutingRequest
from policies.options import check_whole
from policies.spread import SmoothWheel


@dataclass(eq=False)
class Failover(Policy):
    """Lowest `priority` first; within one priority by weight.

    Keeps no memory of failures. The fleet sets sick deployments aside, so traffic spills to the next priority by
    itself; and it shows a half-open one as usable exactly once, so the primary's probe is the very next request. When
    that succeeds, the primary is usable again and takes everything back.
    Source: Envoy, "Priority levels"; without its partial spill, since a route has a few deployments, not a cluster.
    """

    name: ClassVar[str] = "failover"

    seed: int = 0
    """Shifts the phase within a priority."""
    _wheel: SmoothWheel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        check_whole(self.name, "seed", self.seed)
        self._wheel = SmoothWheel(self.seed)

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:  # noqa: ARG002 - every policy is asked alike
        """Pick within the lowest priority present."""
        first = min([candidate.priority for candidate in candidates])
        return self._wheel.turn([candidate for candidate in candidates if candidate.priority == first])

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:  # noqa: ARG002 - every policy is asked alike
        """Name the priority."""
        return f"priority {chosen.priority}, the lowest of {len(candidates)} usable"
