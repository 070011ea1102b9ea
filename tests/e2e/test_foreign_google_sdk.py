"""Google's own SDK, unmodified but for its base URL, answered by providers that speak another dialect.

`pytest -s tests/e2e/test_foreign_google_sdk.py` shows what was said.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

from e2e.matrix.foreign import NEVER, THINKING, foreign_to, thinker
from e2e.matrix.scenes import BOTH_FORMS
from e2e.matrix.stage import Stage
from e2e.matrix.transcript import Transcript
from fakes.providers.scenes import (
    OUTPUT_TOKENS,
    PIECES,
    PNG,
    SYSTEM,
    TEXT,
    THOUGHTS,
    TOOL,
    TOOL_SAYS,
    TOOL_SCHEMA,
    WEATHER,
    Ask,
)


@pytest.fixture
def gemini(stage: Stage) -> Iterator[genai.Client]:
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=stage.gateway.url))
    yield client
    client.close()


def gemini_options(**options: Any) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(system_instruction=SYSTEM, max_output_tokens=8000, **options)


DECLARED = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(name=TOOL, description=TOOL_SAYS, parameters_json_schema=TOOL_SCHEMA)
    ]
)
BY_HAND = types.AutomaticFunctionCallingConfig(disable=True)


@pytest.mark.parametrize("provider", foreign_to("gemini"))
def test_googles_sdk_speaks_with_foreign_providers(gemini: genai.Client, provider: str):
    say = Transcript("google-genai", provider)
    whole = gemini.models.generate_content(model=provider, contents=str(Ask.PLAIN), config=gemini_options())
    say("generate_content", whole.text)
    assert (TEXT, "STOP") == (whole.text, whole.candidates[0].finish_reason)
    assert OUTPUT_TOKENS == whole.usage_metadata.candidates_token_count
    streamed = list(
        gemini.models.generate_content_stream(model=provider, contents=str(Ask.PLAIN), config=gemini_options())
    )
    pieces = [chunk.text for chunk in streamed if chunk.text]
    say("generate_content_stream", pieces)
    assert list(PIECES) == pieces
    assert whole.usage_metadata.prompt_token_count == streamed[-1].usage_metadata.prompt_token_count


@pytest.mark.parametrize("stream", BOTH_FORMS, ids=["whole", "stream"])
@pytest.mark.parametrize("provider", foreign_to("gemini"))
def test_googles_sdk_calls_functions(gemini: genai.Client, provider: str, stream):
    say = Transcript("google-genai, functions", provider)
    config = gemini_options(tools=[DECLARED], automatic_function_calling=BY_HAND)
    asked = [types.Content(role="user", parts=[types.Part(text=str(Ask.WEATHER))])]
    called = gemini_said(gemini, provider, asked, config, stream=stream)
    calls = [part.function_call for part in called if part.function_call]
    say("calls", [(call.name, call.args) for call in calls])
    assert [{"city": city} for city in WEATHER] == [call.args for call in calls]
    results = [
        types.Part(
            function_response=types.FunctionResponse(
                id=call.id, name=call.name, response={"output": WEATHER[call.args["city"]]}
            )
        )
        for call in calls
    ]
    asked += [types.Content(role="model", parts=called), types.Content(role="user", parts=results)]
    told = gemini_said(gemini, provider, asked, config, stream=stream)
    text = "".join(part.text or "" for part in told)
    say("answers", text)
    assert "Paris 20 C, Rome 25 C." == text


def gemini_said(
    gemini: genai.Client, model: str, asked: list[Any], config: types.GenerateContentConfig, *, stream: bool
) -> list[types.Part]:
    if not stream:
        return gemini.models.generate_content(model=model, contents=asked, config=config).candidates[0].content.parts
    chunks = gemini.models.generate_content_stream(model=model, contents=asked, config=config)
    contents = [candidate.content for chunk in chunks for candidate in chunk.candidates or () if candidate.content]
    return [part for content in contents for part in content.parts or ()]


@pytest.mark.parametrize("provider", sorted(THINKING - {"gemini"}))
def test_googles_sdk_sees_thoughts_and_brings_their_state_back(gemini: genai.Client, provider: str):
    say = Transcript("google-genai, thinking", provider)
    thinking = types.ThinkingConfig(include_thoughts=True, thinking_budget=4096)
    config = gemini_options(tools=[DECLARED], automatic_function_calling=BY_HAND, thinking_config=thinking)
    asked = [types.Content(role="user", parts=[types.Part(text=str(Ask.THINK_WEATHER))])]
    called = gemini_said(gemini, thinker(provider), asked, config, stream=False)
    thoughts = "".join(part.text or "" for part in called if part.thought)
    say("thinks", thoughts)
    assert "".join(THOUGHTS) == thoughts
    call = next(part.function_call for part in called if part.function_call)
    result = types.FunctionResponse(id=call.id, name=call.name, response={"output": WEATHER["Paris"]})
    asked += [
        types.Content(role="model", parts=called),
        types.Content(role="user", parts=[types.Part(function_response=result)]),
    ]
    told = gemini_said(gemini, thinker(provider), asked, config, stream=False)
    say("answers", told[-1].text)
    assert "Paris 20 C." == told[-1].text


def test_googles_sdk_sees_pictures_and_schemas(gemini: genai.Client):
    say = Transcript("google-genai", "anthropic_messages")
    picture = types.Part.from_bytes(data=PNG, mime_type="image/png")
    seen = gemini.models.generate_content(
        model="anthropic_messages", contents=[str(Ask.IMAGE), picture], config=gemini_options()
    )
    say("sees", seen.text)
    assert "A red point." == seen.text


def test_googles_sdk_raises_what_goes_wrong(gemini: genai.Client):
    with pytest.raises(genai_errors.ClientError) as raised:
        gemini.models.generate_content(model=NEVER, contents=str(Ask.PLAIN), config=gemini_options())
    Transcript("google-genai", "nobody")("raises", raised.value)
    assert 404 == raised.value.code
