"""`cost` pays what the cheapest usable offer asks, and its exploration share on top."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator import Ask, Behaviour, Deployment, Simulation, price

from policies.api import Feedback, Price, Refused, RoutingRequest
from policies.cost import Cost
from policies.costs import OutputEstimate, dollars

CHEAP = Deployment("cheap", price=price(0.1, 0.4))
DEAR = Deployment("dear", price=price(1, 4))
UNKNOWN = Deployment("unknown")
LONG = Deployment("long", price=price(0.05, 0.2, above=((10_000, price(5, 20)),)))
FEE = Deployment("fee", price=price(0, 0, request_nano_usd=1_000_000))


def request(**more: object) -> RoutingRequest:
    return RoutingRequest("m", 0.0, **{"prompt_tokens": 1000, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fleet", "asked", "expected"),
    [
        ([DEAR, CHEAP], {}, "cheap"),
        ([UNKNOWN, DEAR], {}, "dear"),
        ([UNKNOWN], {}, "unknown"),
        ([CHEAP, LONG], {"prompt_tokens": 10_000}, "long"),
        ([CHEAP, LONG], {"prompt_tokens": 10_001}, "cheap"),
        ([CHEAP, FEE], {"prompt_tokens": 100}, "cheap"),
        ([CHEAP, FEE], {"prompt_tokens": 100_000}, "fee"),
        ([Deployment("a", price=price(1, 1)), Deployment("b", price=price(0.5, 9))], {"max_output_tokens": 10}, "b"),
        ([Deployment("a", price=price(1, 1)), Deployment("b", price=price(0.5, 9))], {}, "a"),
        ([DEAR, Deployment("also", price=DEAR.price)], {}, "also"),
        ([DEAR, Deployment("also", price=DEAR.price, inflight_requests=1)], {}, "dear"),
        ([DEAR, Deployment("also", price=DEAR.price, inflight_tokens=1)], {}, "dear"),
        ([CHEAP, DEAR], {"max_price_nano_usd": 10**9}, "cheap"),
    ],
)
def test_whom_it_picks(fleet, asked, expected):
    assert expected == Cost().choose(request(**asked), fleet).id


@pytest.mark.parametrize(
    ("fleet", "limit", "said"),
    [([DEAR, CHEAP], 1000, "expected to cost $0.000202"), ([UNKNOWN], 10**9, "expected to cost an unknown price")],
)
def test_it_refuses_what_may_cost_too_much(fleet, limit, said):
    """What is not known is not free."""
    with pytest.raises(Refused) as refused:
        Cost().choose(request(max_price_nano_usd=limit), fleet)

    assert said in str(refused.value)
    assert f"may cost {dollars(limit)} at most" in str(refused.value)


def test_exploring_keeps_within_the_limit_and_away_from_unknown_prices():
    fleet = [CHEAP, DEAR, UNKNOWN]
    policy = Cost(explore=1)

    assert {"dear"} == {policy.choose(request(), fleet).id for _ in range(50)}
    assert {"cheap"} == {policy.choose(request(max_price_nano_usd=300_000), fleet).id for _ in range(50)}
    assert policy.why(request(), fleet, DEAR) == "explored at $0.002024, cheapest of 3 is $0.000202"
    assert policy.why(request(), fleet, CHEAP) == "cheapest of 3 at $0.000202"


prices = st.builds(
    Price,
    st.integers(0, 10**11),
    st.integers(0, 10**11),
    request_nano_usd=st.integers(0, 10**6),
    above=st.just(()) | st.tuples(st.tuples(st.integers(1, 10**5), st.builds(Price, *[st.integers(0, 10**12)] * 2))),
)


@settings(max_examples=100)
@given(
    table=st.lists(prices, min_size=1, max_size=5),
    prompt_tokens=st.integers(0, 200_000),
    max_output=st.none() | st.integers(1, 1000),
)
def test_nobody_among_the_candidates_is_expected_to_cost_less(table, prompt_tokens, max_output):
    fleet = [Deployment(str(place), price=offer) for place, offer in enumerate(table)]
    asked = request(prompt_tokens=prompt_tokens, max_output_tokens=max_output)
    chosen = Cost().choose(asked, fleet)

    def cost(offer: Price) -> int:
        return offer.cost_nano_usd(prompt_tokens, asked.expected_output_tokens())

    assert chosen.price is not None
    assert cost(chosen.price) == min(cost(offer) for offer in table)


@pytest.mark.parametrize("explore", [0.0, 0.05, 0.3])
def test_the_bill_exceeds_the_cheapest_by_the_exploration_share_at_most(explore):
    """With answers of widely scattered length, a step for long prompts, and the cheapest one failing for a while."""
    rng = Random(4)
    broken = Behaviour(fails_with="upstream_server_error")
    long = price(0.3, 1.2, above=((8000, price(3, 12)),))
    fleet = [
        Deployment("small", price=price(0.5, 2)),
        Deployment("large", price=price(1, 4)),
        Deployment("unknown"),
        Deployment("long", price=long, timeline=((0, Behaviour()), (100, broken), (200, Behaviour()))),
    ]
    asks = [
        Ask(at_s=number / 4, prompt_tokens=rng.randrange(100, 16_000), output_tokens=int(rng.expovariate(1 / 300)) + 1)
        for number in range(2000)
    ]
    served = Simulation(Cost(explore=explore), fleet).run(asks)
    cheapest = dearest = paid = 0
    for one in served:
        assert one.by is not None
        tokens = (one.ask.prompt_tokens, one.ask.output_tokens)
        costs = [d.price.cost_nano_usd(*tokens) for d in one.offered if d.price]
        cheapest, dearest, paid = cheapest + min(costs), dearest + max(costs), paid + one.cost_nano_usd

    assert cheapest <= paid <= cheapest + explore * (dearest - cheapest)
    assert (explore == 0) == (paid == cheapest)


def learnt(**means: int) -> OutputEstimate:
    output = OutputEstimate()
    for _ in range(30):
        for name, tokens in means.items():
            output.learn(Feedback(name, 0.0, ok=True, output_tokens=tokens))
    return output


def test_a_wordy_deployment_is_reckoned_with_its_own_length():
    output = learnt(terse=100, usual=200, wordy=2000)

    assert [100, 2000] == [output.tokens(request(), name) for name in ("terse", "wordy")]
    assert 700 < output.tokens(request(), "unheard") < 800
    assert 500 == output.tokens(request(max_output_tokens=500), "wordy")


def test_a_small_difference_in_length_is_taken_for_noise():
    output = learnt(one=90, other=110)

    assert output.tokens(request(), "one") == output.tokens(request(), "other") == 100


def test_few_answers_failures_and_answers_without_usage_teach_nothing():
    output = OutputEstimate()
    for number in range(19):
        output.learn(Feedback("a", 0.0, ok=True, output_tokens=5))
        output.learn(Feedback("a", 0.0, ok=False, output_tokens=5))
        output.learn(Feedback("a", float(number), ok=True))
    assert 256 == output.tokens(request(), "a")

    output.learn(Feedback("a", 0.0, ok=True, output_tokens=5))
    assert 5 == output.tokens(request(), "a")


def test_a_cheap_but_wordy_model_loses_once_it_is_known():
    policy = Cost()
    fleet = [Deployment("wordy", price=price(0, 1)), Deployment("terse", price=price(0, 2))]
    assert "wordy" == policy.choose(request(), fleet).id
    for _ in range(30):
        policy.observe(Feedback("wordy", 0.0, ok=True, output_tokens=3000))
        policy.observe(Feedback("terse", 0.0, ok=True, output_tokens=100))

    assert "terse" == policy.choose(request(), fleet).id
