"""Recognises an event that differs from a sound one in nothing but its text, without parsing it again.

Most providers send the same JSON around each piece of text. To parse it costs 1 us while the parser is in the
processor's caches, and three on a busy gateway, where it seldom is; to compare costs a third of that, and in a burst a
fifth.
"""

from __future__ import annotations

import re

import orjson

from proxy.dialects.sse import WHOLE

MAX_LEARNED = 16
"""Times a stream's envelope may change (from reasoning to text, say) before it is looked for ever more seldom."""
MAX_RUN = 64
"""Events recognised at a time: something wrong in one of them is looked for in so many."""

_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning|arguments|text)": ?"(?!")')
"""In sound JSON a key and the beginning of its value: inside a string its quotes would be escaped."""
_PADDING = re.compile(rb'"obfuscation": ?"')
"""Of random length and content. Source: OpenAI API reference, `stream_options.include_obfuscation`."""
_STRING = re.compile(rb'[^"\\]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*+)*+')
"""The inside of a JSON string. Source: RFC 8259, section 7."""
_QUOTE, _BACKSLASH = b'"\\'
"""As numbers, which are looked for in bytes many times faster than bytes are."""
_PLAIN = bytes(set(range(32, 127)) - set(b'"\\'))
"""What stands in a JSON string for itself: a text of nothing else is sound, and that is found out in one step."""
_CONTROL = re.compile(rb"[\x00-\x1f]")
_PROBE, _PROBED = b"\\u0001", "\x01"
"""A text that no event has, and what it reads as."""
_NOTHING_YET = b"\0"
"""No event ends like this."""


class Envelope:
    """Of one stream."""

    __slots__ = ("_end", "_learned", "_middle", "_start", "_suffix", "prefix", "suffix")

    def __init__(self) -> None:
        self.prefix = _NOTHING_YET
        """What is before the text of an event; another object when it changes."""
        self.suffix = b""
        """What is behind it, the end of the event included. Padding is none of it."""
        self._middle = b""
        """Between the text and the padding; empty if there is no padding."""
        self._suffix = _NOTHING_YET
        """Behind both."""
        self._start = self._end = 0
        self._learned = 0

    def text_of(self, event: bytes) -> bytes | None:
        """The text of `event` if that is all it has of its own: as JSON has it.

        `None` also for text that is not obviously sound.
        """
        if not (event.startswith(self.prefix) and event.endswith(self._suffix)):
            return None
        text = event[self._start : self._end]
        if self._middle:
            text, found, padding = text.partition(self._middle)
            if not (found and padding.isalnum()):
                return None
        elif not text and len(event) < self._start - self._end:
            return None
        return text if not text.translate(None, _PLAIN) or _is_sound(text) else None

    def texts_of(self, events: list[bytes], place: int) -> list[bytes]:
        """The texts of `events` from `place` on, up to one that has more of its own.

        As `text_of` each, in half the time: whether they are sound is asked of many together.
        """
        texts: list[bytes] = []
        while run := self._run_of(events[place : place + MAX_RUN]):
            texts += run
            place += MAX_RUN
            if len(run) < MAX_RUN:
                break
        return texts

    def learn(self, event: bytes) -> None:
        """Remember what is around the text of `event`, which has been parsed and found sound."""
        self._learned += 1
        if self._learned > MAX_LEARNED and self._learned & (self._learned - 1):
            self.prefix = self._suffix = _NOTHING_YET
            return
        if not event.endswith(WHOLE):
            return
        found = _TEXT.search(event)
        if found is None:
            return
        start = found.end()
        end = rest = event.find(b'"', start)
        padding = _PADDING.search(event, end)
        if padding is not None:
            rest = event.find(b'"', padding.end())
        prefix, middle, suffix = event[:start], event[end : padding.end() if padding else end], event[rest:]
        if not _is_around_text(prefix, middle + suffix):
            return
        self.prefix, self._middle, self._suffix, self.suffix = prefix, middle, suffix, middle + suffix
        self._start, self._end = start, rest - len(event)

    def _run_of(self, events: list[bytes]) -> list[bytes]:
        prefix, suffix, start, end, middle = self.prefix, self._suffix, self._start, self._end, self._middle
        shortest = start - end
        texts = []
        for event in events:
            if not (event.startswith(prefix) and event.endswith(suffix) and len(event) >= shortest):
                break
            text = event[start:end]
            if middle:
                text, found, padding = text.partition(middle)
                if not (found and padding.isalnum()):
                    break
            texts.append(text)
        if _is_sound(b" ".join(texts)):
            return texts
        # a space is part of no character and of no escape: if all of them were sound, so were they together
        return texts[: list(map(_is_sound, texts)).index(False)]


def is_content(line: bytes, tier: str | None) -> bool:
    """Whether an event is sound and carries nothing but content of one choice. May be wrong only in saying no.

    `tier`: the service tier told so far. An event that tells another one has more to say.
    """
    if not line.startswith((b"data: {", b"data:{")) or line.find(b"\n") >= 0 or line.find(b"\r") >= 0:
        return False  # line ends are spaces to JSON, but end the data to a reader of events
    try:
        doc = orjson.loads(line[5:])
        (choice,) = doc["choices"]
        return (
            choice.get("finish_reason") is None
            and doc.get("usage") is None
            and doc.get("error") is None
            and choice.get("usage") is None
            and doc.get("x_groq") is None
            and (doc.get("service_tier") is None or doc["service_tier"] == tier)
            and "error" not in (doc.get("type"), doc.get("object"))
        )
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _is_around_text(prefix: bytes, suffix: bytes) -> bool:
    """Whether what is put between them goes on with the text, or with the arguments of a call, of the only choice."""
    try:
        (choice,) = orjson.loads((prefix + _PROBE + suffix).removeprefix(b"data:"))["choices"]
        if choice.get("text") == _PROBED or _PROBED in choice["delta"].values():
            return True
        (call,) = choice["delta"]["tool_calls"]
        # with a name, or without its index, it would be another call
        continues: bool = call.keys() == {"index", "function"} and call["function"] == {"arguments": _PROBED}
        return continues
    except (ValueError, LookupError, TypeError, AttributeError):
        return False


def _is_sound(text: bytes) -> bool:
    """Whether it may stand in a JSON string."""
    if (_QUOTE in text or _BACKSLASH in text) and _STRING.fullmatch(text) is None:
        return False
    try:
        return text.decode().isprintable() or _CONTROL.search(text) is None
    except UnicodeDecodeError:
        return False
