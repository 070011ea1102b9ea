"""Reads a stream that passes by: usage, end, errors, first content. The bytes that leave are the bytes that came.

Once content has come an event costs a few substring tests; it is parsed only when one of them fires. JSON escapes the
quotes in text, so `"usage"` with its quotes is never part of what a model wrote.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.counting import usage_from_openai
from proxy.dialects.reading import (
    as_dict,
    as_text,
    choices_of,
    content_size,
    error_in,
    finish_reason_of,
    text_size,
    usage_object,
)
from proxy.dialects.sse import WHOLE, EventTooLong, Splitter, data_of, event_name, events_of
from proxy.errors import MalformedAnswer, StreamBroken, UpstreamError

if TYPE_CHECKING:
    from proxy.dialects.quirks import Quirks
    from proxy.usage import Usage

_ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}
"""The last events of a Responses stream, which has no `[DONE]`."""

_BLANK_LINE = len(b"\n\n")
_UNUSUAL = re.compile(rb'(?<!\\)"(?:\s+:|:\s\s|:[\t\r\n])')


class Meter(ABC):
    """What is known of one answer, whole or streamed."""

    __slots__ = ("error", "finish_reason", "model", "response_id", "service_tier", "usage")

    def __init__(self) -> None:
        self.usage: Usage | None = None
        """The last that was sent. Usage is cumulative wherever it comes more than once: never a sum."""
        self.finish_reason: str | None = None
        self.error: dict[str, Any] | None = None
        """The failure the provider reported inside a 200."""
        self.response_id: str | None = None
        self.model: str | None = None
        """As the provider names it."""
        self.service_tier: str | None = None
        """The tier that served, as the provider names it."""

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Ended by its dialect's own rules. Whether it went well is told by `error`."""

    @property
    @abstractmethod
    def text_bytes(self) -> int:
        """About how much content came, for estimating when usage never does."""

    def _note_identity(self, doc: dict[str, Any]) -> None:
        self.response_id = self.response_id or as_text(doc.get("id"))
        self.model = self.model or as_text(doc.get("model"))
        self.service_tier = as_text(doc.get("service_tier")) or self.service_tier

    def _note_usage(self, doc: dict[str, Any], quirks: Quirks) -> bool:
        found = usage_object(doc)
        if found is not None:
            self.usage = usage_from_openai(found, quirks, self.service_tier)
        return found is not None


class StreamMeter(Meter):
    """Reads one OpenAI-shaped event stream: chat, completions or Responses."""

    __slots__ = (
        "_drop_usage",
        "_ended",
        "_finished",
        "_limit",
        "_n",
        "_overhead",
        "_plain",
        "_quirks",
        "_responses",
        "_splitter",
        "_weight",
        "damaged",
        "events",
        "is_over",
        "saw_content",
        "saw_done",
        "sound_bytes",
    )

    def __init__(self, quirks: Quirks, *, drop_usage: bool, max_event_bytes: int, choices: int = 1) -> None:
        """`drop_usage`: the gateway asked for usage, the client did not. `choices`: the request's `n`."""
        super().__init__()
        self.events = 0
        """Events with a `data` field."""
        self.saw_content = False
        """Text, reasoning, a refusal, a tool call, audio. A role or an empty string is none."""
        self.saw_done = False
        self.is_over = False
        """Nothing that belongs to the answer can follow: `[DONE]`, an error, a Responses stream's last event."""
        self.sound_bytes: int | None = None
        """Of the bytes last returned, those before the first error event or up to `[DONE]`; `None` while none came."""
        self.damaged = False
        """Something was not JSON, or the stream ended in the middle of an event."""
        self._quirks = quirks
        self._drop_usage = drop_usage
        self._limit = max_event_bytes
        self._n = choices
        self._splitter = Splitter(max_event_bytes)
        self._responses = False
        self._ended = False
        self._plain = False
        self._finished: set[Any] = set()
        self._overhead = 0
        self._weight = 0

    @property
    def is_complete(self) -> bool:
        """`[DONE]`, a finish reason for every choice, or the last event of a Responses stream."""
        return self.saw_done or len(self._finished) >= self._n

    @property
    def text_bytes(self) -> int:
        """The size of the events, less that of the first content event's envelope for each."""
        return max(0, self._weight)

    def feed(self, data: bytes) -> bytes:
        """Read the next bytes, cut anywhere, and return the whole events among them.

        The same object when nothing is held back or left out. Never raises on malformed events: the client sees them
        too. O(len(data)); holds at most one unfinished event. Raises `MalformedAnswer`, or `StreamBroken` once
        content has come, for an event over `max_event_bytes`.
        """
        is_whole = self._splitter.clean and len(data) <= self._limit and data.endswith(WHOLE)
        block = data if is_whole else self._cut(data)
        if not self._plain or _is_marked(block):
            return self._examine(block)
        if block.find(b"\n") == len(block) - _BLANK_LINE and block.startswith(b"data:"):
            self.events += 1
            self._weight += len(block) - self._overhead
        else:
            self._weigh(block)
        return block

    def close(self) -> bytes:
        """The end of the stream: a last event that lacks only its blank line, with it, or nothing.

        Some servers end without the blank line; a strict reader would lose the event, and an error event of the
        gateway's own could melt into it.
        """
        rest = self._splitter.take()
        if not rest.strip(b"\r\n"):
            return b""
        data = data_of(rest)
        if data is None:
            self._read_bare(rest)
            self.damaged = not rest.startswith(b":")
            return b""
        if data.strip() != b"[DONE]" and _parse(data) is None:
            self.damaged = True
            return b""
        return self._examine(rest + (b"\n" if rest.endswith((b"\n", b"\r")) else b"\n\n"))

    def _cut(self, data: bytes) -> bytes:
        try:
            return self._splitter.feed(data)
        except EventTooLong as error:
            kind: type[UpstreamError] = StreamBroken if self.saw_content else MalformedAnswer
            raise kind("The provider sent an event that is too long.", detail=str(error)) from None

    def _weigh(self, block: bytes) -> None:
        count = block.startswith(b"data:") + block.count(b"\ndata:") + block.count(b"\rdata:")
        self.events += count
        self._weight += len(block) - count * self._overhead

    def _examine(self, block: bytes) -> bytes:
        kept: list[bytes] = []
        dropped = b""
        for event in events_of(block):
            dropped = b""
            if self._plain and not _is_marked(event):
                self._weigh(event)
            elif self._responses and b'"response"' not in event:
                self._weigh_delta(event)
            elif self._observe(event):
                dropped = event
                kept.append(event[: len(event) - len(event.lstrip(b"\r\n"))])
                continue
            if self.error is not None and self.sound_bytes is None:
                self.sound_bytes = sum(map(len, kept))
            kept.append(event)
            if self.saw_done and self.sound_bytes is None:
                self.sound_bytes = sum(map(len, kept))
        if dropped.endswith(b"\r"):
            self._splitter.drop_line_feed()
        self.is_over = self.saw_done or self.error is not None or self._ended
        passed = b"".join(kept)
        return block if len(passed) == len(block) else passed

    def _weigh_delta(self, event: bytes) -> None:
        """A Responses event between the first content and the last event: text comes again in `.done` events."""
        if event.find(b"error") >= 0 or event.find(b"[DONE]") >= 0:
            self._observe(event)
            return
        self.events += event.find(b"data:") >= 0
        if event.find(b'.delta"') >= 0:
            self._weight += len(event) - self._overhead

    def _observe(self, event: bytes) -> bool:
        """Read one event for all it says; true if it is the usage chunk the client did not ask for."""
        data = data_of(event)
        if data is None:
            self._read_bare(event)
            return False
        self.events += 1
        if data.strip() == b"[DONE]":
            self.saw_done = True
            return False
        doc = _parse(data)
        if doc is None:
            # an empty `data:` is somebody's keep-alive
            self.damaged = self.damaged or bool(data.strip())
            return False
        error = error_in(doc, event_name(event), self._quirks.errors_in_body)
        self.error = error or self.error
        if as_text(doc.get("type")) and str(doc["type"]).startswith("response."):
            self._read_response(doc, event)
            return False
        self._note_identity(doc)
        has_usage = self._note_usage(doc, self._quirks)
        for choice in choices_of(doc):
            if reason := finish_reason_of(choice):
                self.finish_reason = reason
                self._finished.add(choice.get("index", 0))
        self._note_content(content_size(doc, "delta", self._quirks.reasoning_fields), event)
        return self._drop_usage and has_usage and error is None and doc.get("choices") == []

    def _read_response(self, doc: dict[str, Any], event: bytes) -> None:
        kind = doc["type"]
        response = as_dict(doc.get("response"))
        self._note_identity(response)
        self._note_usage(doc, self._quirks)
        if kind in _ENDS:
            self.finish_reason = as_text(response.get("status")) or _ENDS[kind]
            self._finished.update(range(self._n))
            self._ended = True
        if kind.endswith(".delta"):
            self._note_content(text_size(doc.get("delta")), event)
        self._responses = self.saw_content
        self._plain = False

    def _note_content(self, size: int, event: bytes) -> None:
        self._weight += size
        if size and not self.saw_content:
            self.saw_content = True
            self._overhead = len(event) - size
            self._plain = self._quirks.errors_in_body is None and _is_usual(event)

    def _read_bare(self, event: bytes) -> None:
        """An error without `data:`, which is how Gemini breaks off."""
        text = event.strip()
        if text.startswith((b"{", b"[")) and (doc := _parse(text)) is not None:
            self.error = error_in(doc, None, None) or self.error


def _is_marked(block: bytes) -> bool:
    """Whether some event in it may carry more than content. May be wrong only in saying yes.

    `find` rather than `in`: CPython first tries to read the needle of `in` as a number, which costs 100 ns.
    """
    find = block.find
    return (
        find(b"error") >= 0
        or find(b"[DONE]") >= 0
        or find(b'"usage":{') >= 0
        or find(b'"finish_reason":"') >= 0
        or find(b'"usage": {') >= 0
        or find(b'"finish_reason": "') >= 0
    )


def _is_usual(event: bytes) -> bool:
    """Whether its JSON is written as `_is_marked` expects: on one line, at most one space after a colon."""
    return event.startswith(b"data:") and event.rstrip(b"\r\n").find(b"\n") < 0 and _UNUSUAL.search(event) is None


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        doc = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if isinstance(doc, list) and doc:
        # Gemini wraps an error into a list
        doc = doc[0]
    return doc if isinstance(doc, dict) else None
