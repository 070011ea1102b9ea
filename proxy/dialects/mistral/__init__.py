"""Mistral's chat: the hub's, but for what lies in messages. What has none of that passes as it is.

Source: https://docs.mistral.ai/api/ and https://docs.mistral.ai/capabilities/reasoning/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.mistral.answer import MistralDecoder, answer
from proxy.dialects.mistral.request import encode
from proxy.dialects.names import DialectName
from proxy.dialects.stateless import StatelessDialect

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target


class MistralDialect(StatelessDialect):
    """OpenAI's with differences in the messages; the rest of them are the profile's quirks."""

    name: DialectName = DialectName.MISTRAL
    encode = staticmethod(encode)
    answer = staticmethod(answer)

    def decoder(self, target: Target) -> MistralDecoder:  # noqa: ARG002 - it reads alike for all
        """What reads one stream."""
        return MistralDecoder()
