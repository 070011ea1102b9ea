"""`weighted`: every deployment gets its share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from policies.api import C, Policy, RoutingRequest
from policies.options import check_whole
from policies.spread import SmoothWheel


@dataclass(eq=False)
class Weighted(Policy):
    """Shares by `weight`, evenly interleaved rather than drawn by lot: see `SmoothWheel` for why."""

    name: ClassVar[str] = "weighted"

    seed: int = 0
    """Shifts the phase."""
    _wheel: SmoothWheel = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        check_whole(self.name, "seed", self.seed)
        self._wheel = SmoothWheel(self.seed)

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:  # noqa: ARG002 - every policy is asked alike
        """Pick whose share is most behind."""
        return self._wheel.turn(candidates)

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:  # noqa: ARG002 - every policy is asked alike
        """Name its share."""
        return f"weight {chosen.weight:g} of {sum([candidate.weight for candidate in candidates]):g}"
