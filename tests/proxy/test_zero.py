"""What a machine without a configuration file gets: the providers it has keys for, or stand-ins."""

from __future__ import annotations

import pytest

from proxy.control.source import ConfigProblems
from proxy.zero import FAST_ROUTE, ROUTE, SAFE_ROUTE, STAND_INS, environment_config, simulated_config

URLS = {provider.name: f"http://127.0.0.1:{9 + index}/v1" for index, provider in enumerate(STAND_INS)}


def test_every_provider_with_a_key_is_enabled():
    config = environment_config({"OPENAI_API_KEY": "sk-a", "GROQ_API_KEY": "gsk-b", "HOME": "/"}, {})
    assert config is not None
    assert {"openai", "groq"} == set(config.providers)
    key = config.providers["groq"].api_key
    assert key is not None
    assert "gsk-b" == key.get_secret_value()
    assert "gsk-b" not in repr(config)
    assert {} == config.routes


@pytest.mark.parametrize("environ", [{}, {"HOME": "/"}, {"OPENAI_API_KEY": ""}, {"OPENAI_API_KEY": "  "}])
def test_without_a_key_there_is_no_such_configuration(environ):
    assert environment_config(environ, {}) is None


def test_a_server_of_ones_own_is_enabled_by_its_address():
    config = environment_config({"OLLAMA_HOST": "127.0.0.1:11434"}, {})
    assert config is not None
    assert "http://127.0.0.1:11434/v1" == config.providers["ollama"].base_url


def test_a_variable_of_no_use_is_told():
    with pytest.raises(ConfigProblems, match="OLLAMA_HOST"):
        environment_config({"OLLAMA_HOST": "http://[nonsense"}, {})


def test_overrides_apply_to_either_kind():
    overrides = {"listen": "127.0.0.1:9", "telemetry": {"access_log": "none"}}
    found = environment_config({"OPENAI_API_KEY": "sk-a"}, overrides)
    assert found is not None
    for config in (found, simulated_config(URLS, overrides)):
        assert ("127.0.0.1:9", "none") == (config.listen, config.telemetry.access_log)


def test_an_override_is_checked_like_the_file():
    with pytest.raises(ConfigProblems, match="listen"):
        simulated_config(URLS, {"listen": "no port"})


def test_the_stand_ins_differ_in_what_policies_look_at():
    assert len(STAND_INS) == len({provider.ttft_s for provider in STAND_INS})
    assert len(STAND_INS) == len({str(provider.price) for provider in STAND_INS})
    assert ["freight"] == [provider.name for provider in STAND_INS if provider.flex]
    assert len(STAND_INS) == len({provider.seed for provider in STAND_INS}), "or they would all say the same"


def test_each_route_of_the_stand_ins_chooses_by_something_else():
    config = simulated_config(URLS, {})
    assert {ROUTE: "flex", FAST_ROUTE: "latency", SAFE_ROUTE: "failover", "*": "cost"} == {
        name: route.policy.name for name, route in config.routes.items()
    }
    assert URLS == {name: provider.base_url for name, provider in config.providers.items()}
    assert ["freight", "local", "express"] == [d.provider for d in config.routes[SAFE_ROUTE].deployments]


def test_flex_is_sold_at_half_the_price():
    config = simulated_config(URLS, {})
    default, flex = (d for d in config.routes[ROUTE].deployments if d.provider == "freight")
    assert ("default", "flex") == (default.tier, flex.tier)
    assert default.price is not None
    assert flex.price is not None
    assert default.price.input_usd_per_mtok == 2 * flex.price.input_usd_per_mtok
    assert default.price.output_usd_per_mtok == 2 * flex.price.output_usd_per_mtok
