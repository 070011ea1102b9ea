"""Parameters, tools, thinking and structured output in Converse's words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from converse_requests import (
    GPT,
    GPT_OSS,
    HAIKU_3,
    LLAMA,
    NOVA,
    NOVA_2,
    OPUS_5,
    OPUS_46,
    SONNET_4,
    SONNET_45,
    SONNET_55,
    USER,
    asks,
    body,
    body_of,
    call,
    lenient,
    result,
    tool,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from streams_of_converse import DIALECT

from proxy.dialects.bedrock.request import JSON_ONLY
from proxy.dialects.bedrock.thinking import BUDGETS
from proxy.dialects.bedrock.tools import NO_TOOLS
from proxy.dialects.bedrock.traits import KNOWN_MODELS, Thinking, traits_of
from proxy.dialects.dialect import Target
from proxy.dialects.names import DialectName
from proxy.dialects.openai_chat import decode
from proxy.dialects.request import Operation
from proxy.errors import BadRequest, Unsupported, WrongType

SCHEMA = {"type": "object", "properties": {"c": {"type": "string"}}}
ANY_OBJECT = {"type": "object", "properties": {}}
W = tool("w", description="Weather", parameters=SCHEMA)
HISTORY = [USER, asks(call("t1", "w")), result("t1", "x")]


def extra(found: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = found.get("additionalModelRequestFields", {})
    return fields


def test_a_plain_request_is_its_messages():
    assert {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]} == body()


def test_the_common_parameters_have_a_place():
    found = body(LLAMA, max_tokens=9, max_completion_tokens=7, temperature=0.5, top_p=0.9, stop=["a", " ", "b"])

    expected = {"maxTokens": 7, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a", "b"]}
    assert expected == found["inferenceConfig"]
    assert {"stopSequences": ["x"]} == body(stop="x")["inferenceConfig"]
    assert {"temperature": 0} == body(temperature=0)["inferenceConfig"]
    assert "inferenceConfig" not in body(stop=" ", max_tokens=None, temperature=None)


def test_the_limit_is_at_most_the_models():
    found = body_of({"messages": [USER], "max_tokens": 9000}, Target(SONNET_4, max_output_tokens=4096))

    assert 4096 == found["inferenceConfig"]["maxTokens"]


def test_what_is_hotter_than_converse_knows_is_as_hot_as_can_be():
    assert {"temperature": 1} == body(LLAMA, temperature=1.7)["inferenceConfig"]


def test_a_model_that_takes_one_of_both_is_told_one():
    both = {"temperature": 0.5, "top_p": 0.9}
    assert {"temperature": 0.5, "topP": 0.9} == body(SONNET_4, **both)["inferenceConfig"]
    with pytest.raises(Unsupported, match="top_p"):
        body(SONNET_45, **both)
    assert {"temperature": 0.5} == lenient(SONNET_45, **both)[0]["inferenceConfig"]
    assert {"topP": 0.9} == body(SONNET_45, temperature=1, top_p=0.9)["inferenceConfig"]


def test_claudes_own_defaults_are_left_to_it():
    assert "inferenceConfig" not in body(SONNET_45, temperature=1, top_p=1.0)
    assert "inferenceConfig" not in body(OPUS_5, temperature=1, top_p=1)


@pytest.mark.parametrize(("name", "value"), [("temperature", 0.5), ("top_p", 0.5), ("top_k", 5)])
def test_a_model_that_takes_no_sampling_is_told_none(name: str, value: Any):
    with pytest.raises(Unsupported, match=name):
        body(OPUS_5, **{name: value})
    found, dropped = lenient(OPUS_5, **{name: value})

    assert ["messages"] == list(found)
    assert [name] == dropped


@pytest.mark.parametrize(
    ("model", "fields"),
    [(SONNET_4, {"top_k": 5}), (NOVA, {"inferenceConfig": {"topK": 5}}), (NOVA_2, {"inferenceConfig": {"topK": 5}})],
)
def test_top_k_is_where_the_model_has_it(model: str, fields: dict[str, Any]):
    assert fields == extra(body(model, top_k=5))


def test_top_k_is_refused_where_there_is_none():
    with pytest.raises(Unsupported, match="top_k"):
        body(LLAMA, top_k=5)
    assert (["messages"], ["top_k"]) == (list(lenient(LLAMA, top_k=5)[0]), lenient(LLAMA, top_k=5)[1])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 2), ("seed", 7), ("logprobs", True), ("logit_bias", {"1": 2}), ("presence_penalty", 0.5),
        ("frequency_penalty", 1), ("audio", {"voice": "x"}), ("modalities", ["text", "audio"]),
        ("prediction", {"x": 1}),
        ("web_search_options", {}), ("functions", [{}]), ("verbosity", "low"), ("min_p", 0.1),
    ],
)  # fmt: skip
def test_what_converse_does_not_know_is_refused_or_left_out_and_told(name: str, value: Any):
    with pytest.raises(Unsupported) as caught:
        body(**{name: value})
    assert name == caught.value.param

    found, dropped = lenient(**{name: value})
    assert (["messages"], [name]) == (list(found), dropped)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n", 1), ("seed", None), ("logprobs", False), ("logit_bias", {}), ("presence_penalty", 0),
        ("modalities", ["text"]), ("user", "u"), ("store", True), ("prompt_cache_key", "k"), ("safety_identifier", "s"),
        ("stream", True), ("stream_options", {"include_usage": True}), ("endpoint_id", "e"), ("service_tier", "auto"),
        ("parallel_tool_calls", False), ("tool_choice", "none"), ("response_format", {"type": "text"}),
    ],
)  # fmt: skip
def test_what_changes_no_answer_is_let_go(name: str, value: Any):
    assert ["messages"] == list(body(**{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_tokens", 0), ("stop", 7), ("stop", [7]), ("temperature", "hot"), ("top_p", True), ("top_k", 1.5),
        ("reasoning", "high"), ("metadata", []), ("guardrailConfig", 7), ("additionalModelRequestFields", "x"),
        ("response_format", "json"), ("response_format", {"type": "json_schema"}), ("tools", {}), ("tool_choice", 7),
    ],
)  # fmt: skip
def test_a_wrong_type_is_named(name: str, value: Any):
    with pytest.raises(WrongType) as caught:
        body(**{name: value})
    assert (caught.value.param or "").startswith(name)


@pytest.mark.parametrize(
    ("tier", "asked", "sent"),
    [
        ("flex", None, "flex"), ("flex", "priority", "flex"), ("default", "priority", "priority"),
        ("default", "reserved", "reserved"), ("default", "default", "default"), ("default", "flex", None),
        ("default", "auto", None), ("default", "scale", None), ("default", None, None),
    ],
)  # fmt: skip
def test_the_tier_is_the_deployments(tier: str, asked: str | None, sent: str | None):
    found = body_of({"messages": [USER], "service_tier": asked}, Target(SONNET_4, tier=tier))

    assert found.get("serviceTier") == ({"type": sent} if sent else None)


def test_metadata_goes_to_the_logs_as_far_as_it_is_legal():
    given_pairs = {"team": "a b", "bad!": "x", "": "x", "number": 7, "long": "x" * 257, "empty": ""}

    assert {"team": "a b", "empty": ""} == body(metadata=given_pairs)["requestMetadata"]
    assert 16 == len(body(metadata={f"k{n}": "v" for n in range(20)})["requestMetadata"])


def test_converses_own_fields_pass():
    guard = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    found = body(guardrailConfig=guard, additionalModelRequestFields={"x": 1}, top_k=3)

    assert guard == found["guardrailConfig"]
    assert {"top_k": 3, "x": 1} == extra(found)


# --- tools --------------------------------------------------------------------------------------------------------


def test_tools_have_specs():
    tools = [W, tool("v", strict=True, description=" "), tool("u", parameters={"properties": {}}, strict=False)]

    assert {
        "tools": [
            {"toolSpec": {"name": "w", "inputSchema": {"json": SCHEMA}, "description": "Weather"}},
            {"toolSpec": {"name": "v", "inputSchema": {"json": ANY_OBJECT}, "strict": True}},
            {"toolSpec": {"name": "u", "inputSchema": {"json": ANY_OBJECT}}},
        ]
    } == body(SONNET_45, tools=tools)["toolConfig"]


def test_a_marked_tool_has_a_cache_point_behind_it():
    found = body(tools=[{**W, "cache_control": {"type": "ephemeral"}}, tool("v")])["toolConfig"]["tools"]

    assert ["toolSpec", "cachePoint", "toolSpec"] == [next(iter(block)) for block in found]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"auto": {}}), ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "w"}}, {"tool": {"name": "w"}}),
        ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [W]}}, {"any": {}}),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "w"}]}, {"auto": {}}),
    ],
)  # fmt: skip
def test_every_choice_has_its_word(choice: Any, sent: dict[str, Any]):
    assert sent == body(tools=[W, tool("v")], tool_choice=choice)["toolConfig"]["toolChoice"]


def test_a_forced_call_leaves_adaptive_thinking_out():
    found = body(OPUS_46, tools=[W], tool_choice="required", reasoning_effort="high")

    assert ({}, {"effort": "high"}) == (extra(found), found["outputConfig"])
    assert {"any": {}} == found["toolConfig"]["toolChoice"]


def test_tools_that_are_not_allowed_are_not_shown():
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [W]}}

    assert ["w"] == [
        one["toolSpec"]["name"] for one in body(tools=[W, tool("v")], tool_choice=choice)["toolConfig"]["tools"]
    ]


def test_no_tools_are_wanted_and_none_were_used():
    assert ["messages"] == list(body(tools=[W], tool_choice="none"))


@pytest.mark.parametrize(
    ("doc", "names"),
    [({"tools": [W, tool("v")], "tool_choice": "none"}, ["w", "v"]), ({}, ["w"]), ({"tools": []}, ["w"]),
     ({"tools": [tool("v")], "tool_choice": "none"}, ["v", "w"])],
)  # fmt: skip
def test_a_history_with_calls_keeps_its_tools_and_the_model_is_told_not_to_use_them(
    doc: dict[str, Any], names: list[str]
):
    found = body(messages=HISTORY, **doc)

    assert names == [one["toolSpec"]["name"] for one in found["toolConfig"]["tools"]]
    assert "toolChoice" not in found["toolConfig"]
    assert [{"text": NO_TOOLS}] == found["system"]


def test_one_call_at_a_time_is_said_in_claudes_own_words():
    for choice, sent in (
        (None, {"type": "auto"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "w"}}, {"type": "tool", "name": "w"}),
    ):
        found = body(SONNET_45, tools=[W], tool_choice=choice, parallel_tool_calls=False)
        assert {"tool_choice": {**sent, "disable_parallel_tool_use": True}} == extra(found)
        assert "toolChoice" not in found["toolConfig"]
    assert {} == extra(body(SONNET_45, tools=[W], parallel_tool_calls=True))


@pytest.mark.parametrize(
    ("doc", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0]"),
        ({"tools": [W], "tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"tools": [W], "tool_choice": "required", "reasoning_effort": "low"}, "tool_choice"),
        ({"tools": [W], "tool_choice": "required", "model": SONNET_55}, "tool_choice"),
    ],
)
def test_what_cannot_be_asked_of_tools_is_refused(doc: dict[str, Any], param: str):
    doc = {"model": SONNET_4, **doc}
    with pytest.raises(Unsupported) as caught:
        body(**doc)
    assert param == caught.value.param
    assert [param] == lenient(**doc)[1]


def test_a_tool_without_a_name_is_no_tool():
    with pytest.raises(BadRequest, match="name"):
        body(tools=[{"type": "function", "function": {}}])


# --- thinking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effort", list(BUDGETS))
def test_an_effort_is_a_budget_for_models_that_think_on_one(effort: str):
    found = body(SONNET_4, reasoning_effort=effort, max_tokens=32_000)

    assert {"thinking": {"type": "enabled", "budget_tokens": BUDGETS[effort]}} == extra(found)


@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        (OPUS_5, "minimal", "low"), (OPUS_5, "medium", "medium"), (OPUS_5, "xhigh", "xhigh"), (OPUS_5, "max", "max"),
        (OPUS_46, "xhigh", "high"), (OPUS_46, "max", "max"),
    ],
)  # fmt: skip
def test_an_effort_is_said_beside_adaptive_thinking(model: str, effort: str, sent: str):
    found = body(model, reasoning_effort=effort)

    assert {"thinking": {"type": "adaptive", "display": "summarized"}} == extra(found)
    assert {"effort": sent} == found["outputConfig"]


@pytest.mark.parametrize(
    ("model", "doc", "fields"),
    [
        (GPT_OSS, {"reasoning_effort": "minimal"}, {"reasoning_effort": "low"}),
        (GPT_OSS, {"reasoning": {"effort": "max"}}, {"reasoning_effort": "high"}),
        (GPT, {"reasoning_effort": "xhigh"}, {"reasoning": {"effort": "xhigh"}}),
        (GPT, {"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}}),
        (GPT, {"reasoning": {"enabled": True}}, {}),
        (GPT_OSS, {"reasoning": {"enabled": True}}, {}),
        (GPT_OSS, {"reasoning": {"max_tokens": 2000}}, {"reasoning_effort": "medium"}),
        (NOVA_2, {"reasoning_effort": "high"}, {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}),
        (NOVA_2, {"reasoning_effort": "none"}, {}),
        (SONNET_4, {"reasoning_effort": "none"}, {}),
        (SONNET_4, {"reasoning": {"enabled": False, "effort": "high"}}, {}),
        (SONNET_4, {"reasoning": {}}, {}),
        (OPUS_5, {"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (OPUS_5, {"reasoning": {"enabled": True, "exclude": True}},
         {"thinking": {"type": "adaptive", "display": "omitted"}}),
        (SONNET_4, {"reasoning": {"max_tokens": 3000}}, {"thinking": {"type": "enabled", "budget_tokens": 3000}}),
        (SONNET_4, {"reasoning": {"max_tokens": 5}}, {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (SONNET_4, {"reasoning": {"enabled": True}}, {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (SONNET_4, {"reasoning_effort": "high", "max_tokens": 2000},
         {"thinking": {"type": "enabled", "budget_tokens": 1999}}),
        (LLAMA, {"reasoning_effort": "none"}, {}),
    ],
)  # fmt: skip
def test_every_model_is_told_in_its_own_words(model: str, doc: dict[str, Any], fields: dict[str, Any]):
    assert fields == extra(body(model, **doc))


@pytest.mark.parametrize(("tokens", "effort"), [(500, "low"), (2048, "medium"), (3000, "high"), (99_999, "max")])
def test_a_budget_is_the_next_effort_for_models_that_know_none(tokens: int, effort: str):
    assert {"effort": effort} == body(OPUS_5, reasoning={"max_tokens": tokens})["outputConfig"]


@pytest.mark.parametrize(
    ("model", "doc", "param"),
    [
        (LLAMA, {"reasoning_effort": "low"}, "reasoning_effort"),
        (HAIKU_3, {"reasoning": {"effort": "low"}}, "reasoning"),
        (SONNET_4, {"reasoning_effort": "low", "max_tokens": 1024}, "reasoning_effort"),
        (SONNET_4, {"reasoning_effort": "low", "temperature": 0.2}, "temperature"),
        (SONNET_4, {"reasoning_effort": "low", "top_p": 0.5}, "top_p"),
        (SONNET_4, {"reasoning_effort": "low", "top_k": 5}, "top_k"),
    ],
)
def test_thinking_that_cannot_be_is_refused(model: str, doc: dict[str, Any], param: str):
    with pytest.raises(Unsupported) as caught:
        body(model, **doc)
    assert param == caught.value.param
    assert [param] == lenient(model, **doc)[1]


def test_what_is_told_to_have_been_left_out_is_told_once():
    target = Target(SONNET_4, lenient=True, dropped=["reasoning_effort"])
    body_of({"messages": HISTORY, "reasoning_effort": "low", "temperature": 0.5}, target)

    assert ["reasoning_effort"] == target.dropped


def test_an_effort_nobody_knows_is_named():
    with pytest.raises(BadRequest, match="minimal, low, medium"):
        body(SONNET_4, reasoning_effort="extreme")


def test_a_model_that_always_thinks_does_so_as_little_as_it_can():
    target = Target(SONNET_55)
    always = Target("anthropic.claude-fable-5-1")
    doc = {"messages": [USER], "reasoning_effort": "none"}

    assert {"thinking": {"type": "between_tools"}} == extra(body_of(doc, target))
    assert {"effort": "low"} == body_of(doc, always)["outputConfig"]
    assert ([], ["reasoning_effort"]) == (target.dropped, always.dropped)


def test_what_goes_with_thinking_stays():
    found = body(SONNET_4, reasoning_effort="low", temperature=1, top_p=0.96)

    assert {"topP": 0.96} == found["inferenceConfig"]


SIGNED = [{"type": "reasoning.text", "text": "hm", "signature": "s", "format": "anthropic-claude-v1"}]


@pytest.mark.parametrize(
    ("model", "messages", "thinks"),
    [
        (SONNET_4, HISTORY, False),
        (SONNET_4, [*HISTORY, USER], False),
        (SONNET_4, [*HISTORY, {"role": "assistant", "content": "x"}, USER], True),
        (SONNET_4, [USER, asks(call("t", "w"), reasoning_details=SIGNED), result("t", "x"), asks(call("u", "w")),
                    result("u", "x")], True),
        (OPUS_46, HISTORY, True),
    ],
)  # fmt: skip
def test_a_model_on_a_budget_cannot_think_in_the_midst_of_calls_whose_thoughts_are_lost(
    model: str, messages: list[dict[str, Any]], *, thinks: bool
):
    """Who began with another model could never go on: thinking is left out, and told."""
    target = Target(model)
    found = body_of({"messages": messages, "reasoning_effort": "low", "tools": [W]}, target)

    assert thinks == ("thinking" in extra(found))
    assert ([] if thinks else ["reasoning_effort"]) == target.dropped


# --- structured output --------------------------------------------------------------------------------------------


def test_a_schema_is_refused_where_it_binds_nobody():
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    with pytest.raises(Unsupported, match="response_format"):
        body(SONNET_4, response_format=form)
    found, dropped = lenient(SONNET_4, response_format=form)

    assert ([{"text": JSON_ONLY}], ["response_format"]) == (found["system"], dropped)


def test_a_schema_is_text_in_the_output_config():
    form = {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": SCHEMA, "strict": True}}
    found = body(OPUS_5, response_format=form, reasoning_effort="low")["outputConfig"]
    definition = found["textFormat"]["structure"]["jsonSchema"]

    assert ("low", "json_schema") == (found["effort"], found["textFormat"]["type"])
    assert ("n", "d", SCHEMA) == (definition["name"], definition["description"], orjson.loads(definition["schema"]))


def test_a_schema_need_not_say_what_it_is_for_and_may_not_be_bottomless():
    form: dict[str, Any] = {"type": "json_schema", "json_schema": {"schema": SCHEMA}}
    definition = body(OPUS_5, response_format=form)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert ["schema", "name"] == list(definition)

    for _ in range(400):
        form["json_schema"]["schema"] = {"items": form["json_schema"]["schema"]}
    request = decode(Operation.CHAT, orjson.dumps({"model": "m", "messages": [USER]}))
    request.doc["response_format"] = form
    with pytest.raises(BadRequest, match="nested"):
        DIALECT.encode(request, Target(OPUS_5))


def test_a_format_nobody_knows_is_refused():
    with pytest.raises(Unsupported, match="grammar"):
        body(response_format={"type": "grammar"})
    assert ["messages"] == list(lenient(response_format={"type": "grammar"})[0])


def test_strictness_is_told_to_be_left_out_where_it_binds_nobody():
    target = Target(SONNET_4)
    found = body_of({"messages": [USER], "tools": [tool("w", strict=True)]}, target)

    assert "strict" not in found["toolConfig"]["tools"][0]["toolSpec"]
    assert ["tools[0].function.strict"] == target.dropped


def test_any_json_is_asked_for_in_words():
    assert [{"text": JSON_ONLY}] == body(response_format={"type": "json_object"})["system"]


# --- the dialect --------------------------------------------------------------------------------------------------


def test_the_dialect_is_known_by_its_name_and_its_streams():
    assert DialectName.BEDROCK == DIALECT.name
    assert ("application/vnd.amazon.eventstream",) == DIALECT.stream_types


def test_a_request_that_is_bedrocks_already_passes_as_it_came():
    raw = b'{ "model":"m", "messages":[{"role":"user","content":[{"text":"x"}]}] }'
    request = decode(Operation.CHAT, raw)
    assert DIALECT.adapt(request, Target(SONNET_4)) is raw

    request.raw = None
    assert orjson.loads(raw) == orjson.loads(DIALECT.adapt(request, Target(SONNET_4)))


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("anthropic.claude-3-7-sonnet-20250219-v1:0", Thinking.BUDGET), (SONNET_4, Thinking.BUDGET),
        ("anthropic.claude-opus-4-1-20250805-v1:0", Thinking.BUDGET), (SONNET_45, Thinking.BUDGET),
        (OPUS_46, Thinking.ADAPTIVE), ("anthropic.claude-opus-4-7", Thinking.ADAPTIVE), (OPUS_5, Thinking.ADAPTIVE),
        ("us.anthropic.claude-haiku-5-5", Thinking.ADAPTIVE), (HAIKU_3, Thinking.NEVER),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", Thinking.NEVER), (NOVA_2, Thinking.NOVA), (NOVA, Thinking.NEVER),
        ("us.deepseek.r1-v1:0", Thinking.NEVER), ("deepseek.v3-v1:0", Thinking.EFFORT),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/abc", Thinking.NEVER),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-opus-5", Thinking.ADAPTIVE),
    ],
)  # fmt: skip
def test_a_model_is_known_by_its_name(model: str, thinking: Thinking):
    assert thinking is traits_of(model).thinking


def test_few_names_are_remembered():
    for number in range(KNOWN_MODELS + 10):
        traits_of(f"model-{number}")

    assert KNOWN_MODELS == traits_of.cache_info().currsize


ANY_NAME = st.sampled_from(
    ["max_tokens", "temperature", "top_p", "top_k", "stop", "tools", "tool_choice", "response_format", "reasoning",
     "reasoning_effort", "metadata", "service_tier", "n", "messages", "parallel_tool_calls", "guardrailConfig"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "x", "auto", "high", "function"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "function", "name", "role", "content", "text", "x"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
MODELS = st.sampled_from([SONNET_4, SONNET_45, OPUS_5, NOVA_2, LLAMA, GPT_OSS, GPT])


@given(fields=st.dictionaries(ANY_NAME, JSON, max_size=4), model=MODELS, is_lenient=st.booleans())
@settings(max_examples=500, derandomize=True, deadline=None)
def test_whatever_a_client_sends_is_a_body_or_a_400(fields: dict[str, Any], model: str, *, is_lenient: bool):
    try:
        request = decode(Operation.CHAT, orjson.dumps({"model": "m", "messages": [USER], **fields}))
        DIALECT.encode(request, Target(model, lenient=is_lenient))
    except BadRequest as error:
        assert 400 == error.status  # noqa: PT017 - many of them are fine
