"""The scripted providers are as strict as the real ones: what these would refuse, they refuse, in their own shapes."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from fakes.providers.aws import frame
from fakes.providers.provider import KEY, FakeProvider
from fakes.providers.scenes import STATE, SYSTEM, TOOL, TOOL_SCHEMA, Ask
from fakes.providers.table import PROVIDERS

KINDS = {kind.dialect: kind for kind in PROVIDERS}
SAY = str(Ask.ANYTHING)
CHAT_CALL = {"id": "call_1", "type": "function", "function": {"name": TOOL, "arguments": '{"city":"Paris"}'}}
CHAT_TOOLS = [{"type": "function", "function": {"name": TOOL, "parameters": TOOL_SCHEMA}}]
USE = {"type": "tool_use", "id": "toolu_1", "name": TOOL, "input": {"city": "Paris"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "20 C"}
CLAUDE_TOOLS = [{"name": TOOL, "input_schema": TOOL_SCHEMA}]
CALL = {"functionCall": {"name": TOOL, "args": {"city": "Paris"}}}
TOLD = {"functionResponse": {"name": TOOL, "response": {"output": "20 C"}}}


def chat(**fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": SAY}], **fields}


def claude(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": SAY}, *turns]
    return {"model": "claude-sonnet-4-5", "max_tokens": 2000, "messages": messages, **fields}


def gemini(*turns: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": SAY}]}, *turns], **fields}


PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
    "cohere": "/v2/chat",
    "ollama": "/api/chat",
    "mistral": "/v1/chat/completions",
}
HEADERS = {
    "authorization": f"Bearer {KEY}",
    "x-api-key": KEY,
    "x-goog-api-key": KEY,
    "anthropic-version": "2023-06-01",
}
SOUND = {
    "openai_chat": chat(model="gpt-4.1"),
    "openai_responses": {"model": "gpt-4.1", "input": SAY},
    "anthropic_messages": claude(),
    "gemini": gemini(),
    "cohere": chat(model="command-a-03-2025"),
    "ollama": chat(model="llama3.2", stream=False),
    "mistral": chat(model="mistral-medium-2508"),
}
THINKS = {"type": "enabled", "budget_tokens": 1024}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("openai_chat", chat(model="gpt-4.1", top_k=4), "top_k"),
    ("openai_chat", chat(model="o4-mini", max_tokens=9), "max_tokens"),
    ("openai_chat", chat(model="o4-mini", temperature=0.5), "temperature"),
    ("openai_chat", chat(model="gpt-4.1", stream_options={"include_usage": True}), "stream_options"),
    ("openai_chat", {"model": "gpt-4.1", "messages": [{"role": "assistant", "tool_calls": [CHAT_CALL]}]}, "call_1"),
    ("openai_chat", {"model": "gpt-4.1", "messages": [{"role": "assistant", "reasoning_content": "x"}]}, "reasoning"),
    ("openai_responses", {"model": "gpt-4.1", "input": SAY, "messages": []}, "messages"),
    ("openai_responses", {"model": "gpt-4.1", "input": SAY, "max_output_tokens": 8}, "minimum"),
    ("openai_responses", {"model": "gpt-4.1", "input": SAY, "tools": CHAT_TOOLS}, "function"),
    (
        "openai_responses",
        {"model": "gpt-4.1", "input": [{"type": "function_call_output", "call_id": "x", "output": "20 C"}]},
        "no open call",
    ),
    ("anthropic_messages", {"model": "claude-sonnet-4-5", "messages": []}, "max_tokens"),
    ("anthropic_messages", claude(temperature=0.5, top_p=0.5), "cannot both"),
    ("anthropic_messages", claude(model="claude-opus-4-7", temperature=0.5), "temperature"),
    ("anthropic_messages", claude(model="claude-opus-4-7", thinking=THINKS), "adaptive"),
    ("anthropic_messages", claude(system=[{"type": "text", "text": " "}]), "non-empty"),
    ("anthropic_messages", claude({"role": "assistant", "content": [USE]}, tools=CLAUDE_TOOLS), "prefill"),
    (
        "anthropic_messages",
        claude({"role": "assistant", "content": [USE]}, {"role": "user", "content": SAY}, tools=CLAUDE_TOOLS),
        "toolu_1",
    ),
    (
        "anthropic_messages",
        claude(
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [{"type": "text", "text": "so?"}, RESULT]},
            tools=CLAUDE_TOOLS,
        ),
        "must come first",
    ),
    (
        "anthropic_messages",
        claude(
            {"role": "assistant", "content": [USE]},
            {"role": "user", "content": [RESULT]},
            tools=CLAUDE_TOOLS,
            thinking=THINKS,
        ),
        "thinking block",
    ),
    (
        "anthropic_messages",
        claude(
            {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "forged"}, USE]},
            {"role": "user", "content": [RESULT]},
            tools=CLAUDE_TOOLS,
            thinking=THINKS,
        ),
        "Invalid signature",
    ),
    ("gemini", gemini(temperature=0.5), "temperature"),
    ("gemini", gemini(generationConfig={"thinkingConfig": {"thinkingLevel": "HIGH"}}), "Thinking level"),
    ("gemini", gemini(generationConfig={"responseJsonSchema": TOOL_SCHEMA}), "mime type"),
    ("gemini", gemini({"role": "model", "parts": [CALL]}, {"role": "user", "parts": [{"text": SAY}]}), "number of"),
    ("gemini", gemini({"role": "assistant", "parts": [{"text": SAY}]}), "valid role"),
    ("cohere", chat(model="command-a-03-2025", top_p=0.5), "top_p"),
    ("cohere", chat(model="command-a-03-2025", thinking={"type": "enabled"}), "thinking"),
    ("cohere", chat(model="command-a-03-2025", response_format={"type": "json_schema"}), "response_format"),
    ("ollama", chat(model="llama3.2", temperature=0.5), "temperature"),
    ("ollama", chat(model="llama3.2", think=True), "does not support thinking"),
    ("mistral", chat(model="mistral-medium-2508", stream_options={}), "stream_options"),
    ("mistral", chat(model="mistral-medium-2508", max_completion_tokens=5), "max_completion_tokens"),
    (
        "mistral",
        {
            "model": "mistral-medium-2508",
            "messages": [
                {"role": "assistant", "tool_calls": [CHAT_CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": "20 C"},
            ],
        },
        "length of 9",
    ),
]


async def ask(fake: FakeProvider, doc: dict[str, Any], path: str = "", **headers: str) -> httpx2.Response:
    def post() -> httpx2.Response:
        url = f"http://127.0.0.1:{fake.port}{path or PATHS[fake.dialect]}"
        return httpx2.post(url, json=doc, headers={**HEADERS, **headers})

    return await asyncio.to_thread(post)


@pytest.mark.parametrize("dialect", SOUND)
async def test_a_sound_request_is_answered(dialect: str):
    async with KINDS[dialect]() as fake:
        reply = await ask(fake, SOUND[dialect])
    assert 200 == reply.status_code, reply.text
    assert "straight on" in reply.text
    assert [SAY] == [asked.text for asked in fake.asked]


@pytest.mark.parametrize(("dialect", "doc", "names"), REFUSED)
async def test_what_the_real_one_refuses_is_refused(dialect: str, doc: dict[str, Any], names: str):
    async with KINDS[dialect]() as fake:
        reply = await ask(fake, doc)
    assert reply.status_code in (400, 422), reply.text
    assert names in reply.text


@pytest.mark.parametrize("dialect", [name for name in SOUND if name != "ollama"])
async def test_nobody_is_served_without_a_key(dialect: str):
    async with KINDS[dialect]() as fake:
        reply = await ask(fake, SOUND[dialect], authorization="x", **{"x-api-key": "x", "x-goog-api-key": "x"})
    assert reply.status_code in (400, 401), reply.text


async def test_gemini_wants_the_signature_of_a_call_back():
    unsigned = gemini({"role": "model", "parts": [CALL]}, {"role": "user", "parts": [TOLD]})
    signed = gemini(
        {"role": "model", "parts": [{**CALL, "thoughtSignature": STATE}]}, {"role": "user", "parts": [TOLD]}
    )
    path = "/v1beta/models/gemini-3-pro-preview:generateContent"
    async with KINDS["gemini"]() as fake:
        refused, told = await ask(fake, unsigned, path), await ask(fake, signed, path)
    assert (400, 200) == (refused.status_code, told.status_code), (refused.text, told.text)
    assert "thought_signature" in refused.text


async def test_bedrock_wants_a_signature():
    path = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"
    doc = {"system": [{"text": SYSTEM}], "messages": [{"role": "user", "content": [{"text": SAY}]}]}
    async with KINDS["bedrock_converse"]() as fake:
        reply = await ask(fake, doc, path)
    assert 403 == reply.status_code
    assert reply.headers["x-amzn-errortype"].startswith("AccessDeniedException")


FRAME = (
    "000000a6000000576f4a71080b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d74797065"
    "0700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f636b496e64"
    "6578223a302c2264656c7461223a7b2274657874223a2248656c6c6f227d2c2270223a226162636465666768227d3afb5d9c"
)
"""With its checksums as AWS's own library writes them."""


def test_a_frame_is_as_aws_documents_it():
    made = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}, "p": "abcdefgh"})
    assert FRAME == made.hex()
