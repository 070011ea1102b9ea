"""Writes the hub's stream: OpenAI chat chunks, one call an event.

Source: OpenAI API reference, "The chat completion chunk object". Extensions are those of `proxy.dialects.hub`.
"""

from __future__ import annotations

import json  # noqa: TID251 - for lone surrogates, which `orjson` refuses
from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
_END = b',"finish_reason":null}]}\n\n'


def dumps(value: Any) -> bytes:
    """JSON; half of a surrogate pair is written as its escape, as providers send it."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


class Chunks:
    """The chunks of one answer. Every method returns whole events."""

    __slots__ = ("_deltas", "_has_begun", "_head")

    def __init__(self) -> None:
        self._head = b""
        self._deltas: dict[int, bytes] = {}
        self._has_begun: set[int] = set()

    def identify(self, response_id: str, model: str, created_s: int = 0) -> None:
        """Before any other call; again only to correct what was not known."""
        head = {"id": response_id, "object": "chat.completion.chunk", "created": created_s, "model": model}
        self._head = b"data: " + dumps(head)[:-1]
        self._deltas.clear()

    def delta(self, fields: dict[str, Any], choice: int = 0) -> bytes:
        """Any delta; the first of a choice gets the role."""
        return self._begin(choice) + self._before(choice) + dumps(fields) + _END

    def begin(self, choice: int = 0) -> bytes:
        """The role chunk, unless it was sent."""
        return self._begin(choice)

    def text(self, text: str, choice: int = 0) -> bytes:
        """A piece of the answer."""
        return b'%b%b{"content":%b}%b' % (self._begin(choice), self._before(choice), dumps(text), _END)

    def reasoning(self, text: str, choice: int = 0) -> bytes:
        """A piece of the thoughts."""
        return b'%b%b{"reasoning_content":%b}%b' % (self._begin(choice), self._before(choice), dumps(text), _END)

    def details(self, details: list[dict[str, Any]], choice: int = 0) -> bytes:
        """Reasoning state to be sent back as it is: `reasoning_details`."""
        return self.delta({"reasoning_details": details}, choice)

    def call(
        self,
        index: int,
        call_id: str,
        name: str,
        arguments: str = "",
        *,
        extra: dict[str, Any] | None = None,
        choice: int = 0,
    ) -> bytes:
        """A tool call opens. `extra` are further fields of it, e.g. `extra_content`."""
        entry = {
            "index": index,
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": arguments},
            **(extra or {}),
        }
        return self.delta({"tool_calls": [entry]}, choice)

    def arguments(self, index: int, piece: str, choice: int = 0) -> bytes:
        """A piece of an open call's arguments."""
        return b'%b{"tool_calls":[{"index":%d,"function":{"arguments":%b}}]}%b' % (
            self._before(choice),
            index,
            dumps(piece),
            _END,
        )

    def finish(self, reason: str, choice: int = 0, *, stop: str | None = None, refusal: str | None = None) -> bytes:
        """The end of a choice. `stop`: the stop sequence that was met."""
        delta = {} if refusal is None else {"refusal": refusal}
        fields: dict[str, Any] = {"index": choice, "delta": delta, "finish_reason": reason}
        if stop is not None:
            fields["stop_reason"] = stop
        return self._begin(choice) + self._head + b',"choices":[' + dumps(fields) + b"]}\n\n"

    def logprobs(self, tokens: list[dict[str, Any]], choice: int = 0) -> bytes:
        """How likely tokens were, under `logprobs.content` as OpenAI has it."""
        fields = {"index": choice, "delta": {}, "logprobs": {"content": tokens, "refusal": None}, "finish_reason": None}
        return self._begin(choice) + self._head + b',"choices":[' + dumps(fields) + b"]}\n\n"

    def usage(self, usage: dict[str, Any], **fields: Any) -> bytes:
        """The usage chunk. `fields` stand beside it, e.g. `service_tier`."""
        rest = dumps({"choices": [], "usage": usage, **fields})
        return self._head + b"," + rest[1:] + b"\n\n"

    @staticmethod
    def error(error: dict[str, Any]) -> bytes:
        """An error of the provider, in its own words."""
        return b"data: %b\n\n" % dumps({"error": error})

    def _before(self, choice: int) -> bytes:
        before = self._deltas.get(choice)
        if before is None:
            before = self._deltas[choice] = self._head + b',"choices":[{"index":%d,"delta":' % choice
        return before

    def _begin(self, choice: int) -> bytes:
        if choice in self._has_begun:
            return b""
        self._has_begun.add(choice)
        return self._before(choice) + b'{"role":"assistant","content":""}' + _END
