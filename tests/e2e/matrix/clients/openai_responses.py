"""OpenAI's Responses, without stored state. Source: OpenAI API reference, "Create a model response", "Streaming"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e.dialects import OPENAI
from e2e.matrix.clients.client import Call, Client, Seen, Turn, events_of, object_of
from e2e.matrix.clients.openai_chat import PICTURE
from fakes.providers.scenes import SCHEMA, SCHEMA_NAME, SYSTEM, TOOL, TOOL_SAYS, TOOL_SCHEMA

RESPONSE = {"id", "object", "created_at", "status", "error", "incomplete_details", "model", "output", "usage"}


class OpenAIResponses(Client):
    name = "openai_responses"
    title = "OpenAI Responses"

    def path(self, model: str, turn: Turn) -> str:
        return "/v1/responses"

    def body(self, model: str, turn: Turn) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "input_text", "text": turn.ask}]
        if turn.image:
            content.append({"type": "input_image", "image_url": PICTURE, "detail": "auto"})
        body: dict[str, Any] = {
            "model": model,
            "instructions": SYSTEM,
            "input": [{"role": "user", "content": content}],
            "max_output_tokens": turn.limit,
            "store": False,
        }
        if turn.stream:
            body["stream"] = True
        if turn.tools:
            one = {"type": "function", "name": TOOL, "description": TOOL_SAYS, "parameters": TOOL_SCHEMA}
            body["tools"] = [{**one, "strict": True}]
        if turn.schema:
            format_ = {"type": "json_schema", "name": SCHEMA_NAME, "schema": SCHEMA, "strict": True}
            body["text"] = {"format": format_}
        if turn.thinks:
            body["reasoning"] = {"effort": "high", "summary": "auto"}
            body["include"] = ["reasoning.encrypted_content"]
        return body

    def reply(self, body: dict[str, Any], seen: Seen, said: list[str], turn: Turn) -> dict[str, Any]:
        results = [
            {"type": "function_call_output", "call_id": call.id, "output": text}
            for call, text in zip(seen.calls, said, strict=True)
        ]
        return {**body, "input": [*body["input"], *seen.message, *results]}

    def whole(self, doc: dict[str, Any]) -> Seen:
        assert RESPONSE <= set(doc), doc
        assert ("response", "completed", None) == (doc["object"], doc["status"], doc["error"]), doc
        seen = Seen(message=doc["output"], ended=True)
        for item in doc["output"]:
            match item["type"]:
                case "reasoning":
                    assert item["id"]
                    seen.thoughts += "".join(part["text"] for part in item["summary"])
                    seen.thoughts += "".join(part["text"] for part in item.get("content") or ())
                case "message":
                    assert ("assistant", "completed") == (item["role"], item["status"])
                    assert item["id"].startswith("msg"), item
                    seen.text += "".join(part["text"] for part in item["content"] if part["type"] == "output_text")
                case "function_call":
                    assert item["id"].startswith("fc"), item
                    seen.calls.append(Call(item["call_id"], item["name"], object_of(item["arguments"])))
                case other:
                    raise AssertionError(other)
        seen.finish = "tool_calls" if seen.calls else "stop"
        usage = doc["usage"]
        seen.prompt_tokens, seen.output_tokens = usage["input_tokens"], usage["output_tokens"]
        assert usage["total_tokens"] == seen.prompt_tokens + seen.output_tokens
        seen.cached_tokens = usage["input_tokens_details"]["cached_tokens"]
        seen.reasoning_tokens = usage["output_tokens_details"]["reasoning_tokens"]
        return seen

    def stream(self, data: bytes) -> Seen:
        reader = _Reader()
        for name, text in events_of(data):
            doc = object_of(text)
            assert name == doc["type"], (name, doc)
            reader.read(doc)
        if reader.response is None:
            reader.seen.text = reader.text
            return reader.seen
        seen = self.whole(reader.response)
        assert seen.text == reader.text, "the deltas say something else than the response"
        assert seen.thoughts == reader.thoughts
        items = [reader.items[index] for index in sorted(reader.items)]
        assert items == reader.response["output"], "the items say something else than the response"
        seen.pieces = reader.seen.pieces
        return seen

    def refusal(self, doc: dict[str, Any]) -> str:
        return f"{OPENAI.code(doc)}: {doc['error']['message']}"


class _Reader:
    """Events are numbered; items open one after the other, and several may be open."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.text = ""
        self.thoughts = ""
        self.items: dict[int, dict[str, Any]] = {}
        """Closed ones by their index."""
        self.response: dict[str, Any] | None = None
        self._number = -1
        self._arguments: dict[int, str] = {}
        """By the index of an item; each that was opened has an entry."""
        self._readers: dict[str, Callable[[dict[str, Any]], None]] = {
            "response.created": self._created,
            "response.output_item.added": self._added,
            "response.output_item.done": self._done,
            "response.output_text.delta": self._text,
            "response.reasoning_summary_text.delta": self._thought,
            "response.reasoning_text.delta": self._thought,
            "response.function_call_arguments.delta": self._piece,
            "response.completed": self._completed,
            "response.failed": self._failed,
            "error": self._failed,
        }

    def read(self, doc: dict[str, Any]) -> None:
        assert self.response is None, "something comes after the end"
        self._number += 1
        if doc["type"] != "error":  # where the provider's own events pass, the gateway's error has no number
            assert doc["sequence_number"] == self._number, doc
        take = self._readers.get(doc["type"])
        if take is not None:
            take(doc)

    def _created(self, doc: dict[str, Any]) -> None:
        assert self._number == 0
        assert doc["response"]["status"] == "in_progress"

    def _added(self, doc: dict[str, Any]) -> None:
        assert doc["output_index"] == len(self._arguments), doc
        self._arguments[doc["output_index"]] = ""

    def _done(self, doc: dict[str, Any]) -> None:
        index = doc["output_index"]
        assert index not in self.items, doc
        if doc["item"]["type"] == "function_call":
            assert doc["item"]["arguments"] == self._arguments[index]
        self.items[index] = doc["item"]

    def _text(self, doc: dict[str, Any]) -> None:
        self.text += doc["delta"]
        self.seen.pieces += 1

    def _thought(self, doc: dict[str, Any]) -> None:
        self.thoughts += doc["delta"]

    def _piece(self, doc: dict[str, Any]) -> None:
        self._arguments[doc["output_index"]] += doc["delta"]

    def _completed(self, doc: dict[str, Any]) -> None:
        self.response = doc["response"]

    def _failed(self, doc: dict[str, Any]) -> None:
        error = doc["response"]["error"] if doc["type"] == "response.failed" else doc.get("error", doc)
        self.seen.error = f"{error['code']}: {error['message']}"
