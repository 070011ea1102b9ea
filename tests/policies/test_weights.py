"""`weighted`, `round_robin` and `least_loaded`: shares, turns and loads."""

from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator import Behaviour, Deployment, Simulation, poisson, share

from policies import memory
from policies.api import Policy, RoutingRequest
from policies.failover import Failover
from policies.least_loaded import LeastLoaded
from policies.round_robin import RoundRobin
from policies.spread import Share
from policies.weighted import Weighted

REQUEST = RoutingRequest("m", 0.0)


def picks(policy: Policy, fleet: list[Deployment], count: int) -> list[str]:
    return [policy.choose(REQUEST, fleet).id for _ in range(count)]


@pytest.mark.parametrize("policy", [Weighted(), Failover(), LeastLoaded()])
@settings(max_examples=40)
@given(weights=st.lists(st.integers(1, 20), min_size=1, max_size=5), count=st.integers(1, 200))
def test_every_stretch_of_picks_respects_the_weights(policy, weights, count):
    """Not in the long run only: after any number of picks each is within two of its share."""
    fleet = [Deployment(f"{count}-{weights}-{place}", weight=weight) for place, weight in enumerate(weights)]
    counted = Counter(picks(policy, fleet, count))

    for candidate in fleet:
        assert abs(counted[candidate.id] - count * candidate.weight / sum(weights)) <= 2


def test_heavy_and_light_are_interleaved_rather_than_in_bursts():
    fleet = [Deployment("heavy", weight=3), Deployment("light", weight=1)]
    chosen = picks(Weighted(), fleet, 40)

    assert not any(one == other == "light" for one, other in pairwise(chosen))
    assert "heavy heavy heavy heavy" not in " ".join(chosen)


def test_replicas_with_different_seeds_do_not_move_in_step():
    fleet = [Deployment(name) for name in "abcdefgh"]

    assert len({tuple(picks(Weighted(seed), fleet, 8)) for seed in range(10)}) > 5


def test_a_returning_deployment_gets_its_share_and_no_burst():
    fleet = [Deployment("a"), Deployment("b")]
    policy = Weighted()
    picks(policy, fleet, 10)
    picks(policy, fleet[:1], 100)

    assert Counter(picks(policy, fleet, 10)) == {"a": 5, "b": 5}


def test_the_wheel_forgets_the_oldest_when_it_has_seen_too_many(monkeypatch):
    monkeypatch.setattr(memory, "MAX_TRACKED", 4)
    policy = Weighted()
    for number in range(100):
        picks(policy, [Deployment(f"{number}"), Deployment(f"{number}'")], 3)

    assert 4 == len(policy._wheel._credit)


def test_round_robin_takes_turns_and_ignores_weights():
    fleet = [Deployment("a", weight=9), Deployment("b"), Deployment("c")]

    assert list("abcabc") == picks(RoundRobin(), fleet, 6)


def test_round_robin_keeps_the_turns_when_one_is_away():
    a, b, c = (Deployment(name) for name in "abc")
    policy = RoundRobin()
    picks(policy, [a, b, c], 2)

    assert ["a"] == picks(policy, [a, b], 1)
    assert list("cba") == picks(policy, [a, b, c], 3)


@pytest.mark.parametrize(
    ("loads", "expected"),
    [
        ({"a": (3, 0, 1), "b": (2, 900, 1)}, "b"),
        ({"a": (2, 800, 1), "b": (2, 900, 1)}, "a"),
        ({"a": (2, 900, 1), "b": (2, 800, 1)}, "b"),
        ({"a": (2, 900, 2), "b": (1, 800, 1)}, "a"),
        ({"a": (1, 800, 1), "b": (2, 900, 2)}, "b"),
        ({"a": (4, 0, 4), "b": (2, 0, 1)}, "a"),
        ({"a": (0, 0, 1), "b": (1, 0, 100)}, "a"),
    ],
)
def test_least_loaded_counts_requests_then_tokens_for_the_weight(loads, expected):
    fleet = [
        Deployment(name, inflight_requests=count, inflight_tokens=tokens, weight=weight)
        for name, (count, tokens, weight) in loads.items()
    ]

    assert [expected] == picks(LeastLoaded(), fleet, 1)


def test_least_loaded_keeps_slow_deployments_from_piling_up():
    """Three times as slow, a third of the traffic."""
    fleet = [
        Deployment("fast", timeline=((0, Behaviour(ttft_s=1, tpot_s=0)),)),
        Deployment("slow", timeline=((0, Behaviour(ttft_s=3, tpot_s=0)),)),
    ]
    served = Simulation(LeastLoaded(), fleet).run(poisson(1000, 20, Random(1)))

    assert 0.2 < share(served, "slow") < 0.3


@given(portion=st.floats(0, 1), phase=st.floats(0, 1, exclude_max=True), count=st.integers(0, 500))
def test_a_share_is_never_exceeded_by_more_than_one(portion, phase, count):
    due = Share(portion, phase)
    taken = sum(due.is_due() for _ in range(count))

    assert portion * count - 1.001 <= taken <= portion * count + 1.001
