"""A chat request for an endpoint that has nothing but Responses, and what comes of it there and back."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects import oneinfer_request, openai_chat
from proxy.dialects.dialect import Target
from proxy.dialects.names import DialectName
from proxy.dialects.openai_models import reasons
from proxy.dialects.quirks import OPENAI_TIERS, Quirks
from proxy.dialects.request import Operation
from proxy.dialects.responses.dialect import ResponsesDialect
from proxy.dialects.responses.request_in import hub_document
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.errors import BadRequest, Unsupported

DIALECT = ResponsesDialect()
USER = {"role": "user", "content": "hi"}
ITEM = {"type": "message", "role": "user", "content": "hi"}
SCHEMA = {"name": "n", "schema": {"type": "object"}, "strict": True}


def encoded(target: Target | None = None, **fields: Any) -> dict[str, Any]:
    body = orjson.dumps({"model": "public", "messages": [USER], **fields})
    request = openai_chat.decode(Operation.CHAT, body)
    before = orjson.dumps(request.doc)
    found = orjson.loads(DIALECT.encode(request, target or Target("gpt-4o")))
    assert before == orjson.dumps(request.doc)
    return found


def items(*messages: Any, target: Target | None = None) -> list[dict[str, Any]]:
    return encoded(target, messages=list(messages))["input"]


def test_the_least_there_is():
    assert {"model": "gpt-4o", "input": [ITEM], "store": False} == encoded(
        n=1, stop=None, presence_penalty=0, logit_bias={}, stream_options={"include_usage": True}, modalities=["text"]
    )


def test_what_has_another_name_or_place():
    found = encoded(
        max_completion_tokens=9, temperature=0.5, response_format={"type": "json_schema", "json_schema": SCHEMA},
        verbosity="low", reasoning_effort="high", logprobs=True, top_logprobs=3, stream=True, metadata={"a": "b"},
        tools=[
            {"type": "function", "function": {"name": "look", "description": "d", "parameters": {"type": "object"}}},
            {"type": "function", "function": {"name": "none", "strict": True}},
            {
                "type": "custom",
                "custom": {
                    "name": "patch", "description": "d",
                    "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}},
                },
            },
            {"type": "custom", "custom": {"name": "free", "format": {"type": "text"}}},
        ],
        tool_choice={"type": "function", "function": {"name": "look"}}, parallel_tool_calls=False,
    )  # fmt: skip

    assert {
        "model": "gpt-4o", "input": [ITEM], "store": False, "stream": True, "max_output_tokens": 9, "temperature": 0.5,
        "text": {"format": {"type": "json_schema", **SCHEMA}, "verbosity": "low"},
        "reasoning": {"effort": "high"},
        "include": ["message.output_text.logprobs"], "top_logprobs": 3, "metadata": {"a": "b"},
        "tools": [
            {
                "type": "function", "name": "look", "description": "d", "parameters": {"type": "object"},
                "strict": False,
            },
            {"type": "function", "name": "none", "parameters": {"type": "object", "properties": {}}, "strict": True},
            {
                "type": "custom", "name": "patch", "description": "d",
                "format": {"type": "grammar", "syntax": "regex", "definition": "a"},
            },
            {"type": "custom", "name": "free", "format": {"type": "text"}},
        ],
        "tool_choice": {"type": "function", "name": "look"}, "parallel_tool_calls": False,
    } == found  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("required", "required"),
        ({"type": "custom", "custom": {"name": "p"}}, {"type": "custom", "name": "p"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_a_choice_of_tools_is_flat(choice: Any, wanted: Any):
    tools = [{"type": "function", "function": {"name": "f"}}]

    assert wanted == encoded(tools=tools, tool_choice=choice)["tool_choice"]


@pytest.mark.parametrize(
    ("model", "does"),
    [
        ("gpt-5.6-mini", True), ("o3", True), ("openai/gpt-oss-120b", True), ("gpt-10", True), ("codex-mini", True),
        ("gpt-4o", False), ("gpt-5-chat-latest", False), ("llama-3", False),
    ],
)  # fmt: skip
def test_state_is_asked_of_models_that_have_it(model: str, does: object):
    assert (does, does) == (reasons(model), "reasoning.encrypted_content" in encoded(Target(model)).get("include", []))


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"reasoning_effort": "low"}, {"effort": "low"}),
        ({"reasoning_effort": "none"}, {"effort": "none"}),
        ({"reasoning_effort": "low", "reasoning": {"exclude": True}}, {"effort": "low"}),
        ({"reasoning": {"effort": "low"}}, {"effort": "low"}),
        ({"reasoning": {"effort": "low", "summary": "detailed"}}, {"effort": "low", "summary": "detailed"}),
        ({"reasoning": {"effort": "low", "exclude": True}}, {"effort": "low"}),
        ({"reasoning": {"max_tokens": 2000}}, {"effort": "medium"}),
        ({"reasoning": {"enabled": True}}, None),
        ({"reasoning": {"enabled": False}}, {"effort": "none"}),
        ({"reasoning": {"exclude": True}}, None),
    ],
)
def test_how_hard_to_think(fields: dict[str, Any], wanted: Any):
    assert wanted == encoded(**fields).get("reasoning")


def test_a_summary_is_not_asked_for_where_it_is_not_given():
    quirks = Quirks(dropped=frozenset({"reasoning.summary"}))

    asked = {"effort": "low", "summary": "auto"}
    assert {"effort": "low"} == encoded(Target("m", quirks=quirks), reasoning=asked)["reasoning"]
    assert asked == encoded(Target("m"), reasoning=asked)["reasoning"]


def test_a_model_that_reasons_samples_as_it_likes():
    kept = {"temperature": 0.5, "top_p": 0.9}
    lenient = Target("gpt-5", lenient=True)

    assert kept.items() <= encoded(Target("gpt-5.2"), **kept).items()
    assert kept.items() <= encoded(Target("gpt-5.2"), **kept, reasoning_effort="none").items()
    assert kept.keys().isdisjoint(encoded(Target("gpt-5"), temperature=1, top_p=1.0, reasoning_effort="low"))
    assert kept.keys().isdisjoint(encoded(lenient, **kept, reasoning_effort="low"))
    assert {"temperature", "top_p"} == set(lenient.dropped)
    with pytest.raises(Unsupported, match="while it reasons"):
        encoded(Target("gpt-5"), temperature=0.5, reasoning_effort="low")


def test_a_conversation_is_a_list_of_items():
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
    custom = {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "x"}}
    details = [
        {"type": "reasoning.summary", "summary": "s", "format": "openai-responses-v1", "id": "rs_1"},
        {"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1", "id": "rs_1"},
        {"type": "reasoning.encrypted", "data": "other", "format": "anthropic-claude-v1"},
    ]

    assert [
        {"type": "message", "role": "system", "content": "rules"},
        {
            "type": "message", "role": "user",
            "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "https://x.test/i", "detail": "low"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "auto"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            ],
        },
        {
            "type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
            "summary": [{"type": "summary_text", "text": "s"}],
        },
        {
            "type": "message", "role": "assistant",
            "content": [{"type": "output_text", "text": "ok"}, {"type": "refusal", "refusal": "no"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"a":1}'},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "seen", "status": "incomplete"},
        {
            "type": "custom_tool_call_output", "call_id": "c2",
            "output": [{"type": "input_image", "image_url": "u", "detail": "auto"}],
        },
    ] == items(
        {"role": "system", "content": "rules"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": "https://x.test/i", "detail": "low"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            ],
        },
        {
            "role": "assistant", "content": "ok", "refusal": "no", "tool_calls": [call, custom],
            "reasoning_details": details,
        },
        {"role": "tool", "tool_call_id": "c1", "content": "seen", "is_error": True},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "image_url", "image_url": {"url": "u"}}]},
    )  # fmt: skip


def test_lost_state_is_recalled_by_the_calls_id():
    details = [{"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1"}]
    target = Target("gpt-5", recall=lambda call_id: {"reasoning_details": details} if call_id == "c" else None)
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}

    found = items(
        {"role": "assistant", "tool_calls": [call]}, {"role": "assistant", "tool_calls": [{**call, "id": "d"}]},
        target=target,
    )  # fmt: skip

    assert [
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
    ] == found


@pytest.mark.parametrize(
    ("tier", "asked", "sent"),
    [
        ("default", None, None), ("default", "priority", "priority"), ("default", "flex", "default"),
        ("flex", "flex", "flex"), ("flex", None, "flex"),
    ],
)  # fmt: skip
def test_the_tier_is_the_deployments(tier: str, asked: str | None, sent: str | None):
    target = Target("m", tier, Quirks(tiers=OPENAI_TIERS))

    assert sent == encoded(target, service_tier=asked).get("service_tier")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"stop": ["x"]}, "stop"),
        ({"seed": 0}, "seed"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"top_k": 5}, "top_k"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant", "content": [{"type": "image_url"}]}]}, "messages[0].content"),
    ],
)
def test_what_responses_cannot_say_is_refused_or_left_out(fields: dict[str, Any], param: str):
    with pytest.raises(Unsupported) as caught:
        encoded(**fields)
    target = Target("m", lenient=True)
    encoded(target, **fields)

    assert (param, [param]) == (caught.value.param, target.dropped)


@pytest.mark.parametrize("message", [{"role": "robot"}, {"role": "tool", "content": "x"}, {}])
def test_a_message_nobody_can_read_is_a_bad_request(message: dict[str, Any]):
    with pytest.raises(BadRequest):
        items(message)


def test_fields_the_provider_rejects_are_not_sent():
    assert "metadata" not in encoded(Target("m", quirks=Quirks(dropped=frozenset({"metadata"}))), metadata={"a": "b"})


def test_fields_the_provider_cannot_serve_are_refused():
    quirks = Quirks(unsupported=frozenset({"temperature"}))

    with pytest.raises(Unsupported, match="`temperature`"):
        encoded(Target("m", quirks=quirks), temperature=1)
    assert "temperature" not in encoded(Target("m", quirks=quirks, lenient=True), temperature=1)


def test_a_responses_request_for_a_responses_provider_stays_as_it_is():
    body = b'{"model": "gpt-5",  "input": "hi", "previous_response_id": "resp_1", "tools": [{"type": "web_search"}]}'
    request = ResponsesSurface().decode(Operation.RESPONSES, body)

    assert body is DIALECT.adapt(request, Target("gpt-5"))
    assert "other" == orjson.loads(DIALECT.adapt(request, Target("other")))["model"]


def test_what_it_is_called_and_how_it_streams():
    assert (DialectName.OPENAI_RESPONSES, ("text/event-stream",)) == (DIALECT.name, DIALECT.stream_types)


TEXT = st.text(min_size=1, max_size=12)
PARTS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.builds(lambda url: {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}, TEXT),
    st.builds(lambda data: {"type": "file", "file": {"file_data": data, "filename": "f"}}, TEXT),
    st.builds(lambda data: {"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}, TEXT),
)
CONTENT = st.one_of(TEXT, st.lists(PARTS, min_size=2, max_size=3))
CALL = st.builds(
    lambda call_id, name, text: {
        "id": call_id, "type": "function", "function": {"name": name, "arguments": orjson.dumps({"a": text}).decode()},
    },
    TEXT, TEXT, TEXT,
)  # fmt: skip
TURN = st.one_of(
    st.builds(lambda content: [{"role": "user", "content": content}], CONTENT),
    st.builds(lambda text: [{"role": "system", "content": text}], TEXT),
    st.builds(lambda text: [{"role": "assistant", "content": text}], TEXT),
    st.builds(
        lambda text, calls, failed: [
            {"role": "user", "content": "go"},  # else what the model said before would be of the same message
            {"role": "assistant", "content": text, "tool_calls": calls},
            *[{"role": "tool", "tool_call_id": call["id"], "content": "r"} | failed for call in calls],
        ],
        st.none() | TEXT, st.lists(CALL, min_size=1, max_size=2), st.sampled_from(({}, {"is_error": True})),
    ),
)  # fmt: skip
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2), "top_p": st.floats(0, 1), "max_completion_tokens": st.integers(1, 99),
        "user": TEXT, "prompt_cache_key": TEXT, "verbosity": st.sampled_from(("low", "high")),
        "reasoning_effort": st.sampled_from(("none", "high")),
        "response_format": st.sampled_from(
            ({"type": "json_object"}, {"type": "json_schema", "json_schema": SCHEMA}),
        ),
    },
)  # fmt: skip


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.lists(TURN, min_size=1, max_size=4), FIELDS)
def test_a_chat_request_comes_back_as_it_was(turns: list[list[dict[str, Any]]], fields: dict[str, Any]):
    doc = {"model": "gpt-4o", "messages": [message for turn in turns for message in turn], **fields}
    request = openai_chat.decode(Operation.CHAT, orjson.dumps(doc))

    assert request.doc == hub_document(orjson.loads(DIALECT.encode(request, Target("gpt-4o"))))


@pytest.mark.parametrize(("budget", "effort"), [(1024, "low"), (4096, "medium"), (10_000, "high")])
def test_a_budget_of_thought_becomes_the_nearest_effort(budget: int, effort: str):
    assert {"effort": effort} == encoded(reasoning={"max_tokens": budget})["reasoning"]


def test_a_thinking_model_is_spared_the_sampling_that_only_the_surface_has_said():
    """OneInfer documents a temperature for every request; OpenAI's thinking models take none."""
    request = oneinfer_request.decode(b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "top_p": 0.5}')
    body = orjson.loads(DIALECT.encode(request, Target("o4-mini", filled_in=request.filled_in)))
    assert (0.5, 1000) == (body["top_p"], body["max_output_tokens"])
    assert "temperature" not in body
    assert 0.7 == orjson.loads(DIALECT.encode(request, Target("gpt-4.1", filled_in=request.filled_in)))["temperature"]
