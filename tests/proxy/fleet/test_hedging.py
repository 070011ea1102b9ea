"""Hedges are a share of the requests, whatever the latencies do."""

from __future__ import annotations

import random

import pytest

from proxy.config import HealthConfig
from proxy.fleet.hedging import MAX_SAVED, Hedging
from proxy.fleet.live import MIN_TTFTS, Fleet, Live


@pytest.fixture
def live() -> Live:
    return Fleet(HealthConfig()).live("openai/gpt", "openai")


def hedged(hedging: Hedging, requests: int) -> list[bool]:
    """So many requests in a row, each of them slow enough to want a hedge."""
    granted = []
    for _ in range(requests):
        hedging.asked()
        granted.append(hedging.acquire())
    return granted


@pytest.mark.parametrize(("share", "every"), [(0.05, 20), (0.1, 10), (0.5, 2), (1.0, 1)])
def test_when_all_requests_are_slow_each_share_of_them_is_hedged_and_no_more(share: float, every: int):
    hedging = Hedging(1.0, share)

    granted = hedged(hedging, 10 * every)

    assert [number % every == 0 for number in range(1, 10 * every + 1)] == granted
    assert (10, 10 * every - 10) == (hedging.hedges, hedging.denied)


def test_nothing_is_hedged_before_the_share_of_the_first_requests_makes_one():
    assert not any(hedged(Hedging(1.0, 0.05), 19))


def test_quiet_times_save_up_for_a_bounded_burst():
    hedging = Hedging(1.0, 0.05)
    for _ in range(100_000):
        hedging.asked()

    assert [True] * MAX_SAVED + [False] == [hedging.acquire() for _ in range(MAX_SAVED + 1)]


@pytest.mark.parametrize("seed", range(5))
def test_the_share_holds_in_every_run_of_requests_but_for_the_burst(seed: int):
    """And without one from the start on."""
    rng, share = random.Random(seed), 0.2
    hedging = Hedging(1.0, share)
    hedges = []
    for _ in range(400):
        hedging.asked()
        hedges.append(rng.random() < 0.6 and hedging.acquire())

    for first in range(0, 400, 7):
        for last in range(first + 1, 401, 3):
            assert sum(hedges[first:last]) <= share * (last - first) + MAX_SAVED
    assert all(sum(hedges[:last]) <= share * last for last in range(401))


def test_a_fixed_delay_asks_nothing_of_the_past(live: Live):
    assert Hedging(0.75, 0.05).delay_s(live) == 0.75


def test_without_one_the_delay_is_the_deployments_p95_once_it_is_known(live: Live):
    hedging = Hedging(None, 0.05)
    delays = []
    for number in range(1, MIN_TTFTS + 1):
        delays.append(hedging.delay_s(live))
        live.answering(0.0, live.begin(0.0, 1), number / 10)

    assert [None] * MIN_TTFTS == delays
    assert hedging.delay_s(live) == 1.9
