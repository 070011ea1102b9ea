"""Anthropic's Messages. Source: Anthropic API reference, "Create a Message", "Streaming messages"."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from e2e.matrix.clients.client import Call, Client, Seen, Turn, events_of, object_of
from fakes.providers.scenes import PNG, SCHEMA, SYSTEM, TOOL, TOOL_SAYS, TOOL_SCHEMA

FINISH = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length", "refusal": "content_filter"}
DELTAS = {"text": ("text_delta",), "thinking": ("thinking_delta", "signature_delta"), "tool_use": ("input_json_delta",)}


class Anthropic(Client):
    name = "anthropic_messages"
    title = "Anthropic"

    def path(self, model: str, turn: Turn) -> str:
        return "/v1/messages"

    def headers(self) -> dict[str, str]:
        return {"anthropic-version": "2023-06-01", "x-api-key": "any"}

    def body(self, model: str, turn: Turn) -> dict[str, Any]:
        content: Any = turn.ask
        if turn.image:
            source = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()}
            content = [{"type": "image", "source": source}, {"type": "text", "text": turn.ask}]
        messages = [{"role": "user", "content": content}]
        body: dict[str, Any] = {"model": model, "max_tokens": turn.limit, "system": SYSTEM, "messages": messages}
        if turn.stream:
            body["stream"] = True
        if turn.tools:
            body["tools"] = [{"name": TOOL, "description": TOOL_SAYS, "input_schema": TOOL_SCHEMA}]
        if turn.schema:
            body["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if turn.thinks:
            body["thinking"] = {"type": "adaptive", "display": "summarized"}
            body["output_config"] = {"effort": "high"}
        return body

    def reply(self, body: dict[str, Any], seen: Seen, said: list[str], turn: Turn) -> dict[str, Any]:
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": text}
            for call, text in zip(seen.calls, said, strict=True)
        ]
        turns = [{"role": "assistant", "content": seen.message}, {"role": "user", "content": results}]
        return {**body, "messages": [*body["messages"], *turns]}

    def whole(self, doc: dict[str, Any]) -> Seen:
        assert ("message", "assistant") == (doc["type"], doc["role"]), doc
        assert doc["id"]
        seen = Seen(ended=True, finish=FINISH[doc["stop_reason"]])
        assert doc["stop_sequence"] is None
        _read_blocks(seen, doc["content"])
        _read_usage(seen, doc["usage"])
        return seen

    def stream(self, data: bytes) -> Seen:
        reader = _Reader()
        for name, text in events_of(data):
            doc = object_of(text)
            assert name == doc["type"], (name, doc)
            reader.read(doc)
        _read_blocks(reader.seen, reader.blocks)
        if reader.seen.ended:
            _read_usage(reader.seen, reader.usage)
        return reader.seen

    def refusal(self, doc: dict[str, Any]) -> str:
        return _refusal(doc)


def _refusal(doc: dict[str, Any]) -> str:
    assert doc["type"] == "error", doc
    assert {"type", "error"} <= set(doc) <= {"type", "error", "request_id"}, doc
    return f"{doc['error']['type']}: {doc['error']['message']}"


def _read_blocks(seen: Seen, blocks: list[dict[str, Any]]) -> None:
    seen.message = blocks
    for block in blocks:
        match block["type"]:
            case "text":
                assert block["text"]
                seen.text += block["text"]
            case "thinking":
                assert isinstance(block["signature"], str)
                seen.thoughts += block["thinking"]
            case "redacted_thinking":
                assert block["data"]
            case "tool_use":
                seen.calls.append(Call(block["id"], block["name"], block["input"]))
            case other:
                raise AssertionError(other)


def _read_usage(seen: Seen, usage: dict[str, Any]) -> None:
    cached = usage.get("cache_read_input_tokens") or 0
    seen.prompt_tokens = usage["input_tokens"] + cached + (usage.get("cache_creation_input_tokens") or 0)
    seen.output_tokens, seen.cached_tokens = usage["output_tokens"], cached
    seen.reasoning_tokens = (usage.get("output_tokens_details") or {}).get("thinking_tokens")


class _Reader:
    """One block after the other, each opened, filled by deltas of its own kind, closed."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.blocks: list[dict[str, Any]] = []
        self.usage: dict[str, Any] = {}
        self._open: dict[str, Any] | None = None
        self._json = ""
        self._read: dict[str, Callable[[dict[str, Any]], None]] = {
            "message_start": self._start,
            "content_block_start": self._block,
            "content_block_delta": self._delta,
            "content_block_stop": self._stop,
            "message_delta": self._finish,
            "message_stop": self._end,
            "error": self._error,
            "ping": lambda _: None,
        }
        self._has_begun = False

    def read(self, doc: dict[str, Any]) -> None:
        assert not self.seen.ended, "something comes after the end"
        assert self._has_begun or doc["type"] in ("message_start", "ping", "error"), doc
        self._read[doc["type"]](doc)

    def _start(self, doc: dict[str, Any]) -> None:
        assert not self._has_begun
        self._has_begun = True
        message = doc["message"]
        assert {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"} <= set(message)
        assert ([], None) == (message["content"], message["stop_reason"])
        self.usage |= {name: value for name, value in message["usage"].items() if value is not None}

    def _block(self, doc: dict[str, Any]) -> None:
        assert self._open is None, "two blocks are open"
        assert doc["index"] == len(self.blocks), doc
        self._open, self._json = dict(doc["content_block"]), ""
        self.blocks.append(self._open)

    def _delta(self, doc: dict[str, Any]) -> None:
        block, delta = self._open, doc["delta"]
        assert block is not None
        assert doc["index"] == len(self.blocks) - 1
        assert delta["type"] in DELTAS[block["type"]], (block, delta)
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
                self.seen.pieces += 1
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = block.get("signature", "") + delta["signature"]
            case "input_json_delta":
                self._json += delta["partial_json"]

    def _stop(self, doc: dict[str, Any]) -> None:
        assert self._open is not None
        assert doc["index"] == len(self.blocks) - 1
        if self._open["type"] == "tool_use":
            self._open["input"] = object_of(self._json or "{}")
        self._open = None

    def _finish(self, doc: dict[str, Any]) -> None:
        assert self._open is None, "a block is still open"
        assert self.seen.finish is None
        self.seen.finish = FINISH[doc["delta"]["stop_reason"]]
        self.usage |= {name: value for name, value in doc["usage"].items() if value is not None}

    def _end(self, doc: dict[str, Any]) -> None:
        del doc
        assert self.seen.finish is not None
        self.seen.ended = True

    def _error(self, doc: dict[str, Any]) -> None:
        self.seen.error = _refusal(doc)
