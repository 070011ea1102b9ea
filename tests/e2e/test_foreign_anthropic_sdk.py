"""Anthropic's own SDK, unmodified but for its base URL, answered by providers that speak another dialect.

`pytest -s tests/e2e/test_foreign_anthropic_sdk.py` shows what was said.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest

from e2e.matrix.foreign import NEVER, THINKING, foreign_to, thinker
from e2e.matrix.scenes import BOTH_FORMS
from e2e.matrix.stage import Stage
from e2e.matrix.transcript import Transcript
from fakes.providers.scenes import (
    OUTPUT_TOKENS,
    PIECES,
    SYSTEM,
    TEXT,
    THOUGHTS,
    TOOL,
    TOOL_SAYS,
    TOOL_SCHEMA,
    WEATHER,
    Ask,
)

CLAUDE_TOOLS: list[Any] = [{"name": TOOL, "description": TOOL_SAYS, "input_schema": TOOL_SCHEMA}]


@pytest.fixture
def claude(stage: Stage) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=stage.gateway.url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_claude(stage: Stage) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=stage.gateway.url, api_key="any", max_retries=0) as client:
        yield client


def claude_asks(model: str, ask: Ask, **options: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": str(ask)}]
    return {"model": model, "max_tokens": 8000, "system": SYSTEM, "messages": messages, **options}


@pytest.mark.parametrize("provider", foreign_to("anthropic_messages"))
def test_anthropics_sdk_speaks_with_foreign_providers(claude: anthropic.Anthropic, provider: str):
    say = Transcript("anthropic", provider)
    whole = claude.messages.create(**claude_asks(provider, Ask.PLAIN))
    say("create", whole.content[0].text)
    assert ("message", "end_turn", TEXT) == (whole.type, whole.stop_reason, whole.content[0].text)
    say("usage", whole.usage.model_dump(exclude_none=True))
    assert OUTPUT_TOKENS == whole.usage.output_tokens
    with claude.messages.stream(**claude_asks(provider, Ask.PLAIN)) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    say("stream", pieces)
    assert (list(PIECES), TEXT, "end_turn") == (pieces, final.content[0].text, final.stop_reason)
    assert whole.usage.input_tokens == final.usage.input_tokens


@pytest.mark.parametrize("stream", BOTH_FORMS, ids=["whole", "stream"])
@pytest.mark.parametrize("provider", foreign_to("anthropic_messages"))
def test_anthropics_sdk_calls_tools(claude: anthropic.Anthropic, provider: str, stream):
    say = Transcript("anthropic, tools", provider)
    asked = claude_asks(provider, Ask.WEATHER, tools=CLAUDE_TOOLS)
    called = claude_said(claude, asked, stream=stream)
    uses = [block for block in called.content if block.type == "tool_use"]
    say("calls", [(use.name, use.input) for use in uses])
    assert ("tool_use", [{"city": city} for city in WEATHER]) == (called.stop_reason, [use.input for use in uses])
    results = [{"type": "tool_result", "tool_use_id": use.id, "content": WEATHER[use.input["city"]]} for use in uses]
    asked["messages"] += [{"role": "assistant", "content": called.content}, {"role": "user", "content": results}]
    told = claude_said(claude, asked, stream=stream)
    say("answers", told.content[0].text)
    assert "Paris 20 C, Rome 25 C." == told.content[0].text


def claude_said(claude: anthropic.Anthropic, asked: dict[str, Any], *, stream: bool) -> Any:
    if not stream:
        return claude.messages.create(**asked)
    with claude.messages.stream(**asked) as events:
        return events.get_final_message()


@pytest.mark.parametrize("stream", BOTH_FORMS, ids=["whole", "stream"])
@pytest.mark.parametrize("provider", sorted(THINKING - {"anthropic_messages"}))
def test_anthropics_sdk_sees_thoughts_and_brings_their_state_back(claude: anthropic.Anthropic, provider: str, stream):
    """By a budget, as assistants of before this year ask."""
    say = Transcript("anthropic, thinking", provider)
    thinking = {"type": "enabled", "budget_tokens": 4096}
    asked = claude_asks(thinker(provider), Ask.THINK_WEATHER, tools=CLAUDE_TOOLS, thinking=thinking)
    called = claude_said(claude, asked, stream=stream)
    *thoughts, use = called.content
    assert {"thinking"} <= {block.type for block in thoughts} <= {"thinking", "redacted_thinking"}
    say("thinks", called.content[0].thinking)
    assert "".join(THOUGHTS) == called.content[0].thinking
    result = {"type": "tool_result", "tool_use_id": use.id, "content": WEATHER["Paris"]}
    asked["messages"] += [{"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
    told = claude_said(claude, asked, stream=stream)
    say("answers", told.content[-1].text)
    assert "Paris 20 C." == told.content[-1].text


@pytest.mark.parametrize("provider", foreign_to("anthropic_messages"))
async def test_anthropics_async_sdk(async_claude: anthropic.AsyncAnthropic, provider: str):
    say = Transcript("anthropic, async", provider)
    whole = await async_claude.messages.create(**claude_asks(provider, Ask.PLAIN))
    async with async_claude.messages.stream(**claude_asks(provider, Ask.PLAIN)) as stream:
        pieces = [piece async for piece in stream.text_stream]
    say("create, stream", (whole.content[0].text, pieces))
    assert (TEXT, list(PIECES)) == (whole.content[0].text, pieces)


@pytest.mark.parametrize("provider", foreign_to("anthropic_messages"))
def test_anthropics_sdk_raises_what_goes_wrong(claude: anthropic.Anthropic, provider: str):
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(**claude_asks(NEVER, Ask.PLAIN))
    say = Transcript("anthropic, errors", provider)
    with (
        pytest.raises(anthropic.APIStatusError) as raised,
        claude.messages.stream(**claude_asks(provider, Ask.ERROR)) as stream,
    ):
        list(stream.text_stream)
    say("raises", repr(raised.value))


def test_anthropics_sdk_counts_tokens(claude: anthropic.Anthropic):
    asked = claude_asks("gemini", Ask.PLAIN)
    del asked["max_tokens"]
    counted = claude.messages.count_tokens(**asked)
    Transcript("anthropic", "gemini")("count_tokens", counted.input_tokens)
    assert counted.input_tokens > 0
