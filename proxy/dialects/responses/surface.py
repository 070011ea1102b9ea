"""The OpenAI surface's `/v1/responses`. One object serves one request: a response repeats what was asked for.

A provider that speaks the Responses API itself is passed through, and nothing here but `decode` and `error` is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects import openai_chat
from proxy.dialects.chunks import dumps
from proxy.dialects.names import DialectName
from proxy.dialects.openai_surface import OpenAISurface, error_object
from proxy.dialects.reading import as_dict, parse
from proxy.dialects.responses.answer import response_of
from proxy.dialects.responses.encoder import ResponsesStream
from proxy.dialects.responses.events import error_event
from proxy.dialects.responses.request_in import to_hub

if TYPE_CHECKING:
    from proxy.dialects.request import ModelRequest, Operation
    from proxy.dialects.told import Told
    from proxy.errors import GatewayError


class ResponsesSurface:
    """What OpenAI's own clients expect of the Responses API."""

    name = OpenAISurface.name
    dialect = DialectName.OPENAI_RESPONSES
    content_types = OpenAISurface.content_types
    keepalive = OpenAISurface.keepalive

    def __init__(self) -> None:
        self._doc: dict[str, Any] = {}
        self._stream: ResponsesStream | None = None

    def decode(self, operation: Operation, body: bytes) -> ModelRequest:
        """Read what routing needs; the rest is read when it must be translated. Raises as `openai_chat.decode`."""
        request = openai_chat.decode(operation, body)
        request.dialect, request.to_hub = self.dialect, to_hub
        self._doc = request.doc
        return request

    def answer(self, body: bytes, told: Told) -> bytes:
        """The response object of a hub answer."""
        return dumps(response_of(as_dict(parse(body)), self._doc, told))

    def stream(self, told: Told) -> ResponsesStream:
        """What turns the hub's stream into a Responses stream."""
        self._stream = ResponsesStream(self._doc, told)
        return self._stream

    def error(self, error: GatewayError) -> tuple[int, bytes]:
        """Status and JSON body."""
        return _OPENAI.error(error)

    def stream_error(self, error: GatewayError) -> bytes:
        """The end of a broken stream; of a translated one with what there is of the response."""
        told = error_object(error)
        return error_event(told, None) if self._stream is None else self._stream.fail(told)


_OPENAI = OpenAISurface()
