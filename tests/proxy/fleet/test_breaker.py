"""The breaker: when a deployment is set aside, and how it comes back."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.config import HealthConfig
from proxy.fleet.breaker import UNCOUNTED, Breaker, State

HEALTH = HealthConfig(failures=3, open_s=10, open_max_s=35)


def admits(breaker: Breaker, now_s: float) -> bool:
    return breaker.unusable(now_s) is None


def opened(at_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    fail_in_a_row(breaker, at_s)
    return breaker


def fail_in_a_row(breaker: Breaker, at_s: float) -> None:
    for _ in range(HEALTH.failures):
        breaker.fail(at_s, breaker.enter(at_s), HEALTH)


def test_it_opens_after_so_many_failures_in_a_row_and_not_before():
    breaker = Breaker()
    for _ in range(2):
        breaker.fail(0.0, breaker.enter(0.0), HEALTH)
    assert admits(breaker, 0.0)

    breaker.fail(0.0, breaker.enter(0.0), HEALTH)

    assert not admits(breaker, 0.0)
    assert breaker.state(0.0) is State.OPEN
    assert breaker.unusable(2.0) == "breaker open, probe in 8.0 s"


def test_a_success_between_failures_starts_the_count_anew():
    breaker = Breaker()
    for _ in range(5):
        breaker.fail(0.0, breaker.enter(0.0), HEALTH)
        breaker.fail(0.0, breaker.enter(0.0), HEALTH)
        breaker.succeed(breaker.enter(0.0))

    assert breaker.state(0.0) is State.CLOSED


def test_half_open_admits_one_probe_and_nobody_beside_it():
    breaker = opened()
    assert admits(breaker, 10.0)
    assert breaker.unusable(10.0) is None

    probe = breaker.enter(10.0)

    assert probe != UNCOUNTED
    assert not admits(breaker, 10.0)
    assert not admits(breaker, 1000.0)
    assert breaker.state(10.0) is State.HALF_OPEN
    assert breaker.unusable(10.0) == "breaker half-open, probe under way"


def test_asking_does_not_claim_the_probe():
    breaker = opened()

    assert [True, True] == [admits(breaker, 10.0), admits(breaker, 10.0)]


def test_a_good_probe_closes_it():
    breaker = opened()

    breaker.succeed(breaker.enter(10.0))

    assert breaker.state(10.0) is State.CLOSED
    assert admits(breaker, 10.0)


def test_a_probe_that_begins_to_answer_closes_it_without_waiting_for_the_end():
    breaker = opened()

    breaker.answering(breaker.enter(10.0))

    assert admits(breaker, 10.0)


def test_beginning_to_answer_does_not_forget_failures():
    """A deployment whose streams always break after the first token is ejected all the same."""
    breaker = Breaker()
    for _ in range(3):
        era = breaker.enter(0.0)
        breaker.answering(era)
        breaker.fail(0.0, era, HEALTH)

    assert not admits(breaker, 0.0)


@pytest.mark.parametrize(("failed_probes", "pause_s"), [(0, 10), (1, 20), (2, 35), (3, 35)])
def test_each_failed_probe_doubles_the_pause_up_to_a_maximum(failed_probes: int, pause_s: float):
    breaker, now_s = opened(), 0.0
    for _ in range(failed_probes):
        now_s += 1000.0
        breaker.fail(now_s, breaker.enter(now_s), HEALTH)

    assert not admits(breaker, now_s + pause_s - 0.001)
    assert admits(breaker, now_s + pause_s)


def test_the_pause_is_short_again_after_a_recovery():
    breaker = opened()
    breaker.fail(10.0, breaker.enter(10.0), HEALTH)
    breaker.succeed(breaker.enter(30.0))

    fail_in_a_row(breaker, 30.0)

    assert admits(breaker, 40.0)


def test_an_abandoned_probe_makes_way_for_the_next_at_once():
    breaker = opened()

    breaker.leave(breaker.enter(10.0))

    assert admits(breaker, 10.0)
    assert breaker.state(10.0) is State.HALF_OPEN


def test_an_abandoned_probe_cannot_speak_any_more():
    breaker = opened()
    first = breaker.enter(10.0)
    breaker.leave(first)
    second = breaker.enter(10.0)

    breaker.succeed(first)
    breaker.fail(10.0, first, HEALTH)
    breaker.leave(first)

    assert breaker.state(10.0) is State.HALF_OPEN
    assert not admits(breaker, 10.0)
    breaker.succeed(second)
    assert breaker.state(10.0) is State.CLOSED


def test_requests_under_way_when_it_opened_do_not_lengthen_the_pause():
    """They all fail a minute later; each would have doubled it."""
    breaker = Breaker()
    eras = [breaker.enter(0.0) for _ in range(100)]
    for era in eras:
        breaker.fail(0.0, era, HEALTH)

    assert admits(breaker, 10.0)


def test_a_request_from_before_it_opened_neither_ends_nor_fails_the_probe():
    breaker = Breaker()
    old = breaker.enter(0.0)
    fail_in_a_row(breaker, 0.0)
    probe = breaker.enter(10.0)

    breaker.leave(old)
    breaker.fail(10.0, old, HEALTH)
    assert not admits(breaker, 10.0)
    breaker.succeed(probe)

    assert breaker.state(10.0) is State.CLOSED


def test_an_attempt_against_its_advice_is_not_counted():
    breaker = opened()
    forced = breaker.enter(1.0)

    breaker.succeed(forced)

    assert forced == UNCOUNTED
    assert not admits(breaker, 1.0)


def test_a_cool_down_is_no_outage_and_says_why():
    breaker = Breaker()

    breaker.set_aside(5.0, "rate limited")
    breaker.set_aside(3.0, "something shorter")

    assert not admits(breaker, 4.9)
    assert breaker.state(4.0) is State.CLOSED
    assert breaker.unusable(4.0) == "rate limited for 1.0 s"
    assert breaker.unusable(5.0) is None


class BreakerMachine(RuleBasedStateMachine):
    """Any interleaving of attempts: at most one admitted attempt is under way while the breaker is not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now_s = 0.0
        self.open: list[tuple[int, bool]] = []
        """Attempts under way: era, and whether it was admitted while not closed."""

    @rule(by_s=st.sampled_from([0.0, 1.0, 10.0, 40.0]))
    def wait(self, by_s: float) -> None:
        self.now_s += by_s

    @rule()
    def begin_if_admitted(self) -> None:
        if admits(self.breaker, self.now_s):
            is_probe = self.breaker.state(self.now_s) is not State.CLOSED
            era = self.breaker.enter(self.now_s)
            assert era != UNCOUNTED
            self.open.append((era, is_probe))

    @rule()
    def begin_regardless(self) -> None:
        before = self.breaker.state(self.now_s)
        admitted = admits(self.breaker, self.now_s)
        era = self.breaker.enter(self.now_s)
        assert admitted == (era != UNCOUNTED)
        self.open.append((era, admitted and before is not State.CLOSED))

    @precondition(lambda self: self.open)
    @rule(data=st.data(), verdict=st.sampled_from(["succeed", "fail", "leave", "answering"]))
    def end(self, data: st.DataObject, verdict: str) -> None:
        index = data.draw(st.integers(0, len(self.open) - 1))
        era, is_probe = self.open.pop(index)
        before = self.breaker.state(self.now_s)
        if verdict == "succeed":
            self.breaker.succeed(era)
        elif verdict == "answering":
            self.breaker.answering(era)
        elif verdict == "leave":
            self.breaker.leave(era)
        else:
            self.breaker.fail(self.now_s, era, HEALTH)
        after = self.breaker.state(self.now_s)
        if before is not State.CLOSED and not is_probe:
            assert after is before, "only the probe moves a breaker that is not closed"
        if is_probe:
            wanted = {"succeed": State.CLOSED, "answering": State.CLOSED, "leave": State.HALF_OPEN, "fail": State.OPEN}
            assert after is wanted[verdict]

    @invariant()
    def there_is_one_probe_at_most(self) -> None:
        probes = sum(is_probe for _, is_probe in self.open)
        assert probes <= 1
        if probes:
            assert not admits(self.breaker, self.now_s)

    @invariant()
    def it_always_comes_back(self) -> None:
        if not any(is_probe for _, is_probe in self.open):
            assert admits(self.breaker, self.now_s + HEALTH.open_max_s)


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None, derandomize=True)
