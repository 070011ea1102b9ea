"""`pointsman explain`: what every policy would do, in a situation made for telling them apart."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from policies.registry import names
from proxy.cli.explain import explanation
from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import parse
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import Health
from proxy.fleet.live import Fleet
from proxy.world import World

NOW_S = 1000.0
CONFIG = """
health: {failures: 2, open_s: 60}
providers:
  failing: {base_url: "http://127.0.0.1:9/v1"}
  dear: {base_url: "http://127.0.0.1:10/v1"}
  slow: {base_url: "http://127.0.0.1:11/v1"}
routes:
  chat:
    policy: failover
    deployments:
      - {provider: failing, price: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.1}}
      - {provider: dear, price: {input_usd_per_mtok: 5, output_usd_per_mtok: 15}}
      - {provider: slow, weight: 3, price: {input_usd_per_mtok: 1, output_usd_per_mtok: 2}}
"""


@pytest.fixture
def world() -> World:
    """One dear and quick, one cheap and slow and busy, and the cheapest of all set aside."""
    config = parse(CONFIG, {})
    world = publish(config, catalogue=Catalogue.load(at=datetime.now(UTC)), fleet=Fleet(config.health), environ={})
    failing, dear, slow = (deployment.live for deployment in world.routes["chat"].deployments)
    for _ in range(2):
        failing.fail(NOW_S, failing.begin(NOW_S, 0), Health.SICK)
        failing.end(0)
    for live, ttft_s, tpot_s in ((dear, 0.1, 0.005), (slow, 5.0, 0.1)):
        era = live.begin(NOW_S, 0)
        live.succeed(NOW_S, era, ttft_s, tpot_s)
        live.end(0)
    slow.begin(NOW_S, 500)
    return world


def request(**changes: object) -> ModelRequest:
    fields = {"model": "chat", "service_tier": "default", "prompt_tokens": 1000, "max_output_tokens": 100} | changes
    return ModelRequest(operation=Operation.CHAT, doc={}, raw=None, **fields)


def choices(text: str) -> dict[str, tuple[str, str]]:
    """Policy -> what it chooses, and why."""
    lines = text[text.index("POLICY") :].splitlines()[2:]
    return {cells[0]: (cells[1], cells[2]) for cells in (re.split(r"\s{2,}", line) for line in lines)}


def test_every_policy_appears_with_its_choice_and_its_reason(world):
    told = choices(explanation(world, request(), NOW_S))
    assert {
        "affinity": "dear/chat",
        "cost": "slow/chat",
        "failover (this route's)": "dear/chat",
        "flex": "slow/chat",
        "latency": "dear/chat",
        "least_loaded": "dear/chat",
    } == {name: chosen for name, (chosen, _) in told.items() if name not in {"round_robin", "weighted"}}
    assert {"dear/chat", "slow/chat"} >= {told["round_robin"][0], told["weighted"][0]}
    assert {name.partition(" ")[0] for name in told} == set(names()) - {"tiered"}
    assert "cheapest of 2 at $0.001200" == told["cost"][1]
    assert "priority 1, the lowest of 2 usable" == told["failover (this route's)"][1]


def test_each_deployment_is_told_with_its_cost_and_why_it_may_not_be_asked(world):
    text = explanation(world, request(), NOW_S)
    assert text.startswith("chat: 1000 prompt tokens, 100 expected output tokens, tier default\n")
    assert re.search(r"failing/chat +default +1 +0 +\$0\.000110 +breaker open, probe in [3-6]\d\.\d s", text)
    assert re.search(r"dear/chat +default +1 +1 +\$0\.006500 +usable", text)
    assert re.search(r"slow/chat +default +3 +2 +\$0\.001200 +usable", text)


def test_a_route_with_nobody_left_says_so_for_every_policy(world):
    for deployment in world.routes["chat"].deployments[1:]:
        deployment.live.fail(NOW_S, deployment.live.begin(NOW_S, 0), Health.BUSY, 30.0)
    told = choices(explanation(world, request(), NOW_S))
    assert {("-", "no deployment is usable")} == set(told.values())


def test_the_command_answers_for_the_size_and_tier_asked_for(pointsman):
    told = pointsman("explain", "pointsman-demo", "--prompt-tokens", 2000, "--max-tokens", 10, "--tier", "flex")
    assert 0 == told.code
    assert "2000 prompt tokens, 10 expected output tokens, tier flex" in told.out
    assert "freight/pointsman-demo#flex" == choices(told.out)["flex (this route's)"][0]


def test_a_policy_that_refuses_is_quoted(pointsman, config):
    text = CONFIG.replace("policy: failover", "policy: {name: flex, mode: strict}")
    told = pointsman("explain", "chat", "--config", config(text), "--tier", "flex")
    assert 0 == told.code
    chosen, why = choices(told.out)["flex (this route's)"]
    assert "-" == chosen
    assert why.startswith("The flex tier has no room")


def test_an_unknown_model_is_told_with_the_way_to_the_list(pointsman, config):
    told = pointsman("explain", "chta", "--config", config(CONFIG))
    assert (1, "") == (told.code, told.out)
    assert "There is no model `chta`" in told.err
    assert "`pointsman models` lists what is routable." in told.err


def test_a_count_of_tokens_is_a_number(pointsman):
    told = pointsman("explain", "pointsman-demo", "--prompt-tokens", "-1")
    assert 2 == told.code
    assert "`-1` is no number of tokens" in told.err


CAPABLE = """
providers: {a: {base_url: "http://127.0.0.1:9/v1"}}
routes:
  m:
    deployments:
      - {provider: a, model: blind, lacks: [vision], context_window: 100000}
      - {provider: a, model: small, context_window: 1000}
"""


@pytest.mark.parametrize(
    ("arguments", "blind", "small"),
    [
        ((), "usable", "usable"),
        (("--needs", "vision"), "lacks vision", "usable"),
        (("--needs", "vision, tools", "--prompt-tokens", "2000"), "lacks vision", "usable"),
        (("--prompt-tokens", "2000"), "usable", "context window 1000 is probably too small"),
        (("--prompt-tokens", "9000"), "usable", "context window 1000 is smaller than the prompt"),
    ],
)
def test_it_shows_who_is_passed_over_for_what_it_lacks(pointsman, tmp_path, arguments, blind, small):
    path = tmp_path / "pointsman.yaml"
    path.write_text(CAPABLE)

    told = pointsman("explain", "m", "--config", path, *arguments)

    assert 0 == told.code
    for deployment, state in (("a/blind", blind), ("a/small", small)):
        assert re.search(rf"^{deployment} .*  {state}$", told.out, re.MULTILINE)


def test_it_says_what_a_client_would_be_told(pointsman, tmp_path):
    path = tmp_path / "pointsman.yaml"
    path.write_text(CAPABLE)

    told = pointsman("explain", "m", "--config", path, "--needs", "vision", "--prompt-tokens", "9000")

    assert "No deployment of `m` can take images (`vision`) with a prompt as long as this." in told.out


def test_a_need_that_does_not_exist_is_refused_with_those_that_do(pointsman):
    told = pointsman("explain", "m", "--needs", "telepathy")

    assert 2 == told.code
    assert "json_schema" in told.err
