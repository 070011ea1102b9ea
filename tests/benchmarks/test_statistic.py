"""The arithmetic: quantiles and searches."""

from __future__ import annotations

import pytest

from benchmarks.statistic import CLOSE, highest, quantile


@pytest.mark.parametrize(
    ("samples", "share", "expected"),
    [([], 0.5, 0.0), ([3.0], 0.99, 3.0), ([3.0, 1.0, 2.0], 0.5, 2.0), ([float(n) for n in range(100)], 0.99, 99.0)],
)
def test_a_quantile_is_one_of_the_samples(samples, share, expected):
    assert expected == quantile(samples, share)


class Limit:
    """Passes up to a number, and remembers what it was asked."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: list[int] = []

    def __call__(self, number: int) -> bool:
        self.asked.append(number)
        return number <= self.number


@pytest.mark.parametrize("limit", [1, 7, 100, 613, 1000])
@pytest.mark.parametrize("start", [1, 64, 4096])
def test_a_search_ends_close_below_the_limit(limit, start):
    passes = Limit(limit)
    found = highest(passes, start, ceiling=2048, steps=40)
    assert found.passed <= limit < found.failed
    assert found.failed <= max(found.passed * CLOSE, found.passed + 1)
    assert len(passes.asked) == len(set(passes.asked)) < 40


def test_a_search_without_a_failure_has_no_upper_end():
    assert (2048, None) == highest(Limit(5000), 100, ceiling=2048, steps=40)


def test_a_search_that_never_passes_finds_nothing():
    assert (0, 1) == highest(Limit(0), 100, ceiling=2048, steps=40)


def test_a_search_takes_no_more_steps_than_it_may():
    passes = Limit(1000)
    found = highest(passes, 64, ceiling=2048, steps=3)
    assert ([64, 90, 126], 126, None) == (passes.asked, *found)


def test_a_search_that_starts_above_its_ceiling_starts_there():
    passes = Limit(3000)
    assert (2048, None) == highest(passes, 9999, ceiling=2048, steps=5)
    assert [2048] == passes.asked
