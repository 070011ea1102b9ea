"""OpenAI's chat, as its own SDK speaks it; Oxen's surface is the same under another path."""

from __future__ import annotations

import base64
from typing import Any

import orjson

from e2e.dialects import OPENAI, OXEN, Surface
from e2e.matrix.clients.client import DONE, Call, Client, Seen, Turn, events_of, object_of
from fakes.providers.scenes import PNG, SCHEMA, SCHEMA_NAME, SYSTEM, TOOL, TOOL_SAYS, TOOL_SCHEMA

CHUNK = {"id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint", "obfuscation"}
PICTURE = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


class OpenAIChat(Client):
    name = "openai_chat"
    title = "OpenAI chat"
    surface: Surface = OPENAI
    asks_for_thoughts = False

    def path(self, model: str, turn: Turn) -> str:
        return self.surface.chat

    def body(self, model: str, turn: Turn) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "messages": self._messages(turn), "max_completion_tokens": turn.limit}
        if turn.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if turn.tools:
            function = {"name": TOOL, "description": TOOL_SAYS, "parameters": TOOL_SCHEMA}
            body["tools"] = [{"type": "function", "function": function}]
        if turn.schema:
            schema = {"name": SCHEMA_NAME, "schema": SCHEMA, "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if turn.thinks:
            body["reasoning_effort"] = "high"
        return body

    @staticmethod
    def _messages(turn: Turn) -> list[dict[str, Any]]:
        content: Any = turn.ask
        if turn.image:
            content = [{"type": "text", "text": turn.ask}, {"type": "image_url", "image_url": {"url": PICTURE}}]
        return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": content}]

    def reply(self, body: dict[str, Any], seen: Seen, said: list[str], turn: Turn) -> dict[str, Any]:
        """After a stream only what the SDK knows goes back; a whole message goes back as it came."""
        message = seen.message
        if turn.stream:
            message = {"role": "assistant", "content": seen.text or None, "tool_calls": self._calls(seen)}
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": text}
            for call, text in zip(seen.calls, said, strict=True)
        ]
        return {**body, "messages": [*body["messages"], message, *results]}

    @staticmethod
    def _calls(seen: Seen) -> list[dict[str, Any]]:
        return [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": orjson.dumps(call.arguments).decode()},
            }
            for call in seen.calls
        ]

    def whole(self, doc: dict[str, Any]) -> Seen:
        assert ("chat.completion", 1) == (doc["object"], len(doc["choices"])), doc
        choice = doc["choices"][0]
        message = choice["message"]
        assert message["role"] == "assistant"
        assert message["content"] is None or isinstance(message["content"], str), message
        seen = Seen(message["content"] or "", message.get("reasoning_content") or "", message=message, ended=True)
        seen.calls = [_call(call) for call in message.get("tool_calls") or ()]
        seen.finish = choice["finish_reason"]
        _read_usage(seen, doc["usage"])
        return seen

    def stream(self, data: bytes) -> Seen:
        """Usage may come with the last choice, or after it."""
        seen, calls, ids = Seen(), {}, set()
        *events, (_, last) = events_of(data)
        for _, text in events:
            chunk = object_of(text)
            if "error" in chunk:
                assert seen.error is None
                seen.error = self.failure(chunk)
                continue
            assert set(chunk) <= CHUNK, chunk
            ids.add(chunk["id"])
            assert chunk["object"] == "chat.completion.chunk"
            if chunk["choices"]:
                assert seen.prompt_tokens is None, "something comes after the usage"
                _read_choice(seen, chunk["choices"][0], calls)
            if chunk.get("usage"):
                _read_usage(seen, chunk["usage"])
        if last == DONE:
            seen.ended = True
        else:
            seen.error = self.failure(object_of(last))
        assert len(ids) == 1, ids
        seen.calls = [_call(call) for call in calls.values()]
        return seen

    def refusal(self, doc: dict[str, Any]) -> str:
        code, said = self.surface.code(doc), doc["error"]
        return f"{code}: {said.get('message') or said.get('detail') or said['title']}"

    def failure(self, doc: dict[str, Any]) -> str:
        """What an event says that ends a stream."""
        return self.refusal(doc)


class Oxen(OpenAIChat):
    name = "oxen"
    title = "Oxen"
    surface = OXEN

    def failure(self, doc: dict[str, Any]) -> str:
        """The object of its long format, and `message`, which OpenAI's SDK shows."""
        assert {"error"} == set(doc), doc
        assert {"message", "type", "title"} <= set(doc["error"]), doc
        return f"{doc['error']['type']}: {doc['error']['message']}"


def _call(call: dict[str, Any]) -> Call:
    assert call["type"] == "function", call
    assert isinstance(call["id"], str), call
    assert call["id"], call
    return Call(call["id"], call["function"]["name"], object_of(call["function"]["arguments"]))


def _read_usage(seen: Seen, usage: dict[str, Any]) -> None:
    assert seen.prompt_tokens is None, "usage comes twice"
    seen.prompt_tokens, seen.output_tokens = usage["prompt_tokens"], usage["completion_tokens"]
    assert usage["total_tokens"] == seen.prompt_tokens + seen.output_tokens
    seen.cached_tokens = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    seen.reasoning_tokens = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)


def _read_choice(seen: Seen, choice: dict[str, Any], calls: dict[int, dict[str, Any]]) -> None:
    delta = choice["delta"]
    assert seen.finish is None, "something comes after the finish reason"
    if text := delta.get("content"):
        assert isinstance(text, str), delta
        seen.text += text
        seen.pieces += 1
    seen.thoughts += delta.get("reasoning_content") or ""
    for piece in delta.get("tool_calls") or ():
        known = calls.setdefault(piece["index"], {"function": {"name": "", "arguments": ""}})
        known |= {name: piece[name] for name in ("id", "type") if piece.get(name)}
        function = piece.get("function") or {}
        known["function"]["name"] = function.get("name") or known["function"]["name"]
        known["function"]["arguments"] += function.get("arguments") or ""
    seen.finish = choice["finish_reason"]
