"""Whatever a client writes in the place of anything: it is understood or refused, in every provider's dialect."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.dialect import Target
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.needs import needs_of, size_of
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.dialects.spoken import SPOKEN
from proxy.errors import BadRequest
from proxy.exchange import Surface

WRONG: tuple[Any, ...] = (None, True, -1, "", "x", [], [None], [[]], {}, {"x": {}})
IMAGE = "data:image/png;base64,iVBORw0KGgo="
FUNCTION = {"name": "f", "parameters": {"type": "object"}}
CHAT = {
    "model": "m", "max_completion_tokens": 5, "stop": ["a"], "reasoning_effort": "low", "tool_choice": {
        "type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}},
    "tools": [{"type": "function", "function": FUNCTION}],
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [
            {"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": IMAGE}}]},
        {"role": "assistant", "content": "t", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "r"}]},
    ],
}  # fmt: skip
ANTHROPIC = {
    "model": "m", "max_tokens": 10, "system": [{"type": "text", "text": "s"}],
    "thinking": {"type": "enabled", "budget_tokens": 1024}, "tool_choice": {"type": "tool", "name": "f"},
    "tools": [{"name": "f", "input_schema": {"type": "object"}}], "stop_sequences": ["x"],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image", "source": {
            "type": "base64", "media_type": "image/png", "data": "aGk="}}]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"},
                                          {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "b"}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
            {"type": "text", "text": "r"}]}]},
    ],
}  # fmt: skip
GEMINI = {
    "systemInstruction": {"parts": [{"text": "s"}]},
    "contents": [
        {"role": "user", "parts": [{"text": "x"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}]},
        {"role": "model", "parts": [{"functionCall": {"id": "1", "name": "f", "args": {"a": 1}},
                                     "thoughtSignature": "c2ln"}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "1", "name": "f", "response": {"r": 1}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "generationConfig": {"maxOutputTokens": 5, "stopSequences": ["x"], "responseSchema": {"type": "OBJECT"},
                         "responseMimeType": "application/json", "thinkingConfig": {"thinkingBudget": 5}},
}  # fmt: skip
RESPONSES = {
    "model": "m", "instructions": "i", "max_output_tokens": 5, "tools": [{"type": "function", **FUNCTION}],
    "tool_choice": {"type": "function", "name": "f"}, "reasoning": {"effort": "low"},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "x"},
                                     {"type": "input_image", "image_url": IMAGE}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "r"}]},
    ],
}  # fmt: skip


def spoiled(value: Any) -> Iterator[Any]:
    """`value` with every part of it, one after the other, replaced by each of `WRONG`, or left out."""
    yield from WRONG
    for place in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        for other in spoiled(value[place]):
            changed = copy.copy(value)
            changed[place] = other
            yield changed
        if isinstance(value, dict):
            yield {name: kept for name, kept in value.items() if name != place}


@pytest.mark.parametrize(
    ("surface", "operation", "asked"),
    [
        (OpenAISurface(), Operation.CHAT, CHAT),
        (AnthropicSurface(), Operation.CHAT, ANTHROPIC),
        (GeminiSurface("m", stream=False), Operation.CHAT, GEMINI),
        (ResponsesSurface(), Operation.RESPONSES, RESPONSES),
    ],
    ids=["openai", "anthropic", "gemini", "responses"],
)
def test_a_wrong_type_is_refused_or_read_as_absent(surface: Surface, operation: Operation, asked: dict[str, Any]):
    understood = 0
    for doc in spoiled(asked):
        try:
            request = surface.decode(operation, orjson.dumps(doc))
            needs_of(request)
            size_of(request)
            hub = request.hub
        except BadRequest:
            continue
        for dialect in SPOKEN.values():
            try:
                dialect.encode(hub, Target("m", lenient=True))
            except BadRequest:
                continue
            understood += 1
    assert understood
