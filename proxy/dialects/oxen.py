"""Oxen's surface: OpenAI's shapes under public model names, two error formats, and its model lists.

Source: Oxen Inference API, "Error Format", "Chat Completions", "Models".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects import openai_chat, oxen_errors
from proxy.dialects.request import Operation
from proxy.dialects.sse import KEEPALIVE
from proxy.errors import MissingField

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dialects.cards import ModelCard
    from proxy.dialects.request import ModelRequest
    from proxy.dialects.told import Told
    from proxy.errors import GatewayError

_MODEL = re.compile(rb'("model"\s*:\s*)"(?:[^"\\]|\\.)*"')
"""The quotes of text inside a JSON string are escaped, so this is always a key and its value."""

_ENDPOINTS = {"text": "/chat/completions", "image": "/images/generate", "video": "/videos/generate"}


class OxenSurface:
    """What Oxen's clients and OpenAI's own expect below `/api/ai`. Stateless."""

    name = "oxen"
    content_types = frozenset({"application/json"})
    keepalive = KEEPALIVE

    def decode(self, operation: Operation, body: bytes) -> ModelRequest:
        """Raise `BadRequest`s with Oxen's own words where it has some."""
        doc = openai_chat.parse_object(body)
        if not doc.get("model"):
            raise MissingField("You must specify a model to call", param="model")
        if operation is Operation.CHAT and not doc.get("messages"):
            raise MissingField("Messages array cannot be empty", param="messages")
        return openai_chat.decode_object(operation, doc, body)

    def answer(self, body: bytes, told: Told) -> bytes:
        """The answer under the name that was asked for; the same object if it has that name already."""
        name = orjson.dumps(told.model)
        if b'"model":' + name in body:
            return body
        doc = orjson.loads(body)
        if doc.get("model") == told.model:
            return body
        return orjson.dumps({**doc, "model": told.model})

    def stream(self, told: Told) -> OxenStream:
        """An encoder for one stream."""
        return OxenStream(told.model)

    def error(self, error: GatewayError) -> tuple[int, bytes]:
        """Status and JSON body."""
        return oxen_errors.render(error)

    def stream_error(self, error: GatewayError) -> bytes:
        """The last event of a broken stream. `[DONE]` would say it went well."""
        return b"data: %b\n\n" % orjson.dumps({"error": oxen_errors.stream_object(error)})

    def models(self, cards: Iterable[ModelCard]) -> bytes:
        """`GET /api/ai/models`, and `/search`."""
        return orjson.dumps({"object": "list", "data": [_model(card) for card in cards]})

    def model(self, card: ModelCard) -> bytes:
        """`GET /api/ai/models/{id}`."""
        return orjson.dumps(_model(card))

    def legacy_models(self, cards: Iterable[ModelCard]) -> bytes:
        """`GET /api/evaluations/models`."""
        return orjson.dumps({"models": [_legacy_model(card) for card in cards]})

    def legacy_model(self, card: ModelCard) -> bytes:
        """`GET /api/evaluations/models/{id}`."""
        return orjson.dumps(_legacy_model(card))


class OxenStream:
    """Passes OpenAI chunks under the name that was asked for."""

    __slots__ = ("_done", "_named", "_replacement")

    def __init__(self, model: str) -> None:
        name = orjson.dumps(model)
        self._named = b'"model":' + name
        # a backslash in a template would be read as an escape
        self._replacement = rb"\g<1>" + name.replace(b"\\", rb"\\")
        self._done = False

    def feed(self, data: bytes) -> bytes:
        """Whole events, the same object if they have the right name already."""
        if data.rstrip().endswith(b"[DONE]"):
            self._done = True
        if data.count(b'"model"') == data.count(self._named):
            return data
        return _MODEL.sub(self._replacement, data)

    def end(self, told: Told) -> bytes:  # noqa: ARG002 - the chunks have told it
        """`[DONE]`, for a complete stream of a provider that does not send it."""
        return b"" if self._done else b"data: [DONE]\n\n"


def _model(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "object": "model",
        "created": card.created_s,
        "owned_by": "oxen",
        "display_name": card.display_name,
        "description": card.description,
        "summary": card.description,
        "model_type": "base",
        "endpoint": _ENDPOINTS.get(card.kind),
        "capabilities": _capabilities(card),
        "pricing": card.pricing,
        "fine_tuning": None,
        "deployments": [],
        "developer": {"name": card.developer, "logo": None},
        "source_model": None,
        "image_url": None,
        "released_at": card.released_at,
        "request_schema": None,
        "context_length": card.context_window,
    }


def _legacy_model(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "name": card.id,
        "display_name": card.display_name,
        "summary": card.description,
        "description": card.description,
        "model_type": "base",
        "can_run_inference": True,
        "deprecated": False,
        "capabilities": _capabilities(card),
        "developer": {"name": card.developer, "display_name": card.developer},
        "provider": {"name": card.provider, "display_name": card.provider},
        "json_request_schema": None,
        **card.pricing,
    }


def _capabilities(card: ModelCard) -> dict[str, tuple[str, ...]]:
    return {"input": card.input_modalities, "output": card.output_modalities}
