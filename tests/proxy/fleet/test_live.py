"""Live state: what policies see of a deployment, and why it may not be asked."""

from __future__ import annotations

import pytest

from proxy.config import HealthConfig
from proxy.errors import Health
from proxy.fleet.breaker import State
from proxy.fleet.live import MIN_TTFTS, TTFT_WINDOW, Fleet, Live

HEALTH = HealthConfig(failures=2, open_s=10, lockout_s=300, rate_limited_s=1)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(HEALTH)


@pytest.fixture
def live(fleet: Fleet) -> Live:
    return fleet.live("openai/gpt", "openai")


def attempt(live: Live, now_s: float, health: Health | None, retry_after_s: float | None = None) -> None:
    era = live.begin(now_s, 10)
    live.end(10)
    if health is None:
        live.succeed(now_s, era, ttft_s=0.5)
    else:
        live.fail(now_s, era, health, retry_after_s)


def test_counts_go_up_and_come_back(live: Live):
    live.begin(0.0, 100)
    live.begin(0.0, 50)
    assert (2, 150) == (live.inflight_requests, live.inflight_tokens)

    live.end(100)
    live.end(50)

    assert (0, 0) == (live.inflight_requests, live.inflight_tokens)


def test_latency_is_unknown_before_the_first_answer_and_then_the_first_answer(live: Live):
    assert live.ttft_s is None
    assert live.tpot_s is None

    live.succeed(0.0, live.begin(0.0, 0), ttft_s=0.5, tpot_s=0.02)

    assert live.ttft_s == pytest.approx(0.5)
    assert live.tpot_s == pytest.approx(0.02)


def test_samples_of_one_instant_count_alike(live: Live):
    for ttft_s in (1.0, 2.0, 3.0):
        live.succeed(5.0, live.begin(5.0, 0), ttft_s=ttft_s)

    assert live.ttft_s == pytest.approx(2.0)


def test_old_samples_fade(live: Live):
    """After ten time constants only the new sample is heard."""
    live.succeed(0.0, live.begin(0.0, 0), ttft_s=10.0)
    live.succeed(300.0, live.begin(300.0, 0), ttft_s=1.0)

    assert live.ttft_s == pytest.approx(1.0, abs=0.001)


def test_one_time_constant_leaves_a_sample_a_weight_of_one_over_e(live: Live):
    live.succeed(0.0, live.begin(0.0, 0), ttft_s=1.0)
    live.succeed(30.0, live.begin(30.0, 0), ttft_s=0.0)

    assert live.ttft_s == pytest.approx(0.3679 / 1.3679, abs=0.0001)


def test_the_first_content_of_a_stream_is_heard_before_its_end(live: Live):
    era = live.begin(0.0, 0)

    live.answering(0.4, era, 0.4)
    assert live.ttft_s == pytest.approx(0.4)
    live.succeed(60.0, era, tpot_s=0.02)

    assert live.ttft_s == pytest.approx(0.4)


def first_tokens(live: Live, *ttfts_s: float) -> None:
    for ttft_s in ttfts_s:
        live.answering(0.0, live.begin(0.0, 0), ttft_s)


def test_a_p95_needs_enough_samples(live: Live):
    first_tokens(live, *[1.0] * (MIN_TTFTS - 1))
    assert live.ttft_p95_s is None

    first_tokens(live, 1.0)

    assert live.ttft_p95_s == 1.0


def test_five_of_a_hundred_are_beyond_the_p95(live: Live):
    first_tokens(live, *(float(100 - number) for number in range(100)))

    assert live.ttft_p95_s == 95.0


def test_the_p95_is_of_the_latest_first_tokens_only(live: Live):
    first_tokens(live, *[9.0] * TTFT_WINDOW, *[1.0] * (TTFT_WINDOW - 7))
    assert live.ttft_p95_s == 9.0

    first_tokens(live, 1.0)

    assert live.ttft_p95_s == 1.0


def test_who_is_overtaken_after_a_long_wait_is_remembered_as_slow(live: Live):
    """Else only the quick ones would be left to reckon the p95 from."""
    first_tokens(live, *[1.0] * MIN_TTFTS)

    for _ in range(2):
        live.overtaken(0.0, 3.0)

    assert live.ttft_p95_s == 3.0
    assert live.ttft_s == pytest.approx((MIN_TTFTS + 6.0) / (MIN_TTFTS + 2))


def test_who_is_overtaken_at_once_is_not_remembered_as_quick(live: Live):
    first_tokens(live, *[1.0] * MIN_TTFTS)

    for _ in range(100):
        live.overtaken(0.0, 0.1)

    assert live.ttft_p95_s == 1.0
    assert live.ttft_s == pytest.approx(1.0)


def test_who_never_answered_is_at_least_as_slow_as_it_was_waited_for(live: Live):
    live.overtaken(0.0, 2.0)

    assert live.ttft_s == pytest.approx(2.0)


def test_the_error_rate_rises_with_failures_and_falls_with_successes(live: Live):
    rates = []
    for health in (Health.SICK, Health.BUSY, None, None):
        attempt(live, 0.0, health)
        rates.append(live.error_rate)

    assert rates == pytest.approx([1 / 2, 2 / 3, 2 / 4, 2 / 5])


def test_what_is_not_the_deployments_fault_leaves_no_trace(live: Live):
    for _ in range(10):
        attempt(live, 0.0, Health.FINE)

    assert live.error_rate == 0.0
    assert live.unusable(0.0) is None


def test_a_sick_deployment_is_set_aside(live: Live):
    attempt(live, 0.0, Health.SICK)
    attempt(live, 0.0, Health.SICK)

    assert live.unusable(2.0) == "breaker open, probe in 8.0 s"


def test_a_busy_deployment_cools_down_as_long_as_it_asked_for(live: Live):
    attempt(live, 0.0, Health.BUSY, retry_after_s=7.0)

    assert live.unusable(1.0) == "rate limited for 6.0 s"
    assert live.unusable(7.0) is None


def test_a_busy_deployment_that_names_no_time_cools_down_for_the_configured_one(live: Live):
    attempt(live, 0.0, Health.BUSY)

    assert live.unusable(0.0) == "rate limited for 1.0 s"
    assert live.unusable(1.0) is None


def test_a_cool_down_is_bounded(live: Live):
    attempt(live, 0.0, Health.BUSY, retry_after_s=86_400.0)

    assert live.unusable(300.0) is None


def test_being_busy_never_opens_the_breaker(live: Live):
    for _ in range(20):
        attempt(live, 0.0, Health.BUSY)

    assert live.unusable(1.0) is None


def test_a_refused_key_sets_all_deployments_of_its_provider_aside(fleet: Fleet, live: Live):
    sibling = fleet.live("openai/other", "openai")
    stranger = fleet.live("mistral/large", "mistral")

    attempt(live, 0.0, Health.LOCKED_OUT)

    assert live.unusable(10.0) == "credential set aside for 290 s"
    assert sibling.unusable(10.0) == "credential set aside for 290 s"
    assert stranger.unusable(10.0) is None
    assert live.unusable(300.0) is None


def test_a_new_key_is_tried_at_once(fleet: Fleet, live: Live):
    attempt(live, 0.0, Health.LOCKED_OUT)

    fleet.credential("openai").lift()

    assert live.unusable(10.0) is None


@pytest.mark.parametrize("health", [Health.FINE, Health.BUSY, Health.LOCKED_OUT])
def test_a_probe_that_ends_without_a_verdict_is_given_back(live: Live, health: Health):
    attempt(live, 0.0, Health.SICK)
    attempt(live, 0.0, Health.SICK)

    attempt(live, 10.0, health)

    assert live.unusable(400.0) is None
    assert live.reading(400.0).state is State.HALF_OPEN


def test_a_probe_whose_client_left_is_given_back(live: Live):
    attempt(live, 0.0, Health.SICK)
    attempt(live, 0.0, Health.SICK)
    era = live.begin(10.0, 5)
    assert live.unusable(10.0) == "breaker half-open, probe under way"

    live.end(5)
    live.abandon(era)

    assert live.unusable(10.0) is None


def test_a_request_that_was_no_probe_cannot_give_the_probe_back(live: Live):
    bystander = live.begin(0.0, 5)
    attempt(live, 0.0, Health.SICK)
    attempt(live, 0.0, Health.SICK)
    live.begin(10.0, 5)

    live.end(5)
    live.abandon(bystander)

    assert live.unusable(10.0) == "breaker half-open, probe under way"


def test_a_rate_limit_is_forgotten_once_it_is_renewed(live: Live):
    live.told_rate_limit(0.25, until_s=60.0)
    live.unusable(59.0)
    assert live.rate_limit_remaining == 0.25

    live.unusable(60.0)

    assert live.rate_limit_remaining is None


@pytest.mark.parametrize(("told", "kept"), [(-1.0, 0.0), (7.0, 1.0), (0.5, 0.5)])
def test_a_rate_limit_is_a_share(live: Live, told: float, kept: float):
    live.told_rate_limit(told, until_s=60.0)

    assert kept == live.rate_limit_remaining


def test_state_survives_a_reload(fleet: Fleet, live: Live):
    attempt(live, 0.0, Health.SICK)
    attempt(live, 0.0, Health.SICK)

    again = fleet.live("openai/gpt", "openai")
    fleet.keep({"openai/gpt"}, {"openai"})

    assert again is live
    assert fleet.live("openai/gpt", "openai").unusable(1.0) is not None


def test_a_reload_brings_new_limits_to_deployments_that_stay(fleet: Fleet, live: Live):
    fleet.adopt(HealthConfig(failures=1, open_s=5))
    fleet.live("openai/gpt", "openai")

    attempt(live, 0.0, Health.SICK)

    assert live.unusable(0.0) == "breaker open, probe in 5.0 s"


def test_what_the_configuration_no_longer_names_is_forgotten_unless_it_is_in_use(fleet: Fleet, live: Live):
    fleet.live("gone", "openai")
    live.begin(0.0, 1)

    fleet.keep(set(), set())

    assert len(fleet) == 1
    assert fleet.live("openai/gpt", "openai") is live
    live.end(1)
    fleet.keep(set(), set())
    assert len(fleet) == 0


def test_readings_show_each_deployment_as_it_is(fleet: Fleet, live: Live):
    live.told_rate_limit(0.5, until_s=60.0)
    live.begin(0.0, 1)
    live.answering(0.2, 0, 0.2)
    sick = fleet.live("sick", "other")
    attempt(sick, 0.0, Health.SICK)
    attempt(sick, 0.0, Health.SICK)

    readings = {reading.upstream: tuple(reading)[1:] for reading in fleet.readings(1.0)}

    assert {
        "openai/gpt": (1, True, State.CLOSED, 0.2, 0.5, 0),
        "sick": (0, False, State.OPEN, None, None, 1),
    } == readings
