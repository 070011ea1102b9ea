"""`pointsman import-litellm`: what comes out is a configuration that can be served, and no secret goes with it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.cli.import_litellm import written
from proxy.cli.importing.litellm import convert
from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import MAX_FILE_BYTES, parse
from proxy.dialects.request import ModelRequest, Operation
from proxy.fleet.live import Fleet
from proxy.need import Need
from proxy.world import World

FILES = Path(__file__).with_name("litellm")
ALL = ["balanced", "fallbacks", "wildcards", "odd", "clouds"]
SECRETS = (
    "sk-proj-a-key-that-stands-in-the-file",
    "gsk_a-key-that-stands-in-the-file",
    "a-header-that-is-secret",
    "a-secret-password",
    "sk-1234-a-master-key",
    "sk-a-key-among-the-variables",
    "AKIAWRITTENINTHEFILE",
    "a-secret-of-an-access-key",
    "a-private-key",
)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(at=datetime(2026, 11, 21, tzinfo=UTC))


def converted(name: str) -> dict[str, Any]:
    """What became of one of the files, with its notes as `notes`."""
    found = convert(yaml.safe_load((FILES / f"{name}.yaml").read_text(encoding="utf-8")))
    return found.document | {"notes": list(found.notes)}


def published(text: str, catalogue: Catalogue) -> World:
    """What would be served, with every variable set that the file refers to."""
    environ = {
        name: "http://10.0.0.6:11434" if name.endswith("_BASE") else f"set{name.lower().replace('_', '')}"
        for name in re.findall(r"\$\{(\w+)\}", text)
    }
    config = parse(text, environ)
    return publish(config, catalogue=catalogue, fleet=Fleet(config.health), environ={})


@pytest.mark.parametrize("name", ALL)
def test_what_comes_out_can_be_served(pointsman, catalogue, name):
    told = pointsman("import-litellm", FILES / f"{name}.yaml")

    assert 0 == told.code
    assert published(told.out, catalogue).routes


@pytest.mark.parametrize("name", ALL)
def test_no_secret_is_copied_or_shown(pointsman, name):
    told = pointsman("import-litellm", FILES / f"{name}.yaml")

    assert not [secret for secret in SECRETS if secret in told.out + told.err]


def test_the_files_here_hold_all_those_secrets():
    """Or the test above would prove nothing."""
    text = "".join(path.read_text(encoding="utf-8") for path in FILES.glob("*.yaml"))

    assert not [secret for secret in SECRETS if secret not in text]


def test_what_is_told_stands_in_the_file_too(pointsman):
    told = pointsman("import-litellm", FILES / "balanced.yaml")
    comments = [line.removeprefix("# - ") for line in told.out.splitlines() if line.startswith("# - ")]

    assert comments == told.err.splitlines()
    assert any(line.startswith("`model_list[6] painter`: left out: mode `image_generation`") for line in comments)


def test_accounts_become_providers():
    found = converted("balanced")

    assert {
        "openai": {"api_key": "${OPENAI_KEY_EAST}"},
        "openai-2": {"profile": "openai", "api_key": "${OPENAI_API_KEY_2}"},
        "openrouter": {"api_key": "${OPENROUTER_API_KEY}"},
        "vllm": {"base_url": "http://10.0.0.5:8000/v1"},
        "ollama": {"base_url": "${OLLAMA_API_BASE}/v1"},
    } == found["providers"]


def test_a_group_becomes_a_route_weighed_as_the_shuffle_weighs():
    route = converted("balanced")["routes"]["gpt-4o"]

    assert "weighted" == route["policy"]
    assert [("openai", 900), ("openai-2", 300), ("openrouter", 0.001)] == [
        (deployment["provider"], deployment["weight"]) for deployment in route["deployments"]
    ]
    assert {"input_usd_per_mtok": 2.5, "output_usd_per_mtok": 10} == route["deployments"][2]["price"]


def test_what_is_known_of_a_model_is_kept():
    engine, other = converted("balanced")["routes"]["local-llama"]["deployments"]

    assert (32768, 4096, [Need.VISION, Need.TOOLS]) == (
        engine["context_window"],
        engine["max_output_tokens"],
        engine["lacks"],
    )
    assert {"provider": "ollama", "model": "llama3.1"} == other


def test_a_routes_timeouts_are_the_longest_of_its_deployments():
    """Of the others the router's own count: 120 s."""
    found = converted("balanced")

    assert {"answer_s": 120, "first_token_s": 120} == found["timeouts"]
    assert "timeouts" not in found["routes"]["gpt-4o"], "no longer than what holds anyway"


def test_the_routers_patience_is_kept():
    found = converted("balanced")

    assert ({"max": 3}, {"failures": 3, "open_s": 45, "open_max_s": 300}) == (found["retries"], found["health"])


def test_fallbacks_are_asked_after_the_group_itself():
    found = converted("fallbacks")
    route = found["routes"]["claude"]

    assert {"name": "tiered", "tiers": ["least_loaded"]} == route["policy"]
    assert [("groq", 1), ("mistral", 2), ("deepseek", 3), ("xai", 4)] == [
        (deployment["provider"], deployment["priority"]) for deployment in route["deployments"]
    ]
    assert {"max": 3, "reroute_content_policy": True} == route["retries"], "one of its own, and two fallbacks"
    assert [("deepseek", 0), ("xai", 1), ("google", 2)] == [
        (deployment["provider"], deployment["priority"]) for deployment in found["routes"]["small"]["deployments"]
    ]
    assert any("`gone` is left out" in note for note in found["notes"])


def test_an_alias_is_a_route_of_the_same_deployments():
    routes = converted("fallbacks")["routes"]

    assert routes["claude"] == routes["gpt-4"]
    assert routes["small"] == routes["hidden-one"]
    assert "nothing" not in routes
    assert "google" == routes["long"]["deployments"][0]["provider"], "a group wins over an alias of its name"


def test_limits_and_keys_are_kept():
    found = converted("fallbacks")

    assert {"max_inflight": 500, "max_body_bytes": 8 * 1024 * 1024} == found["limits"]
    assert {"keys": [{"name": "master", "key": "${LITELLM_MASTER_KEY}"}]} == found["auth"]
    assert 3600 == found["timeouts"]["total_s"]


def asked(world: World, model: str) -> list[tuple[str, str]]:
    route = world.route(ModelRequest(Operation.CHAT, {}, None, model))
    return [(deployment.provider, deployment.upstream_model) for deployment in route.deployments]


def test_prefixes_still_choose_the_provider(pointsman, catalogue):
    world = published(pointsman("import-litellm", FILES / "wildcards.yaml").out, catalogue)

    assert [("openai", "gpt-4o")] == asked(world, "openai/gpt-4o")
    assert [("together", "Qwen/Qwen2.5-7B")] == asked(world, "together_ai/Qwen/Qwen2.5-7B")
    assert ["openai", "together", "google"] == [provider for provider, _ in asked(world, "gemini-2.5-pro")]


def test_an_address_is_taken_for_the_provider_that_is_there():
    found = converted("wildcards")["providers"]

    assert "${GROQ_API_KEY}" == found["groq"]["api_key"]
    assert "base_url" not in found["groq"]
    assert {"profile": "generic", "base_url": "http://127.0.0.1:1234/v1"} == found["openai-compatible"]
    assert "https://api.studio.nebius.ai/v1" == found["nebius"]["base_url"]


def test_no_secret_gets_the_name_of_a_variable_that_means_another():
    """`openai` is asked with what is in `OPENAI_API_KEY` already; another key must not go by that name."""
    entry = {"model_name": "a", "litellm_params": {"model": "openai/gpt-4o", "api_key": "sk-literal"}}
    usual = {"model_name": "b", "litellm_params": {"model": "openai/gpt-4o"}}

    assert [{"api_key": "${OPENAI_API_KEY_2}"}, {"profile": "openai", "api_key": "${OPENAI_API_KEY}"}] == [
        *convert({"model_list": [entry, usual]}).document["providers"].values()
    ]


def test_clouds_are_told_who_one_is():
    found = converted("clouds")["providers"]

    assert {
        "base_url": "https://east.openai.azure.com/openai",
        "api_version": "2024-10-21",
        "api_key": "${AZURE_API_KEY_EAST}",
    } == found["azure"]
    assert "https://west.openai.azure.com/openai/v1" == found["azure-2"]["base_url"]
    assert ["tenant_id", "client_id", "client_secret"] == list(found["azure-2"]["credentials"]["entra"])
    assert {"region": "us-east-1", "credentials": {"aws": AWS}} == found["bedrock"]
    assert {"file": "/secrets/account.json"} == found["vertex-anthropic"]["credentials"]["google"]
    assert "europe-west1" == found["vertex"]["location"]


AWS = {"access_key_id": "${BEDROCK_ACCESS_KEY_ID}", "secret_access_key": "${BEDROCK_SECRET_ACCESS_KEY}"}


def test_it_writes_a_file_but_never_over_one(pointsman, tmp_path):
    output = tmp_path / "pointsman.yaml"

    told = pointsman("import-litellm", FILES / "balanced.yaml", "--output", output)
    again = pointsman("import-litellm", FILES / "fallbacks.yaml", "--output", output)

    assert (0, "") == (told.code, told.out)
    assert "gpt-4o" in output.read_text(encoding="utf-8")
    assert (2, f"`{output}` cannot be written: File exists\n") == (again.code, again.err)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "cannot be read"),
        (b"model_list: [", "is not valid YAML"),
        (b"\xff\xfe\x00", "is not valid YAML"),
        (b"- one\n- two\n", "must be a mapping"),
        (b"#" * (MAX_FILE_BYTES + 1), "is larger than"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_exit_code_2(pointsman, tmp_path, content, complaint):
    path = tmp_path / "config.yaml"
    if content is not None:
        path.write_bytes(content)

    told = pointsman("import-litellm", path)

    assert (2, "") == (told.code, told.out)
    assert complaint in told.err


@pytest.mark.parametrize(
    "params",
    [
        {"rpm": 10**400},
        {"input_cost_per_token": "1e400", "output_cost_per_token": 1},
        {"api_base": "http://[::1"},
    ],
)
def test_a_number_or_an_address_beyond_belief_is_no_reason_to_fail(params):
    entry = {"model_name": "a", "litellm_params": {"model": "openai/m", **params}}

    found = convert({"model_list": [entry], "router_settings": {"routing_strategy": ["x"]}})

    assert any("routing_strategy" in note for note in found.notes)


def test_an_address_is_copied_without_its_secrets():
    params = {"model": "openai/m", "api_base": "https://me:hush-hush@host.example/v1?key=hush-hush"}

    found = convert({"model_list": [{"model_name": "a", "litellm_params": params}]})

    (account,) = found.document["providers"].values()
    assert "https://host.example/v1" == account["base_url"]
    assert "hush-hush" not in written(found, "config.yaml")


def test_a_header_that_looks_like_a_key_is_not_copied_whatever_its_name():
    params = {"model": "openai/m", "api_key": "os.environ/K", "headers": {"X-Mine": "sk-abcdefghijklmnop"}}

    found = convert({"model_list": [{"model_name": "a", "litellm_params": params}]})

    assert "sk-abc" not in written(found, "config.yaml")


def test_deployments_that_are_fallbacks_too_are_written_out():
    """An alias of YAML's in a configuration reads badly, and is one more thing to know."""
    params = {"model": "openai/m", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}
    entries = [{"model_name": name, "litellm_params": {**params, "model": f"openai/{name}"}} for name in "ab"]

    text = written(convert({"model_list": entries, "router_settings": {"fallbacks": [{"b": ["a"]}]}}), "config.yaml")

    assert 3 == text.count("input_usd_per_mtok")
    assert "&id" not in text


def test_aliases_of_aliases_cost_no_more_than_they_are_long():
    held: list[Any] = ["os.environ/DEEP"]
    for _ in range(60):
        held = [held, held]

    convert({"model_list": [], "router_settings": {"x": held}})


_ODD = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**9) | st.floats() | st.sampled_from(["", "*", "openai/*", "x", "1"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["model", "*", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
_NAMES = ["api_base", "api_key", "rpm", "weight", "order", "timeout", "input_cost_per_token", "output_cost_per_token"]
_NAMES += ["organization", "extra_headers", "vertex_credentials", "aws_access_key_id", "tags", "service_tier"]
_PARAMS = st.fixed_dictionaries(
    {"model": st.sampled_from(["openai/gpt-4o", "azure/d", "bedrock/m", "vertex_ai/m", "*", "openai/*", "ollama/m"])},
    optional=dict.fromkeys(_NAMES, _ODD),
)
_ENTRIES = st.lists(
    st.fixed_dictionaries(
        {"model_name": st.sampled_from(["a", "b", "*", "openai/*"]), "litellm_params": _PARAMS},
        optional={"model_info": st.dictionaries(st.sampled_from(["mode", "max_input_tokens"]), _ODD), "rpm": _ODD},
    )
    | _ODD,
    max_size=3,
)
_ROUTER = ["routing_strategy", "num_retries", "timeout", "stream_timeout", "cooldown_time", "allowed_fails"]
_ROUTER += ["fallbacks", "default_fallbacks", "model_group_alias", "retry_policy", "max_request_size_mb", "master_key"]


@given(
    st.fixed_dictionaries(
        {"model_list": _ENTRIES},
        optional=dict.fromkeys(
            ["router_settings", "litellm_settings", "general_settings"],
            st.dictionaries(st.sampled_from(_ROUTER), _ODD, max_size=4) | _ODD,
        ),
    )
)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_nothing_is_too_odd_to_be_converted(document):
    """And what is written is YAML that says the same again."""
    found = convert(document)

    assert found.document == (yaml.safe_load(written(found, "config.yaml")) or {})
