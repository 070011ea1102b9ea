"""Every decision explains itself, under one scripted situation: one provider dear, one slow, one failing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from e2e.dialects import OPENAI
from e2e.gateway import Gateway
from e2e.simulators import Simulators

ASK = {"messages": [{"role": "user", "content": "Which way?"}]}
PRICES = {"dear": 10.0, "slow": 1.0, "failing": 0.1}
SLOW_S = 0.15
POLICIES = ("failover", "cost", "latency", "flex")


def price(usd: float) -> dict[str, float]:
    return {"input_usd_per_mtok": usd, "output_usd_per_mtok": 2 * usd}


@pytest.fixture(scope="module")
def three(simulators: Simulators) -> dict[str, str]:
    """Base URLs by name."""
    faults = {"dear": {}, "slow": {"ttft_s": SLOW_S}, "failing": {"error_rate": 1.0}}
    return {name: simulators.start(name, **settings).base_url for name, settings in faults.items()}


@pytest.fixture
def situation(gateway: Gateway, three: dict[str, str]) -> Iterator[Gateway]:
    """A route for each policy, over the same three; the failing one is listed first."""
    deployments = [{"provider": name, "price": price(PRICES[name])} for name in ("failing", "dear", "slow")]
    gateway.use(
        providers={name: {"profile": "simulated", "base_url": url} for name, url in three.items()},
        routes={f"by-{policy}": {"policy": policy, "deployments": deployments} for policy in POLICIES},
    )
    return gateway


def ask(gateway: Gateway, model: str, **fields: Any) -> tuple[httpx2.Response, str]:
    """The answer and its explanation."""
    reply = gateway.post(OPENAI.chat, {**ASK, "model": model, **fields})
    return reply, reply.headers["x-pointsman-route"]


def chosen(route: str) -> str:
    return route.partition("chosen=")[2].partition("/")[0]


def test_failover_says_that_the_first_failed(situation):
    reply, route = ask(situation, "by-failover")
    assert (200, "dear") == (reply.status_code, chosen(route))
    assert route.startswith("policy=failover; ")
    assert 'failed="failing/by-failover upstream_server_error' in route
    fact = situation.fact(reply.headers["x-request-id"])
    assert ["upstream_server_error", "ok"] == [fact["attempts"][0]["code"], fact["attempts"][-1]["code"]]


def test_cost_takes_the_cheapest_that_works(situation):
    """The cheapest fails, the next cheapest is slow: price is all this policy looks at."""
    reply, route = ask(situation, "by-cost")
    assert (200, "slow") == (reply.status_code, chosen(route))
    assert route.startswith("policy=cost; ")
    assert "failing/by-cost" in route


def test_latency_avoids_the_slow_one_and_the_breaker_the_failing_one(situation):
    situation.use(health={"failures": 2, "open_s": 60.0})
    routes = [ask(situation, "by-latency")[1] for _ in range(24)]
    last = routes[8:]
    assert all(route.startswith("policy=latency; ") for route in routes)
    assert [chosen(route) for route in last].count("dear") >= 14
    assert all("failing/by-latency: " in route.partition("skipped=")[2] for route in last)
    assert 0 == situation.metric("pointsman_upstream_up", upstream="failing/by-latency")


def test_a_route_without_anyone_to_ask_says_why(gateway, three):
    gateway.use(
        providers={"failing": {"profile": "simulated", "base_url": three["failing"]}},
        routes={"hopeless": {"deployments": [{"provider": "failing"}], "retries": {"max": 1}}},
    )
    reply, route = ask(gateway, "hopeless")
    assert (502, "upstream_server_error") == (reply.status_code, reply.json()["error"]["code"])
    assert "chosen=failing/hopeless" in route


def test_timings_are_told(situation):
    reply, _ = ask(situation, "by-failover")
    told = dict(part.strip().split(";dur=") for part in reply.headers["server-timing"].split(","))
    assert {"queue", "upstream", "gateway"} == set(told)
    assert all(float(value) >= 0 for value in told.values())


def freight_route(provider: str, **options: Any) -> dict[str, Any]:
    return {
        "policy": {"name": "flex", **options},
        "deployments": [
            {"provider": provider, "model": "freight", "price": price(4.0)},
            {"provider": provider, "model": "freight", "price": price(1.0), "tier": "flex"},
        ],
    }


@pytest.fixture(scope="module")
def freight(simulators: Simulators) -> dict[str, Any]:
    """A provider that sells flex, and one whose flex tier never has room."""
    settings = {"roomy": {"flex": True}, "full": {"flex": True, "flex_unavailable": 1.0}}
    urls = {name: simulators.start(name, **each).base_url for name, each in settings.items()}
    return {name: {"profile": "simulated", "base_url": url} for name, url in urls.items()}


def cost(fact: dict[str, Any], usd: float) -> float:
    return (fact["tokens"]["input"] * usd + fact["tokens"]["output"] * 2 * usd) / 1e6


def test_flex_is_served_and_billed_as_flex(gateway, freight):
    gateway.use(providers=freight, routes={"parcels": freight_route("roomy")})
    reply, route = ask(gateway, "parcels", service_tier="flex")
    assert (200, "flex") == (reply.status_code, reply.json()["service_tier"])
    assert route.startswith("policy=flex; ")
    assert 'why="flex tier, ' in route
    fact = gateway.fact(reply.headers["x-request-id"])
    assert ("flex", "flex", pytest.approx(cost(fact, 1.0))) == (fact["lane"], fact["tier"], fact["cost_usd"])


def test_a_default_request_is_not_served_by_flex(gateway, freight):
    gateway.use(providers=freight, routes={"parcels": freight_route("roomy")})
    reply, route = ask(gateway, "parcels")
    assert "flex was not asked for" in route
    fact = gateway.fact(reply.headers["x-request-id"])
    assert ("default", "default", pytest.approx(cost(fact, 4.0))) == (fact["lane"], fact["tier"], fact["cost_usd"])


def test_flex_without_room_waits_and_then_falls_to_the_default_tier(gateway, freight):
    options = {"mode": "bounded", "max_wait_s": 0.3, "backoff_s": 0.05}
    gateway.use(providers=freight, routes={"parcels": freight_route("full", **options)})
    reply, route = ask(gateway, "parcels", service_tier="flex")
    assert (200, "default") == (reply.status_code, reply.json()["service_tier"])
    assert "default tier as flex had no room" in route
    fact = gateway.fact(reply.headers["x-request-id"])
    *waits, last = [attempt["code"] for attempt in fact["attempts"]]
    assert ({"upstream_capacity_exceeded"}, "ok") == (set(waits), last)
    assert len(waits) >= 2
    assert ("flex", "default", pytest.approx(cost(fact, 4.0))) == (fact["lane"], fact["tier"], fact["cost_usd"])


@pytest.mark.parametrize(
    "options",
    [{"mode": "strict"}, {"mode": "prefer", "max_price_usd": 0.0}],
    ids=["strict", "too dear"],
)
def test_flex_that_may_not_fall_back_is_refused(gateway, freight, options):
    options = {"max_wait_s": 0.2, "backoff_s": 0.05, **options}
    gateway.use(providers=freight, routes={"parcels": freight_route("full", **options)})
    reply = gateway.post(OPENAI.chat, {**ASK, "model": "parcels", "service_tier": "flex"})
    assert 429 == reply.status_code
    OPENAI.code(reply.json())
