"""What the documented limits of a provider force the gateway to refuse: the one table of it.

`LIMITS` are scenes of the matrix that cannot be; `PARAMETERS` are requests in OpenAI's words with one parameter more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fakes.providers.scenes import SCHEMA, SCHEMA_NAME, TOOL, TOOL_SAYS, TOOL_SCHEMA, Ask


@dataclass(frozen=True, slots=True)
class Limit:
    """`client` and `provider` are dialects, `*` is each of them."""

    client: str
    provider: str
    scene: str
    param: str
    """What the 400 names."""
    why: str
    """For the footnote, with its source."""


LIMITS: tuple[Limit, ...] = ()
"""None of the seven scenes is beyond any of the eight."""


def limit_of(client: str, provider: str, scene: str) -> Limit | None:
    for limit in LIMITS:
        if limit.client in ("*", client) and limit.provider in ("*", provider) and limit.scene == scene:
            return limit
    return None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One of OpenAI's parameters, and who has nothing like it."""

    title: str
    fields: Mapping[str, Any]
    """Of the request."""
    names: str
    """What a refusal names, as it begins."""
    missing: Mapping[str, str]
    """Provider -> why it has nothing like it."""
    is_hint: bool = False
    """Whether an answer without it is still one to the question: then it is left out for everybody, and told."""


TOOLS = [{"type": "function", "function": {"name": TOOL, "description": TOOL_SAYS, "parameters": TOOL_SCHEMA}}]
PDF_PARTS = [
    {"type": "text", "text": Ask.ANYTHING},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}},
]
FORMAT = {"type": "json_schema", "json_schema": {"name": SCHEMA_NAME, "schema": SCHEMA, "strict": True}}
PARAMETERS: tuple[Parameter, ...] = (
    Parameter("stop", {"stop": ["END"]}, "stop", {"openai_responses": "no stop sequences in the Responses API"}),
    Parameter(
        "seed",
        {"seed": 7},
        "seed",
        {
            "openai_responses": "no seed in the Responses API",
            "anthropic_messages": "no seed in Anthropic's API",
            "bedrock_converse": "no seed in Converse",
        },
    ),
    Parameter(
        "temperature",
        {"temperature": 0.5},
        "temperature",
        {},
    ),
    Parameter(
        "frequency_penalty",
        {"frequency_penalty": 0.5},
        "frequency_penalty",
        {
            "openai_responses": "no penalties in the Responses API",
            "anthropic_messages": "no penalties in Anthropic's API",
            "bedrock_converse": "no penalties in Converse",
        },
    ),
    Parameter(
        "logit_bias",
        {"logit_bias": {"50256": -100}},
        "logit_bias",
        dict.fromkeys(
            ("openai_responses", "anthropic_messages", "gemini", "bedrock_converse", "cohere", "ollama", "mistral"),
            "only OpenAI's chat has biases of tokens",
        ),
    ),
    Parameter(
        "n: 2",
        {"n": 2},
        "n",
        dict.fromkeys(
            ("openai_responses", "anthropic_messages", "bedrock_converse", "cohere", "ollama"), "one answer a request"
        ),
    ),
    Parameter(
        "tool_choice: required",
        {"tools": TOOLS, "tool_choice": "required"},
        "tool_choice",
        {"ollama": "no `tool_choice` in Ollama's API"},
    ),
    Parameter(
        "parallel_tool_calls: false",
        {"tools": TOOLS, "parallel_tool_calls": False},
        "parallel_tool_calls",
        {
            "gemini": "cannot be turned off there",
            "cohere": "no such parameter in Cohere's API",
            "ollama": "no such parameter in Ollama's API",
        },
        is_hint=True,
    ),
    Parameter(
        "response_format and tools",
        {"tools": TOOLS, "response_format": FORMAT},
        "response_format",
        {"cohere": "not together with tools in Cohere's API"},
    ),
    Parameter(
        "tool_choice: one tool",
        {"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": TOOL}}},
        "tool_choice",
        {"ollama": "no `tool_choice` in Ollama's API"},
    ),
    Parameter(
        "logprobs",
        {"logprobs": True},
        "logprobs",
        dict.fromkeys(("anthropic_messages", "bedrock_converse", "mistral"), "no log probabilities there"),
    ),
    Parameter(
        "a PDF",
        {"messages": [{"role": "user", "content": PDF_PARTS}]},
        "messages[0].content[1]",
        dict.fromkeys(("cohere", "ollama"), "no documents as bytes there"),
    ),
)
