"""`tiered`: policies in a row, each with deployments of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from policies.api import C, Candidate, Feedback, Policy, RoutingRequest
from policies.memory import remember
from policies.options import BadOption
from policies.registry import nested

MEMBERS = "deployments"


@dataclass(frozen=True, slots=True)
class _Tier:
    policy: Policy
    members: frozenset[str] | None


@dataclass(eq=False)
class Tiered(Policy):
    """The first tier with a usable deployment serves, and its own policy chooses within it.

    Tiers are written `[{name: cost, deployments: [engine, spare]}, {name: latency, tau_s: 20}]`: a policy each, and
    whom it chooses among, by id or provider. A deployment that no tier lists belongs to the last one. When no tier
    lists any, the tiers are the priorities, lowest first; those past the last tier use its policy.
    Source: Envoy, aggregate clusters.
    """

    name: ClassVar[str] = "tiered"

    tiers: Sequence[str | Mapping[str, object] | Policy]
    _tiers: tuple[_Tier, ...] = field(init=False, repr=False)
    _by_priority: bool = field(init=False, repr=False)
    _home: dict[str, Policy] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options and build the tiers."""
        if not isinstance(self.tiers, Sequence) or isinstance(self.tiers, str) or not self.tiers:
            raise BadOption(f"policy `{self.name}` takes a list of policies for `tiers`, at least one.")
        self._tiers = tuple(self._tier(place, spec) for place, spec in enumerate(self.tiers))
        self._by_priority = all(tier.members is None for tier in self._tiers)
        if not self._by_priority and any(tier.members is None for tier in self._tiers[:-1]):
            raise BadOption(f"policy `{self.name}` needs `{MEMBERS}` in each of `tiers` but the last, or in none.")

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
        """Pick within the first tier present."""
        place, members = self._first(candidates)
        policy = self._tiers[place].policy
        chosen = policy.choose(request, members)
        remember(self._home, chosen.id, policy)
        return chosen

    def observe(self, feedback: Feedback) -> None:
        """Tell the tier that chose it."""
        home = self._home.get(feedback.candidate)
        if home is not None:
            home.observe(feedback)

    def wait_s(self, request: RoutingRequest, candidate: C, feedback: Feedback) -> float | None:
        """As patient as the candidate's tier."""
        return self._tiers[self._place(candidate)].policy.wait_s(request, candidate, feedback)

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:
        """Name the tier, and its policy's reason."""
        place, members = self._first(candidates)
        return f"tier {place + 1}, {self._tiers[place].policy.why(request, members, chosen)}"

    def _first(self, candidates: Sequence[C]) -> tuple[int, list[C]]:
        if self._by_priority:
            lowest = min([candidate.priority for candidate in candidates])
            return min(lowest, len(self._tiers) - 1), [c for c in candidates if c.priority == lowest]
        places = [self._place(candidate) for candidate in candidates]
        first = min(places)
        return first, [c for c, place in zip(candidates, places, strict=True) if place == first]

    def _place(self, candidate: Candidate) -> int:
        last = len(self._tiers) - 1
        if self._by_priority:
            return min(candidate.priority, last)
        for place, tier in enumerate(self._tiers):
            if tier.members is not None and (candidate.id in tier.members or candidate.provider in tier.members):
                return place
        return last

    def _tier(self, place: int, spec: object) -> _Tier:
        option = f"tiers[{place}]"
        if not isinstance(spec, Mapping) or MEMBERS not in spec:
            return _Tier(nested(self.name, option, spec), None)
        members = spec[MEMBERS]
        if not isinstance(members, Sequence) or isinstance(members, str) or not members:
            raise BadOption(f"policy `{self.name}` takes a list of ids or providers for `{option}.{MEMBERS}`.")
        rest = {key: value for key, value in spec.items() if key != MEMBERS}
        return _Tier(nested(self.name, option, rest), frozenset(str(member) for member in members))
