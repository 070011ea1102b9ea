"""What the attempts of one exchange mean together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.facts import AttemptFact, Outcome
from proxy.telemetry.attempts import answering, hedge_result, others, recovered, retries, splice_result

Written = tuple[str, ...]
"""`deployment code [part]` for each attempt."""


@pytest.fixture
def attempts(attempt: Callable[..., AttemptFact]) -> Callable[[Written], tuple[AttemptFact, ...]]:
    def read(text: str) -> AttemptFact:
        deployment, code, *part = text.split()
        return attempt(deployment=deployment, code=code, **({"part": part[0]} if part else {}))

    return lambda written: tuple(read(text) for text in written)


LOST = "upstream_connection_lost"
BROKEN = "upstream_stream_broken"


@pytest.mark.parametrize(
    ("written", "how"),
    [
        (("a ok",), None),
        ((f"a {LOST}", "a ok"), "retry"),
        ((f"a {LOST}", "b ok"), "failover"),
        ((f"a {LOST}", f"a {LOST}", "b ok"), "failover"),
        ((f"a {LOST}", f"b {LOST}", "a ok"), "retry"),
        (("a hedge_lost", "b ok hedge"), "hedge"),
        ((f"a {LOST}", "b ok hedge"), "hedge"),
        (("a ok", "b hedge_lost hedge"), None),
        (("a ok", f"b {LOST} hedge"), None),
        ((f"a {BROKEN}", "b ok splice"), "splice"),
        ((f"a {BROKEN}", "b upstream_diverged splice", "c ok continuation"), "continuation"),
        ((f"a {BROKEN}", f"b {BROKEN} continuation", "c ok splice"), "splice"),
        ((f"a {LOST}", f"b {BROKEN}", "c ok splice"), "splice"),
        (("a hedge_lost", f"b {BROKEN} hedge", "c ok splice"), "splice"),
        ((f"a {LOST}", f"b {LOST}"), None),
    ],
)
def test_what_saved_an_answer_is_told(fact, attempts, written: Written, how: str | None):
    assert how == recovered(fact(attempts=attempts(written)))


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.TRUNCATED, Outcome.ABANDONED])
def test_nothing_saved_what_was_not_saved(fact, attempts, outcome: Outcome):
    assert recovered(fact(outcome=outcome, attempts=attempts((f"a {LOST}", "b ok")))) is None


@pytest.mark.parametrize(
    ("written", "deployment", "place"),
    [
        (("a ok",), "a", 0),
        (("a ok", "b hedge_lost hedge"), "a", 0),
        ((f"a {LOST}", f"a {LOST}"), "a", 1),
        ((f"a {LOST}", f"b {LOST}"), "b", 1),
        ((f"a {BROKEN}", "b upstream_diverged splice"), "a", 0),
        (("a cancelled", "b cancelled hedge"), "", 1),
    ],
)
def test_one_attempt_answers_and_the_others_do_not(fact, attempts, written: Written, deployment: str, place: int):
    """The last that ended well; without one, the last of the deployment that the fact names."""
    told = fact(attempts=attempts(written), deployment=deployment)

    assert told.attempts[place] is answering(told)
    assert [attempt for number, attempt in enumerate(told.attempts) if number != place] == list(others(told))


def test_who_asked_nobody_has_no_answer(fact):
    told = fact(attempts=(), deployment="")

    assert answering(told) is None
    assert [] == list(others(told))
    assert recovered(told) is None


@pytest.mark.parametrize(
    ("written", "pairs"),
    [
        (("a ok",), []),
        ((f"a {LOST}", f"b {LOST}", "c ok"), [("a", "b"), ("b", "c")]),
        (("a hedge_lost", "b ok hedge"), []),
        ((f"a {LOST}", "b ok hedge"), []),
        ((f"a {LOST}", f"b {LOST} hedge", "c ok"), [("b", "c")]),
        ((f"a {BROKEN}", "b hedge_lost hedge", "c ok splice"), [("a", "c")]),
        (("a hedge_lost", f"b {BROKEN} hedge", "c ok splice"), [("b", "c")]),
        (("a cancelled", "b cancelled hedge"), []),
    ],
)
def test_a_retry_belongs_to_the_failure_before_it(attempts, written: Written, pairs: list[Any]):
    found = [(failed.deployment, attempt.deployment) for failed, attempt in retries(attempts(written))]

    assert pairs == found


@pytest.mark.parametrize(
    ("code", "ttft_s", "result"),
    [
        ("ok", 0.5, "won"),
        ("ok", None, "won"),
        (BROKEN, 0.5, "won"),
        ("cancelled", 0.5, "won"),
        ("cancelled", None, None),
        ("hedge_lost", None, "lost"),
        ("hedge_lost", 0.5, "lost"),
        (LOST, None, "lost"),
    ],
)
def test_a_hedge_has_won_when_it_had_the_first_content(attempt, code: str, ttft_s: float | None, result: str | None):
    assert result == hedge_result(attempt(code=code, ttft_s=ttft_s, part="hedge"))


@pytest.mark.parametrize(
    ("code", "result"), [("ok", "joined"), ("upstream_diverged", "diverged"), (LOST, "failed"), ("cancelled", None)]
)
def test_a_rescue_joined_or_diverged_or_failed(attempt, code: str, result: str | None):
    assert result == splice_result(attempt(code=code, part="splice"))
