"""OpenAI's surface: answers pass as they are; errors take OpenAI's shape.

Source: OpenAI API reference, "Error codes". All four fields are always there: clients read each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects import openai_chat
from proxy.dialects.sse import KEEPALIVE
from proxy.errors import UpstreamError, UpstreamRejected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dialects.cards import ModelCard
    from proxy.dialects.told import Told
    from proxy.errors import GatewayError

_FIELDS = ("message", "type", "param", "code")
_REJECTIONS = frozenset({400, 404, 405, 409, 410, 411, 413, 415, 422})
"""Statuses of a refused request that may be shown as the provider's own."""


class OpenAISurface:
    """What OpenAI's own clients expect."""

    name = "openai"
    content_types = frozenset({"application/json"})
    keepalive = KEEPALIVE
    decode = staticmethod(openai_chat.decode)

    def answer(self, body: bytes, told: Told) -> bytes:  # noqa: ARG002 - the answer already says it
        """The very bytes."""
        return body

    def stream(self, told: Told) -> None:
        """`None`: the very bytes."""

    def error(self, error: GatewayError) -> tuple[int, bytes]:
        """Status and JSON body."""
        return status_of(error), orjson.dumps({"error": error_object(error)})

    def stream_error(self, error: GatewayError) -> bytes:
        """The last event of a broken stream. `[DONE]` would say it went well."""
        return b"data: %b\n\n" % orjson.dumps({"error": error_object(error)})

    def models(self, cards: Iterable[ModelCard]) -> bytes:
        """`GET /v1/models`."""
        return orjson.dumps({"object": "list", "data": [_model(card) for card in cards]})

    def model(self, card: ModelCard) -> bytes:
        """`GET /v1/models/{id}`."""
        return orjson.dumps(_model(card))


def status_of(error: GatewayError) -> int:
    """The error's own status, or the provider's if it refused the request itself."""
    if isinstance(error, UpstreamRejected) and error.upstream_status in _REJECTIONS:
        return error.upstream_status
    return error.status


def error_object(error: GatewayError) -> dict[str, Any]:
    """The provider's own words if they may be shown, else ours."""
    if isinstance(error, UpstreamError) and error.answer is not None:
        return {name: error.answer.get(name) for name in _FIELDS}
    return {"message": error.message, "type": error.kind, "param": error.param, "code": error.code}


def _model(card: ModelCard) -> dict[str, Any]:
    return {
        "id": card.id,
        "object": "model",
        "created": card.created_s,
        "owned_by": card.provider,
        "context_length": card.context_window,
        "pricing": card.pricing,
    }
