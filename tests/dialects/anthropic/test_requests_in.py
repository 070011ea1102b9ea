"""An Anthropic client's request, checked and as the hub's."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.dialects.anthropic.dressing import block_of, block_of_call
from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.anthropic.words import OWN
from proxy.dialects.hub import effort_of, foreign_state
from proxy.dialects.names import DialectName
from proxy.dialects.request import Operation
from proxy.errors import BadRequest, InvalidJson, MissingField, Unsupported, WrongType

SURFACE = AnthropicSurface()
HI = [{"role": "user", "content": "hi"}]
TOOL = {"name": "w", "input_schema": {"type": "object"}}
MARK = {"type": "ephemeral", "ttl": "5m"}


def decode(**fields: Any):
    return SURFACE.decode(Operation.CHAT, orjson.dumps({"model": "m", "max_tokens": 9, "messages": HI, **fields}))


def hub(**fields: Any) -> dict[str, Any]:
    request = decode(**fields)
    before = orjson.dumps(request.doc)
    found = request.hub.doc
    assert before == orjson.dumps(request.doc)
    return found


def messages(*found: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    return hub(messages=list(found), **fields)["messages"]


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def test_what_routing_needs_is_read():
    asked = decode(stream=True, metadata={"user_id": "u" * 300})
    assert ("m", True, 9, "u" * 256, DialectName.ANTHROPIC) == (
        asked.model, asked.stream, asked.max_output_tokens, asked.session, asked.dialect,
    )  # fmt: skip
    assert orjson.loads(asked.raw) == asked.doc
    told = asked.hub
    assert (Operation.CHAT, None, True, True, DialectName.OPENAI_CHAT, DialectName.ANTHROPIC) == (
        told.operation, told.raw, told.stream, told.wants_usage, told.dialect, told.origin,
    )  # fmt: skip
    assert {"include_usage": True} == told.doc["stream_options"]
    assert told is asked.hub is told.hub


@pytest.mark.parametrize(
    ("change", "kind", "param"),
    [
        ({"model": None}, MissingField, "model"),
        ({"model": 7}, WrongType, "model"),
        ({"max_tokens": None}, MissingField, "max_tokens"),
        ({"max_tokens": "9"}, WrongType, "max_tokens"),
        ({"max_tokens": True}, WrongType, "max_tokens"),
        ({"max_tokens": -1}, BadRequest, "max_tokens"),
        ({"messages": None}, MissingField, "messages"),
        ({"messages": []}, MissingField, "messages"),
        ({"messages": "hi"}, WrongType, "messages"),
        ({"messages": ["hi"]}, WrongType, "messages[0]"),
        ({"messages": [{"role": "tool", "content": "x"}]}, BadRequest, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "x"}]}, BadRequest, "messages[0].role"),
        ({"messages": [{"role": {}, "content": "x"}]}, BadRequest, "messages[0].role"),
        ({"stream": "yes"}, WrongType, "stream"),
        ({"tools": {}}, WrongType, "tools"),
        ({"thinking": "hard"}, WrongType, "thinking"),
        ({"metadata": "u"}, WrongType, "metadata"),
    ],
)
def test_what_is_wrong_is_told_by_its_name(change, kind, param):
    with pytest.raises(kind) as raised:
        decode(**change)
    assert param == raised.value.param


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": ["hi"]}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [*HI, {"role": "user", "content": [{"type": "text", "text": ""}]}]},
        {"messages": [{"role": "user", "content": [{"type": "hologram"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "tool_result"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "document"}]}]},
        {"system": 7},
        {"tools": [{"name": "w"}]},
        {"tools": [7]},
        {"tools": [{"type": "teleport", "name": "w"}]},
        {"tools": [TOOL], "tool_choice": {"type": "maybe"}},
        {"thinking": {"type": "enabled"}},
        {"thinking": {"type": "maybe"}},
        {"thinking": {"budget_tokens": 2000}},
        {"output_config": {"format": {"type": "grammar"}}},
        {"output_config": {"format": "json"}},
        {"tools": [TOOL], "tool_choice": {"type": "tool"}},
    ],
)
def test_what_cannot_be_understood_is_a_bad_request(change):
    with pytest.raises(BadRequest) as raised:
        hub(**change)
    assert raised.value.param


def test_no_json_is_told():
    with pytest.raises(InvalidJson):
        SURFACE.decode(Operation.CHAT, b"{")


def test_the_system_prompt_is_the_first_message():
    assert {"role": "system", "content": "s"} == messages(*HI, system="s")[0]
    assert {"role": "system", "content": "s"} == messages(*HI, system=[{"type": "text", "text": "s"}])[0]
    marked = [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": MARK}]
    assert {"role": "system", "content": marked} == messages(*HI, system=marked)[0]
    assert HI == messages(*HI, system="")
    assert [*HI, {"role": "system", "content": "later"}] == messages(*HI, {"role": "system", "content": "later"})


def test_results_become_messages_before_the_rest_of_their_turn():
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}}
    found = messages(
        *HI,
        {"role": "assistant", "content": [
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "a", "name": "w", "input": {"c": "Paris"}, "cache_control": MARK},
            {"type": "tool_use", "id": "b", "name": "w", "input": {}},
        ]},
        user(
            {"type": "text", "text": "Here:"},
            {"type": "tool_result", "tool_use_id": "a", "content": "20C", "cache_control": MARK},
            {"type": "tool_result", "tool_use_id": "b", "is_error": True, "content": [
                {"type": "text", "text": "no"}, image,
            ]},
            {"type": "tool_result", "tool_use_id": "c"},
        ),
    )  # fmt: skip
    call = {"id": "a", "type": "function", "function": {"name": "w", "arguments": '{"c":"Paris"}'}}
    assert {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [
            {**call, "cache_control": MARK},
            {"id": "b", "type": "function", "function": {"name": "w", "arguments": "{}"}},
        ],
    } == found[1]
    shown = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    assert [
        {"role": "tool", "tool_call_id": "a", "content": "20C", "cache_control": MARK},
        {"role": "tool", "tool_call_id": "b", "content": [{"type": "text", "text": "no"}, shown], "is_error": True},
        {"role": "tool", "tool_call_id": "c", "content": ""},
        {"role": "user", "content": "Here:"},
    ] == found[2:]


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (
            {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        ),
        (
            {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "file", "file": {"file_id": "file_1"}},
        ),
        (
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}},
            {"type": "file", "file": {"filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        ),
        (
            {"type": "document", "title": "a", "source": {"type": "url", "url": "https://x.test/a.pdf"},
             "citations": {"enabled": True}},
            {"type": "file", "file": {"filename": "a", "file_url": "https://x.test/a.pdf"},
             "citations": {"enabled": True}},
        ),
        (
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
            {"type": "file", "file": {"filename": "document.pdf", "file_id": "file_1"}},
        ),
        (
            {"type": "document", "title": "T", "source": {"type": "text", "media_type": "text/plain", "data": "x"}},
            {"type": "text", "text": "T\n\nx"},
        ),
        (
            {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "x"}]}},
            {"type": "text", "text": "x"},
        ),
        (
            {"type": "search_result", "title": "T", "source": "s", "content": [{"type": "text", "text": "x"}]},
            {"type": "text", "text": "T\ns\n\nx"},
        ),
        ({"type": "container_upload", "file_id": "f"}, {"type": "container_upload", "file_id": "f"}),
    ],
)  # fmt: skip
def test_every_block_is_a_part(block, part):
    found = messages(user({"type": "text", "text": "see"}, {**block, "cache_control": MARK}))
    assert {**part, "cache_control": MARK} == found[0]["content"][1]


def test_thoughts_keep_their_state():
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "enc=="},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "text", "text": "So."},
    ]
    assert {
        "role": "assistant",
        "content": "So.",
        "reasoning_content": "hm",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "sig==", "format": OWN},
            {"type": "reasoning.encrypted", "data": "enc==", "format": OWN},
        ],
    } == messages(*HI, {"role": "assistant", "content": blocks})[1]


def test_dressed_state_returns_to_whom_it_belongs():
    entry = {"type": "reasoning.encrypted", "data": "enc", "id": "rs_1", "format": "openai-responses-v1"}
    text = {"type": "reasoning.text", "text": "hm", "signature": "s", "format": "google-gemini-v1"}
    extra = {"google": {"thought_signature": "x"}}
    blocks = [
        block_of(entry), block_of(text, "hm"), block_of_call("a", extra),
        {"type": "redacted_thinking", "data": foreign_state("unknown", "%%%")},
        {"type": "thinking", "thinking": "m", "signature": ""},
        {"type": "tool_use", "id": "a", "name": "w", "input": {}},
    ]  # fmt: skip
    found = messages(*HI, {"role": "assistant", "content": blocks})[1]
    assert ([entry, text], "hmm", extra) == (
        found["reasoning_details"], found["reasoning_content"], found["tool_calls"][0]["extra_content"],
    )  # fmt: skip


def test_an_empty_answer_is_an_empty_text():
    blocks = [{"type": "thinking", "thinking": "hm", "signature": ""}]
    assert "" == messages(*HI, {"role": "assistant", "content": blocks})[1]["content"]
    assert "" == messages(*HI, {"role": "assistant", "content": ""})[1]["content"]


def test_tools_and_the_choice_among_them():
    search = {"type": "web_search_20250305", "name": "web_search"}
    strict = {**TOOL, "type": "custom", "description": "d", "strict": True, "cache_control": MARK}
    found = hub(tools=[strict, search], tool_choice={"type": "tool", "name": "w"})
    function = {"name": "w", "parameters": {"type": "object"}, "description": "d", "strict": True}
    assert [{"type": "function", "function": function, "cache_control": MARK}, search] == found["tools"]
    assert {"type": "function", "function": {"name": "w"}} == found["tool_choice"]
    assert "none" == hub(tools=[TOOL], tool_choice={"type": "none"})["tool_choice"]


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({}, None),
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "adaptive"}}, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max"),
        ({"output_config": {"effort": "low"}}, "low"),
    ],
)
def test_how_hard_to_think(fields, effort):
    assert effort == effort_of(hub(**fields))


@pytest.mark.parametrize(("budget", "effort"), [(1_024, "low"), (4_096, "medium"), (31_999, "high")])
def test_a_budget_of_thought_is_kept_beside_the_effort_it_stands_for(budget, effort):
    found = hub(thinking={"type": "enabled", "budget_tokens": budget})["reasoning"]
    assert {"max_tokens": budget, "effort": effort, "summary": "auto"} == found


def test_thoughts_are_asked_for_unless_they_are_to_be_left_out():
    shown = {"type": "adaptive", "display": "summarized"}
    assert {"enabled": True, "summary": "auto"} == hub(thinking=shown)["reasoning"]
    assert {"enabled": True} == hub(thinking={**shown, "display": "omitted"})["reasoning"]
    assert "reasoning" not in hub(output_config={"effort": "low"})


def test_the_rest_has_its_names():
    schema = {"type": "object"}
    found = hub(
        stop_sequences=["END"], temperature=0.5, top_p=0.9, top_k=3, service_tier="standard_only",
        output_config={"format": {"type": "json_schema", "schema": schema}}, metadata={"user_id": "u"},
    )  # fmt: skip
    assert (["END"], 0.5, 0.9, 3, "default", "u", 9) == tuple(
        found[name]
        for name in ("stop", "temperature", "top_p", "top_k", "service_tier", "user", "max_completion_tokens")
    )
    assert schema == found["response_format"]["json_schema"]["schema"]
    assert "priority" == hub(speed="fast")["service_tier"]


def test_hints_go_and_what_only_anthropic_knows_stays():
    found = hub(
        context_management={"edits": []}, diagnostics={}, cache_control=MARK, mcp_servers=[{"name": "x"}], container="c"
    )
    assert {"model", "messages", "max_completion_tokens", "mcp_servers", "container"} == found.keys()


def test_counting_needs_no_limit():
    body = orjson.dumps({"model": "m", "messages": HI})
    assert SURFACE.decode(Operation.COUNT_TOKENS, body).max_output_tokens is None


def test_no_other_provider_is_asked_to_write_nothing():
    """Anthropic's API then only fills its cache; without a limit another would write a whole answer."""
    asked = decode(max_tokens=0)
    assert asked.max_output_tokens is None
    with pytest.raises(Unsupported) as raised:
        _ = asked.hub
    assert "max_tokens" == raised.value.param


@pytest.mark.parametrize("fields", [{"output_format": {}}, {"output_config": {"format": {}}}])
def test_a_schema_may_stand_where_it_stood_while_it_was_a_beta(fields):
    schema = {"type": "json_schema", "schema": {"type": "object"}}
    (name,) = fields
    found = hub(**{name: schema if name == "output_format" else {"format": schema}})
    assert {"name": "answer", "schema": {"type": "object"}, "strict": True} == found["response_format"]["json_schema"]
    assert name not in found
