"""`flex` waits no longer than it may, pays no more than it may, and is billed by the tier that answered."""

from random import Random

import pytest
from simulator import Ask, Behaviour, Deployment, Served, Simulation, poisson, price

from policies.api import Feedback, Refused, RoutingRequest
from policies.flex import NO_ROOM_CODES, Flex
from policies.latency import Latency

WELL = Behaviour()
FULL = Behaviour(fails_with="upstream_capacity_exceeded")
NO_ROOM = Feedback("flex", 0.0, ok=False, code="upstream_capacity_exceeded")
FLEX_PRICE, DEFAULT_PRICE = price(0.5, 2), price(1, 4)


def fleet(flex: Behaviour = WELL, **of_default: object) -> list[Deployment]:
    return [
        Deployment("default", **{"price": DEFAULT_PRICE, **of_default}),  # type: ignore[arg-type]
        Deployment("flex", tier="flex", price=FLEX_PRICE, timeline=((0, flex),)),
    ]


def serve(policy: Flex, deployments: list[Deployment], **of_ask: object) -> Served:
    ask = Ask(0.0, **{"service_tier": "flex", **of_ask})  # type: ignore[arg-type]
    return Simulation(policy, deployments).run([ask])[0]


def request(**more: object) -> RoutingRequest:
    return RoutingRequest("m", 0.0, **{"service_tier": "flex", "prompt_tokens": 1000, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["strict", "bounded", "prefer"])
def test_room_in_the_flex_tier_is_used_and_billed_at_its_price(mode):
    one = serve(Flex(mode=mode), fleet())

    assert one.by is not None
    assert ("flex", FLEX_PRICE.cost_nano_usd(1000, 100)) == (one.by.tier, one.cost_nano_usd)
    assert 0 == one.paused_s


def test_strict_waits_then_refuses_and_never_pays_the_default_price():
    one = serve(Flex(mode="strict", max_wait_s=10), fleet(FULL))

    assert one.by is None
    assert one.refusal is not None
    assert "does not fall back to the default tier" in one.refusal
    assert 5 < one.paused_s <= 10
    assert {"flex"} == {deployment for _, deployment in one.asked}


def test_bounded_waits_then_takes_the_default_tier_at_its_price():
    one = serve(Flex(mode="bounded", max_wait_s=10), fleet(FULL))

    assert one.by is not None
    assert ("default", DEFAULT_PRICE.cost_nano_usd(1000, 100)) == (one.by.tier, one.cost_nano_usd)
    assert 5 < one.paused_s <= 10


def test_prefer_takes_the_default_tier_without_waiting():
    one = serve(Flex(mode="prefer", max_wait_s=10), fleet(FULL))

    assert ["flex", "default"] == [deployment for _, deployment in one.asked]
    assert 0 == one.paused_s


def test_the_wait_ends_when_there_is_room_again():
    deployments = fleet()
    deployments[1].timeline = ((0, FULL), (4, Behaviour()))
    one = serve(Flex(mode="bounded", max_wait_s=60), deployments)

    assert one.by is deployments[1]
    assert 4 <= one.asked[-1][0] <= 12


@pytest.mark.parametrize(
    ("mode", "options", "of_ask", "of_default"),
    [
        ("bounded", {"max_price_usd": 0.001}, {}, {}),
        ("prefer", {"max_price_usd": 0.001}, {}, {}),
        ("prefer", {}, {"max_price_nano_usd": 1_200_000}, {}),
        ("prefer", {"max_price_usd": 1}, {"max_price_nano_usd": 1_200_000}, {}),
        ("prefer", {"max_price_usd": 1}, {}, {"price": None}),
    ],
)
def test_a_default_tier_that_may_cost_too_much_is_refused(mode, options, of_ask, of_default):
    """Also when its price is not known. The flex tier itself is within the request's limit here."""
    one = serve(Flex(mode=mode, max_wait_s=5, **options), fleet(FULL, **of_default), **of_ask)

    assert one.by is None
    assert one.refusal is not None
    assert "no deployment of the default tier is expected to cost" in one.refusal


def test_a_request_s_own_limit_holds_for_the_flex_tier_too():
    policy = Flex(mode="strict")
    with pytest.raises(Refused) as refused:
        policy.choose(request(max_price_nano_usd=1), fleet())

    assert 2.0 == refused.value.retry_after_s


@pytest.mark.parametrize("mode", ["strict", "bounded", "prefer"])
@pytest.mark.parametrize("seed", range(5))
def test_through_a_busy_hour_nobody_waits_or_pays_more_than_allowed(mode, seed):
    """A flex tier with room for three; half of the requests ask for flex."""
    rng = Random(seed)
    deployments = [
        Deployment("flex", tier="flex", price=FLEX_PRICE, timeline=((0, Behaviour(capacity=3)),)),
        Deployment("default", price=DEFAULT_PRICE),
        Deployment("dear", price=price(9, 36)),
    ]
    limit_usd = 0.003
    policy = Flex(mode=mode, max_wait_s=8, max_price_usd=limit_usd, seed=seed)
    asks = poisson(400, 3, rng, Ask(0, service_tier="flex")) + poisson(400, 3, rng)
    served = Simulation(policy, deployments, seed).run(asks)

    for one in served:
        assert one.paused_s <= 8
        assert one.asked[-1][0] - one.ask.at_s <= 8 + 0.05 * len(one.asked)
        if one.by is None:
            assert (mode, one.ask.service_tier) == ("strict", "flex")
            continue
        assert one.cost_nano_usd == one.by.price.cost_nano_usd(1000, 100)  # type: ignore[union-attr]
        assert one.ask.service_tier == "flex" or one.by.id == "default"
        assert one.by.id != "dear"
    flex = [one for one in served if one.ask.service_tier == "flex"]
    assert any(one.by is deployments[0] for one in flex)
    assert (mode == "prefer") == all(one.paused_s == 0 for one in flex)


def test_waits_double_from_the_first_step_with_jitter_and_stay_below_a_minute():
    policy = Flex(max_wait_s=86_400, backoff_s=1.5)
    flex = fleet()[1]
    for attempt in range(1, 40):
        step_s = min(60, 1.5 * 2 ** (attempt - 1))
        wait_s = policy.wait_s(request(attempt=attempt), flex, NO_ROOM)
        assert wait_s is not None
        assert step_s / 2 <= wait_s <= step_s


@pytest.mark.parametrize(
    ("waited_s", "retry_after_s", "expected"),
    [
        (0.0, None, (0.5, 1)),
        (0.0, 7.0, (7, 7)),
        (0.0, 10.0, (10, 10)),
        (0.0, 10.1, None),
        (9.45, None, (0.5, 0.56)),
        (9.6, None, None),
        (10.0, None, None),
        (99.0, None, None),
    ],
)
def test_a_wait_respects_the_provider_s_wish_and_what_is_left(waited_s, retry_after_s, expected):
    feedback = Feedback("flex", 0.0, ok=False, code="upstream_rate_limited", retry_after_s=retry_after_s)
    wait_s = Flex(max_wait_s=10).wait_s(request(waited_s=waited_s), fleet()[1], feedback)

    if expected is None:
        assert wait_s is None
    else:
        assert wait_s is not None
        assert expected[0] <= wait_s <= expected[1]


@pytest.mark.parametrize(
    ("asked", "place", "code"),
    [
        (request(service_tier="default"), 1, "upstream_capacity_exceeded"),
        (request(), 0, "upstream_capacity_exceeded"),
        (request(), 1, "upstream_server_error"),
        (request(untried=(Deployment("other", tier="flex"),)), 1, "upstream_capacity_exceeded"),
    ],
)
def test_it_does_not_wait_where_waiting_is_no_help(asked, place, code):
    """For other tiers, for other failures, or while another flex deployment has not been asked."""
    assert Flex().wait_s(asked, fleet()[place], Feedback("flex", 0.0, ok=False, code=code)) is None


@pytest.mark.parametrize("code", sorted(NO_ROOM_CODES))
def test_it_waits_for_every_kind_of_full(code):
    asked = request(untried=(Deployment("default"),))

    assert Flex().wait_s(asked, fleet()[1], Feedback("flex", 0.0, ok=False, code=code)) is not None


def test_a_second_flex_deployment_is_asked_before_anybody_waits():
    deployments = [*fleet(FULL), Deployment("spare", tier="flex", price=price(0.6, 2))]
    one = serve(Flex(mode="strict"), deployments)

    assert ["flex", "spare"] == [deployment for _, deployment in one.asked]
    assert 0 == one.paused_s


def test_default_requests_stay_out_of_the_flex_tier_unless_there_is_nothing_else():
    policy = Flex()
    default, flex = fleet()

    assert default is policy.choose(request(service_tier="default"), [flex, default])
    assert flex is policy.choose(request(service_tier="default"), [flex])


def test_it_explains_which_tier_serves_and_why():
    policy = Flex(mode="prefer")
    default, flex = fleet()

    assert "flex tier, cheapest of 1 at $0.001012" == policy.why(request(), [default, flex], flex)
    assert "default tier as flex had no room, cheapest of 1 at $0.002024" == policy.why(request(), [default], default)
    assert policy.why(request(service_tier="default"), [default], default).startswith("default tier, cheapest")


def test_another_policy_may_choose_within_a_tier_and_learns():
    inner = Latency()
    policy = Flex(within=inner)
    policy.observe(Feedback("flex", 0.0, ok=True, ttft_s=3.0, duration_s=3.0))

    assert policy.why(request(), fleet(), fleet()[1]).startswith("flex tier, expected 3.00 s")
