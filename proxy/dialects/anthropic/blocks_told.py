"""Writes the content blocks of Anthropic's stream: one is open at a time, and each opens, goes on and closes.

Source: Anthropic, "Streaming messages", "Content block delta types".
"""

from __future__ import annotations

from collections import deque
from typing import Any

import orjson

from proxy.dialects.anthropic.dressing import block_of
from proxy.dialects.chunks import dumps
from proxy.dialects.reading import Halves, as_text

TEXT, THINKING, CALL = "text", "thinking", "call"
MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}\n\n'
)


def event(name: str, doc: dict[str, Any]) -> bytes:
    """One event of Anthropic's."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), dumps({"type": name, **doc}))


MAX_LATE = 16
"""Blocks of state held back; of more the first are let go.

A state after the last text is let go, too: what Gemini signs of a text need not come back.
Source: Gemini API, "Thought signatures".
"""


class Blocks:
    """The blocks of one answer, written to `out`."""

    __slots__ = ("_details_speak", "_halves", "_index", "_late", "_out", "open")

    def __init__(self, out: list[bytes]) -> None:
        self.open: str | None = None
        """The kind of the open block."""
        self._out = out
        self._index = -1
        self._halves = Halves()
        self._details_speak = False
        """The open thought's text came in `reasoning_details`."""
        self._late: deque[dict[str, Any]] = deque(maxlen=MAX_LATE)
        """State that came while text was open: it stands before the next block, if there is one."""

    def begin(self, kind: str, block: dict[str, Any]) -> None:
        """A block opens; the one before it is closed."""
        self.close()
        while self._late:
            self.whole(self._late.popleft())
        self._index += 1
        self.open = kind
        self._out.append(event("content_block_start", {"index": self._index, "content_block": block}))

    def delta(self, kind: bytes, field: bytes, value: bytes) -> None:
        """A piece of the open block; `value` is JSON."""
        self._out.append(_DELTA % (self._index, kind, field, value))

    def close(self, signature: str = "") -> None:
        """The open block is whole. `signature`: a thought's; clients wait for one, if only an empty one."""
        if self.open is None:
            return
        self._piece(self._halves.end())
        if self.open == THINKING:
            self.delta(b"signature_delta", b"signature", dumps(signature))
        self._out.append(_STOP % self._index)
        self.open = None
        self._details_speak = False

    def whole(self, block: dict[str, Any]) -> None:
        """A block that needs no deltas."""
        self.begin(TEXT, block)
        self.close()

    def text(self, text: str) -> None:
        """A piece of the answer."""
        if self.open != TEXT:
            self.begin(TEXT, {"type": "text", "text": ""})
        self._piece(text)

    def thought(self, text: str) -> None:
        """A piece of a thought."""
        if self.open != THINKING:
            self.begin(THINKING, {"type": "thinking", "thinking": "", "signature": ""})
        self._piece(text)

    def detail(self, entry: dict[str, Any]) -> None:
        """An entry of `reasoning_details`: its state, and its text if nothing else told it."""
        text = as_text(entry.get("text")) or as_text(entry.get("summary"))
        if text and (self.open != THINKING or self._details_speak):
            self.thought(text)
            self._details_speak = True
        is_thinking = self.open == THINKING
        # the text has been told: only whether there was some matters
        block = block_of(entry, "-" if is_thinking else "")
        if block is None:
            return
        if block["type"] != "thinking":
            if self.open == TEXT:
                self._late.append(block)  # never an answer's last block, where clients look for its text
            else:
                self.whole(block)
            return
        if not is_thinking:
            self.begin(THINKING, {"type": "thinking", "thinking": "", "signature": ""})
        self.close(block["signature"])

    def _piece(self, text: str) -> None:
        """Text for the open block."""
        text = self._halves.add(text)
        if not text:
            return
        if self.open == TEXT:
            self.delta(b"text_delta", b"text", orjson.dumps(text))
        elif self.open == THINKING:
            self.delta(b"thinking_delta", b"thinking", orjson.dumps(text))
