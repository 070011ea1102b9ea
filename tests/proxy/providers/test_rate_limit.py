"""What is left of a rate limit is read from whatever form a provider tells it in, or not at all."""

from __future__ import annotations

import pytest

from proxy.providers.profile import RateLimitHeaders
from proxy.providers.rate_limit import DEFAULT_RESET_S, MAX_RESET_S, RateLimit, read_rate_limit, reset_s

OPENAI = RateLimitHeaders.suffixed("requests", "tokens")
NOW_S = 1_800_000_000.0


def wall_clock() -> float:
    return NOW_S


def told(**values: str) -> RateLimit | None:
    headers = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in values.items()}
    return read_rate_limit(OPENAI, headers, wall_clock)


def test_the_scarcer_limit_counts_with_its_own_reset():
    requests = {"limit_requests": "100", "remaining_requests": "20", "reset_requests": "1s"}
    tokens = {"limit_tokens": "1000", "remaining_tokens": "500", "reset_tokens": "6m0s"}
    assert (0.2, 1.0) == told(**requests, **tokens)
    tokens["remaining_tokens"] = "10"
    assert (0.01, 300.0) == told(**requests, **tokens)
    assert (0.2, 1.0) == told(**requests)
    assert (0.01, 300.0) == told(**tokens)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"limit_requests": "100"},
        {"remaining_requests": "5"},
        {"remaining_requests": "5", "limit_requests": "0"},
        {"remaining_requests": "5", "limit_requests": "-1"},
        {"remaining_requests": "nan", "limit_requests": "10"},
        {"remaining_requests": "5", "limit_requests": "inf"},
        {"remaining_requests": "many", "limit_requests": "10"},
        {"remaining_requests": "", "limit_requests": "10"},
        {"remaining_requests": "1" * 100, "limit_requests": "10"},
        {"remaining_requests": "5, 5", "limit_requests": "10, 10"},
    ],
)
def test_what_cannot_be_read_says_nothing(values: dict[str, str]):
    assert told(**values) is None


def test_nothing_left_needs_no_limit_to_compare_with():
    assert (0.0, DEFAULT_RESET_S) == told(remaining_requests="0")
    assert (0.0, DEFAULT_RESET_S) == told(remaining_tokens="-3")


def test_more_left_than_the_limit_is_all_of_it():
    assert (1.0, DEFAULT_RESET_S) == told(remaining_requests="11", limit_requests="10")


def test_the_first_name_present_wins():
    names = RateLimitHeaders(remaining_tokens=("a", "b"), limit_tokens=("c", "d"))
    assert 0.5 == read_rate_limit(names, {"b": "5", "d": "10"}, wall_clock).remaining
    assert 0.1 == read_rate_limit(names, {"a": "1", "b": "5", "c": "10", "d": "1"}, wall_clock).remaining


def test_a_provider_that_tells_nothing_is_not_read():
    assert read_rate_limit(RateLimitHeaders(), {"x-ratelimit-remaining-requests": "0"}, wall_clock) is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("20ms", 0.02),
        ("1m30s", 90.0),
        ("1h2m3.5s", 3723.5),
        ("2m59.56s", 179.56),
        ("7.66s", 7.66),
        ("1d", 86_400.0),
        ("15us", 15e-6),
        ("15\u00b5s", 15e-6),
        ("100ns", 1e-7),
        ("0", 0.0),
        ("33011.382867078", 33011.382867078),
        ("1800000060", 60.0),
        ("1800000060500", 60.5),
        ("2027-01-15T08:01:00Z", 60.0),
        ("2027-01-15T09:01:00+01:00", 60.0),
        ("2027-01-15T08:01:00", 60.0),
    ],
)
def test_every_form_of_a_reset_is_read(text: str, seconds: float):
    assert seconds == pytest.approx(reset_s(text, wall_clock))


@pytest.mark.parametrize("text", ["", "soon", "1x", "s", "1m 30s", "1s" * 50, "1s\u0663m"])
def test_what_is_no_reset_is_none(text: str):
    assert reset_s(text, wall_clock) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [("soon", DEFAULT_RESET_S), ("9h", MAX_RESET_S), ("-5", 0.0), ("1", 1.0), ("1799999999", 0.0)]
)
def test_a_reset_stays_within_bounds(text: str, seconds: float):
    assert (0.5, seconds) == told(limit_requests="10", remaining_requests="5", reset_requests=text)
