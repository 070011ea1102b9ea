"""OneInfer's chat as its reference documents it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from told import Said

from proxy import errors
from proxy.dialects.cards import ModelCard
from proxy.dialects.oneinfer import OneInferSurface
from proxy.dialects.oneinfer_request import form_document
from proxy.dialects.request import Operation
from proxy.errors import BadRequest, GatewayError, InvalidJson, MissingField, NotOffered, WrongType
from proxy.usage import Usage

SURFACE = OneInferSurface()
HI = [{"role": "user", "content": "hi"}]


def decode_form(fields: dict[str, str]):
    """As the surface's path does with a form."""
    return SURFACE.decode(Operation.CHAT, orjson.dumps(form_document(fields)))


def decode(**fields: Any):
    return SURFACE.decode(Operation.CHAT, orjson.dumps({"messages": HI, **fields}))


def test_what_is_filled_in_is_known():
    assert {"temperature", "max_tokens", "top_p"} == decode(model="m").filled_in
    assert {"max_tokens", "top_p"} == decode(model="m", temperature=0.7).filled_in


def test_the_overviews_request_is_read():
    body = b"""{
"provider": "anthropic",
"model": "claude-sonnet-4-6",
"messages": [
{ "role": "system", "content": "You are a helpful assistant." },
{ "role": "user", "content": "Explain transformer attention in two sentences." }
],
"max_tokens": 256,
"stream": false
}"""
    asked = SURFACE.decode(Operation.CHAT, body)

    assert ("anthropic", "claude-sonnet-4-6", False, 256) == (
        asked.provider, asked.model, asked.stream, asked.max_output_tokens,
    )  # fmt: skip
    assert asked.raw is None
    assert {
        "model": "claude-sonnet-4-6",
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Explain transformer attention in two sentences."},
        ],
        "temperature": 0.7,
        "max_tokens": 256,
        "top_p": 1.0,
        "stream": False,
    } == asked.doc


def test_the_references_request_is_read_and_its_comment_is_not_json():
    plain = (
        b'{"provider": "openai", "model": "gpt-4o-mini", "messages": [{"role": "system", "content": "You are a helpful '
        b'assistant."}, {"role": "user", "content": "Tell me about AI."}], "temperature": 0.7, "max_tokens": 1000, '
        b'"stream": false}'
    )
    assert 1000 == SURFACE.decode(Operation.CHAT, plain).max_output_tokens
    with pytest.raises(InvalidJson):
        SURFACE.decode(Operation.CHAT, b"// Chat completion with streaming enabled\n" + plain)


def test_what_is_left_out_has_its_documented_default():
    asked = decode()

    assert {"messages": HI, "temperature": 0.7, "max_tokens": 1000, "top_p": 1.0} == asked.doc
    assert ("", None, None, "default", 1000) == (
        asked.model, asked.provider, asked.endpoint_id, asked.service_tier, asked.max_output_tokens,
    )  # fmt: skip


@pytest.mark.parametrize(("provider", "default"), [(None, True), ("", True), ("groq", False)])
def test_without_a_provider_the_documented_default_is_meant(provider: str | None, default):
    assert default == decode(provider=provider).default_provider


def test_unknown_fields_are_left_out_and_null_means_absent():
    asked = decode(foo=1, temperature=None, provider=None, endpoint_id="ep1", service_tier="flex", stop="x", seed=3)

    assert {
        "messages": HI, "temperature": 0.7, "max_tokens": 1000, "top_p": 1.0, "stop": "x", "service_tier": "flex",
        "seed": 3,
    } == asked.doc  # fmt: skip
    assert ("ep1", "flex") == (asked.endpoint_id, asked.service_tier)


def test_a_stream_always_asks_for_usage():
    asked = decode(stream=True, provider=" OpenAI ", max_completion_tokens=5)

    assert (True, True, "openai", 5) == (asked.stream, asked.wants_usage, asked.provider, asked.max_output_tokens)
    assert {"include_usage": True} == asked.doc["stream_options"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"messages": None}, MissingField),
        ({"messages": []}, MissingField),
        ({"messages": "hi"}, WrongType),
        ({"messages": ["hi"]}, WrongType),
        ({"messages": [{"content": "hi"}]}, MissingField),
        ({"messages": [{"role": "user"}]}, MissingField),
        ({"messages": [{"role": "user", "content": 7}]}, WrongType),
        ({"messages": [{"role": "robot", "content": "x"}]}, WrongType),
        ({"temperature": "hot"}, WrongType),
        ({"temperature": True}, WrongType),
        ({"temperature": 3}, BadRequest),
        ({"temperature": -0.1}, BadRequest),
        ({"top_p": 0}, BadRequest),
        ({"top_p": 1.1}, BadRequest),
        ({"max_tokens": 0}, BadRequest),
        ({"max_tokens": 1.5}, WrongType),
        ({"stop": [1]}, WrongType),
        ({"stop": 1}, WrongType),
        ({"stream": "true"}, WrongType),
        ({"service_tier": "gold"}, BadRequest),
        ({"service_tier": 1}, WrongType),
        ({"endpoint_id": 1}, WrongType),
        ({"provider": 1}, WrongType),
        ({"model": 1}, WrongType),
        ({"model": "a\nb"}, BadRequest),
        ({"tools": {}}, WrongType),
        ({"response_format": "mp3"}, WrongType),
    ],
)
def test_a_wrong_type_is_a_422_and_all_else_a_400(fields: dict[str, Any], kind: type[GatewayError]):
    with pytest.raises(kind) as caught:
        decode(**fields)

    assert kind is type(caught.value)
    assert (422 if kind is WrongType else 400) == SURFACE.error(caught.value)[0]


@pytest.mark.parametrize("fields", [{"content": [{"type": "text", "text": "x"}]}, {"content": "x"}])
def test_parts_and_text_are_content(fields: dict[str, Any]):
    assert decode(messages=[{"role": "user", **fields}]).doc["messages"]


def test_a_turn_of_tool_calls_needs_no_content():
    messages = [*HI, {"role": "assistant", "content": None, "tool_calls": [{"id": "a"}]}]

    assert messages == decode(messages=messages).doc["messages"]


def test_speech_is_refused_in_words_but_messages_mean_chat():
    with pytest.raises(NotOffered, match="Speech"):
        SURFACE.decode(Operation.CHAT, b'{"model":"tts-1","input":"x","voice":"nova"}')
    with pytest.raises(NotOffered):
        SURFACE.decode(Operation.EMBEDDINGS, b"{}")
    assert HI == decode(input="x").doc["messages"]


def test_a_form_is_the_same_request():
    asked = decode_form({
        "provider": "openai", "model": "gpt-4o-mini", "messages": orjson.dumps(HI).decode(), "temperature": "0.5",
        "max_tokens": "7", "stream": "true", "stop": "END",
    })  # fmt: skip

    assert {
        "model": "gpt-4o-mini", "messages": HI, "temperature": 0.5, "max_tokens": 7, "top_p": 1.0, "stream": True,
        "stop": "END", "stream_options": {"include_usage": True},
    } == asked.doc  # fmt: skip


@pytest.mark.parametrize(("fields", "kind"), [({"messages": "[{"}, InvalidJson), ({"temperature": "hot"}, WrongType)])
def test_a_form_is_checked_as_well(fields: dict[str, str], kind: type[GatewayError]):
    with pytest.raises(kind):
        decode_form({"messages": orjson.dumps(HI).decode(), **fields})


def chat_answer(**message: Any) -> bytes:
    return orjson.dumps({
        "id": "chatcmpl-1",
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}],
    })  # fmt: skip


def test_the_answer_comes_in_the_envelope():
    assert {
        "api_details": {"api_status": "success", "api_message": "Chat completion generated successfully."},
        "data": {
            "id": "req_0123456789abcdef01234567",
            "created": 1711468800,
            "text": "AI is",
            "finish_reason": "stop",
            "provider": "openai",
            "model": "gpt-4o-mini",
            "usage": {"prompt_tokens": 24, "completion_tokens": 156, "total_tokens": 180},
            "latency_ms": 1250.0,
            "is_context_length_full": False,
        },
        "error": {},
    } == orjson.loads(SURFACE.answer(chat_answer(content="AI is"), Said(request_id="req_0123456789abcdef01234567")))


def test_tool_calls_are_added_to_the_answer():
    calls = [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    data = orjson.loads(SURFACE.answer(chat_answer(content=None, tool_calls=calls), Said()))["data"]

    assert ("", calls, "req_0123456789abcdef01234567") == (data["text"], data["tool_calls"], data["id"])


@pytest.mark.parametrize(("window", "full"), [(None, False), (180, True), (181, False)])
def test_a_full_context_is_told(window: int | None, full):
    data = orjson.loads(SURFACE.answer(chat_answer(content=[{"text": "a"}, 7]), Said(context_window=window)))["data"]

    assert full == data["is_context_length_full"]
    assert "a" == data["text"]


def events(data: bytes) -> list[Any]:
    assert data.endswith(b"\n\n")
    payloads = [event.removeprefix(b"data: ") for event in data[:-2].split(b"\n\n")]
    return [payload if payload == b"[DONE]" else orjson.loads(payload) for payload in payloads]


def test_a_stream_has_the_documented_bytes():
    encoder = SURFACE.stream(Said())
    text = encoder.feed(
        b': hi\n\ndata: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"AI"},"finish_reason":null}]}\n\n'
        b'data: {"choices":[{"delta":{"content":" (Artificial"},"finish_reason":null}]}\n\n'
    )
    assert text.startswith(b'data: {"id":"chunk_1","text":"AI","finish_reason":null,"delta":"AI"}\n\ndata: {')
    assert ["chunk_1", "chunk_2"] == [event["id"] for event in events(text)]
    assert b"" == encoder.feed(b'data: {"choices":[{"delta":{},"finish_reason":"length"}]}\n\ndata: [DONE]\n\n')

    final, done = events(encoder.end(Said()))
    assert {
        "id": "chunk_final",
        "text": "",
        "delta": "",
        "finish_reason": "length",
        "request_id": "req_0123456789abcdef01234567",
        "provider": "openai",
        "model": "gpt-4o-mini",
        "usage": {"prompt_tokens": 24, "completion_tokens": 156, "total_tokens": 180},
        "latency_ms": 1250.0,
        "is_context_length_full": False,
    } == final
    assert b"[DONE]" == done


def test_tool_calls_are_gathered_into_the_last_chunk():
    encoder = SURFACE.stream(Said())
    for call in (
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x"'}},
        {"index": 0, "id": "", "function": {"name": "", "arguments": ":1}"}},
        {"id": "b", "function": {"name": "g", "arguments": "{}"}},
    ):
        doc = {"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": None}]}
        assert b"" == encoder.feed(b"data: %b\n\n" % orjson.dumps(doc))

    final = events(encoder.end(Said(usage=None)))[0]
    assert [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
    ] == final["tool_calls"]
    assert "stop" == final["finish_reason"]
    assert {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0} == final["usage"]


def test_a_tool_call_without_end_breaks_the_stream():
    encoder = SURFACE.stream(Said())
    call = {"index": 0, "function": {"arguments": "x" * 1_000_000}}
    event = b"data: %b\n\n" % orjson.dumps({"choices": [{"delta": {"tool_calls": [call]}}]})
    encoder.feed(event * 4)

    with pytest.raises(errors.StreamBroken, match="tool call"):
        encoder.feed(event)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidJson("m"), 400, "invalid_json"),
        (MissingField("m"), 400, "missing_required_field"),
        (BadRequest("m"), 400, "invalid_field_value"),
        (errors.UnknownEndpoint("m"), 400, "invalid_field_value"),
        (errors.UnknownProvider("m"), 400, "unsupported_provider"),
        (errors.ModelNotFound("m"), 400, "unsupported_model"),
        (errors.Unauthenticated("m"), 401, "unauthorized"),
        (errors.InsufficientCredits("m"), 403, "insufficient_credits"),
        (errors.UnsupportedMediaType("m"), 415, "unsupported_media_type"),
        (WrongType("m"), 422, "validation_error"),
        (errors.RateLimited("m"), 429, "rate_limited"),
        (errors.InternalError("m"), 500, "internal_error"),
        (errors.Overloaded("m"), 503, "overloaded"),
        (errors.MethodNotAllowed("m"), 405, "method_not_allowed"),
    ],
)
def test_an_error_comes_in_the_envelope(error: GatewayError, status: int, code: str):
    found, body = SURFACE.error(error)

    assert status == found
    assert {
        "api_details": {"api_status": "error", "api_message": "m"},
        "data": {},
        "error": {"error_code": code, "message": "m", "error_description": "m"},
        "detail": "m",
    } == orjson.loads(body)


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (errors.ServerError, 500, "internal_error"),
        (errors.CredentialRejected, 500, "internal_error"),
        (errors.UpstreamRateLimited, 429, "rate_limited"),
        (errors.ClientRateLimited, 429, "rate_limited"),
        (errors.UpstreamRejected, 400, "invalid_field_value"),
        (errors.UpstreamModelMissing, 400, "unsupported_model"),
        (errors.ClientCredentialRejected, 401, "invalid_api_key"),
    ],
)
def test_a_providers_failure_keeps_to_the_documented_statuses(kind: type[errors.UpstreamError], status: int, code: str):
    found, body = SURFACE.error(kind("m", upstream_status=418))
    error = orjson.loads(body)["error"]

    assert (status, code, 418) == (found, error["error_code"], error["upstream_status"])


def test_a_broken_stream_ends_in_an_error_chunk():
    assert [
        {
            "id": "chunk_error",
            "text": "",
            "delta": "",
            "finish_reason": "error",
            "error": {"error_code": "internal_error", "message": "m", "error_description": "m"},
        }
    ] == events(SURFACE.stream_error(errors.StreamBroken("m")))


def test_the_models_are_listed_with_a_context_length_clients_can_read():
    cards = [
        ModelCard("claude-sonnet-4-6", "anthropic", "Claude Sonnet 4.6", context_window=1_000_000,
                  max_output_tokens=64_000, input_modalities=("text", "image"), input_usd_per_token=3e-06,
                  output_usd_per_token=1.5e-05),
        ModelCard("local", "engine", "Local"),
    ]  # fmt: skip
    answer = orjson.loads(SURFACE.models(cards))

    assert {"api_status": "success", "api_message": "API has returned response successfully."} == answer["api_details"]
    assert 2 == answer["data"]["total"]
    first, second = answer["data"]["models"]
    assert ("1000K", 1_000_000, "text", True) == (
        first["model_context_length"], first["context_length"], first["model_type"], first["supports_streaming"],
    )  # fmt: skip
    assert {"method": "token", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05} == first["pricing"]
    assert second["model_context_length"] is None


def test_a_token_stands_in_both_places():
    answer = orjson.loads(SURFACE.token("jwt", 86400))

    assert "jwt" == answer["access_token"] == answer["data"]["access_token"]
    assert ({}, 86400, "bearer") == (answer["error"], answer["data"]["expires_in"], answer["data"]["token_type"])


def test_usage_of_the_told_answer_is_shown_with_cached_tokens_in_the_prompt():
    data = orjson.loads(SURFACE.answer(chat_answer(content="x"), Said(usage=Usage(1, 2, 3, 4))))["data"]

    assert {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10} == data["usage"]


def test_an_emoji_cut_in_two_is_told_whole():
    """Some servers cut a surrogate pair between two chunks; a half is no text that this surface could send."""
    encoder = SURFACE.stream(Said())
    halves = [
        b'data: {"choices":[{"delta":{"content":"a\\ud83d"}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"\\ude00b"}}]}\n\n',
    ]

    assert ["a", "\U0001f600b"] == [chunk["text"] for half in halves for chunk in events(encoder.feed(half))]


def test_half_an_emoji_alone_does_no_harm():
    encoder = SURFACE.stream(Said())

    (chunk,) = events(encoder.feed(b'data: {"choices":[{"delta":{"content":"a\\ude00b"}}]}\n\n'))
    assert "a\ufffdb" == chunk["text"]
