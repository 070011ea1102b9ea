"""What holds for every policy, whatever it is asked and told."""

import random
from collections.abc import Sequence
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator import Deployment, price

from policies import registry
from policies.api import C, Candidate, Feedback, Policy, Refused, RoutingRequest

OPTIONS: dict[str, dict[str, object]] = {
    "affinity": {},
    "cost": {"explore": 0.2},
    "failover": {},
    "flex": {"max_price_usd": 0.001},
    "latency": {"explore": 0.2},
    "least_loaded": {},
    "round_robin": {},
    "tiered": {"tiers": ["cost", {"name": "latency", "tau_s": 5}]},
    "weighted": {},
}
ORDERLESS = ("affinity", "cost", "failover", "least_loaded", "weighted")
"""Those whose answer must not depend on the order of the candidates."""

deployments = st.builds(
    Deployment,
    id=st.sampled_from("abcdefgh"),
    provider=st.sampled_from(("one", "two")),
    weight=st.floats(0.01, 100),
    priority=st.integers(0, 3),
    tier=st.sampled_from(("default", "flex")),
    price=st.none() | st.builds(price, st.floats(0, 100), st.floats(0, 100)),
    inflight_requests=st.integers(0, 50),
    inflight_tokens=st.integers(0, 100_000),
    ttft_s=st.none() | st.floats(0.01, 60),
    tpot_s=st.none() | st.floats(0.001, 1),
    rate_limit_remaining=st.none() | st.floats(0, 1),
)
fleets = st.lists(deployments, min_size=1, max_size=6, unique_by=lambda deployment: deployment.id)
requests = st.builds(
    RoutingRequest,
    model=st.just("m"),
    now_s=st.floats(0, 1e6),
    prompt_tokens=st.integers(0, 300_000),
    max_output_tokens=st.none() | st.integers(1, 5000),
    service_tier=st.sampled_from(("default", "flex")),
    session=st.none() | st.text(max_size=8),
    prefix_hashes=st.lists(st.integers(), max_size=3).map(tuple),
    attempt=st.integers(1, 40),
    waited_s=st.floats(0, 100),
    max_price_nano_usd=st.none() | st.integers(0, 10**9),
)
feedbacks = st.builds(
    Feedback,
    candidate=st.sampled_from("abcdefghz"),
    now_s=st.floats(0, 1e6),
    ok=st.booleans(),
    output_tokens=st.integers(0, 5000),
    ttft_s=st.none() | st.floats(),
    duration_s=st.floats(),
    code=st.sampled_from(("ok", "upstream_rate_limited", "client_disconnect", "upstream_server_error")),
    retry_after_s=st.none() | st.floats(),
)
steps = st.lists(st.one_of(st.tuples(requests, fleets), feedbacks), max_size=12)


def answer(policy: Policy, request: RoutingRequest, fleet: list[Deployment]) -> str:
    """The id chosen, or the refusal."""
    try:
        return policy.choose(request, fleet).id
    except Refused as refusal:
        return str(refusal)


def test_every_built_in_policy_is_covered_here():
    assert {entry.name for entry in registry.BUILT_IN} == set(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
@settings(max_examples=60)
@given(history=steps)
def test_it_picks_a_candidate_or_refuses_and_changes_nothing(name, history):
    """And it survives whatever feedback it gets, and explains itself in one plain ASCII clause."""
    policy = registry.build(name, OPTIONS[name])
    for step in history:
        if isinstance(step, Feedback):
            policy.observe(step)
            continue
        request, fleet = step
        before = deepcopy(fleet)
        try:
            chosen = policy.choose(request, fleet)
        except Refused:
            assert name in {"cost", "flex", "tiered"}
            continue
        assert any(chosen is candidate for candidate in fleet)
        assert fleet == before
        why = policy.why(request, fleet, chosen)
        assert why.isascii()
        assert not {";", '"', "\n"} & set(why)
        assert len(why) < 120


@pytest.mark.parametrize("name", OPTIONS)
@settings(max_examples=40)
@given(history=steps)
def test_the_same_seed_and_history_give_the_same_choices(name, history):
    one, other = (registry.build(name, OPTIONS[name]) for _ in range(2))
    for step in history:
        if isinstance(step, Feedback):
            one.observe(step)
            other.observe(step)
        else:
            assert answer(one, *step) == answer(other, *step)


@pytest.mark.parametrize("name", ORDERLESS)
@settings(max_examples=40)
@given(asked=st.lists(st.tuples(requests, fleets), max_size=8), shuffle=st.integers(0, 100))
def test_the_order_of_the_candidates_does_not_matter(name, asked, shuffle):
    options = {} if name == "cost" else OPTIONS[name]
    one, other = (registry.build(name, options) for _ in range(2))
    rng = random.Random(shuffle)
    for request, fleet in asked:
        shuffled = rng.sample(fleet, len(fleet))
        assert answer(one, request, fleet) == answer(other, request, shuffled)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "flex"])
@settings(max_examples=20)
@given(request=requests, fleet=fleets, feedback=feedbacks)
def test_only_flex_is_patient(name, request, fleet, feedback):
    assert registry.build(name, OPTIONS[name]).wait_s(request, fleet[0], feedback) is None


def test_a_policy_that_explains_nothing_still_names_itself():
    class Mute(Policy):
        name = "mute"

        def choose(self, request: RoutingRequest, candidates: Sequence[C]) -> C:
            return candidates[0]

    fleet: list[Candidate] = [Deployment("a"), Deployment("b")]
    request = RoutingRequest("m", 0.0)
    policy = Mute()
    policy.observe(Feedback("a", 0.0, ok=True))

    assert "mute among 2" == policy.why(request, fleet, policy.choose(request, fleet))
