"""`tiered`: the first tier with somebody usable, and its own policy within it."""

import pytest
from simulator import Ask, Behaviour, Deployment, Simulation, price

from policies.api import Feedback, RoutingRequest
from policies.flex import Flex
from policies.latency import Latency
from policies.options import BadOption, PolicyError
from policies.registry import build
from policies.round_robin import RoundRobin
from policies.tiered import Tiered

REQUEST = RoutingRequest("m", 0.0, prompt_tokens=1000)


def test_by_priority_each_tier_has_its_policy_and_the_last_one_serves_the_rest():
    fleet = [
        Deployment("a1"),
        Deployment("a2"),
        Deployment("b1", priority=1, price=price(2, 2)),
        Deployment("b2", priority=1, price=price(1, 1)),
        Deployment("c", priority=7, price=price(0, 0)),
    ]
    policy = build("tiered", {"tiers": ["round_robin", {"name": "cost"}]})

    assert ["a1", "a2", "a1"] == [policy.choose(REQUEST, fleet).id for _ in range(3)]
    assert "b2" == policy.choose(REQUEST, fleet[2:]).id
    assert "c" == policy.choose(REQUEST, fleet[4:]).id
    assert "tier 1, its turn among 2" == policy.why(REQUEST, fleet, fleet[0])
    assert "tier 2, cheapest of 2 at $0.001256" == policy.why(REQUEST, fleet[2:], fleet[3])


def test_by_list_tiers_name_ids_or_providers_and_the_last_takes_the_rest():
    fleet = [
        Deployment("x", provider="cloud"),
        Deployment("y", provider="engine"),
        Deployment("z", provider="engine"),
        Deployment("w", provider="elsewhere"),
    ]
    policy = build(
        "tiered",
        {
            "tiers": [
                {"name": "round_robin", "deployments": ["engine"]},
                {"name": "failover", "deployments": ["x"]},
                "cost",
            ]
        },
    )

    assert ["y", "z"] == [policy.choose(REQUEST, fleet).id for _ in range(2)]
    assert "x" == policy.choose(REQUEST, [fleet[0], fleet[3]]).id
    assert "tier 3, cheapest of 1 at an unknown price" == policy.why(REQUEST, fleet[3:], fleet[3])


def test_a_deployment_no_tier_lists_belongs_to_the_last():
    policy = Tiered([{"name": "cost", "deployments": ["a"]}, {"name": "round_robin", "deployments": ["b"]}])

    assert ["b", "c"] == [policy.choose(REQUEST, [Deployment("b"), Deployment("c")]).id for _ in range(2)]


def test_when_the_first_tier_is_down_the_next_serves_until_it_is_back():
    broken = Behaviour(fails_with="upstream_server_error")
    fleet = [
        Deployment("a1", timeline=((0, Behaviour()), (20, broken), (40, Behaviour()))),
        Deployment("a2", timeline=((0, Behaviour()), (20, broken), (40, Behaviour()))),
        Deployment("b", priority=1),
    ]
    served = Simulation(Tiered(["latency", "round_robin"]), fleet).run([Ask(at_s=float(at)) for at in range(120)])
    by = [one.by.id for one in served if one.by is not None]

    assert 120 == len(by)
    assert {"b"} == set(by[20:40])
    assert {"a1", "a2"} == set(by[:20])
    assert "b" not in by[90:]


def test_only_the_tier_that_chose_learns():
    first, second = Latency(), Latency()
    policy = Tiered([first, second])
    a, b = Deployment("a"), Deployment("b", priority=1)
    policy.choose(REQUEST, [a, b])
    policy.observe(Feedback("a", 0.0, ok=True, ttft_s=3.0, duration_s=3.0))
    policy.observe(Feedback("b", 0.0, ok=True, ttft_s=3.0, duration_s=3.0))

    assert first.why(REQUEST, [a], a).startswith("expected")
    assert second.why(REQUEST, [a], a).startswith("assumed")
    assert second.why(REQUEST, [b], b).startswith("assumed")


def test_patience_is_that_of_the_candidate_s_tier():
    policy = Tiered([RoundRobin(), {"name": "flex", "mode": "strict"}])
    request = RoutingRequest("m", 0.0, service_tier="flex")
    full = Feedback("a", 0.0, ok=False, code="upstream_capacity_exceeded")

    assert policy.wait_s(request, Deployment("a", tier="flex"), full) is None
    assert policy.wait_s(request, Deployment("a", tier="flex", priority=1), full) is not None


@pytest.mark.parametrize(
    ("tiers", "said"),
    [
        ([], "policy `tiered` takes a list of policies for `tiers`, at least one."),
        ("cost", "policy `tiered` takes a list of policies for `tiers`, at least one."),
        (7, "policy `tiered` takes a list of policies for `tiers`, at least one."),
        ([7], "policy `tiered` takes a policy's name, or a mapping with its `name`, for `tiers[0]`."),
        ([{"tau_s": 7}], "policy `tiered` takes a policy's name, or a mapping with its `name`, for `tiers[0]`."),
        (["cost", "cosst"], "policy `tiered`, option `tiers[1]`: there is no policy `cosst`; did you mean `cost`?"),
        (
            [{"name": "latency", "tua_s": 7}],
            "policy `tiered`, option `tiers[0]`: policy `latency` has no option `tua_s`; it takes `tau_s`,",
        ),
        (
            [{"name": "cost", "deployments": "a"}],
            "policy `tiered` takes a list of ids or providers for `tiers[0].deployments`.",
        ),
        (
            ["cost", {"name": "cost", "deployments": ["a"]}],
            "policy `tiered` needs `deployments` in each of `tiers` but the last, or in none.",
        ),
    ],
)
def test_wrong_tiers_are_refused_with_a_reason(tiers, said):
    with pytest.raises(PolicyError) as refused:
        build("tiered", {"tiers": tiers})

    assert str(refused.value).startswith(said)


def test_tiers_cannot_be_left_out():
    with pytest.raises(BadOption, match="policy `tiered` needs the option `tiers`"):
        build("tiered", {})


def test_tiers_nest():
    policy = build("tiered", {"tiers": [{"name": "flex", "within": {"name": "tiered", "tiers": ["cost"]}}]})
    candidate = Deployment("a", price=price(1, 1))

    assert isinstance(Flex(within=policy), Flex)
    assert policy.why(REQUEST, [candidate], candidate) == "tier 1, default tier, tier 1, cheapest of 1 at $0.001256"
