"""What coding assistants ask beside what they need: where another provider lacks it, they do without."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.dialects.anthropic.request_in import decode as decode_anthropic
from proxy.dialects.asking import Need
from proxy.dialects.dialect import Target
from proxy.dialects.hub import offers_functions
from proxy.dialects.names import DialectName
from proxy.dialects.needs import without_thinking
from proxy.dialects.openai_chat import decode
from proxy.dialects.request import ModelRequest, Operation
from proxy.dialects.simplify import plain
from proxy.dialects.spoken import SPOKEN
from proxy.errors import Unsupported

MODELS = {
    DialectName.ANTHROPIC: "claude-opus-4-7",
    DialectName.GEMINI: "gemini-2.5-flash",
    DialectName.BEDROCK: "meta.llama3-3-70b-instruct-v1:0",
    DialectName.COHERE: "command-a-03-2025",
    DialectName.OLLAMA: "llama3.2",
}
WITHOUT_ONE_CALL = sorted(MODELS.keys() - {DialectName.ANTHROPIC})
FUNCTION = {"type": "function", "function": {"name": "run", "parameters": {"type": "object", "properties": {}}}}
CUSTOM = {"type": "custom", "custom": {"name": "patch"}}
SEARCH = {"type": "web_search"}


def asked(**fields: Any) -> ModelRequest:
    doc = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}], **fields}
    return decode(Operation.CHAT, orjson.dumps(doc))


def written(name: DialectName, **fields: Any) -> tuple[dict[str, Any], list[str]]:
    """The body, and what was left out."""
    request = asked(**fields)
    target = Target(MODELS.get(name, "gpt-4.1"), offers_functions=offers_functions(request.doc))
    if name is DialectName.OPENAI_CHAT:
        return plain(request.doc, target), target.dropped
    return orjson.loads(SPOKEN[name].encode(request, target)), target.dropped


everywhere = pytest.mark.parametrize("name", [*MODELS, DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES])


@everywhere
def test_a_tool_of_another_provider_is_left_out_beside_functions(name: DialectName):
    body, dropped = written(name, tools=[FUNCTION, SEARCH])
    assert ["tools[1]"] == [param.removesuffix(".type") for param in dropped]
    assert b"run" in orjson.dumps(body)
    assert b"web_search" not in orjson.dumps(body)


@everywhere
@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [SEARCH]},
        {"tools": [FUNCTION, SEARCH], "tool_choice": {"type": "function", "function": {"name": "run"}}},
    ],
    ids=["alone", "forced"],
)
def test_it_is_refused_where_it_is_what_was_asked_for(name: DialectName, fields: dict[str, Any]):
    with pytest.raises(Unsupported):
        written(name, **fields)


@pytest.mark.parametrize("name", MODELS)
def test_a_tool_of_the_clients_own_is_never_left_out(name: DialectName):
    with pytest.raises(Unsupported):
        written(name, tools=[FUNCTION, CUSTOM])


@pytest.mark.parametrize("name", WITHOUT_ONE_CALL)
def test_calls_one_at_a_time_are_a_wish_that_is_left_out_and_told(name: DialectName):
    assert ["parallel_tool_calls"] == written(name, tools=[FUNCTION], parallel_tool_calls=False)[1]


THINKS = {"thinking": {"type": "enabled", "budget_tokens": 2000}}
MAY_THINK = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}


@pytest.mark.parametrize(
    ("fields", "lacks", "lenient", "kept", "told"),
    [
        (MAY_THINK, {Need.REASONING}, False, set(), ()),
        ({"output_config": {"effort": "low"}}, {Need.REASONING}, False, set(), ()),
        ({"thinking": {"type": "adaptive"}}, {Need.REASONING, Need.VISION}, True, set(), ()),
        (MAY_THINK, {Need.VISION}, False, {"reasoning_effort", "reasoning"}, ()),
        (THINKS, {Need.REASONING}, False, {"reasoning"}, ()),
        (THINKS, {Need.REASONING}, True, set(), ("reasoning",)),
        (THINKS, set(), True, {"reasoning"}, ()),
        ({}, {Need.REASONING}, True, set(), ()),
    ],
)
def test_thinking_as_a_model_sees_fit_is_no_need(
    fields: dict[str, Any], lacks: set[Need], kept: set[str], told: tuple[str, ...], *, lenient: bool
):
    """And thinking that was asked for is left out for a lenient client only, and told."""
    doc = {"model": "m", "max_tokens": 5000, "messages": [{"role": "user", "content": "hi"}], **fields}
    request = decode_anthropic(Operation.CHAT, orjson.dumps(doc)).hub
    found, left_out = without_thinking(request, frozenset(lacks), lenient=lenient)
    assert told == left_out
    assert kept == found.doc.keys() & {"reasoning", "reasoning_effort"}
    assert found.doc["messages"] == request.doc["messages"]
