"""`pointsman models`: what is routable, where, at what price."""

from __future__ import annotations

CONFIG = """
providers:
  one: {base_url: "http://127.0.0.1:9/v1"}
  two: {base_url: "http://127.0.0.1:10/v1"}
routes:
  small:
    policy: flex
    deployments:
      - {provider: one, price: {input_usd_per_mtok: 0.1, output_usd_per_mtok: 0.25, cache_read_usd_per_mtok: 0.01}}
      - {provider: two, model: tiny, tier: flex, context_window: 8000}
  large: {deployments: [{provider: two}]}
  "*": {deployments: [{provider: one}]}
"""


def rows(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line and not line.startswith("-")]


def test_each_route_is_listed_with_its_deployments_prices_and_windows(pointsman, config):
    told = pointsman("models", "--config", config(CONFIG))
    assert (0, "") == (told.code, told.err)
    assert [
        ["MODEL", "POLICY", "DEPLOYMENT", "TIER", "INPUT", "CACHED", "OUTPUT", "WINDOW"],
        ["large", "failover", "two/large", "default", "-", "-", "-", "-"],
        ["small", "flex", "one/small", "default", "0.1", "0.01", "0.25", "-"],
        ["two/tiny#flex", "flex", "-", "-", "-", "8000"],
        ["*", "(any", "other", "name)", "failover", "one/*", "default", "-", "-", "-", "-"],
        ["3", "models;", "prices", "in", "USD", "per", "million", "tokens"],
    ] == rows(told.out)


def test_a_search_narrows_the_list_whatever_the_case(pointsman, config):
    told = pointsman("models", "--config", config(CONFIG), "--search", "SMA")
    assert 0 == told.code
    assert "one/small" in told.out
    assert "large" not in told.out
    assert "any other name" not in told.out
    assert "1 model;" in told.out


def test_a_search_without_a_find_says_so(pointsman, config):
    told = pointsman("models", "--config", config(CONFIG), "--search", "huge")
    assert (1, "no routable model matches `huge`\n") == (told.code, told.out)


def test_a_provider_key_alone_makes_its_catalogue_routable(pointsman, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-invented")
    told = pointsman("models", "--search", "gpt-4.1")
    found = {row[0]: row for row in rows(told.out)}
    assert ["gpt-4.1", "cost", "openai/gpt-4.1", "default", "2", "0.5", "8"] == found["gpt-4.1"][:7]
    assert "sk-invented" not in told.out + told.err


def test_without_any_key_the_stand_ins_are_listed(pointsman):
    told = pointsman("models")
    assert "no provider key is set: simulated providers stand in\n" == told.err
    assert {"pointsman-demo", "pointsman-fast", "pointsman-safe"} <= {row[0] for row in rows(told.out)}
