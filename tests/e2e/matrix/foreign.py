"""Who is foreign to whom: what the tests of the vendors' own SDKs share."""

from __future__ import annotations

from e2e.matrix.stage import route_of
from fakes.providers.table import PROVIDERS

KINDS = {provider.dialect: provider for provider in PROVIDERS}
THINKING = frozenset({"anthropic_messages", "gemini", "bedrock_converse", "openai_responses"})
"""Providers whose models show what they think and, but for one, want its state back."""
NEVER = "no-such-model"


def foreign_to(*dialects: str) -> list[str]:
    """The providers that speak none of `dialects`."""
    return [name for name in KINDS if name not in dialects]


def thinker(provider: str) -> str:
    """The route of its model that thinks."""
    return route_of(KINDS[provider], "thinks")
