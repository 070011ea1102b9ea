"""What lets a deployment be chosen without a question agrees with the question, whatever has happened."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proxy.config import HealthConfig
from proxy.errors import Health
from proxy.fleet.breaker import State
from proxy.fleet.live import Fleet, Live

HEALTH = HealthConfig(failures=2, open_s=10, open_max_s=40, lockout_s=30, rate_limited_s=5)


class LiveMachine(RuleBasedStateMachine):
    """Two deployments behind one key, any interleaving of attempts, limits and reloads."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(HEALTH)
        self.lives = [self.fleet.live(name, "engine") for name in ("a", "b")]
        self.now_s = 0.0
        self.renewed_s = dict.fromkeys(self.lives, 0.0)
        self.open: list[tuple[Live, int]] = []

    @rule(by_s=st.sampled_from([0.0, 1.0, 5.0, 10.0, 40.0]))
    def wait(self, by_s: float) -> None:
        self.now_s += by_s

    @rule(place=st.integers(0, 1))
    def begin_as_a_route_does(self, place: int) -> None:
        live = self.lives[place]
        if self.now_s < live.clear_until_s or live.unusable(self.now_s) is None:
            is_probe = live.reading(self.now_s).state is not State.CLOSED
            self.open.append((live, live.begin(self.now_s, 1)))
            assert live.reading(self.now_s).up is not is_probe

    @rule(place=st.integers(0, 1))
    def begin_regardless(self, place: int) -> None:
        self.open.append((self.lives[place], self.lives[place].begin(self.now_s, 1)))

    @rule(place=st.integers(0, 1), after_s=st.sampled_from([0.0, 9.0, 10.0]))
    def fall_sick(self, place: int, after_s: float) -> None:
        live = self.lives[place]
        for _ in range(HEALTH.failures):
            era = live.begin(self.now_s, 1)
            live.end(1)
            live.fail(self.now_s, era, Health.SICK)
        self.now_s += after_s

    @precondition(lambda self: self.open)
    @rule(data=st.data(), health=st.sampled_from([None, "left", *Health]))
    def end(self, data: st.DataObject, health: Health | str | None) -> None:
        live, era = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        live.end(1)
        if health is None:
            live.succeed(self.now_s, era)
        elif isinstance(health, Health):
            live.fail(self.now_s, era, health)
        else:
            live.abandon(era)

    @rule(place=st.integers(0, 1), for_s=st.sampled_from([-1.0, 0.0, 3.0, 20.0]))
    def hear_of_a_limit(self, place: int, for_s: float) -> None:
        live = self.lives[place]
        live.told_rate_limit(0.5, self.now_s + for_s)
        self.renewed_s[live] = self.now_s + for_s
        assert live.clear_until_s <= self.now_s + for_s, "the limit must be looked at when it is renewed"

    @rule()
    def reload(self) -> None:
        assert self.lives == [self.fleet.live(name, "engine") for name in ("a", "b")]

    @rule()
    def bring_another_key(self) -> None:
        self.fleet.credential("engine").lift()

    @invariant()
    def who_is_clear_is_usable_and_shows_nothing_stale(self) -> None:
        for live in self.lives:
            if self.now_s < live.clear_until_s:
                assert live.rate_limit_remaining is None or self.now_s < self.renewed_s[live]
                assert live.unusable(self.now_s) is None
                assert live.reading(self.now_s).state is State.CLOSED

    @invariant()
    def who_is_asked_and_without_blemish_need_not_be_asked_again(self) -> None:
        for live in self.lives:
            if live.unusable(self.now_s) is None and live.error_rate == 0.0:
                assert self.now_s < live.clear_until_s


TestLiveMachine = LiveMachine.TestCase
TestLiveMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None, derandomize=True)
