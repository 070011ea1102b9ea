"""Ollama's stream as the hub's: a piece of the message a line, the last with `done` and the counts.

Source: https://docs.ollama.com/api/streaming and https://docs.ollama.com/api/errors, "Errors that occur while
streaming".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.counting import usage_document
from proxy.dialects.dialect import Undecodable, told
from proxy.dialects.ollama.answer import calls_in, finish_of, identity_of, tokens_of, usage_of
from proxy.dialects.reading import as_text, error_object, parse


class OllamaDecoder:
    """Of one stream."""

    __slots__ = ("_calls", "_chunks", "_has_begun", "_model", "opaque")

    def __init__(self, model: str) -> None:
        self.opaque: dict[str, dict[str, Any]] = {}
        self._chunks = Chunks()
        self._has_begun = False
        self._model = model
        self._calls = 0

    def feed(self, block: bytes) -> bytes:
        """See `StreamDecoder.feed`."""
        return told(self._read(line) for line in block.split(b"\n") if line and not line.isspace())

    def counted(self) -> None:
        """See `StreamDecoder.counted`: nothing is told before the end."""

    def end(self) -> bytes:
        """Nothing: what ends without `done` is broken."""
        return b""

    def _read(self, line: bytes) -> bytes:
        try:
            doc = parse(line)
        except ValueError:
            raise Undecodable("a line is no JSON") from None
        if not isinstance(doc, dict):
            raise Undecodable("a line is no object")
        if not self._has_begun:
            self._has_begun = True
            response_id, created_s = identity_of(doc)
            self._chunks.identify(response_id, as_text(doc.get("model")) or self._model, created_s)
        return b"".join([handler(self, doc) for name, handler in _HANDLERS.items() if doc.get(name)])

    def _fail(self, doc: dict[str, Any]) -> bytes:
        return Chunks.error(error_object(doc.get("error")) or {"message": "The provider reported an error."})

    def _message(self, doc: dict[str, Any]) -> bytes:
        message = doc["message"]
        if not isinstance(message, dict):
            return b""
        told = b""
        if thoughts := as_text(message.get("thinking")):
            told = self._chunks.reasoning(thoughts)
        if text := as_text(message.get("content")):
            told += self._chunks.text(text)
            if tokens := tokens_of(doc.get("logprobs")):
                told += self._chunks.logprobs(tokens)
        if message.get("tool_calls"):
            told += self._open_calls(message, doc)
        return told or self._chunks.begin()

    def _open_calls(self, message: dict[str, Any], doc: dict[str, Any]) -> bytes:
        told = b""
        for call in calls_in(message, doc, self._calls):
            function = call["function"]
            told += self._chunks.call(self._calls, call["id"], function["name"], function["arguments"])
            self._calls += 1
        return told

    def _end(self, doc: dict[str, Any]) -> bytes:
        usage = usage_of(doc)
        counted = b"" if usage is None else self._chunks.usage(usage_document(usage))
        return self._chunks.finish(finish_of(doc, has_calls=self._calls > 0)) + counted + DONE


_HANDLERS: dict[str, Callable[[OllamaDecoder, dict[str, Any]], bytes]] = {
    "error": OllamaDecoder._fail,  # noqa: SLF001 - the table of its own states
    "message": OllamaDecoder._message,  # noqa: SLF001
    "done": OllamaDecoder._end,  # noqa: SLF001
}
"""Field of a line -> who reads it, in order: the last line may have more than one."""
