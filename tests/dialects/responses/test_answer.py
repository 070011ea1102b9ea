"""Whole answers, both ways."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hubs import USAGE, answer, events_in
from told import Said

from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.counting import usage_document, usage_from_openai
from proxy.dialects.dialect import Target
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.dialects.responses.dialect import ResponsesDialect
from proxy.dialects.responses.surface import ResponsesSurface

TOLD = Said(usage=USAGE)
DIALECT = ResponsesDialect()
TARGET = Target("m")


def surface(**fields: Any) -> ResponsesSurface:
    made = ResponsesSurface()
    made.decode(Operation.RESPONSES, orjson.dumps({"model": "m", "input": "hi", **fields}))
    return made


def response(hub: dict[str, Any], told: Said = TOLD, **fields: Any) -> dict[str, Any]:
    return orjson.loads(surface(**fields).answer(orjson.dumps(hub), told))


def streamed(message: dict[str, Any], finish: str) -> bytes:
    """The same message in one chunk a field."""
    chunks = Chunks()
    chunks.identify("chatcmpl-1", "up-model", 1)
    order = ("reasoning_content", "reasoning_details", "content", "refusal", "images")
    said = [chunks.delta({name: message[name]}) for name in order if name in message]
    for number, call in enumerate(message.get("tool_calls", ())):
        said.append(chunks.delta({"tool_calls": [{"index": number, **call}]}))
    return b"".join([*said, chunks.finish(finish), chunks.usage(usage_document(USAGE)), DONE])


CALL = {"id": "c", "type": "function", "function": {"name": "look", "arguments": '{"a":1}'}}
PATCH_CALL = {"id": "d", "type": "function", "function": {"name": "patch", "arguments": '{"input":"x"}'}}
SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


@pytest.mark.parametrize(
    ("finish", "message"),
    [
        ("stop", {"content": "Hello"}),
        ("length", {"content": "Hel"}),
        ("content_filter", {"content": "Hel"}),
        ("stop", {"content": "a", "refusal": "no"}),
        ("stop", {"refusal": "no"}),
        ("stop", {"reasoning_content": "hm", "content": "ok"}),
        ("stop", {"reasoning_content": "hm", "reasoning_details": [SIGNED], "content": "ok"}),
        ("tool_calls", {"content": "ok", "tool_calls": [CALL, PATCH_CALL]}),
        ("tool_calls", {"tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "T"}}}]}),
        ("stop", {"content": "see", "images": [IMAGE]}),
        ("stop", {}),
    ],
)
def test_an_answer_is_the_same_streamed_and_whole(finish: str, message: dict[str, Any]):
    fields: dict[str, Any] = {
        "tools": [{"type": "custom", "name": "patch"}, {"type": "function", "name": "look"}],
        "include": ["reasoning.encrypted_content"],
    }
    encoder = surface(**fields).stream(TOLD)
    *_, last = events_in(encoder.feed(streamed(message, finish)) + encoder.end(TOLD))

    assert last["response"] == response(answer(finish, **message), **fields)


def test_sources_and_logprobs_belong_to_the_text():
    citation = {"url": "https://x.test", "title": "t", "start_index": 1, "end_index": 2}
    hub = answer(content="a", annotations=[{"type": "url_citation", "url_citation": citation}, 7, {"type": "x"}])
    hub["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]}

    (part,) = response(hub)["output"][0]["content"]
    assert [{"type": "url_citation", **citation}] == part["annotations"]
    assert [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}] == part["logprobs"]


def test_usage_is_the_answers_own_if_nobody_tells_it():
    assert 35 == response(answer(content="x"), Said(usage=None))["usage"]["total_tokens"]


def test_an_image_by_address_is_a_link():
    link = {"type": "image_url", "image_url": {"url": "https://x.test/i"}}

    assert "![image](https://x.test/i)" == response(answer(images=[link]))["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("message", [{"content": 7}, {"tool_calls": [7, {}]}, {"reasoning_details": "x"}])
def test_wrong_types_read_as_absent(message: dict[str, Any]):
    assert "completed" == response(answer(**message))["status"]


RESPONSE: dict[str, Any] = {
    "id": "resp_1", "object": "response", "created_at": 1_700_000_000.5, "status": "completed", "model": "gpt-5",
    "service_tier": "flex", "error": None, "incomplete_details": None,
    "output": [
        {
            "id": "rs_1", "type": "reasoning", "encrypted_content": "gAAA",
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
        },
        {"id": "ws_1", "type": "web_search_call", "status": "completed"},
        {
            "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
            "content": [
                {
                    "type": "output_text", "text": "Hi", "logprobs": [{"token": "Hi", "logprob": -1.0, "bytes": [72]}],
                    "annotations": [
                        {"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1},
                        {"type": "file_citation", "file_id": "f"},
                    ],
                },
                {"type": "refusal", "refusal": "no"},
            ],
        },
        {"id": "fc_1", "type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"id": "ctc_1", "type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": "x"},
        {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "AAAA"},
    ],
    "usage": {
        "input_tokens": 30, "input_tokens_details": {
            "cached_tokens": 5, "cache_write_tokens": 7,
            "cache_write_tokens_details": {"ttl_30m_tokens": 3, "ttl_12h_tokens": 4},
        },
        "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 39, "cost": 0.5,
    },
}  # fmt: skip


def test_a_providers_response_is_a_chat_answer():
    found = DIALECT.answer(RESPONSE, TARGET)

    mark = {"format": "openai-responses-v1", "id": "rs_1"}
    details = [
        {"type": "reasoning.summary", "summary": "a", **mark},
        {"type": "reasoning.summary", "summary": "b", **mark},
        {"type": "reasoning.encrypted", "data": "gAAA", **mark},
    ]
    message = {
        "role": "assistant", "content": "Hi", "refusal": "no", "reasoning_content": "a\n\nb",
        "reasoning_details": details,
        "annotations": [
            {
                "type": "url_citation",
                "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
            }
        ],
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
            {"id": "c2", "type": "custom", "custom": {"name": "patch", "input": "x"}},
        ],
        "images": [IMAGE],
    }  # fmt: skip
    usage = found.pop("usage")
    assert {
        "id": "resp_1", "object": "chat.completion", "created": 1_700_000_000, "model": "gpt-5", "service_tier": "flex",
        "choices": [
            {
                "index": 0, "message": message, "finish_reason": "tool_calls",
                "logprobs": {
                    "content": [{"token": "Hi", "logprob": -1.0, "bytes": [72], "top_logprobs": []}], "refusal": None,
                },
            }
        ],
    } == found  # fmt: skip
    assert {"c1": {"reasoning_details": details}, "c2": {"reasoning_details": details}} == DIALECT.opaque(
        {**found, "usage": usage}
    )
    assert {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4} == usage["cache_creation"]
    read = usage_from_openai(usage, Quirks(cost_field="cost"))
    assert (18, 9, 5, 7, 3, 500_000_000) == (
        read.input_tokens, read.output_tokens, read.cache_read_tokens, read.cache_write_tokens, read.reasoning_tokens,
        read.cost_nano_usd,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"output": []}, "stop"),
        ({"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "length"),
    ],
)
def test_the_finish_reason_is_chats(fields: dict[str, Any], reason: str):
    assert reason == DIALECT.answer({**RESPONSE, **fields}, TARGET)["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    ("doc", "wanted"),
    [
        ({**RESPONSE, "status": "failed", "error": {"code": "c", "message": "m"}}, {"code": "c", "message": "m"}),
        ({"error": {"message": "m", "type": "t", "param": None, "code": None}}, None),
        ({"error": "in words"}, {"message": "in words"}),
        ({**RESPONSE, "status": "failed"}, {"message": "The provider reported an error."}),
        ({**RESPONSE, "status": "cancelled"}, {"message": "The provider reported an error."}),
    ],
)
def test_an_error_stays_the_providers_own(doc: dict[str, Any], wanted: Any):
    assert {"error": wanted or doc["error"]} == DIALECT.answer(doc, TARGET)


def test_what_is_no_answer_is_not_made_one():
    assert {"hello": 1} == DIALECT.answer({"hello": 1}, TARGET)


@pytest.mark.parametrize("item", [7, {}, {"type": 7}, {"type": "message", "content": 7}, {"type": "reasoning"}])
def test_items_of_wrong_types_say_nothing(item: Any):
    message = DIALECT.answer({"output": [item], "created_at": "x"}, TARGET)["choices"][0]["message"]

    assert {"role": "assistant", "content": None} == message
