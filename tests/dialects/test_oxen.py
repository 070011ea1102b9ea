"""Oxen's two error formats, its names and its lists."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from told import Said

from proxy import errors
from proxy.dialects.cards import CardFilter, ModelCard
from proxy.dialects.dialect import Target
from proxy.dialects.openai_chat import encode
from proxy.dialects.oxen import OxenSurface
from proxy.dialects.request import Operation
from proxy.errors import GatewayError

SURFACE = OxenSurface()
CARDS = [
    ModelCard(
        "claude-sonnet-4-6", "anthropic", "Claude Sonnet 4.6", "Balanced", 1_000_000, 64_000, ("text", "image"),
        ("text",), 3e-06, 1.5e-05, 1750000000, "Anthropic", "2025-06-19T00:00:00Z",
    ),
    ModelCard("flux-2-dev", "bfl", "FLUX.2", output_modalities=("image",), kind="image", developer="Black Forest"),
    ModelCard("voice", "x", "Voice", kind="audio"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b'{"messages":[{"role":"user","content":"hi"}]}', 400, {"message": "You must specify a model to call"}),
        (b'{"model":"","messages":[]}', 400, {"message": "You must specify a model to call"}),
        (b'{"model":"m"}', 400, {"message": "Messages array cannot be empty"}),
        (b'{"model":"m","messages":[]}', 400, {"message": "Messages array cannot be empty"}),
    ],
)
def test_a_question_of_model_or_messages_is_answered_in_short(body: bytes, status: int, error: dict[str, str]):
    with pytest.raises(GatewayError) as caught:
        SURFACE.decode(Operation.CHAT, body)

    found, text = SURFACE.error(caught.value)
    assert status == found
    assert {"error": error} == orjson.loads(text)


def test_an_unknown_model_is_named():
    status, body = SURFACE.error(errors.ModelNotFound("No.", model="bad-model-name"))

    assert (404, {"error": {"message": "Model not found: bad-model-name"}}) == (status, orjson.loads(body))
    assert {"error": {"message": "No."}} == orjson.loads(SURFACE.error(errors.ModelNotFound("No."))[1])
    assert {"error": {"message": "No."}} == orjson.loads(SURFACE.error(errors.UpstreamModelMissing("No."))[1])


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model":7,"messages":[{}]}', b'{"model":"m","messages":"x"}'])
def test_other_mistakes_are_answered_at_length(body: bytes):
    with pytest.raises(GatewayError) as caught:
        SURFACE.decode(Operation.CHAT, body)

    status, text = SURFACE.error(caught.value)
    assert 400 == status
    assert {
        "error": {
            "type": "invalid_params",
            "title": "Invalid parameters supplied, please check your request and try again.",
            "detail": caught.value.message,
        },
        "status": "error",
        "status_message": "invalid_params",
    } == orjson.loads(text)


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (errors.Unauthenticated("m"), 401, "unauthenticated"),
        (errors.Forbidden("m"), 403, "unauthorized"),
        (errors.InsufficientCredits("m"), 402, "insufficient_credits"),
        (errors.RateLimited("m"), 429, "rate_limited"),
        (errors.UpstreamRateLimited("m"), 429, "rate_limited"),
        (errors.ServerError("m"), 502, "upstream"),
        (errors.FirstTokenTimeout("m"), 502, "upstream"),
        (errors.UpstreamRejected("m"), 400, "invalid_params"),
        (errors.MissingField("m", param="prompt"), 400, "invalid_params"),
        (errors.InternalError("m"), 500, "unknown_error"),
        (errors.Overloaded("m"), 503, "unknown_error"),
        (errors.MethodNotAllowed("m"), 405, "invalid_params"),
    ],
)
def test_each_error_has_its_status_and_type(error: GatewayError, status: int, kind: str):
    found, text = SURFACE.error(error)
    body = orjson.loads(text)

    assert (status, kind, kind, "error", "m") == (
        found, body["error"]["type"], body["status_message"], body["status"], body["error"]["detail"],
    )  # fmt: skip


def test_a_missing_thing_has_no_detail():
    _, text = SURFACE.error(errors.NotFound("m"))

    assert {"type": "resource_not_found", "title": "The requested resource could not be found"} == orjson.loads(text)[
        "error"
    ]


def test_a_broken_stream_ends_in_an_error_event():
    event = SURFACE.stream_error(errors.StreamBroken("m"))

    assert event.startswith(b'data: {"error":{"message":"m","type":"upstream",')
    assert event.endswith(b"\n\n")
    assert b"[DONE]" not in event


def test_the_namespace_is_not_sent_on():
    asked = SURFACE.decode(Operation.CHAT, b'{"model":"m","messages":[{"role":"user"}],"target_namespace":"ox"}')
    body = encode(asked, Target("m"))

    assert {"model": "m", "messages": [{"role": "user"}]} == orjson.loads(body)
    assert "ox" == asked.doc["target_namespace"]


@pytest.mark.parametrize("body", [b'{"model":"gpt-4o-mini","id":"x"}', b'{"model": "gpt-4o-mini", "id": "x"}'])
def test_an_answer_under_the_right_name_passes(body: bytes):
    assert body is SURFACE.answer(body, Said())


def test_an_answer_is_given_the_name_that_was_asked_for():
    body = b'{"id":"x","model":"gpt-4o-mini-2024-07-18","choices":[]}'

    assert {"id": "x", "model": "gpt-4o-mini", "choices": []} == orjson.loads(SURFACE.answer(body, Said()))


def test_stream_events_under_the_right_name_pass():
    encoder = SURFACE.stream(Said())
    event = b'data: {"model":"gpt-4o-mini","choices":[{"delta":{"content":"\\"model\\":\\"x\\""}}]}\n\n'

    assert event is encoder.feed(event)
    assert b"data: [DONE]\n\n" == encoder.end(Said())


def test_stream_events_are_given_the_name_and_nothing_else_changes():
    encoder = SURFACE.stream(Said(model='a"\\1b'))
    text = b'"choices":[{"delta":{"content":"\\"model\\":\\"up\\""}}]}\n\n'

    passed = encoder.feed(b'data: {"model": "up",' + text + b"data: [DONE]\n\n")
    assert b'data: {"model": "a\\"\\\\1b",' + text + b"data: [DONE]\n\n" == passed
    assert b"" == encoder.end(Said())


def test_the_models_are_listed():
    answer = orjson.loads(SURFACE.models(CARDS))

    assert "list" == answer["object"]
    assert {
        "id": "claude-sonnet-4-6", "object": "model", "created": 1750000000, "owned_by": "oxen",
        "display_name": "Claude Sonnet 4.6", "description": "Balanced", "summary": "Balanced", "model_type": "base",
        "endpoint": "/chat/completions", "capabilities": {"input": ["text", "image"], "output": ["text"]},
        "pricing": {"method": "token", "input_cost_per_token": 3e-06, "output_cost_per_token": 1.5e-05},
        "fine_tuning": None, "deployments": [], "developer": {"name": "Anthropic", "logo": None},
        "source_model": None, "image_url": None, "released_at": "2025-06-19T00:00:00Z", "request_schema": None,
        "context_length": 1_000_000,
    } == answer["data"][0] == orjson.loads(SURFACE.model(CARDS[0]))  # fmt: skip
    assert ["/images/generate", None] == [model["endpoint"] for model in answer["data"][1:]]


def test_the_older_list_has_the_older_names():
    listed = orjson.loads(SURFACE.legacy_models(CARDS[:1]))["models"]

    assert [orjson.loads(SURFACE.legacy_model(CARDS[0]))] == listed
    assert ("claude-sonnet-4-6", True, False, None, 3e-06, {"name": "Anthropic", "display_name": "Anthropic"}) == (
        listed[0]["name"], listed[0]["can_run_inference"], listed[0]["deprecated"], listed[0]["json_request_schema"],
        listed[0]["input_cost_per_token"], listed[0]["developer"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        ({}, ["claude-sonnet-4-6", "flux-2-dev", "voice"]),
        ({"search": "FLUX"}, ["flux-2-dev"]),
        ({"search": "sonnet 4"}, ["claude-sonnet-4-6"]),
        ({"developer": "anthropic"}, ["claude-sonnet-4-6"]),
        ({"provider": "BFL"}, ["flux-2-dev"]),
        ({"kind": "audio"}, ["voice"]),
        ({"takes": "Image"}, ["claude-sonnet-4-6"]),
        ({"gives": "image"}, ["flux-2-dev"]),
        ({"search": "flux", "kind": "text"}, []),
    ],
)
def test_models_are_found(wanted: dict[str, Any], ids: list[str]):
    assert ids == [card.id for card in CardFilter(**wanted).select(CARDS)]
