"""Retries are a share of the load."""

from __future__ import annotations

import pytest

from proxy.fleet.retry_budget import RetryBudget


@pytest.mark.parametrize(("load", "allowed"), [(0, 3), (1, 3), (15, 3), (19, 3), (20, 4), (100, 20)])
def test_retries_in_flight_are_bounded_by_a_share_of_the_requests_in_flight(load: int, allowed: int):
    budget = RetryBudget(lambda: load, share=0.2, minimum=3)

    granted = [budget.acquire() for _ in range(allowed + 2)]

    assert [True] * allowed + [False] * 2 == granted
    assert allowed == budget.inflight
    assert budget.denied == 2


def test_a_retry_that_has_ended_makes_room():
    budget = RetryBudget(lambda: 1, minimum=1)
    budget.acquire()
    assert not budget.acquire()

    budget.release()

    assert budget.acquire()


def test_no_budget_means_no_retries():
    assert not RetryBudget(lambda: 1000, share=0.0, minimum=0).acquire()
