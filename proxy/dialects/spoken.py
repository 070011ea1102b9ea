"""The table of dialects that providers speak. A new one is a package of its own and a line here."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from proxy.dialects.anthropic.dialect import AnthropicDialect
from proxy.dialects.bedrock.dialect import BedrockDialect
from proxy.dialects.cohere import CohereDialect
from proxy.dialects.gemini.dialect import GeminiDialect
from proxy.dialects.mistral import MistralDialect
from proxy.dialects.ollama import OllamaDialect
from proxy.dialects.responses.dialect import ResponsesDialect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.dialects.dialect import Dialect
    from proxy.dialects.names import DialectName

_ALL: tuple[Dialect, ...] = (
    AnthropicDialect(),
    BedrockDialect(),
    CohereDialect(),
    GeminiDialect(),
    MistralDialect(),
    OllamaDialect(),
    ResponsesDialect(),
)
SPOKEN: Mapping[DialectName, Dialect] = MappingProxyType({dialect.name: dialect for dialect in _ALL})
"""All but the hub's own, which needs no translation."""
