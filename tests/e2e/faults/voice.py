"""What a scripted deployment says: an answer of sixty tokens, whole or streamed, that tells who gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from fakes.chat import DONE, chat_answer, chunk, event, usage
from fakes.steps import SSE, Send, Step, answer

PIECES = ("Turn", *(f" l\u00e9ver {number} \u2192" for number in range(58)), " \u5de6.")
"""Sixty tokens; no piece is a beginning of another answer, and bytes are not characters."""
TEXT = "".join(PIECES)
OTHER = TEXT.replace("l\u00e9ver 3 ", "signal 3 ")
"""Begins as `TEXT` does and soon goes another way."""


@dataclass(frozen=True, slots=True)
class Voice:
    """One deployment's manner: its ids, its times, its name for the model and its counts are its own."""

    name: str
    created: int
    prompt: int
    completion: int = 60

    @property
    def model(self) -> str:
        """What it calls the model in its answers."""
        return f"{self.name}-model"

    def _head(self) -> dict[str, Any]:
        return {"id": f"chatcmpl-{self.name}", "created": self.created}

    def chunk(self, delta: dict[str, Any], **options: Any) -> bytes:
        """One chunk with any delta."""
        return chunk(delta, model=self.model, **self._head(), **options)

    def begins(self) -> bytes:
        """The start-up event."""
        return self.chunk({"role": "assistant", "content": ""})

    def says(self, *pieces: str) -> bytes:
        """Chunks of text."""
        return b"".join(self.chunk({"content": piece}) for piece in pieces)

    def ends(self, reason: str = "stop") -> bytes:
        """The finish reason."""
        return self.chunk({}, finish_reason=reason)

    def counts(self) -> bytes:
        """The usage chunk."""
        head = {"object": "chat.completion.chunk", "model": self.model, **self._head()}
        return event({**head, "choices": [], "usage": usage(self.prompt, self.completion)})

    def stream(self, *pieces: str) -> tuple[bytes, ...]:
        """The events of a whole stream."""
        return (self.begins(), *map(self.says, pieces or PIECES), self.ends(), self.counts(), DONE)

    def body(self, text: str = TEXT) -> bytes:
        """A whole answer."""
        counts = usage(self.prompt, self.completion)
        head = {"model": self.model, **self._head()}
        return orjson.dumps({**orjson.loads(chat_answer(text, counts)), **head})

    def answers(self, *pieces: str, stream: bool) -> Step:
        """The whole answer in either form."""
        return SSE(*self.stream(*pieces)) if stream else answer(self.body("".join(pieces or PIECES)))


PRIMARY = Voice("first", 1_750_000_000, prompt=7)
FALLBACK = Voice("second", 1_750_000_999, prompt=8)


def recut(text: str, size: int) -> tuple[str, ...]:
    """The same text in pieces of `size` characters."""
    return tuple(text[start : start + size] for start in range(0, len(text), size))


DELIVERED = 40
"""Tokens of sixty."""
BROKEN = "upstream_stream_broken"


def begun(*end: Step, tokens: int = DELIVERED) -> tuple[Step, ...]:
    """The primary's stream up to `tokens`, each in a write of its own, then `end`."""
    return (Send(PRIMARY.begins()), *(Send(PRIMARY.says(piece)) for piece in PIECES[:tokens]), *end)
