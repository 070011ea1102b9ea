"""Anthropic's Messages API as its clients speak it: answers, streams, errors and lists in its shapes.

Source: Anthropic API reference, "Messages", "Errors", "List models"; the official clients, which read `error.type`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.anthropic.answer_out import message_of
from proxy.dialects.anthropic.encoder import AnthropicStream
from proxy.dialects.anthropic.request_in import decode
from proxy.dialects.chunks import dumps
from proxy.dialects.names import DialectName
from proxy.dialects.openai_surface import status_of
from proxy.dialects.reading import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.dialects.cards import ModelCard
    from proxy.dialects.told import Told
    from proxy.errors import GatewayError

OVERLOADED = 529
"""Anthropic's own status; its clients try again."""
_STATUSES = {503: OVERLOADED}
"""Ours -> Anthropic's."""
_TYPES = {
    400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error",
    404: "not_found_error", 408: "timeout_error", 409: "conflict_error", 413: "request_too_large",
    429: "rate_limit_error", 504: "timeout_error", OVERLOADED: "overloaded_error",
}  # fmt: skip
"""By status. Other 4xx are the client's fault, other 5xx ours."""
_FIRST_OF_OURS = 500


class AnthropicSurface:
    """What Anthropic's own clients expect."""

    name = "anthropic"
    dialect = DialectName.ANTHROPIC
    content_types = frozenset({"application/json"})
    keepalive = b'event: ping\ndata: {"type": "ping"}\n\n'
    decode = staticmethod(decode)

    def answer(self, body: bytes, told: Told) -> bytes:
        """The hub's answer as a message. Raises `ToolCallMalformed` for a call that Anthropic's form cannot hold."""
        return dumps(message_of(parse(body), told))

    def stream(self, told: Told) -> AnthropicStream:
        """An encoder for one stream."""
        return AnthropicStream(told)

    def error(self, error: GatewayError) -> tuple[int, bytes]:
        """Status and JSON body."""
        status = status_of(error)
        status = _STATUSES.get(status, status)
        return status, orjson.dumps(_document(error, status))

    def stream_error(self, error: GatewayError) -> bytes:
        """The last event of a broken stream; `message_stop` would say it went well."""
        return b"event: error\ndata: %b\n\n" % self.error(error)[1]

    def models(self, cards: Sequence[ModelCard]) -> bytes:
        """`GET /v1/models`: all on one page."""
        data = [_model(card) for card in cards]
        first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return orjson.dumps({"data": data, "has_more": False, "first_id": first, "last_id": last})

    def model(self, card: ModelCard) -> bytes:
        """`GET /v1/models/{id}`."""
        return orjson.dumps(_model(card))

    def count(self, tokens: int) -> bytes:
        """`POST /v1/messages/count_tokens`."""
        return orjson.dumps({"input_tokens": tokens})


def _document(error: GatewayError, status: int) -> dict[str, Any]:
    kind = _TYPES.get(status) or ("api_error" if status >= _FIRST_OF_OURS else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _model(card: ModelCard) -> dict[str, Any]:
    created = card.released_at or datetime.fromtimestamp(card.created_s, UTC).isoformat().replace("+00:00", "Z")
    return {
        "type": "model",
        "id": card.id,
        "display_name": card.display_name,
        "created_at": created,
        "lifecycle": "active",
        "max_input_tokens": card.context_window,
        "max_tokens": card.max_output_tokens,
    }
