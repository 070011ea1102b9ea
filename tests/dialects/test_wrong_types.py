"""Clients send anything, and so do providers: what has the wrong type is told to the client, or reads as absent."""

from __future__ import annotations

import contextlib
import copy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.dialect import Target
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.meter import StreamMeter
from proxy.dialects.names import DialectName
from proxy.dialects.openai_chat import encode
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.dialects.spoken import SPOKEN
from proxy.dialects.translated import TranslatedMeter
from proxy.errors import BadRequest, ErrorInStream

if TYPE_CHECKING:
    from collections.abc import Iterator

RUBBISH: tuple[Any, ...] = (None, True, 7, 1.5, "", "x", [], [[]], ["x"], [{}], {}, {"a": {}}, {"type": {}})
FUNCTION = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
PNG = "data:image/png;base64,QUJD"
CHAT = {
    "model": "m",
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": PNG}}]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}], "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}},
        ]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "d"}]},
    ],
    "tools": [{"type": "function", "function": FUNCTION}],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [
        {"type": "function", "function": {"name": "look"}},
    ]}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
}  # fmt: skip
ANTHROPIC = {
    "model": "m",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "s"}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "s"},
            {"type": "tool_use", "id": "c", "name": "look", "input": {}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "d"}]},
    ],
    "tools": [{"name": "look", "input_schema": {"type": "object"}}],
    "tool_choice": {"type": "tool", "name": "look"},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
}  # fmt: skip
GEMINI = {
    "contents": [
        {"role": "user", "parts": [{"text": "a"}, {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]},
        {"role": "model", "parts": [{"functionCall": {"name": "look", "args": {}}, "thoughtSignature": "c2ln"}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"output": "d"}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "look", "parameters": {"type": "OBJECT", "properties": {}}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["look"]}},
    "generationConfig": {"maxOutputTokens": 9, "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 9}},
}
RESPONSES = {
    "model": "m",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": PNG}]},
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "t"}], "encrypted_content": "e"},
        {"type": "function_call", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "d", "status": "completed"},
    ],
    "tools": [{"type": "function", **FUNCTION}],
    "tool_choice": {"type": "function", "name": "look"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    "include": ["reasoning.encrypted_content"],
}
CLIENTS = {
    "chat": (OpenAISurface, Operation.CHAT, CHAT),
    "anthropic": (AnthropicSurface, Operation.CHAT, ANTHROPIC),
    "gemini": (lambda: GeminiSurface("m"), Operation.CHAT, GEMINI),
    "responses": (ResponsesSurface, Operation.RESPONSES, RESPONSES),
}
DEEP = b'{"a":' * 1000 + b"1" + b"}" * 1000
"""Can be read, but not written."""
TOO_DEEP = {
    "anthropic": b'{"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": [{"type": "tool_use", '
    b'"id": "c", "name": "look", "input": %b}]}]}' % DEEP,
    "gemini": b'{"contents": [{"role": "model", "parts": [{"functionCall": {"name": "look", "args": %b}}]}]}' % DEEP,
    "responses": b'{"model": "m", "input": [{"type": "apply_patch_call", "call_id": "c", "operation": %b}]}' % DEEP,
}
TOLD = SimpleNamespace(
    request_id="req_1", created_s=1, provider="p", model="m", upstream_model="u", context_window=None, latency_s=0.1,
    usage=None,
)  # fmt: skip
SCORED = {"content": [{"token": "a", "logprob": -0.1, "bytes": [97], "top_logprobs": []}]}
ANSWER = [
    {"id": "1", "model": "u", "choices": [{"index": 0, "delta": delta, "finish_reason": None, **rest}]}
    for delta, rest in (
        ({"role": "assistant", "content": ""}, {}),
        ({"reasoning_content": "t"}, {}),
        ({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d", "format": "unknown"}]}, {}),
        ({"content": "a"}, {"logprobs": SCORED}),
        ({"annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}]}, {}),
        ({"images": [{"type": "image_url", "image_url": {"url": PNG}}]}, {}),
        ({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "look", "arguments": "{}"}}]}, {}),
        ({}, {"finish_reason": "tool_calls"}),
    )
]
RESPONSE = [
    {"type": "response.created", "response": {"id": "r", "model": "u", "created_at": 1}},
    {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "x"}},
    {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "t"},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "a"},
    {"type": "response.refusal.delta", "output_index": 1, "content_index": 1, "delta": "no"},
    {"type": "response.output_item.added", "output_index": 2, "item": {
        "type": "function_call", "call_id": "c", "name": "look", "arguments": "",
    }},
    {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{}"},
    {"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 1}}},
]  # fmt: skip


def holders(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document: what holds it, and under which key."""
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in entries:
        yield value, key
        if isinstance(inner, (dict, list)):
            yield from holders(inner)


def variants(doc: Any) -> Iterator[Any]:
    """`doc` with rubbish at each place, one at a time."""
    count = sum(1 for _ in holders(doc))
    for place in range(count):
        for rubbish in RUBBISH:
            changed = copy.deepcopy(doc)
            holder, key = next(entry for number, entry in enumerate(holders(changed)) if number == place)
            holder[key] = copy.deepcopy(rubbish)
            yield changed


def ask_everybody(client: str, doc: dict[str, Any]) -> None:
    """Have it translated for every dialect. Raises what is no `BadRequest`."""
    make, operation, _ = CLIENTS[client]
    surface = make()
    for dialect in (None, *SPOKEN.values()):
        target = Target("m", lenient=True)
        try:
            request = surface.decode(operation, orjson.dumps(doc))
            body = encode(request.hub, target) if dialect is None else dialect.encode(request.hub, target)
        except BadRequest as error:
            status = surface.error(error)[0]
        else:
            status = 200 if orjson.loads(body) else 0
        assert status in (200, 400)


@pytest.mark.parametrize("client", CLIENTS)
def test_rubbish_anywhere_in_a_request_is_a_bad_request_at_worst(client):
    for doc in variants(CLIENTS[client][2]):
        ask_everybody(client, doc)


@pytest.mark.parametrize("client", TOO_DEEP)
def test_arguments_nested_too_deeply_to_be_written_are_a_bad_request(client):
    make, operation, _ = CLIENTS[client]
    with pytest.raises(BadRequest):
        _ = make().decode(operation, TOO_DEEP[client]).hub


def sent(events: list[Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % orjson.dumps(event) for event in events)


def stream(client: str, events: bytes) -> bytes:
    surface = CLIENTS[client][0]()
    surface.decode(CLIENTS[client][1], orjson.dumps(CLIENTS[client][2]))
    encoder = surface.stream(TOLD)
    return encoder.feed(events) + encoder.end(TOLD)


@pytest.mark.parametrize("client", ["anthropic", "gemini", "responses"])
def test_rubbish_in_a_stream_reads_as_absent_for_every_client(client):
    for events in variants(ANSWER):
        meter = StreamMeter(Quirks(), drop_usage=False, max_event_bytes=1 << 20)
        with contextlib.suppress(ErrorInStream):
            assert stream(client, meter.feed(sent(events)))


def test_rubbish_in_a_stream_of_responses_reads_as_absent():
    for events in variants(RESPONSE):
        dialect = SPOKEN[DialectName.OPENAI_RESPONSES]
        meter = TranslatedMeter(dialect, Target("m"), drop_usage=False, max_event_bytes=1 << 20)
        assert isinstance(meter.feed(sent(events)), bytes)


def test_an_anthropic_client_gets_a_stream_that_tells_how_likely_its_tokens_were():
    """Some servers do so unasked; Anthropic's own form has no place for it."""
    told = stream("anthropic", sent(ANSWER))
    assert b'"text_delta","text":"a"' in told
    assert b"logprob" not in told


@pytest.mark.parametrize("client", ["anthropic", "gemini", "responses"])
def test_state_with_half_a_surrogate_pair_reaches_the_client(client):
    details = rb'{"id":"1","choices":[{"index":0,"delta":{"reasoning_details":[{"type":"reasoning.encrypted",'
    details += rb'"data":"\ud83d","format":"unknown"}]}}]}'
    assert stream(client, b"data: %b\n\n" % details)
