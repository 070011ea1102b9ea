"""Reads a stream that passes by: usage, end, errors, damage, first content. The bytes that leave are those that came.

What is not JSON must not reach a client: an event is parsed once, about 1 us, unless it differs from an earlier one in
its text alone (`proxy.dialects.envelope`). The one event left out beside damaged ones is the usage chunk that only the
gateway asked for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from proxy.dialects.counting import usage_from_openai
from proxy.dialects.damage import Damage, damage_of, has_marks
from proxy.dialects.envelope import Envelope, is_content
from proxy.dialects.reading import (
    as_dict,
    as_text,
    choices_of,
    content_size,
    error_in,
    finish_reason_of,
    parse,
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

_FIELDS = (b":", b"event:", b"id:", b"retry:")
"""How the lines of an event begin that need no `data`."""


class Meter(ABC):
    """What is known of one answer, whole or streamed."""

    __slots__ = (
        "doubts",
        "envelope",
        "error",
        "finish_reason",
        "model",
        "response_id",
        "service_tier",
        "text",
        "texts",
        "usage",
    )

    envelope: Envelope
    """Of a stream."""

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
        self.doubts = False
        """Whether to stop at the first damage of which nobody can tell what it was."""
        self.text: bytes | None = None
        """Of the events last returned, together, if each had nothing else of its own beside `envelope`."""
        self.texts = 0
        """How many those were."""

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Ended by its dialect's own rules. Whether it went well is told by `error`."""

    def counted(self) -> Usage | None:
        """What was told of the usage of an answer that broke off; `None` if nothing."""
        return None

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
        "_behind",
        "_drop_usage",
        "_ended",
        "_finished",
        "_is_odd",
        "_limit",
        "_n",
        "_overhead",
        "_plain",
        "_quirks",
        "_sample",
        "_splitter",
        "_weight",
        "damaged",
        "events",
        "goes_on",
        "in_doubt",
        "is_over",
        "lost",
        "opaque",
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
        """Nothing that can be passed on may follow: `[DONE]`, an error, a Responses stream's last event, a loss."""
        self.sound_bytes: int | None = None
        """Of the bytes last returned, those before an error or a loss, or up to `[DONE]`; `None` while none came."""
        self.damaged = False
        """Something was not JSON, or the stream ended in the middle of an event. It is left out."""
        self.lost = False
        """What was damaged was a piece of the answer: what follows has a gap before it."""
        self.goes_on = False
        """There has been content behind the last finish reason: that was not the end."""
        self.in_doubt = False
        """Stopped there. Somebody else may have the whole answer; if not, `overlook` it."""
        self.opaque: dict[str, dict[str, Any]] = {}
        """See `StreamDecoder.opaque`; the hub's own streams are understood by all."""
        self._behind = b""
        self._sample = b""
        self.envelope = Envelope()
        self._quirks = quirks
        self._drop_usage = drop_usage
        self._limit = max_event_bytes
        self._n = choices
        self._splitter = Splitter(max_event_bytes)
        self._ended = False
        self._is_odd = False
        """There was something else than chunks of an answer: perhaps an error in words nobody knows."""
        self._plain = False
        self._finished: set[Any] = set()
        self._overhead = 0
        self._weight = 0

    @property
    def is_complete(self) -> bool:
        """A finish reason for every choice, or the last event of a Responses stream.

        Without any finish reason `[DONE]` will do, if there was an answer and nothing but chunks of it.
        """
        if self._finished or not self.saw_done:
            return len(self._finished) >= self._n
        return self.saw_content and not self._is_odd and not self.damaged

    @property
    def text_bytes(self) -> int:
        """The size of the events, less that of the first content event's envelope for each."""
        return max(0, self._weight)

    def feed(self, data: bytes) -> bytes:
        """Read the next bytes, cut anywhere, and return the whole events among them.

        The same object when nothing is held back or left out; malformed events are. O(len(data)); holds at most one
        unfinished event. Raises `MalformedAnswer`, or `StreamBroken` once content has come, for an event over
        `max_event_bytes`.
        """
        if self._plain and self._splitter.clean and len(data) <= self._limit:
            self.text = text = self.envelope.text_of(data)
            if text is not None:
                self.texts = 1
                self.events += 1
                self._weight += len(data) - self._overhead
                if text and self.finish_reason is not None:
                    self._note_behind()
                return data
        is_whole = self._splitter.clean and len(data) <= self._limit and data.endswith(WHOLE)
        return self._examine(data if is_whole else self._cut(data))

    def overlook(self) -> bytes:
        """Go on behind what was doubtful, as if it had been nothing; the events that had come with it."""
        self.in_doubt = self.is_over = False
        behind, self._behind = self._behind, b""
        return self._examine(behind)

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
        return self._examine(rest + (b"\n" if rest.endswith(b"\n") else b"\n\n"))

    def _cut(self, data: bytes) -> bytes:
        try:
            return self._splitter.feed(data)
        except EventTooLong as error:
            kind: type[UpstreamError] = StreamBroken if self.saw_content else MalformedAnswer
            raise kind("The provider sent an event that is too long.", detail=str(error)) from None

    def _examine(self, block: bytes) -> bytes:
        """Read whole events; what is left of them."""
        self.text = None
        events = events_of(block)
        count = self._pass_content(events, 0) if self._plain and events else 0
        return block if count == len(events) else self._examine_each(block, events, count)

    def _examine_each(self, block: bytes, events: list[bytes], place: int) -> bytes:
        """The same from one at `place` on that has more to say than content."""
        kept = events[:place]
        dropped = b""
        while place < len(events):
            if self._plain and (count := self._pass_content(events, place)):
                kept += events[place : place + count]
                place += count
                continue
            event, dropped = events[place], b""
            place += 1
            is_left_out = self._observe(event)
            if (self.error is not None or self.lost) and self.sound_bytes is None:
                self.sound_bytes = sum(map(len, kept))
            if self.lost:
                break  # what follows would be understood, but not be whole
            if self.in_doubt:
                self._behind = b"".join(events[place:])
                self.doubts = False
                break
            if is_left_out:
                dropped = event
                kept.append(event[: len(event) - len(event.lstrip(b"\r\n"))])
            else:
                kept.append(event)
            if self.saw_done:
                self.sound_bytes = sum(map(len, kept)) if self.sound_bytes is None else self.sound_bytes
                break
        if dropped.endswith(b"\r"):
            self._splitter.drop_line_feed()
        self.is_over = self.saw_done or self.error is not None or self._ended or self.lost or self.in_doubt
        passed = b"".join(kept)
        return block if len(passed) == len(block) else passed

    def _pass_content(self, events: list[bytes], place: int) -> int:
        """How many events from `place` on carry nothing but content."""
        texts = self.envelope.texts_of(events, place)
        count = len(texts)
        if not count:
            event = events[place]
            if self.is_complete:
                return 0  # whether it says anything at all makes a difference now
            if not is_content(event.rstrip(b"\r\n"), self.service_tier):
                return 0
            self.envelope.learn(event)
            count = 1
        elif count == len(events):
            self.text, self.texts = b"".join(texts), count
        self.events += count
        self._weight += sum(map(len, events[place : place + count])) - count * self._overhead
        if self.finish_reason is not None and any(texts):
            self._note_behind()
        return count

    def _note_behind(self) -> None:
        """There is content behind a finish reason."""
        self.goes_on = self.goes_on or self.is_complete

    def _observe(self, event: bytes) -> bool:
        """Read one event for all it says; true if it is to be left out: damaged, or usage that only we asked for."""
        try:
            event.decode()
        except UnicodeDecodeError:
            self._note_damage(event, event)
            return True
        data = data_of(event)
        if data is None:
            return self._read_bare(event)
        self.events += 1
        if data.strip() == b"[DONE]":
            self.saw_done = True
            return not self.is_complete  # it would say that all went well
        name, doc = event_name(event), _parse(data)
        if doc is None and name != "error":
            self._note_damage(event, data)
            return True
        doc = {"message": data.decode()} if doc is None else doc
        error = error_in(doc, name, self._quirks.errors_in_body)
        self.error = error or self.error
        if as_text(doc.get("type")) and str(doc["type"]).startswith("response."):
            self._read_response(doc, event)
            return False
        self._note_identity(doc)
        has_usage = self._note_usage(doc, self._quirks)
        size = content_size(doc, "delta", self._quirks.reasoning_fields)
        self.goes_on = self.goes_on or (size > 0 and self.is_complete)
        for choice in choices_of(doc):
            if reason := finish_reason_of(choice):
                self.finish_reason = reason
                index = choice.get("index")
                self._finished.add(index if isinstance(index, int) else 0)
        self._is_odd = self._is_odd or not (has_usage or isinstance(doc.get("choices"), list))
        self._note_content(size, event)
        return self._drop_usage and has_usage and error is None and doc.get("choices") == []

    def _read_response(self, doc: dict[str, Any], event: bytes) -> None:
        self._is_odd = True
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
        self._plain = False

    def _note_content(self, size: int, event: bytes) -> None:
        self._weight += size
        if size and not self.saw_content and self.error is None:
            self.saw_content = True
            self._overhead = len(event) - size
            self._sample = event
            self._plain = self._quirks.errors_in_body is None

    def _note_damage(self, event: bytes, text: bytes) -> None:
        # an empty `data:` is somebody's keep-alive, which makes some clients choke
        self.damaged = self.damaged or bool(text.strip())
        if self.is_complete:
            return
        damage = damage_of(event, self._sample)
        self.lost = damage is Damage.LOSS
        self.in_doubt = self.doubts and damage is Damage.DOUBTFUL

    def _read_bare(self, event: bytes) -> bool:
        """An event without `data:`: a comment, or an error as Gemini breaks off. True if it is neither."""
        text = event.strip()
        if event_name(event) == "error":
            self.error = {"message": "The provider reported an error."}
            return False
        if not text or (text.startswith(_FIELDS) and not has_marks(text)):
            return False
        doc = _parse(text) if text.startswith((b"{", b"[")) else None
        error = error_in(doc, None, None) if doc is not None else None
        if error is None:
            self._note_damage(text, text)
            return True
        self.error = error
        return False


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        doc = parse(data)
    except ValueError:
        return None
    if isinstance(doc, list) and doc:
        # Gemini wraps an error into a list
        doc = doc[0]
    return doc if isinstance(doc, dict) else None
