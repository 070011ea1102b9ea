"""Cohere's chat, version 2. Source: https://docs.cohere.com/v2/reference/chat and /v2/reference/chat-stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.cohere.answer import answer
from proxy.dialects.cohere.request import encode
from proxy.dialects.cohere.stream import CohereDecoder
from proxy.dialects.names import DialectName
from proxy.dialects.stateless import StatelessDialect

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target


class CohereDialect(StatelessDialect):
    """Named server-sent events, one message in, one message out."""

    name: DialectName = DialectName.COHERE
    encode = staticmethod(encode)
    answer = staticmethod(answer)

    def decoder(self, target: Target) -> CohereDecoder:
        """What reads one stream."""
        return CohereDecoder(target.model)
