"""Requests a minute, by GCRA."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.admission.limits import Decision, RequestLimits, go_duration, limit_headers


def test_a_whole_minutes_allowance_may_be_used_at_once_and_no_more():
    limits = RequestLimits()

    answers = [limits.take("ci", 60, 100.0) for _ in range(61)]

    assert [True] * 60 + [False] == [answer.allowed for answer in answers]
    assert list(range(59, -1, -1)) == [answer.remaining for answer in answers[:60]]
    assert Decision(allowed=False, limit=60, remaining=0, reset_s=60.0, retry_after_s=1.0) == answers[60]


def test_the_allowance_comes_back_evenly():
    limits = RequestLimits()
    for _ in range(60):
        limits.take("ci", 60, 0.0)

    assert not limits.take("ci", 60, 0.999).allowed
    assert limits.take("ci", 60, 1.0).allowed
    assert not limits.take("ci", 60, 1.0).allowed
    assert [True] * 10 + [False] == [limits.take("ci", 60, 11.0).allowed for _ in range(11)]


def test_keys_do_not_share():
    limits = RequestLimits()
    assert limits.take("a", 1, 0.0).allowed
    assert not limits.take("a", 1, 0.0).allowed

    assert limits.take("b", 1, 0.0).allowed


def test_a_first_request_is_allowed_at_any_time():
    assert RequestLimits().take("ci", 1, 0.0).allowed
    assert RequestLimits().take("ci", 1, 1e9).allowed


def test_a_lowered_limit_owes_one_minute_at_most():
    limits = RequestLimits()
    for _ in range(600):
        limits.take("ci", 600, 0.0)

    refusal = limits.take("ci", 1, 0.0)

    assert not refusal.allowed
    assert refusal.retry_after_s == pytest.approx(60.0)


def test_the_number_of_keys_is_bounded_and_the_least_used_goes_first():
    limits = RequestLimits(max_keys=2)
    limits.take("a", 1, 0.0)
    limits.take("b", 1, 0.0)
    limits.take("a", 1, 0.0)
    limits.take("c", 1, 0.0)

    assert len(limits) == 2
    assert not limits.take("a", 1, 0.0).allowed
    assert limits.take("b", 1, 0.0).allowed


TIMES = st.lists(st.floats(0, 300, allow_nan=False), min_size=1, max_size=150).map(sorted)
RPMS = st.sampled_from([1, 2, 7, 13, 60, 61, 90])


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rpm=RPMS, times=TIMES)
def test_no_span_of_time_sees_more_than_its_share(rpm: int, times: list[float]):
    limits = RequestLimits()
    passed = [now_s for now_s in times if limits.take("ci", rpm, now_s).allowed]

    for first, start_s in enumerate(passed):
        for last in range(first, len(passed)):
            assert last - first + 1 <= rpm * (1 + (passed[last] - start_s) / 60) + 1e-6


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rpm=RPMS, times=TIMES)
def test_retry_after_is_the_truth(rpm: int, times: list[float]):
    """Not a moment earlier, and then at once."""
    limits, now_s = RequestLimits(), times[-1]
    for earlier_s in times:
        limits.take("ci", rpm, earlier_s)
    while (answer := limits.take("ci", rpm, now_s)).allowed:
        pass

    assert 0 < answer.retry_after_s <= 60.0 / rpm + 1e-6
    assert answer.reset_s <= 60.0 + 1e-6
    assert not limits.take("ci", rpm, max(now_s, now_s + answer.retry_after_s - 1e-6)).allowed
    assert limits.take("ci", rpm, now_s + answer.retry_after_s + 1e-6).allowed


@settings(max_examples=60, deadline=None, derandomize=True)
@given(rpm=RPMS, times=TIMES)
def test_as_many_pass_at_once_as_the_header_promised(rpm: int, times: list[float]):
    limits = RequestLimits()
    for now_s in times:
        answer = limits.take("ci", rpm, now_s)

    granted = [limits.take("ci", rpm, times[-1]).allowed for _ in range(answer.remaining + 1)]

    assert [True] * answer.remaining + [False] == granted


def test_clients_read_the_limit_in_openais_headers():
    assert {
        "x-ratelimit-limit-requests": "600",
        "x-ratelimit-remaining-requests": "599",
        "x-ratelimit-reset-requests": "100ms",
    } == limit_headers(RequestLimits().take("ci", 600, 0.0))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (-3.0, "0s"),
        (0.0001, "1ms"),
        (0.02, "20ms"),
        (0.9999, "1s"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (8.064, "8.064s"),
        (59.9991, "1m0s"),
        (60.0, "1m0s"),
        (90.25, "1m30.25s"),
        (360.0, "6m0s"),
        (3602.0, "1h0m2s"),
        (90_061.5, "25h1m1.5s"),
    ],
)
def test_durations_are_written_as_go_does(seconds: float, text: str):
    assert text == go_duration(seconds)
