"""`affinity`: the same session to the same deployment, where its prompt cache is warm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, log
from typing import ClassVar

from policies.api import C, Policy, RoutingRequest
from policies.hashing import fraction
from policies.least_loaded import LeastLoaded
from policies.options import check_number, check_one_of, check_whole

LONGEST, SHORTEST = "longest", "shortest"
MAX_KEPT = 1024
"""Hashes of a key and a deployment: the reason is asked right after the choice, and a session comes back."""


@dataclass(eq=False)
class Affinity(Policy):
    """Rendezvous hash of the session, else of a prompt prefix, with bounded load; without either, `least_loaded`.

    A deployment that leaves moves only its own sessions, and a weight is the share of them it gets. One that has its
    bound of requests in flight passes the session on to the next in hash order: a hot key cannot pile up on it. The
    bound is `ceil(load_factor * mean(in flight + 1))`, scaled by weight: some candidate is always below its own.
    Sources: Thaler and Ravishankar 1998 (rendezvous hashing); Mirrokni, Thorup, Zadimoghaddam 2016 (bounded loads).
    """

    name: ClassVar[str] = "affinity"
    uses_prefixes: ClassVar[bool] = True

    load_factor: float = 1.25
    """How far above the mean a deployment's load may be, at least 1."""
    prefix: str = LONGEST
    """Which prefix stands for a request without a session: the `longest` is exact, the `shortest` groups more."""
    seed: int = 0
    """For requests without any key."""
    _unkeyed: LeastLoaded = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        check_number(self.name, "load_factor", self.load_factor, 1, 100)
        check_one_of(self.name, "prefix", self.prefix, (LONGEST, SHORTEST))
        check_whole(self.name, "seed", self.seed)
        self._unkeyed = LeastLoaded(self.seed)

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
        """Pick the first in hash order below its bound; the order of `candidates` does not matter."""
        key = self._key(request)
        if key is None:
            return self._unkeyed.choose(request, candidates)
        count = len(candidates)
        bound = self.load_factor * (sum([c.inflight_requests for c in candidates]) + count) / count
        mean_weight = sum([c.weight for c in candidates]) / count
        free = [c for c in candidates if c.inflight_requests < ceil(bound * c.weight / mean_weight)]
        return max(free or candidates, key=lambda candidate: (_score(key, candidate), candidate.id))

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:
        """Name the key's kind, and whether the session's home was full."""
        key = self._key(request)
        if key is None:
            return f"no session, {self._unkeyed.why(request, candidates, chosen)}"
        kind = "session" if request.session is not None else "prompt prefix"
        home = max(candidates, key=lambda candidate: (_score(key, candidate), candidate.id))
        return f"home of this {kind}" if home.id == chosen.id else f"next for this {kind}, its home is full"

    def _key(self, request: RoutingRequest) -> str | None:
        if request.session is not None:
            return f"s{request.session}"
        if request.prefix_hashes:
            return f"p{request.prefix_hashes[-1 if self.prefix == LONGEST else 0]}"
        return None


def _score(key: str, candidate: C) -> float:
    return -candidate.weight / _log_fraction(key, candidate.id)


@lru_cache(maxsize=MAX_KEPT)
def _log_fraction(key: str, candidate_id: str) -> float:
    return log(fraction(f"{candidate_id}\0{key}"))
