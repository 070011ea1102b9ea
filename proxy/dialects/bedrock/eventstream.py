"""AWS's binary event stream: cutting bytes into whole frames that are sound, and reading one frame.

A frame is its length, the length of its headers and a checksum of these two, the headers, the payload, and a checksum
of all before it; numbers are big-endian, checksums are CRC-32 as in zlib. A length is believed only once its checksum
fits, so that garbage can make nobody wait for gigabytes.

Source: AWS SDKs and Tools, "Event stream encoding" (smithy, `application/vnd.amazon.eventstream`); Amazon Transcribe
developer guide, "Event stream encoding".
"""

from __future__ import annotations

import struct
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID
from zlib import crc32

from proxy.dialects.dialect import Undecodable
from proxy.dialects.sse import EventTooLong

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CONTENT_TYPE = "application/vnd.amazon.eventstream"
MAX_HEADERS_BYTES = 128 * 1024
MAX_PAYLOAD_BYTES = 24 * 1024 * 1024
PRELUDE_BYTES = 12
"""Both lengths and their checksum."""
OVERHEAD_BYTES = 16
"""The prelude and the checksum at the end: no frame is shorter."""
KNOWN_HEADERS = 64
"""Header blocks remembered: a stream has a handful, and all events of one kind have the same."""

Value = bool | int | bytes | str | UUID

_PRELUDE = struct.Struct(">III")
_LENGTHS = struct.Struct(">II")
_U32 = struct.Struct(">I")
_U16 = struct.Struct(">H")
_DAMAGED = "the checksum of a frame does not fit"


class Frame(NamedTuple):
    """One message of a stream."""

    headers: Mapping[str, Value]
    payload: bytes

    def header(self, name: str) -> str:
        """A header that is text; empty if it is absent or something else."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


class FrameSplitter:
    """Holds back an unfinished frame and lets whole ones through, both checksums tested.

    What follows a damaged frame is never passed on; what came before it is, in one piece, and the damage is told by the
    next call of `feed`, or by what `take` returns.
    """

    __slots__ = ("_fault", "_held", "_limit", "_wanted")

    def __init__(self, max_event_bytes: int) -> None:
        self._limit = min(max_event_bytes, MAX_HEADERS_BYTES + MAX_PAYLOAD_BYTES + OVERHEAD_BYTES)
        self._held = bytearray()
        self._wanted = 0
        """How many bytes must be held before it is worth looking again."""
        self._fault: Undecodable | EventTooLong | None = None

    def feed(self, data: bytes) -> bytes:
        """The whole frames at hand, as the same object if they are just `data`; may be empty.

        Raises `EventTooLong` for a frame over the limit, `Undecodable` for one that is damaged. O(len(data)), however
        the stream is cut; holds at most one frame beside `data`.
        """
        if self._fault is not None:
            raise self._fault
        held = self._held
        if held:
            held += data
            if len(held) < self._wanted:
                return b""
            data = bytes(held)
            held.clear()
        end = self._sound(data)
        if end == len(data):
            return data
        held += data[end:]
        if self._fault is not None and not end:
            raise self._fault
        return data[:end]

    def take(self) -> bytes:
        """What is held back at the end of the stream; empty when it ended with a whole frame."""
        rest = bytes(self._held)
        self._held.clear()
        return rest

    def _sound(self, data: bytes) -> int:
        """Where the first frame begins that is not whole or not sound; notes its fault, or how much it wants."""
        place, size = 0, len(data)
        while size - place >= PRELUDE_BYTES:
            try:
                total = self._length(data, place)
            except (Undecodable, EventTooLong) as fault:
                self._fault = fault
                return place
            end = place + total
            if end > size:
                self._wanted = total
                return place
            if crc32(memoryview(data)[place : end - 4]) != _U32.unpack_from(data, end - 4)[0]:
                self._fault = Undecodable(_DAMAGED)
                return place
            place = end
        self._wanted = PRELUDE_BYTES
        return place

    def _length(self, data: bytes, place: int) -> int:
        """The bytes of the frame at `place`."""
        total, headers, checksum = _PRELUDE.unpack_from(data, place)
        if crc32(data[place : place + 8]) != checksum:
            raise Undecodable("the checksum of a frame's lengths does not fit")
        if headers > MAX_HEADERS_BYTES or headers + OVERHEAD_BYTES > total:
            raise Undecodable("the lengths of a frame are impossible")
        if total > self._limit:
            raise EventTooLong(self._limit)
        return int(total)


def frames_of(block: bytes) -> Iterator[Frame]:
    """The frames of a block. Raises `Undecodable` for one that is damaged or cut short.

    Checksums are tested once more: at the end of a stream, what `FrameSplitter` had held back comes here too.
    """
    place, view = 0, memoryview(block)
    while place < len(block):
        if len(block) - place < OVERHEAD_BYTES:
            raise Undecodable("a frame is cut short")
        total, size = _LENGTHS.unpack_from(block, place)
        end, start = place + total - 4, place + PRELUDE_BYTES
        if not start + size <= end <= len(block) - 4:
            raise Undecodable("the lengths of a frame are impossible")
        if crc32(view[place:end]) != _U32.unpack_from(block, end)[0]:
            raise Undecodable(_DAMAGED)
        yield Frame(headers_of(block[start : start + size]), block[start + size : end])
        place = end + 4


@lru_cache(KNOWN_HEADERS)
def headers_of(block: bytes) -> Mapping[str, Value]:
    """Header names and values; the last of a name wins. Raises `Undecodable`. O(len(block))."""
    found: dict[str, Value] = {}
    place = 0
    try:
        while place < len(block):
            start = place + 1
            name_end = start + block[place]
            if name_end >= len(block):
                raise Undecodable("a header is cut short")
            value, place = _READERS[block[name_end]](block, name_end + 1)
            found[block[start:name_end].decode()] = value
    except (struct.error, UnicodeDecodeError, KeyError):
        raise Undecodable("a header cannot be read") from None
    return MappingProxyType(found)


def _number(form: str) -> Callable[[bytes, int], tuple[Value, int]]:
    layout = struct.Struct(form)

    def read(block: bytes, place: int) -> tuple[Value, int]:
        return int(layout.unpack_from(block, place)[0]), place + layout.size

    return read


def _sized(block: bytes, place: int) -> tuple[bytes, int]:
    start = place + _U16.size
    end = start + _U16.unpack_from(block, place)[0]
    return _exact(block, start, end), end


def _exact(block: bytes, start: int, end: int) -> bytes:
    if end > len(block):
        raise Undecodable("a header is cut short")
    return block[start:end]


def _text(block: bytes, place: int) -> tuple[Value, int]:
    value, end = _sized(block, place)
    return value.decode(), end


def _uuid(block: bytes, place: int) -> tuple[Value, int]:
    end = place + 16
    return UUID(bytes=_exact(block, place, end)), end


_READERS: dict[int, Callable[[bytes, int], tuple[Value, int]]] = {
    0: lambda _, place: (True, place),
    1: lambda _, place: (False, place),
    2: _number(">b"),
    3: _number(">h"),
    4: _number(">i"),
    5: _number(">q"),
    6: _sized,
    7: _text,
    8: _number(">q"),
    9: _uuid,
}
"""By a header's type: true, false, integers of 1, 2, 4 and 8 bytes, bytes, text, milliseconds since 1970, UUID."""
