"""Server-sent events: cutting a byte stream into whole events and reading one event. It never rewrites a byte.

Line ends may be LF, CRLF or CR, mixed at will; an event ends at an empty line. Blank lines between events belong to
none of them.

Source: WHATWG HTML, "Interpreting an event stream".
"""

from __future__ import annotations

import re

# A CRLF must never be read as CR and LF, which would be an empty line. That the first character of every alternative is
# known makes the search twice as fast.
_END = re.compile(rb"\n(?:\r\n?|\n)|\r(?:\n(?:\r\n?|\n)|\r\n?)")
_LINE = re.compile(rb"\r\n|\r|\n")
_BLANK_LINE = b"\n\n"
_CR = ord("\r")
_BOM = b"\xef\xbb\xbf"
_UNDECIDED = b"\n\r"
"""After an LF a CR is most likely half of a CRLF: the event waits for the other half."""
_BACK = 3
"""Bytes of an event's end that may lie before the place where the last search stopped."""

KEEPALIVE = b": keep-alive\n\n"
"""A comment: it means nothing to clients."""
WHOLE = (b"\n\n", b"\r\n\r\n")
"""How bytes end when no event is left unfinished."""


class EventTooLong(ValueError):
    """One event is over the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an event is over {limit} bytes")


class Splitter:
    """Holds back an unfinished event and lets whole ones through.

    `clean` is true when nothing is held back: then bytes that end in `WHOLE` may skip `feed`, if they are not over
    the limit.
    """

    __slots__ = ("_begun", "_held", "_is_simple", "_limit", "_searched", "_swallow_lf", "clean")

    def __init__(self, max_event_bytes: int) -> None:
        self.clean = False
        self._limit = max_event_bytes
        self._held = bytearray()
        self._searched = 0
        self._begun = False
        self._swallow_lf = False
        self._is_simple = True
        """No CR has come yet: an event ends with two LF, which are found many times faster."""

    def feed(self, data: bytes) -> bytes:
        """The whole events at hand, as the same object if they are just `data`; may be empty.

        A byte-order mark at the start is removed: client libraries lose the first event to it. Raises `EventTooLong`.
        O(len(data)), however the stream is cut; holds at most `max_event_bytes`.
        """
        if self.clean and len(data) <= self._limit and data.endswith(WHOLE):
            return data
        if self._swallow_lf and data:
            self._swallow_lf = False
            data = data.removeprefix(b"\n")
        held = self._held
        held += data
        if not self._begun and not self._begin():
            return b""
        if self._is_simple and _CR not in data:
            return self._feed_simple()
        self._is_simple = False
        found = _END.search(held, max(0, self._searched - _BACK))
        if found is None or (found.end() == len(held) and held.endswith(_UNDECIDED)):
            return self._hold_all()
        return self._release()

    def drop_line_feed(self) -> None:
        """Forget the LF of a CRLF that may still come: its CR ended an event that is not passed on."""
        self._swallow_lf = True
        self.clean = False

    def take(self) -> bytes:
        """What is held back at the end of the stream."""
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _begin(self) -> bool:
        held = self._held
        if len(held) < len(_BOM) and _BOM.startswith(held):
            return False
        if held.startswith(_BOM):
            del held[: len(_BOM)]
        self._begun = True
        return True

    def _feed_simple(self) -> bytes:
        held = self._held
        end = held.rfind(_BLANK_LINE, max(0, self._searched - 1)) + len(_BLANK_LINE)
        if end < len(_BLANK_LINE):
            return self._hold_all()
        if len(held) > self._limit:
            return self._release()  # one of them may be over it
        block = bytes(held[:end])
        del held[:end]
        self._rest()
        return block

    def _hold_all(self) -> bytes:
        held = self._held
        if not held.strip(b"\r\n"):
            blank = bytes(held)
            held.clear()
            self._rest()
            return blank
        if len(held) > self._limit:
            raise EventTooLong(self._limit)
        self._rest()
        return b""

    def _release(self) -> bytes:
        whole = bytes(self._held)
        self._held.clear()
        end = 0
        for match in _END.finditer(whole):
            if match.end() - end > self._limit:
                raise EventTooLong(self._limit)
            if match.end() == len(whole) and whole.endswith(_UNDECIDED):
                break
            end = match.end()
        if not whole[end:].strip(b"\r\n"):
            end = len(whole)
        self._held += whole[end:]
        if len(self._held) > self._limit:
            raise EventTooLong(self._limit)
        self._rest()
        return whole[:end]

    def _rest(self) -> None:
        self._searched = len(self._held)
        self.clean = self._begun and not self._held and not self._swallow_lf


def events_of(block: bytes) -> list[bytes]:
    """Cut whole events apart; joined, they are `block` again. Blank lines may lead an event or stand alone."""
    if _CR not in block:
        # twice as fast as to split at blank lines, and nearly every event is one line
        *lines, rest = block.split(b"\n")
        if len(lines) % 2 or any(lines[1::2]):
            *whole, rest = block.split(_BLANK_LINE)
        else:
            whole = lines[::2]
        events = [event + _BLANK_LINE for event in whole]
        return [*events, rest] if rest else events
    events = []
    start = 0
    for match in _END.finditer(block):
        events.append(block[start : match.end()])
        start = match.end()
    if start < len(block):
        events.append(block[start:])
    return events


def data_of(event: bytes) -> bytes | None:
    """The `data` fields of one event, joined by LF; `None` if it has none."""
    if event.startswith(b"data:") and event.endswith(b"\n\n"):
        text = event[6:-2] if event[5:6] == b" " else event[5:-2]
        if b"\n" not in text and b"\r" not in text:
            return text
    found = _fields(event, b"data")
    return b"\n".join(found) if found else None


def event_name(event: bytes) -> str | None:
    """The last `event` field; `None` if there is none."""
    if event.find(b"event") < 0:
        return None
    found = _fields(event, b"event")
    return found[-1].decode("utf-8", "replace") if found else None


def _fields(event: bytes, name: bytes) -> list[bytes]:
    values = []
    for line in _LINE.split(event):
        field, _, value = line.partition(b":")
        if field == name:
            values.append(value.removeprefix(b" "))
    return values
