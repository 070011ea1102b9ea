"""Errors and answers in Anthropic's shapes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from told import Said

from proxy import errors
from proxy.dialects.anthropic.surface import AnthropicSurface

SURFACE = AnthropicSurface()


def body_of(message, finish="stop", **choice: Any):
    return orjson.dumps({"choices": [{"message": message, "finish_reason": finish, **choice}]})


def answer(message, finish="stop", told=None, **choice: Any):
    return orjson.loads(SURFACE.answer(body_of(message, finish, **choice), told or Said()))


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.MissingField("x", param="model"), 400, "invalid_request_error"),
        (errors.Unsupported("x", param="seed"), 400, "invalid_request_error"),
        (errors.Unauthenticated("x"), 401, "authentication_error"),
        (errors.InsufficientCredits("x"), 402, "billing_error"),
        (errors.Forbidden("x"), 403, "permission_error"),
        (errors.ModelNotFound("x"), 404, "not_found_error"),
        (errors.MethodNotAllowed("x"), 405, "invalid_request_error"),
        (errors.BodyTooLarge("x"), 413, "request_too_large"),
        (errors.UpstreamRejected("x", upstream_status=422), 422, "invalid_request_error"),
        (errors.RateLimited("x"), 429, "rate_limit_error"),
        (errors.InternalError("x"), 500, "api_error"),
        (errors.StreamBroken("x"), 502, "api_error"),
        (errors.Overloaded("x"), 529, "overloaded_error"),
        (errors.FirstTokenTimeout("x"), 504, "timeout_error"),
    ],
)
def test_every_failure_has_a_type_by_its_status(error, status, kind):
    found, body = SURFACE.error(error)
    assert (status, {"type": "error", "error": {"type": kind, "message": "x"}}) == (found, orjson.loads(body))


def test_an_error_in_a_stream_is_an_event():
    body = SURFACE.error(errors.StreamBroken("x"))[1]
    assert b"event: error\ndata: " + body + b"\n\n" == SURFACE.stream_error(errors.StreamBroken("x"))


def test_a_sign_of_life_is_a_ping():
    assert b'event: ping\ndata: {"type": "ping"}\n\n' == SURFACE.keepalive


def test_an_answer_in_parts_with_nested_thoughts():
    content = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "So."}]
    assert [
        {"type": "thinking", "thinking": "hm", "signature": ""},
        {"type": "text", "text": "So."},
    ] == answer({"content": content})["content"]


def test_the_stop_sequence_and_refusals_are_told():
    met = answer({"content": "x"}, stop_reason="END")
    assert ("stop_sequence", "END") == (met["stop_reason"], met["stop_sequence"])
    no = answer({"content": None, "refusal": "I won't."})
    assert ("refusal", [], "I won't.") == (no["stop_reason"], no["content"], no["stop_details"]["explanation"])


def test_sources_images_and_state_are_kept():
    source = {"type": "url_citation", "url_citation": {"url": "https://x.test", "title": "X"}}
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    block = answer({"content": "Blue.", "annotations": [source, {}], "images": [image]})["content"][0]
    assert ("Blue.\n![image](https://x.test/a.png)", 1) == (block["text"], len(block["citations"]))
    call = {"id": "a", "function": {"name": "w", "arguments": ""}, "extra_content": {"google": {}}}
    kinds = [block["type"] for block in answer({"tool_calls": [call]})["content"]]
    assert ["redacted_thinking", "tool_use"] == kinds


def test_arguments_that_are_no_object_cannot_be_told():
    with pytest.raises(errors.ToolCallMalformed):
        answer({"tool_calls": [{"id": "a", "function": {"name": "w", "arguments": "[1"}}]})


def test_a_call_that_the_limit_cut_off_has_no_arguments_and_the_stop_reason_says_why():
    cut = answer({"tool_calls": [{"id": "a", "function": {"name": "w", "arguments": '{"x":'}}]}, "length")
    assert ("max_tokens", {}) == (cut["stop_reason"], cut["content"][0]["input"])


def test_half_an_emoji_in_an_answer_does_not_spoil_it():
    body = rb'{"choices":[{"message":{"content":"a\ud83d"},"finish_reason":"stop"}]}'
    assert rb'"text":"a\ud83d"' in SURFACE.answer(body, Said())


def test_a_custom_call_holds_its_text():
    call = {"id": "a", "type": "custom", "custom": {"name": "py", "input": "1+1"}}
    assert {"type": "tool_use", "id": "a", "name": "py", "input": {"input": "1+1"}} == answer({"tool_calls": [call]})[
        "content"
    ][0]
