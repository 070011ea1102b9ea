"""The Responses API as a provider's dialect. Source: OpenAI API reference, "Responses"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects import openai_chat
from proxy.dialects.hub import calls_of
from proxy.dialects.names import DialectName
from proxy.dialects.reading import as_dict, as_text, choices_of
from proxy.dialects.responses import request_out
from proxy.dialects.responses.answer import hub_answer
from proxy.dialects.responses.decoder import ResponsesDecoder
from proxy.dialects.sse import Splitter

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target
    from proxy.dialects.request import ModelRequest


class ResponsesDialect:
    """Stateless, and asks the provider to keep no state either."""

    name = DialectName.OPENAI_RESPONSES
    stream_types: tuple[str, ...] = ("text/event-stream",)

    def encode(self, request: ModelRequest, target: Target) -> bytes:
        """The body. Raises `Unsupported` for what the Responses API cannot express, or another `BadRequest`."""
        return request_out.encode(request, target)

    def adapt(self, request: ModelRequest, target: Target) -> bytes:
        """The client's own bytes, unless the model's name or what is in `target.quirks` must change."""
        return openai_chat.encode(request, target)

    def answer(self, doc: dict[str, Any], target: Target) -> dict[str, Any]:  # noqa: ARG002 - the answer says it all
        """A response object, or an error, as the hub's."""
        return hub_answer(doc)

    def opaque(self, answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Tool call id -> the `reasoning_details` that must come back with it."""
        found: dict[str, dict[str, Any]] = {}
        for choice in choices_of(answer):
            message = as_dict(choice.get("message"))
            if details := message.get("reasoning_details"):
                for call in calls_of(message):
                    found[as_text(call.get("id")) or ""] = {"reasoning_details": details}
        return found

    def framer(self, max_event_bytes: int) -> Splitter:
        """What cuts a stream into events."""
        return Splitter(max_event_bytes)

    def decoder(self, target: Target) -> ResponsesDecoder:  # noqa: ARG002 - the stream says it all
        """What reads one stream."""
        return ResponsesDecoder()
