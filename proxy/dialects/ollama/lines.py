"""Cuts a byte stream into whole lines. Source: https://github.com/ndjson/ndjson-spec."""

from __future__ import annotations

from proxy.dialects.sse import EventTooLong

_LF = b"\n"


class LineSplitter:
    """Holds back an unfinished line and lets whole ones through."""

    __slots__ = ("_held", "_limit")

    def __init__(self, max_line_bytes: int) -> None:
        self._limit = max_line_bytes
        self._held = bytearray()

    def feed(self, data: bytes) -> bytes:
        """The whole lines at hand, as the same object if they are just `data`; may be empty.

        Raises `EventTooLong`. O(len(data)), however the stream is cut; holds at most `max_line_bytes`.
        """
        held = self._held
        if not held and data.endswith(_LF):
            self._check(data)
            return data
        end = data.rfind(_LF) + 1
        if not end:
            held += data
            if len(held) > self._limit:
                raise EventTooLong(self._limit)
            return b""
        whole = bytes(held) + data[:end]
        self._check(whole)
        held.clear()
        held += data[end:]
        if len(held) > self._limit:
            raise EventTooLong(self._limit)
        return whole

    def take(self) -> bytes:
        """The last line, if it had no end."""
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _check(self, lines: bytes) -> None:
        if len(lines) > self._limit and any(len(line) > self._limit for line in lines.split(_LF)):
            raise EventTooLong(self._limit)
