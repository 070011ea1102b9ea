"""Writes the events of a Responses stream, numbered. Source: OpenAI API reference, "Streaming events"."""

from __future__ import annotations

from typing import Any

from proxy.dialects.chunks import dumps
from proxy.dialects.reading import Halves

ERROR = "error"


class Events:
    """Of one stream."""

    __slots__ = ("_next",)

    def __init__(self) -> None:
        self._next = 0

    def event(self, kind: str, fields: dict[str, Any]) -> bytes:
        """One event of the type `kind`."""
        data = dumps({"type": kind, **fields, "sequence_number": self._number()})
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), data)

    def delta(self, head: bytes, text: str) -> bytes:
        """One piece of text; `head` is what `head_of` made for its place."""
        return b'%b%b,"sequence_number":%d}\n\n' % (head, dumps(text), self._number())

    def _number(self) -> int:
        number = self._next
        self._next += 1
        return number


def head_of(kind: str, fields: dict[str, Any]) -> bytes:
    """Where the pieces of one text belong: an event up to its `delta`."""
    return b'event: %b\ndata: %b,"delta":' % (kind.encode(), dumps({"type": kind, **fields})[:-1])


def error_event(error: dict[str, Any], events: Events | None) -> bytes:
    """`error` is OpenAI's error object. The reference has its fields in the event, the API sends it under `error`.

    Without `events` it has no number: it comes behind those of a provider that nobody has counted.
    """
    fields = {"code": error.get("code"), "message": error.get("message"), "param": error.get("param"), "error": error}
    if events is not None:
        return events.event(ERROR, fields)
    return b"event: error\ndata: %b\n\n" % dumps({"type": ERROR, **fields})


class WholeText:
    """One text in pieces, each of whole characters only."""

    __slots__ = ("_halves", "_pieces")

    def __init__(self) -> None:
        self._halves = Halves()
        self._pieces: list[str] = []

    def add(self, text: str) -> str:
        """What of it may be sent now; may be empty."""
        text = self._halves.add(text)
        if text:
            self._pieces.append(text)
        return text

    def whole(self) -> str:
        """All that was sent."""
        return "".join(self._pieces)
