"""How many tokens a request is reckoned to have."""

from __future__ import annotations

from typing import Any

from proxy.dialects.estimating import MEDIA_TOKENS, MESSAGE_TOKENS, estimate_tokens

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}


def ask(*content: Any, **fields: Any):
    return estimate_tokens({"messages": [{"role": "user", "content": part} for part in content], **fields})


def test_four_bytes_of_text_are_a_token():
    assert MESSAGE_TOKENS + 25 == ask("x" * 100)
    assert 2 * (MESSAGE_TOKENS + 25) == ask("x" * 100, [{"type": "text", "text": "x" * 100}])


def test_an_image_counts_the_same_whatever_its_bytes():
    assert MESSAGE_TOKENS + MEDIA_TOKENS == ask([IMAGE])


def test_tools_calls_and_schemas_count():
    call = {"id": "a", "function": {"name": "w", "arguments": "x" * 400}}
    assert ask("hi") + 100 < ask("hi", tools=[{"function": {"name": "w", "description": "x" * 400}}])
    assert 100 < estimate_tokens({"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]})
    assert ask("hi") + 100 < ask("hi", response_format={"json_schema": {"schema": {"x" * 400: [1, None]}}})


def test_nothing_is_one_token():
    assert 1 == estimate_tokens({})
    assert 1 == estimate_tokens({"messages": "x", "tools": 7})
