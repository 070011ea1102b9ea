"""OpenAI's own SDK, by Responses and by chat, answered by providers that speak another dialect.

`pytest -s tests/e2e/test_foreign_openai_sdk.py` shows what was said.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from e2e.matrix.foreign import KINDS, THINKING, foreign_to, thinker
from e2e.matrix.scenes import BOTH_FORMS
from e2e.matrix.stage import Stage
from e2e.matrix.transcript import Transcript
from fakes.providers.scenes import (
    CACHED_TOKENS,
    OUTPUT_TOKENS,
    PIECES,
    PNG,
    PROMPT_TOKENS,
    SYSTEM,
    TEXT,
    TOOL,
    TOOL_SAYS,
    TOOL_SCHEMA,
    TRAIN,
    WEATHER,
    Ask,
)


class Train(BaseModel):
    line: str
    minutes: int


RESPONSES_TOOLS: list[Any] = [
    {"type": "function", "name": TOOL, "description": TOOL_SAYS, "parameters": TOOL_SCHEMA, "strict": True}
]
CHAT_TOOLS: list[Any] = [
    {"type": "function", "function": {"name": TOOL, "description": TOOL_SAYS, "parameters": TOOL_SCHEMA}}
]


@pytest.fixture
def gpt(stage: Stage) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{stage.gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def responses_ask(model: str, ask: Ask, **options: Any) -> dict[str, Any]:
    return {"model": model, "instructions": SYSTEM, "input": str(ask), "store": False, **options}


@pytest.mark.parametrize("provider", foreign_to("openai_responses", "openai_chat"))
def test_openais_sdk_speaks_responses_with_foreign_providers(gpt: openai.OpenAI, provider: str):
    say = Transcript("openai, Responses", provider)
    whole = gpt.responses.create(**responses_ask(provider, Ask.PLAIN))
    say("create", whole.output_text)
    assert ("completed", TEXT, OUTPUT_TOKENS) == (whole.status, whole.output_text, whole.usage.output_tokens)
    with gpt.responses.stream(**responses_ask(provider, Ask.PLAIN)) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    say("stream", pieces)
    assert (list(PIECES), TEXT) == (pieces, final.output_text)
    assert whole.usage == final.usage


@pytest.mark.parametrize("stream", BOTH_FORMS, ids=["whole", "stream"])
@pytest.mark.parametrize("provider", foreign_to("openai_responses", "openai_chat"))
def test_openais_sdk_calls_tools_by_responses(gpt: openai.OpenAI, provider: str, stream):
    say = Transcript("openai, Responses, tools", provider)
    asked = responses_ask(provider, Ask.WEATHER, tools=RESPONSES_TOOLS)
    called = response_to(gpt, asked, stream=stream)
    calls = [item for item in called.output if item.type == "function_call"]
    say("calls", [(call.name, call.arguments) for call in calls])
    cities = list(WEATHER)
    assert [f'{{"city":"{city}"}}' for city in cities] == [call.arguments.replace(" ", "") for call in calls]
    results = [
        {"type": "function_call_output", "call_id": call.call_id, "output": WEATHER[city]}
        for call, city in zip(calls, cities, strict=True)
    ]
    turns = [{"role": "user", "content": asked["input"]}, *called.output, *results]
    told = response_to(gpt, {**asked, "input": turns}, stream=stream)
    say("answers", told.output_text)
    assert "Paris 20 C, Rome 25 C." == told.output_text


def response_to(gpt: openai.OpenAI, asked: dict[str, Any], *, stream: bool) -> Any:
    if not stream:
        return gpt.responses.create(**asked)
    with gpt.responses.stream(**asked) as events:
        return events.get_final_response()


@pytest.mark.parametrize("provider", sorted(THINKING - {"openai_responses"}))
def test_openais_sdk_brings_reasoning_back_by_responses(gpt: openai.OpenAI, provider: str):
    say = Transcript("openai, Responses, reasoning", provider)
    options: dict[str, Any] = {"reasoning": {"effort": "high", "summary": "auto"}, "tools": RESPONSES_TOOLS}
    options |= {"include": ["reasoning.encrypted_content"], "max_output_tokens": 8000}
    asked = responses_ask(thinker(provider), Ask.THINK_WEATHER, **options)
    called = gpt.responses.create(**asked)
    assert ["reasoning", "function_call"] == [item.type for item in called.output]
    say("thinks", called.output[0].summary)
    result = {"type": "function_call_output", "call_id": called.output[1].call_id, "output": WEATHER["Paris"]}
    turns = [{"role": "user", "content": asked["input"]}, *called.output, result]
    told = gpt.responses.create(**{**asked, "input": turns})
    say("answers", told.output_text)
    assert "Paris 20 C." == told.output_text


@pytest.mark.parametrize("provider", foreign_to("openai_chat"))
def test_openais_sdk_chats_with_foreign_providers(gpt: openai.OpenAI, provider: str):
    say = Transcript("openai, chat", provider)
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": str(Ask.PLAIN)}]
    whole = gpt.chat.completions.create(model=provider, messages=messages)
    say("create", whole.choices[0].message.content)
    assert (TEXT, "stop") == (whole.choices[0].message.content, whole.choices[0].finish_reason)
    if KINDS[provider].tells_cached:
        assert CACHED_TOKENS == whole.usage.prompt_tokens_details.cached_tokens
    assert whole.usage.prompt_tokens in (PROMPT_TOKENS, KINDS[provider].prompt_tokens)
    with gpt.chat.completions.stream(model=provider, messages=messages) as stream:
        pieces = [event.delta for event in stream if event.type == "content.delta" and event.delta]
        final = stream.get_final_completion()
    say("stream", pieces)
    assert (list(PIECES), TEXT) == (pieces, final.choices[0].message.content)


@pytest.mark.parametrize("provider", foreign_to("openai_chat"))
def test_openais_sdk_calls_tools_by_chat(gpt: openai.OpenAI, provider: str):
    """The state that a provider wants back with the result is kept by the gateway: this SDK does not send it."""
    say = Transcript("openai, chat, tools", provider)
    thinks = "thinks" in KINDS[provider].models or provider == "bedrock_converse"
    options: dict[str, Any] = {"reasoning_effort": "high", "max_completion_tokens": 8000} if thinks else {}
    ask = Ask.THINK_WEATHER if thinks else Ask.WEATHER
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": str(ask)}]
    asked: dict[str, Any] = {"model": thinker(provider), "tools": CHAT_TOOLS, **options}
    with gpt.chat.completions.stream(messages=messages, **asked) as stream:
        message = stream.get_final_completion().choices[0].message
    say("calls", [(call.function.name, call.function.arguments) for call in message.tool_calls])
    kept = [
        {"id": call.id, "type": "function", "function": {"name": TOOL, "arguments": call.function.arguments}}
        for call in message.tool_calls
    ]
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": said}
        for call, said in zip(message.tool_calls, WEATHER.values(), strict=False)
    ]
    messages += [{"role": "assistant", "content": None, "tool_calls": kept}, *results]
    told = gpt.chat.completions.create(messages=messages, **asked)
    say("answers", told.choices[0].message.content)
    assert told.choices[0].message.content.startswith("Paris 20 C")


@pytest.mark.parametrize("provider", foreign_to("openai_chat"))
def test_openais_sdk_parses_structured_output(gpt: openai.OpenAI, provider: str):
    say = Transcript("openai, chat, parse", provider)
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": str(Ask.SCHEMA)}]
    parsed = gpt.chat.completions.parse(model=provider, messages=messages, response_format=Train)
    say("parses", parsed.choices[0].message.parsed)
    assert TRAIN == parsed.choices[0].message.parsed.model_dump()


def test_openais_sdk_sees_pictures(gpt: openai.OpenAI):
    url = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    parts: list[Any] = [{"type": "text", "text": str(Ask.IMAGE)}, {"type": "image_url", "image_url": {"url": url}}]
    messages: list[Any] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": parts}]
    seen = gpt.chat.completions.create(model="gemini", messages=messages)
    assert "A red point." == seen.choices[0].message.content
