"""Cohere's stream as the hub's. Source: https://docs.cohere.com/v2/docs/streaming.

Every event names its type in its data. There is no `[DONE]`: the last event is `message-end`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.cohere.answer import FAILURES, FINISHES, annotations_of, failure, tokens_of, usage_of
from proxy.dialects.counting import usage_document
from proxy.dialects.dialect import Undecodable, told
from proxy.dialects.reading import as_dict, as_text, parse
from proxy.dialects.sse import data_of, events_of

MAX_CALLS = 1024
"""Tool calls of one answer."""


class CohereDecoder:
    """Of one stream."""

    __slots__ = ("_calls", "_chunks", "_has_arguments", "_model", "_opened", "opaque")

    def __init__(self, model: str) -> None:
        """`model` is what the client is told: Cohere does not name it."""
        self.opaque: dict[str, dict[str, Any]] = {}
        self._chunks = Chunks()
        self._chunks.identify("", model)
        self._model = model
        self._calls: dict[int, int] = {}
        """Cohere's index of a call -> its number."""
        self._opened = 0
        self._has_arguments: set[int] = set()

    def feed(self, block: bytes) -> bytes:
        """See `StreamDecoder.feed`."""
        return told(self._read(data) for event in events_of(block) if (data := data_of(event)))

    def counted(self) -> None:
        """See `StreamDecoder.counted`: nothing is told before the end."""

    def end(self) -> bytes:
        """Nothing: what ends without `message-end` is broken."""
        return b""

    def _read(self, data: bytes) -> bytes:
        if data == b"[DONE]":
            return b""
        try:
            event = parse(data)
        except ValueError:
            raise Undecodable("an event is no JSON") from None
        if not isinstance(event, dict):
            raise Undecodable("an event is no object")
        handler = _HANDLERS.get(as_text(event.get("type")) or "")
        if handler is not None:
            return handler(self, event)
        # as in a refused request: an object of its own without a type
        return Chunks.error(event) if as_text(event.get("message")) and "type" not in event else b""

    def _start(self, event: dict[str, Any]) -> bytes:
        self._chunks.identify(as_text(event.get("id")) or "", self._model)
        return self._chunks.begin()

    def _content(self, event: dict[str, Any]) -> bytes:
        delta = as_dict(event.get("delta"))
        content = as_dict(as_dict(delta.get("message")).get("content"))
        told = b""
        if thoughts := as_text(content.get("thinking")):
            told = self._chunks.reasoning(thoughts)
        if text := as_text(content.get("text")):
            told += self._chunks.text(text)
            scores = event.get("logprobs") or delta.get("logprobs")
            if scores and (tokens := tokens_of([scores])):
                told += self._chunks.logprobs(tokens)
        return told

    def _plan(self, event: dict[str, Any]) -> bytes:
        plan = as_text(_message(event).get("tool_plan"))
        return self._chunks.reasoning(plan) if plan else b""

    def _open_call(self, event: dict[str, Any]) -> bytes:
        call = _call(event)
        number = self._opened
        if number >= MAX_CALLS:
            raise Undecodable(f"over {MAX_CALLS} tool calls")
        self._opened += 1
        self._calls[_index(event)] = number
        function = as_dict(call.get("function"))
        arguments = as_text(function.get("arguments")) or ""
        if arguments:
            self._has_arguments.add(number)
        name = as_text(function.get("name")) or ""
        return self._chunks.call(number, as_text(call.get("id")) or "", name, arguments)

    def _continue_call(self, event: dict[str, Any]) -> bytes:
        piece = as_text(as_dict(_call(event).get("function")).get("arguments"))
        if not piece:
            return b""
        number = self._number(event)
        self._has_arguments.add(number)
        return self._chunks.arguments(number, piece)

    def _close_call(self, event: dict[str, Any]) -> bytes:
        number = self._number(event)
        return b"" if number in self._has_arguments else self._chunks.arguments(number, "{}")

    def _number(self, event: dict[str, Any]) -> int:
        number = self._calls.get(_index(event))
        if number is None:
            raise Undecodable("a piece of a tool call that was not opened")
        return number

    def _cite(self, event: dict[str, Any]) -> bytes:
        found = annotations_of(_message(event).get("citations"))
        return self._chunks.delta({"annotations": found}) if found else b""

    def _end(self, event: dict[str, Any]) -> bytes:
        delta = as_dict(event.get("delta"))
        reason = as_text(delta.get("finish_reason")) or ""
        usage = usage_of(delta.get("usage"))
        counted = b"" if usage is None else self._chunks.usage(usage_document(usage))
        if reason in FAILURES:
            return counted + Chunks.error(failure(reason, as_text(delta.get("error"))))
        return self._chunks.finish(FINISHES.get(reason, "stop")) + counted + DONE


def _message(event: dict[str, Any]) -> dict[str, Any]:
    return as_dict(as_dict(event.get("delta")).get("message"))


def _call(event: dict[str, Any]) -> dict[str, Any]:
    """The one call of an event: an object, not a list."""
    return as_dict(_message(event).get("tool_calls"))


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0


_HANDLERS: dict[str, Callable[[CohereDecoder, dict[str, Any]], bytes]] = {
    "message-start": CohereDecoder._start,  # noqa: SLF001 - the table of its own states
    "content-start": CohereDecoder._content,  # noqa: SLF001
    "content-delta": CohereDecoder._content,  # noqa: SLF001
    "tool-plan-delta": CohereDecoder._plan,  # noqa: SLF001
    "tool-call-start": CohereDecoder._open_call,  # noqa: SLF001
    "tool-call-delta": CohereDecoder._continue_call,  # noqa: SLF001
    "tool-call-end": CohereDecoder._close_call,  # noqa: SLF001
    "citation-start": CohereDecoder._cite,  # noqa: SLF001
    "message-end": CohereDecoder._end,  # noqa: SLF001
}
