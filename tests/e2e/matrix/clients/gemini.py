"""Gemini's `generateContent`. Source: Gemini API reference, "Generating content"."""

from __future__ import annotations

import base64
from typing import Any

from e2e.matrix.clients.client import Call, Client, Seen, Turn, events_of, object_of
from fakes.providers.scenes import PNG, SCHEMA, SYSTEM, TOOL, TOOL_SAYS, TOOL_SCHEMA

FINISH = {"STOP": "stop", "MAX_TOKENS": "length", "SAFETY": "content_filter"}
PART = {"text", "thought", "thoughtSignature", "functionCall", "inlineData"}


class Gemini(Client):
    name = "gemini"
    title = "Gemini"

    def path(self, model: str, turn: Turn) -> str:
        return f"/v1beta/models/{model}:" + ("streamGenerateContent?alt=sse" if turn.stream else "generateContent")

    def headers(self) -> dict[str, str]:
        return {"x-goog-api-key": "any"}

    def body(self, model: str, turn: Turn) -> dict[str, Any]:
        parts: list[dict[str, Any]] = [{"text": turn.ask}]
        if turn.image:
            parts.append({"inlineData": {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}})
        config: dict[str, Any] = {"maxOutputTokens": turn.limit}
        if turn.schema:
            config |= {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
        if turn.thinks:
            config["thinkingConfig"] = {"includeThoughts": True, "thinkingLevel": "HIGH"}
        body: dict[str, Any] = {
            "systemInstruction": {"parts": [{"text": SYSTEM}]},
            "contents": [{"role": "user", "parts": parts}],
            "generationConfig": config,
        }
        if turn.tools:
            one = {"name": TOOL, "description": TOOL_SAYS, "parametersJsonSchema": TOOL_SCHEMA}
            body["tools"] = [{"functionDeclarations": [one]}]
        return body

    def reply(self, body: dict[str, Any], seen: Seen, said: list[str], turn: Turn) -> dict[str, Any]:
        results = [
            {
                "functionResponse": {
                    **({"id": call.id} if call.id else {}),
                    "name": call.name,
                    "response": {"output": text},
                }
            }
            for call, text in zip(seen.calls, said, strict=True)
        ]
        turns = [{"role": "model", "parts": seen.message}, {"role": "user", "parts": results}]
        return {**body, "contents": [*body["contents"], *turns]}

    def whole(self, doc: dict[str, Any]) -> Seen:
        seen = Seen(message=[], ended=True)
        _read(seen, doc)
        assert seen.finish is not None
        return _finished(seen)

    def stream(self, data: bytes) -> Seen:
        seen = Seen(message=[])
        for name, text in events_of(data):
            assert name is None
            doc = object_of(text)
            if "error" in doc:
                seen.error = self.refusal(doc)
                continue
            assert seen.error is None
            _read(seen, doc)
        seen.ended = seen.finish is not None and seen.error is None
        return _finished(seen)

    def refusal(self, doc: dict[str, Any]) -> str:
        assert {"error"} == set(doc), doc
        error = doc["error"]
        assert isinstance(error["code"], int), error
        return f"{error['status']}: {error['message']}"


def _read(seen: Seen, doc: dict[str, Any]) -> None:
    usage = doc.get("usageMetadata") or {}
    if "promptTokenCount" in usage:
        seen.prompt_tokens = usage["promptTokenCount"]
        seen.cached_tokens = usage.get("cachedContentTokenCount", 0)
        seen.reasoning_tokens = usage.get("thoughtsTokenCount", 0)
        seen.output_tokens = usage.get("candidatesTokenCount", 0) + seen.reasoning_tokens
        assert usage["totalTokenCount"] == seen.prompt_tokens + seen.output_tokens, usage
    for candidate in doc.get("candidates", ()):
        assert seen.finish is None, "something comes after the finish reason"
        content = candidate.get("content") or {}
        assert content.get("role", "model") == "model"
        for part in content.get("parts", ()):
            _read_part(seen, part)
        seen.finish = FINISH[candidate["finishReason"]] if candidate.get("finishReason") else None


def _read_part(seen: Seen, part: dict[str, Any]) -> None:
    assert set(part) <= PART, part
    seen.message.append(part)
    if call := part.get("functionCall"):
        seen.calls.append(Call(call.get("id") or "", call["name"], call.get("args") or {}))
    elif part.get("thought"):
        seen.thoughts += part["text"]
    elif part.get("text"):
        seen.text += part["text"]
        seen.pieces += 1


def _finished(seen: Seen) -> Seen:
    """A turn that calls ends in `STOP` too."""
    if seen.calls and seen.finish == "stop":
        seen.finish = "tool_calls"
    return seen
