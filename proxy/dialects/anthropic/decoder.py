"""Anthropic's stream as the hub's chunks: one table from the type of an event to its reader.

`message_start`, then blocks (`content_block_start`, deltas, `content_block_stop`), `message_delta`, `message_stop`;
`ping` anywhere. Some servers send `message_start` twice: only its counts are new then. Events, blocks and deltas of
unknown types say nothing, as the API's versioning asks.
Source: Anthropic, "Streaming messages", "Versioning".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.anthropic.answer_in import explanation, hidden_thought, source, thought
from proxy.dialects.anthropic.usage import hub_usage, merge, tier_of
from proxy.dialects.anthropic.words import JSON_TOOL, finish_reason
from proxy.dialects.chunks import DONE, Chunks, dumps
from proxy.dialects.dialect import Undecodable, told
from proxy.dialects.reading import as_dict, as_text, error_object, parse
from proxy.dialects.sse import data_of, events_of

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_THOUGHT_CHARS = 1 << 22
"""Of one thought that is kept for its signature; a longer one is shown, but cannot be sent back."""
MAX_STATE_CHARS = 1 << 23
"""Of all thoughts that are kept for the calls of one answer; later ones are only shown."""
MAX_CITATIONS = 256
"""Of one block of text; more are not told."""
_END = b"[DONE]"
"""OpenAI's mark, which servers of several dialects send in all of them."""


class _Block:
    """One open content block."""

    __slots__ = ("citations", "has_input", "input", "is_answer", "kind", "number", "signature", "size", "start", "text")

    def __init__(self, kind: str, start: int = 0) -> None:
        self.kind = kind
        self.start = start
        """Characters of text before it."""
        self.text: list[str] = []
        """Of a thought."""
        self.size = 0
        """Characters in `text`."""
        self.signature = ""
        self.number = 0
        """Of a call: its ordinal among the calls."""
        self.input: Any = None
        self.has_input = False
        self.is_answer = False
        """The call stands for the answer."""
        self.citations: list[dict[str, Any]] = []


class AnthropicDecoder:
    """Reads one stream. See `StreamDecoder`."""

    __slots__ = (
        "_blocks", "_calls", "_chars", "_chunks", "_details", "_finished", "_is_over", "_state_chars", "_unwrapped",
        "_usage", "opaque",
    )  # fmt: skip

    def __init__(self) -> None:
        self.opaque: dict[str, dict[str, Any]] = {}
        self._chunks = Chunks()
        self._chunks.identify("", "")
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._chars = 0
        self._details: list[dict[str, Any]] = []
        self._state_chars = 0
        self._usage: dict[str, Any] = {}
        self._finished = False
        self._unwrapped = False
        self._is_over = False

    def feed(self, block: bytes) -> bytes:
        """See `StreamDecoder.feed`. What comes after the end says nothing."""
        return told(self._read(data) for event in events_of(block) if (data := data_of(event)))

    def counted(self) -> dict[str, Any] | None:
        """See `StreamDecoder.counted`: the first event tells the whole prompt."""
        return hub_usage(self._usage) if self._usage else None

    def end(self) -> bytes:
        """The counts of an answer whose provider leaves out `message_stop`; nothing for one that broke off."""
        return self.message_stop({}) if self._finished and not self._is_over else b""

    def _read(self, data: bytes) -> bytes:
        if self._is_over or data == _END:
            return b""
        try:
            doc = parse(data)
        except ValueError:
            raise Undecodable("an event is no JSON") from None
        kind = doc.get("type") if isinstance(doc, dict) else None
        read = _EVENTS.get(kind) if isinstance(kind, str) else None
        return b"" if read is None else read(self, doc)

    def message_start(self, doc: dict[str, Any]) -> bytes:
        """Who answers, and the counts of the prompt."""
        message = as_dict(doc.get("message"))
        is_first = not self._usage and not self._blocks and not self._chars and not self._calls
        merge(self._usage, message.get("usage"))
        if not is_first:
            return b""
        self._chunks.identify(as_text(message.get("id")) or "", as_text(message.get("model")) or "")
        return self._chunks.begin()

    def block_start(self, doc: dict[str, Any]) -> bytes:
        """A block opens; some servers put its content in here already."""
        given = as_dict(doc.get("content_block"))
        kind = as_text(given.get("type")) or ""
        block = self._blocks[_index(doc)] = _Block(kind, self._chars)
        if kind == "text":
            return self.text_delta(block, given)
        if kind == "thinking":
            return self.signature_delta(block, given) + self.thinking_delta(block, given)
        if kind == "redacted_thinking" and (data := as_text(given.get("data"))) is not None:
            return self._detail(hidden_thought(data))
        if kind == "tool_use":
            return self._call(block, given)
        return b""

    def block_delta(self, doc: dict[str, Any]) -> bytes:
        """A piece of an open block."""
        block = self._blocks.get(_index(doc))
        delta = doc.get("delta")
        if block is None or not isinstance(delta, dict):
            return b""
        kind = delta.get("type")
        read = _DELTAS.get(kind) if isinstance(kind, str) else None
        return b"" if read is None else read(self, block, delta)

    def block_stop(self, doc: dict[str, Any]) -> bytes:
        """A block is whole: what could only be told of the whole is told."""
        block = self._blocks.pop(_index(doc), None)
        if block is None:
            return b""
        if block.kind == "tool_use" and not block.has_input:
            return self._arguments(block, dumps(as_dict(block.input)).decode())
        if block.kind == "thinking" and block.signature and block.size <= MAX_THOUGHT_CHARS:
            return self._detail(thought("".join(block.text), block.signature))
        found = [found for citation in block.citations if (found := source(citation, block.start, self._chars))]
        return self._chunks.delta({"annotations": found}) if found else b""

    def message_delta(self, doc: dict[str, Any]) -> bytes:
        """Why the model stopped, and the counts so far."""
        merge(self._usage, doc.get("usage"))
        delta = as_dict(doc.get("delta"))
        if self._finished or (reason := as_text(delta.get("stop_reason"))) is None:
            return b""
        self._finished = True
        return self._chunks.finish(
            finish_reason(reason, unwrapped=self._unwrapped and not self._calls),
            stop=as_text(delta.get("stop_sequence")),
            refusal=explanation(delta.get("stop_details")),
        )

    def message_stop(self, _: dict[str, Any]) -> bytes:
        """The end of a complete answer."""
        self._is_over = True
        finish = b"" if self._finished else self._chunks.finish(finish_reason(None))
        tier = tier_of(self._usage)
        fields = {} if tier is None else {"service_tier": tier}
        return finish + self._chunks.usage(hub_usage(self._usage), **fields) + DONE

    def error(self, doc: dict[str, Any]) -> bytes:
        """The provider gives up."""
        self._is_over = True
        return self._chunks.error(error_object(doc.get("error")) or {"message": "The provider reported an error."})

    def text_delta(self, _: _Block, delta: dict[str, Any]) -> bytes:
        """A piece of the answer."""
        text = delta.get("text")
        if not text or not isinstance(text, str):
            return b""
        self._chars += len(text)
        return self._chunks.text(text)

    def thinking_delta(self, block: _Block, delta: dict[str, Any]) -> bytes:
        """A piece of a thought."""
        text = as_text(delta.get("thinking"))
        if text is None:
            return b""
        block.size += len(text)
        if block.size <= MAX_THOUGHT_CHARS:
            block.text.append(text)
        else:
            block.text.clear()
        return self._chunks.reasoning(text)

    def signature_delta(self, block: _Block, delta: dict[str, Any]) -> bytes:
        """What makes a thought worth sending back."""
        block.signature = as_text(delta.get("signature")) or block.signature
        return b""

    def input_delta(self, block: _Block, delta: dict[str, Any]) -> bytes:
        """A piece of a call's arguments; the first is often empty."""
        piece = as_text(delta.get("partial_json"))
        if piece is None or block.kind != "tool_use":
            return b""
        block.has_input = True
        return self._arguments(block, piece)

    def citations_delta(self, block: _Block, delta: dict[str, Any]) -> bytes:
        """A source, told when it is known how far it reaches."""
        if len(block.citations) < MAX_CITATIONS:
            block.citations.append(as_dict(delta.get("citation")))
        return b""

    def _call(self, block: _Block, given: dict[str, Any]) -> bytes:
        name, call_id = as_text(given.get("name")) or "", as_text(given.get("id")) or ""
        block.input = given.get("input")
        if name == JSON_TOOL:
            block.is_answer = self._unwrapped = True
            return b""
        block.number = self._calls
        self._calls += 1
        if self._details:
            # the list itself: thoughts between calls are added
            self.opaque[call_id] = {"reasoning_details": self._details}
        return self._chunks.call(block.number, call_id, name)

    def _arguments(self, block: _Block, piece: str) -> bytes:
        if block.is_answer:
            self._chars += len(piece)
            return self._chunks.text(piece)
        return self._chunks.arguments(block.number, piece)

    def _detail(self, entry: dict[str, Any]) -> bytes:
        self._state_chars += len(entry.get("text") or "") + len(entry.get("signature") or entry.get("data") or "")
        if self._state_chars <= MAX_STATE_CHARS:
            self._details.append(entry)
        return self._chunks.details([entry])


def _index(doc: dict[str, Any]) -> int:
    index = doc.get("index")
    return index if isinstance(index, int) else 0


_EVENTS: dict[str, Callable[[AnthropicDecoder, dict[str, Any]], bytes]] = {
    "message_start": AnthropicDecoder.message_start,
    "content_block_start": AnthropicDecoder.block_start,
    "content_block_delta": AnthropicDecoder.block_delta,
    "content_block_stop": AnthropicDecoder.block_stop,
    "message_delta": AnthropicDecoder.message_delta,
    "message_stop": AnthropicDecoder.message_stop,
    "error": AnthropicDecoder.error,
}
_DELTAS: dict[str, Callable[[AnthropicDecoder, _Block, dict[str, Any]], bytes]] = {
    "text_delta": AnthropicDecoder.text_delta,
    "input_json_delta": AnthropicDecoder.input_delta,
    "thinking_delta": AnthropicDecoder.thinking_delta,
    "signature_delta": AnthropicDecoder.signature_delta,
    "citations_delta": AnthropicDecoder.citations_delta,
}
