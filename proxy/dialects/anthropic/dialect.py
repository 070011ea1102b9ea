"""Anthropic's Messages API as a provider speaks it. See `proxy.dialects.dialect.Dialect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.anthropic.adapting import adapt
from proxy.dialects.anthropic.answer_in import answer, opaque
from proxy.dialects.anthropic.decoder import AnthropicDecoder
from proxy.dialects.anthropic.request_out import encode
from proxy.dialects.names import DialectName
from proxy.dialects.sse import Splitter

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target


class AnthropicDialect:
    """Stateless."""

    name = DialectName.ANTHROPIC
    stream_types: tuple[str, ...] = ("text/event-stream",)
    encode = staticmethod(encode)
    adapt = staticmethod(adapt)
    opaque = staticmethod(opaque)

    def answer(self, doc: dict[str, Any], target: Target) -> dict[str, Any]:  # noqa: ARG002 - all are read alike
        """See `Dialect.answer`."""
        return answer(doc)

    def framer(self, max_event_bytes: int) -> Splitter:
        """Server-sent events."""
        return Splitter(max_event_bytes)

    def decoder(self, target: Target) -> AnthropicDecoder:  # noqa: ARG002 - every stream is read alike
        """Of one stream."""
        return AnthropicDecoder()
