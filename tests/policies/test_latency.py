"""`latency` leaves a deployment that turned slow, and returns to it when it healed. Impostors fail the same checks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from simulator import Ask, Behaviour, Deployment, Served, Simulation, poisson, share

import proxy.errors
from policies.api import C, Feedback, Policy, RoutingRequest
from policies.latency import CLIENT_CODES, Latency
from proxy.sending import HEDGE_LOST

USUAL = Behaviour(ttft_s=0.5, tpot_s=0.01)
SLOW = Behaviour(ttft_s=5.0, tpot_s=0.1)
REQUEST = RoutingRequest("m", now_s=0.0, max_output_tokens=100)


def fell_ill_and_healed(
    policy: Policy, rate_per_s: float = 2.0, others: int = 1, seed: int = 0, count: int = 1000
) -> tuple[list[Served], list[Served], list[Served]]:
    """The requests before, during and after a time in which `a` is ten times slower than before; `count` each."""
    ill_s, healed_s = count / rate_per_s, 2 * count / rate_per_s
    sick = Deployment("a", timeline=((0, USUAL), (ill_s, SLOW), (healed_s, USUAL)))
    rest = [Deployment(f"b{number}", timeline=((0, USUAL),)) for number in range(others)]
    served = Simulation(policy, [sick, *rest], seed).run(poisson(3 * count, rate_per_s, Random(seed)))
    return (
        [one for one in served if one.ask.at_s < ill_s],
        [one for one in served if ill_s <= one.ask.at_s < healed_s],
        [one for one in served if one.ask.at_s >= healed_s],
    )


def leaves_the_slow_one(before: Sequence[Served], during: Sequence[Served], after: Sequence[Served]) -> bool:
    """At most 5 % of the traffic once 200 requests have shown it."""
    return share(before, "a") > 0.1 and share(during[200:], "a") <= 0.05


def returns_to_the_healed_one(before: Sequence[Served], during: Sequence[Served], after: Sequence[Served]) -> bool:
    """At least half of its former share once 400 requests could show it."""
    return share(after[400:], "a") >= share(before, "a") / 2


@dataclass(eq=False)
class Impostor(Policy):
    """Greedy on a mean that never forgets."""

    name = "impostor"
    samples: dict[str, list[float]] = field(default_factory=dict)

    def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
        return min(candidates, key=lambda candidate: self.figure(candidate.id) * (candidate.inflight_requests + 1))

    def observe(self, feedback: Feedback) -> None:
        self.samples.setdefault(feedback.candidate, []).append(feedback.duration_s)

    def figure(self, candidate: str) -> float:
        seen = self.samples.get(candidate, [])
        return sum(seen) / len(seen) if seen else 0.0


class FirstImpression(Impostor):
    """Its window keeps the first fifty samples, and no later one."""

    def figure(self, candidate: str) -> float:
        seen = self.samples.get(candidate, [])[:50]
        return sum(seen) / len(seen) if seen else 0.0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("rate_per_s", "others"), [(0.1, 1), (2, 1), (2, 3), (20, 2)])
def test_a_deployment_ten_times_slower_is_left_and_found_again(rate_per_s, others, seed):
    """From one request in ten seconds to twenty a second, among two to four deployments."""
    phases = fell_ill_and_healed(Latency(seed=seed), rate_per_s, others, seed)

    assert leaves_the_slow_one(*phases)
    assert returns_to_the_healed_one(*phases)


def test_a_window_that_never_forgets_its_first_samples_fails_the_check():
    assert not leaves_the_slow_one(*fell_ill_and_healed(FirstImpression()))


def test_a_mean_over_everything_fails_the_check():
    """It never finds out that the deployment has healed."""
    phases = fell_ill_and_healed(Impostor())

    assert not (leaves_the_slow_one(*phases) and returns_to_the_healed_one(*phases))


def test_without_exploring_overflow_finds_the_healed_one():
    phases = fell_ill_and_healed(Latency(explore=0), rate_per_s=20, count=4000)

    assert returns_to_the_healed_one(*phases)


def test_exploring_costs_its_share_and_no_more():
    """A slow deployment nobody would choose is asked for the floor alone."""
    fleet = [Deployment("fast"), Deployment("slow", timeline=((0, SLOW),))]
    asks = [Ask(at_s=20.0 * number) for number in range(1000)]
    served = Simulation(Latency(explore=0.1), fleet).run(asks)

    assert 0.09 <= share(served, "slow") <= 0.11


@pytest.mark.parametrize("seed", range(3))
def test_equals_share_even_when_nothing_is_ever_in_flight(seed):
    """The luck of one sample does not decide for the next hundred requests."""
    asks = [Ask(at_s=20.0 * number) for number in range(400)]
    served = Simulation(Latency(explore=0), [Deployment("a"), Deployment("b")], seed).run(asks)

    assert all(0.3 < share(served[start : start + 100], "a") < 0.7 for start in range(0, 400, 100))


@pytest.mark.parametrize(("ok", "expected"), [(False, "a"), (True, "b")])
def test_a_penalty_fades_whole_and_a_measured_time_in_part(ok, expected):
    """An hour after `Retry-After: 300` it takes overflow again; after an answer of 300 s it does not."""
    policy = Latency(explore=0)
    policy.observe(Feedback("b", 3600.0, ok=True, ttft_s=2.0, duration_s=2.0))
    code = "ok" if ok else "upstream_rate_limited"
    policy.observe(Feedback("a", 0.0, ok=ok, ttft_s=300.0 if ok else None, code=code, retry_after_s=300.0))
    fleet = [Deployment("a"), Deployment("b", inflight_requests=1)]

    assert expected == policy.choose(RoutingRequest("m", 3600.0), fleet).id


def test_failures_push_traffic_away_although_they_are_fast():
    """Five failures in a row would open the breaker; one in two does not, and fails within 50 ms."""
    flapping = [
        (float(second), Behaviour(fails_with="upstream_server_error" if second % 2 else None)) for second in range(600)
    ]
    fleet = [Deployment("a", timeline=flapping), Deployment("b")]
    served = Simulation(Latency(), fleet).run(poisson(1000, 2, Random(2)))

    assert share(served, "a") < 0.2
    assert all(one.by is not None for one in served)


def test_long_answers_go_where_tokens_are_fast_and_short_ones_where_the_first_token_is():
    policy = Latency(explore=0)
    for now_s in range(2):
        policy.observe(Feedback("prompt", now_s, ok=True, output_tokens=101, ttft_s=0.1, duration_s=10.1))
        policy.observe(Feedback("fluent", now_s, ok=True, output_tokens=101, ttft_s=2.0, duration_s=3.0))
    fleet = [Deployment("prompt"), Deployment("fluent")]

    assert "prompt" == policy.choose(RoutingRequest("m", 1.0, max_output_tokens=5), fleet).id
    assert "fluent" == policy.choose(RoutingRequest("m", 1.0, max_output_tokens=200), fleet).id


def ask_after(feedback: Feedback, **of_a: object) -> str:
    """Whom a policy picks after a second's answer from both, then this feedback."""
    policy = Latency(explore=0, prior_s=0.1)
    policy.observe(Feedback("b", 0.0, ok=True, ttft_s=2.0, duration_s=2.0))
    policy.observe(feedback)
    return policy.choose(REQUEST, [Deployment("a", **of_a), Deployment("b")]).id  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("feedback", "expected"),
    [
        (Feedback("a", 0.0, ok=True, ttft_s=1.0, duration_s=1.0), "a"),
        (Feedback("a", 0.0, ok=True, ttft_s=3.0, duration_s=3.0), "b"),
        (Feedback("a", 0.0, ok=True, duration_s=1.0), "a"),
        (Feedback("a", 0.0, ok=True, duration_s=3.0), "b"),
        (Feedback("a", 0.0, ok=True, ttft_s=float("nan")), "a"),
        (Feedback("a", 0.0, ok=False, code="upstream_server_error"), "b"),
        (Feedback("a", 0.0, ok=False, code="upstream_rejected"), "a"),
        (Feedback("a", 0.0, ok=False, code="client_disconnect", ttft_s=3.0), "b"),
        (Feedback("a", 0.0, ok=False, code="client_disconnect", duration_s=9.0), "a"),
    ],
)
def test_what_one_answer_teaches(feedback, expected):
    """A deployment nobody knows is assumed fast (`prior_s`); a client's own fault says nothing against it."""
    assert expected == ask_after(feedback)


def test_a_client_that_gave_up_waiting_counts_for_as_long_as_it_waited():
    policy = Latency(explore=0)
    for name in "ab":
        policy.observe(Feedback(name, 0.0, ok=True, ttft_s=1.0 if name == "a" else 2.0, duration_s=2.0))
    policy.observe(Feedback("a", 1.0, ok=False, code="cancelled", duration_s=0.2))
    fleet = [Deployment("a"), Deployment("b")]
    assert "a" == policy.choose(REQUEST, fleet).id

    policy.observe(Feedback("a", 1.0, ok=False, code="cancelled", duration_s=30.0))
    assert "b" == policy.choose(REQUEST, fleet).id


@pytest.mark.parametrize(("retry_after_s", "expected_s"), [(None, 5.0), (1.0, 5.0), (40.0, 40.0), (1e9, 300.0)])
def test_a_failure_counts_as_five_seconds_or_what_the_provider_asks_for(retry_after_s, expected_s):
    policy = Latency()
    policy.observe(Feedback("a", 0.0, ok=False, code="upstream_rate_limited", retry_after_s=retry_after_s))

    a = Deployment("a")
    assert f"expected {expected_s:.2f} s with 0 in flight, among 1" == policy.why(REQUEST, [a], a)


def test_failing_is_never_better_than_being_slow():
    """A deployment that takes 20 s and then fails at once must not look like one of 5 s."""
    policy = Latency()
    policy.observe(Feedback("a", 0.0, ok=True, ttft_s=20.0, duration_s=20.0))
    policy.observe(Feedback("a", 60.0, ok=False, code="upstream_server_error"))

    assert policy.why(REQUEST, [], Deployment("a")).startswith("expected 40.00 s")


def test_a_whole_answer_is_split_by_what_streams_have_taught():
    policy = Latency()
    policy.observe(Feedback("a", 0.0, ok=True, output_tokens=101, ttft_s=0.5, duration_s=1.5))
    policy.observe(Feedback("a", 0.0, ok=True, output_tokens=1000, ttft_s=None, duration_s=10.6))
    policy.observe(Feedback("a", 0.0, ok=True, output_tokens=101, ttft_s=0.5, duration_s=1.5))

    assert policy.why(REQUEST, [], Deployment("a")).startswith("expected 1.60 s")


@pytest.mark.parametrize(
    ("of_a", "expected"),
    [
        ({}, "a"),
        ({"inflight_requests": 5}, "b"),
        ({"inflight_requests": 5, "weight": 10.0}, "a"),
        ({"rate_limit_remaining": 0.5}, "a"),
        ({"rate_limit_remaining": 0.02}, "b"),
        ({"rate_limit_remaining": 0.0}, "b"),
    ],
)
def test_load_weight_and_the_rate_limit_left_count(of_a, expected):
    assert expected == ask_after(Feedback("a", 0.0, ok=True, ttft_s=1.0, duration_s=1.0), **of_a)


@pytest.mark.parametrize(
    ("of_a", "expected"), [({"ttft_s": 1.0, "tpot_s": 0.05}, "b"), ({"ttft_s": 1.0}, "a"), ({"ttft_s": 9.0}, "b")]
)
def test_after_a_reload_the_fleet_s_figures_stand_in(of_a, expected):
    policy = Latency(explore=0)
    fleet = [Deployment("a", **of_a), Deployment("b", ttft_s=2.0, tpot_s=0.01)]

    assert expected == policy.choose(REQUEST, fleet).id
    assert policy.why(REQUEST, fleet, fleet[1]).startswith("assumed 3.00 s")


def test_the_codes_it_forgives_are_the_client_s_own():
    """Every code an attempt can end with that is no fault of its provider's; a 429 may be."""

    def below(cls: type[proxy.errors.GatewayError]) -> set[type[proxy.errors.GatewayError]]:
        return {cls}.union(*(below(child) for child in cls.__subclasses__()))

    endings = below(proxy.errors.UpstreamError)
    others = {cls.code for cls in endings if cls.blame is not proxy.errors.Blame.CLIENT}

    assert {cls.code for cls in endings} - others | {
        proxy.errors.ClientGone.code,
        "cancelled",
        HEDGE_LOST,
    } == CLIENT_CODES


def newcomer_after(policy_maker: Callable[[], Policy]) -> float:
    """The share of a deployment that joins idle after 500 requests."""
    policy = policy_maker()
    old, new = [Deployment(name) for name in "ab"], Deployment("c")
    rng = Random(3)
    Simulation(policy, old).run(poisson(500, 5, rng))
    later = [Ask(at_s=200 + ask.at_s) for ask in poisson(500, 5, rng)]
    return share(Simulation(policy, [*old, new]).run(later), "c")


def test_a_newcomer_is_tried_at_once_and_not_flooded():
    assert 0.2 < newcomer_after(Latency) < 0.5
