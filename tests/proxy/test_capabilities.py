"""Deployments are passed over for what they lack, by the word of the operator, the catalogue or the provider's row."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import ConfigProblems, validate
from proxy.dialects.openai_chat import decode
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import Health
from proxy.fleet.live import Fleet
from proxy.need import Need
from proxy.world import Route, World

NOW_S = 50.0
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
SEES, BLIND = {"provider": "a", "model": "sees"}, {"provider": "a", "model": "blind", "lacks": ["vision"]}


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return Catalogue.load(at=datetime(2026, 11, 21, tzinfo=UTC))


@pytest.fixture
def world(catalogue):
    """A world with route `m` over these deployments, and with any name passed on to OpenAI and Groq."""

    def build(*deployments: Mapping[str, Any], **others: Any) -> World:
        config = validate(
            {
                "providers": {
                    "a": {"base_url": "http://127.0.0.1:9/v1"},
                    "openai": {"api_key": "sk-x"},
                    "groq": {"api_key": "sk-x"},
                },
                "routes": {"m": {"deployments": deployments or [SEES]}, **others},
            }
        )
        return publish(config, catalogue=catalogue, fleet=Fleet(config.health), environ={})

    return build


def request(*parts: Any, **doc: Any) -> ModelRequest:
    messages = [{"role": "user", "content": [{"type": "text", "text": "look"}, *parts]}]
    return decode(Operation.CHAT, orjson.dumps({"model": "m", "messages": messages, **doc}))


def usable(route: Route, asked: ModelRequest, *tried: str) -> tuple[list[str], dict[str, str]]:
    found, skipped = route.usable(asked, tried, NOW_S)
    return [deployment.id for deployment in found], skipped


def test_an_image_goes_to_those_who_see(world):
    route = world(BLIND, SEES).routes["m"]

    assert (["a/blind", "a/sees"], {}) == usable(route, request())
    assert (["a/sees"], {"a/blind": "lacks vision"}) == usable(route, request(IMAGE))
    assert route.unmet(request(IMAGE)) is None


def test_all_that_is_lacking_is_told(world):
    route = world({**SEES, "lacks": ["tools", "vision", "reasoning"]}).routes["m"]

    assert ([], {"a/sees": "lacks tools, vision"}) == usable(route, request(IMAGE, tools=[{"type": "function"}]))


def test_one_that_could_but_is_set_aside_is_no_refusal(world):
    """The client may come again: 503 and not 400."""
    route = world(BLIND, SEES).routes["m"]
    live = route.deployments[1].live
    live.fail(NOW_S, live.begin(NOW_S, 0), Health.BUSY, retry_after_s=9.0)

    assert [] == usable(route, request(IMAGE))[0]
    assert route.unmet(request(IMAGE)) is None


def test_one_whose_tier_was_not_asked_for_cannot_help(world):
    route = world(BLIND, {**SEES, "tier": "flex"}).routes["m"]

    error = route.unmet(request(IMAGE))
    assert error is not None
    assert "vision" in error.message
    assert route.unmet(request(IMAGE, service_tier="flex")) is None


def test_the_operator_knows_better_than_the_catalogue(world):
    route = world(
        {"provider": "openai", "model": "gpt-3.5-turbo"},
        {"provider": "openai", "model": "o3-mini", "lacks": []},
        {"provider": "openai", "model": "gpt-4o", "lacks": ["tools"]},
    ).routes["m"]

    assert Need.VISION in route.deployments[0].lacks
    assert frozenset() == route.deployments[1].lacks
    assert {Need.TOOLS} == route.deployments[2].lacks


def test_nobody_can_give_a_provider_what_its_api_has_not(world):
    route = world({"provider": "groq", "model": "openai/gpt-oss-120b", "lacks": []}).routes["m"]

    assert Need.AUDIO_INPUT in route.deployments[0].lacks
    assert Need.VISION not in route.deployments[0].lacks


def test_what_a_dialect_cannot_say_no_model_behind_it_can_do(catalogue):
    providers = {"own": {"base_url": "http://127.0.0.1:9/v1", "dialect": "cohere"}}
    config = validate({"providers": providers, "routes": {"m": {"deployments": [{"provider": "own", "lacks": []}]}}})
    made = publish(config, catalogue=catalogue, fleet=Fleet(config.health), environ={})

    assert Need.AUDIO_INPUT in made.routes["m"].deployments[0].lacks


def test_a_wildcard_knows_its_models_too(world):
    wild = world(**{"*": {"deployments": [{"provider": "openai"}, {"provider": "groq", "lacks": ["tools"]}]}})
    route = wild.route(decode(Operation.CHAT, b'{"model":"gpt-4","messages":[{"role":"user","content":"x"}]}'))

    assert Need.VISION in route.deployments[0].lacks
    assert {Need.TOOLS} < route.deployments[1].lacks
    assert Need.VISION not in route.deployments[1].lacks


@pytest.mark.parametrize(
    ("provider", "model", "lacks", "not_lacks"),
    [
        ("openai", "gpt-4o", {Need.REASONING, Need.AUDIO_INPUT}, {Need.VISION, Need.TOOLS, Need.JSON_SCHEMA}),
        ("openai", "gpt-4o-audio-preview", set(), {Need.AUDIO_INPUT, Need.AUDIO_OUTPUT}),
        ("openai", "o3-mini", {Need.VISION}, {Need.REASONING, Need.TOOLS}),
        ("openai", "gpt-4", {Need.VISION, Need.JSON_SCHEMA}, {Need.TOOLS}),
        ("openrouter", "openai/gpt-4o", set(), {Need.REASONING, Need.DOCUMENTS}),
        ("openrouter", "anthropic/claude-opus-4.6", {Need.PREFILL}, {Need.VISION}),
        ("bedrock", "us.anthropic.claude-opus-4-6-v1", {Need.PREFILL, Need.AUDIO_INPUT}, {Need.REASONING}),
        ("anthropic", "claude-sonnet-4-5-20250929", set(), {Need.PREFILL, Need.VISION, Need.REASONING}),
        ("anthropic", "claude-haiku-4-5", set(), {Need.PREFILL, Need.VISION, Need.REASONING}),
        ("anthropic", "claude-opus-4-20250514", set(), {Need.PREFILL}),
        ("anthropic", "claude-3-5-sonnet-20241022", {Need.REASONING}, {Need.VISION, Need.PREFILL}),
        ("groq", "openai/gpt-oss-120b", {Need.VISION}, {Need.TOOLS, Need.REASONING}),
        ("deepseek", "deepseek-chat", {Need.VISION}, {Need.TOOLS}),
        ("zai", "glm-4.5v", set(), {Need.VISION}),
        ("google", "gemini-2.5-flash", {Need.IMAGE_OUTPUT, Need.AUDIO_OUTPUT}, {Need.AUDIO_INPUT, Need.VISION}),
        ("google", "gemini-2.5-flash-image", set(), {Need.IMAGE_OUTPUT}),
        ("google", "gemini-omni-1.1-flash", set(), {Need.AUDIO_OUTPUT}),
        ("nvidia", "nvidia/llama-3.1-nemotron-nano-vl-8b-v1", set(), {Need.VISION}),
        ("vllm", "my-own-model", set(), set(Need)),
    ],
)
def test_what_the_catalogue_says_of_well_known_models(catalogue, provider, model, lacks, not_lacks):
    found = catalogue.lacks(provider, model)

    assert lacks <= found
    assert not not_lacks & found


def test_the_operators_overlay_adds_to_ours(tmp_path):
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text('lacks: [{providers: [vllm], models: ["my-*"], lacks: [tools]}]')
    catalogue = Catalogue.load(overlay, at=datetime(2026, 11, 21, tzinfo=UTC))

    assert {Need.TOOLS} == catalogue.lacks("vllm", "org/My-Model")
    assert Need.VISION in catalogue.lacks("openai", "gpt-4")


def test_a_capability_that_does_not_exist_is_a_problem_of_the_file(world):
    with pytest.raises(ConfigProblems, match=r"deployments\[0\]\.lacks\[0\]"):
        world({**SEES, "lacks": ["telepathy"]})


SMALL, LARGE = {**SEES, "context_window": 1000}, {"provider": "a", "model": "large", "context_window": 9000}


@pytest.mark.parametrize(
    ("chars", "expected"),
    [
        (3000, (["a/sees", "a/large"], {})),
        (6000, (["a/large"], {"a/sees": "context window 1000 is probably too small"})),
        (17_000, (["a/large"], {"a/sees": "context window 1000 is smaller than the prompt"})),
        (50_000, (["a/large"], {"a/sees": "context window 1000 is smaller than the prompt"})),
    ],
)
def test_a_long_prompt_goes_where_it_fits(world, chars, expected):
    route = world(SMALL, LARGE).routes["m"]

    assert expected == usable(route, request({"type": "text", "text": "x" * chars}))


def test_one_that_is_probably_too_small_is_better_than_none(world):
    """An estimate refuses nobody: the provider counts for itself."""
    route = world(SMALL, LARGE).routes["m"]
    asked = request({"type": "text", "text": "x" * 6000})

    assert (["a/sees"], {}) == usable(route, asked, "a/large")
    assert route.unmet(asked) is None


def test_a_large_image_is_no_long_prompt(world):
    route = world(SMALL, LARGE).routes["m"]
    asked = request({"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 1_000_000}})

    assert (["a/sees", "a/large"], {}) == usable(route, asked)
