"""Google's `generateContent`, spoken by a provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.gemini.answer_in import answer_in, opaque_of
from proxy.dialects.gemini.decoder import GeminiDecoder
from proxy.dialects.gemini.request_out import request_out
from proxy.dialects.names import DialectName
from proxy.dialects.openai_chat import write_object
from proxy.dialects.sse import Splitter

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target
    from proxy.dialects.request import ModelRequest


class GeminiDialect:
    """Stateless. The model and the wish to stream are in the path, not in the body."""

    name = DialectName.GEMINI
    stream_types: tuple[str, ...] = ("text/event-stream",)

    def encode(self, request: ModelRequest, target: Target) -> bytes:
        """The body. Raises `Unsupported` for what Google cannot express, another `BadRequest` for what no one could."""
        return write_object(request_out(request.doc, target))

    def adapt(self, request: ModelRequest, target: Target) -> bytes:
        """The very bytes, unless the deployment serves another tier than the one asked for."""
        given = request.doc.get("serviceTier")
        if target.tier == "flex" or given == "flex":
            tier = None if target.quirks.tiers_in_headers else target.quirks.tiers.get(target.tier)
            if tier != given:
                doc = {name: value for name, value in request.doc.items() if name != "serviceTier"}
                return write_object(doc if tier is None else {**doc, "serviceTier": tier})
        return request.raw if request.raw is not None else write_object(request.doc)

    def answer(self, doc: dict[str, Any], target: Target) -> dict[str, Any]:  # noqa: ARG002 - whoever it answers
        """A whole answer as the hub's."""
        return answer_in(doc)

    def opaque(self, answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """Tool call id -> its thought signature."""
        return opaque_of(answer)

    def framer(self, max_event_bytes: int) -> Splitter:
        """Server-sent events, with CRLF."""
        return Splitter(max_event_bytes)

    def decoder(self, target: Target) -> GeminiDecoder:  # noqa: ARG002 - whoever it answers
        """For one stream."""
        return GeminiDecoder()
