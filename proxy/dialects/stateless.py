"""What dialects have in common whose providers want no state back, and which no client here speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.openai_chat import write_object
from proxy.dialects.sse import Splitter

if TYPE_CHECKING:
    from proxy.dialects.dialect import Framer, Target
    from proxy.dialects.request import ModelRequest


class StatelessDialect:
    """Server-sent events, unless it says otherwise."""

    stream_types: tuple[str, ...] = ("text/event-stream",)

    def adapt(self, request: ModelRequest, target: Target) -> bytes:
        """The very bytes, if they name the model as the provider does."""
        if request.raw is not None and request.doc.get("model") == target.model:
            return request.raw
        return write_object({**request.doc, "model": target.model})

    def opaque(self, answer: dict[str, Any]) -> dict[str, dict[str, Any]]:  # noqa: ARG002 - there is none
        """Nothing."""
        return {}

    def framer(self, max_event_bytes: int) -> Framer:
        """Events of a stream."""
        return Splitter(max_event_bytes)
