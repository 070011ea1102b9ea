"""`latency`: whoever is expected to be done first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp
from random import Random
from typing import ClassVar

from policies.api import C, Candidate, Feedback, Policy, RoutingRequest
from policies.memory import remember
from policies.options import check_above_zero, check_number, check_whole
from policies.spread import Share, Turns

MAX_SAMPLE_S = 86_400.0
"""A time no configured timeout allows is no time."""
MIN_PENALTY_S = 5.0
MAX_PENALTY_S = 300.0
NEAR = 1.25
"""Expected times closer than this factor count as equal, or the luck of one sample would starve a good deployment."""
SURPRISE = 0.5
"""A sample below this part of what was expected counts for the other part at least: a healed deployment is measured
seldom, and a handful of good answers must do."""
FADED = 1 / 3
"""What is left of a measured time however long ago: nothing says the deployment has healed. Penalties fade whole."""
LOW_RATE_LIMIT = 0.1
"""Below this share left of a provider's rate limit its load counts up to ten times."""
CLIENT_CODES = frozenset(
    {
        "cancelled",
        "client_disconnect",
        "content_policy_violation",
        "context_length_exceeded",
        "hedge_lost",
        "insufficient_quota",
        "invalid_api_key",
        "upstream_rejected",
    }
)
"""Endings that are the client's doing: they say nothing against the deployment."""


@dataclass(slots=True)
class _Seen:
    """What answers of one deployment have shown. `tpot_s` is `None` until an answer told it."""

    ttft_s: float
    tpot_s: float | None
    at_s: float
    measured: bool
    """Whether the last sample was a time rather than a penalty."""


@dataclass(eq=False)
class Latency(Policy):
    """Power of two choices over `(TTFT + tokens * TPOT) * (in flight + 1) / weight`.

    TTFT and TPOT are peak-EWMAs: a slower sample counts at once, faster ones win back with time constant `tau_s`. A
    failure is a sample of at least 5 s, of the `Retry-After` (at most 300 s), or of twice what it took so far. While a
    deployment goes unasked its figure sinks towards `prior_s`, but never below that of the one it is compared with: it
    takes overflow earlier, yet measurement, not oblivion, decides who leads. `explore` is that measurement: evenly
    spaced, and given to whoever was asked longest ago, so a slow one costs that share and a healed one is found.
    Sources: Finagle `PeakEwma`, Linkerd's load biaser (failures); Mitzenmacher 2001 (two choices).
    """

    name: ClassVar[str] = "latency"

    tau_s: float = 30.0
    """How fast the past fades, in seconds. Language models answer seldom, so longer than the 10 s usual for RPC."""
    explore: float = 0.02
    """Share of requests, 0..0.5, spent on measuring. At 0 a healed deployment waits for overflow."""
    seed: int = 0
    prior_s: float = 1.0
    """Expected of a deployment nobody knows yet; below the usual, so that newcomers are tried."""
    _seen: dict[str, _Seen] = field(default_factory=dict, init=False, repr=False)
    _turns: Turns = field(default_factory=Turns, init=False, repr=False)
    _rng: Random = field(init=False, repr=False)
    _share: Share = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check the options."""
        check_above_zero(self.name, "tau_s", self.tau_s, 86_400)
        check_number(self.name, "explore", self.explore, 0, 0.5)
        check_whole(self.name, "seed", self.seed)
        check_above_zero(self.name, "prior_s", self.prior_s, 3600)
        self._rng = Random(self.seed)  # noqa: S311 - spreads load, guards nothing
        self._share = Share(self.explore, self._rng.random())

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
        """Pick the better of two at random; O(1) but for the turns of `explore`."""
        count = len(candidates)
        if count == 1:
            return self._turns.took(candidates[0])
        if self._share.is_due():
            return self._turns.took(self._turns.longest_ago(candidates))
        first = int(self._rng.random() * count)
        second = int(self._rng.random() * (count - 1))
        one, other = candidates[first], candidates[second + (second >= first)]
        tokens = request.expected_output_tokens()
        one_s, other_s = self._expected_s(one, tokens), self._expected_s(other, tokens)
        least_s = min(one_s, other_s)
        if max(one_s, other_s) <= least_s * NEAR:
            one_s = other_s = least_s
        floor_s = max(self.prior_s, least_s)
        better = self._load(one, one_s, floor_s, request.now_s) <= self._load(other, other_s, floor_s, request.now_s)
        return self._turns.took(one if better else other)

    def observe(self, feedback: Feedback) -> None:
        """Learn from an answer's times, or from a failure."""
        seen = self._seen.get(feedback.candidate)
        if feedback.ok:
            self._learn(feedback, *_times(feedback, seen))
        elif feedback.code not in CLIENT_CODES:
            hint_s = min(feedback.retry_after_s or 0.0, MAX_PENALTY_S)
            twice_s = min(2 * seen.ttft_s, MAX_PENALTY_S) if seen else 0.0
            self._learn(feedback, max(MIN_PENALTY_S, hint_s, twice_s), measured=False)
        elif feedback.ttft_s is not None:
            self._learn(feedback, feedback.ttft_s)
        elif seen is not None and feedback.duration_s > seen.ttft_s:
            self._learn(feedback, feedback.duration_s)  # gave up waiting: the first token was at least so far

    def why(self, request: RoutingRequest, candidates: Sequence[C], chosen: C) -> str:
        """Name the expected time."""
        known = "expected" if chosen.id in self._seen else "assumed"
        seconds = self._expected_s(chosen, request.expected_output_tokens())
        return f"{known} {seconds:.2f} s with {chosen.inflight_requests} in flight, among {len(candidates)}"

    def _expected_s(self, candidate: Candidate, tokens: int) -> float:
        seen = self._seen.get(candidate.id)
        if seen is not None:
            return seen.ttft_s + tokens * (seen.tpot_s or 0.0)
        if candidate.ttft_s is None:
            return self.prior_s
        return candidate.ttft_s + tokens * (
            candidate.tpot_s or 0.0
        )  # the fleet outlives a reload, this policy does not

    def _load(self, candidate: Candidate, expected_s: float, floor_s: float, now_s: float) -> float:
        if expected_s > floor_s and (seen := self._seen.get(candidate.id)) is not None:
            faded_s = floor_s + (expected_s - floor_s) * self._kept(seen, now_s)
            expected_s = max(faded_s, expected_s * FADED) if seen.measured else faded_s
        load = expected_s * (candidate.inflight_requests + 1) / candidate.weight
        left = candidate.rate_limit_remaining
        if left is not None and left < LOW_RATE_LIMIT:
            load *= min(LOW_RATE_LIMIT / max(left, 0.01), 10.0)
        return load

    def _learn(self, feedback: Feedback, ttft_s: float, tpot_s: float | None = None, *, measured: bool = True) -> None:
        if not 0 <= ttft_s <= MAX_SAMPLE_S:
            return
        seen = self._seen.get(feedback.candidate)
        if seen is None:
            remember(self._seen, feedback.candidate, _Seen(ttft_s, tpot_s, feedback.now_s, measured))
            return
        seen.measured = measured
        kept = self._kept(seen, feedback.now_s)
        seen.ttft_s = _peak(seen.ttft_s, ttft_s, kept)
        if tpot_s is not None:
            seen.tpot_s = tpot_s if seen.tpot_s is None else _peak(seen.tpot_s, tpot_s, kept)
        seen.at_s = max(seen.at_s, feedback.now_s)

    def _kept(self, seen: _Seen, now_s: float) -> float:
        return exp(-max(0.0, now_s - seen.at_s) / self.tau_s)


def _peak(before: float, sample: float, kept: float) -> float:
    if sample > before:
        return sample
    if sample < before * SURPRISE:
        kept = min(kept, SURPRISE)
    return before * kept + sample * (1 - kept)


def _times(feedback: Feedback, seen: _Seen | None) -> tuple[float, float | None]:
    """TTFT and TPOT of an answer. One that came whole tells only their sum: TTFT is what TPOT leaves over."""
    if feedback.ttft_s is None:
        generating_s = feedback.output_tokens * (seen.tpot_s or 0.0) if seen else 0.0
        return max(0.0, feedback.duration_s - generating_s), None
    generating_s = feedback.duration_s - feedback.ttft_s
    if feedback.output_tokens > 1 and 0 <= generating_s <= MAX_SAMPLE_S:
        return feedback.ttft_s, generating_s / (feedback.output_tokens - 1)
    return feedback.ttft_s, None
