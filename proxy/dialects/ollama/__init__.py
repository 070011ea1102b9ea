"""Ollama's own chat, `/api/chat`. Source: https://docs.ollama.com/api/chat and ollama/docs/api.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.names import DialectName
from proxy.dialects.ollama.answer import answer
from proxy.dialects.ollama.lines import LineSplitter
from proxy.dialects.ollama.request import encode
from proxy.dialects.ollama.stream import OllamaDecoder
from proxy.dialects.stateless import StatelessDialect

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target


class OllamaDialect(StatelessDialect):
    """One JSON object a line; tool calls come whole and may have no ids."""

    name: DialectName = DialectName.OLLAMA
    stream_types: tuple[str, ...] = ("application/x-ndjson",)
    encode = staticmethod(encode)
    answer = staticmethod(answer)

    def framer(self, max_event_bytes: int) -> LineSplitter:
        """Lines of a stream."""
        return LineSplitter(max_event_bytes)

    def decoder(self, target: Target) -> OllamaDecoder:
        """What reads one stream."""
        return OllamaDecoder(target.model)
