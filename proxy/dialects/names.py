"""What dialects are called, in the configuration and in the code."""

from __future__ import annotations

from enum import StrEnum


class DialectName(StrEnum):
    """A request, answer and stream format that a surface or a provider speaks."""

    OPENAI_CHAT = "openai_chat"
    """The hub: all the others are translated to it and from it."""
    OPENAI_RESPONSES = "openai_responses"
    ANTHROPIC = "anthropic_messages"
    GEMINI = "gemini"
    BEDROCK = "bedrock_converse"
    COHERE = "cohere"
    OLLAMA = "ollama"
    MISTRAL = "mistral"
    """The hub but for thoughts within the content, ids of nine characters and unknown fields that are refused."""
