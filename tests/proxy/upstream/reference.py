"""A second opinion on a response: reads only what leaves no doubt, at once and without mercy. Source: RFC 9112."""

from __future__ import annotations

import re
from typing import NamedTuple

_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
BODYLESS = frozenset({204, 304})
UPGRADE = 101


class Sound(NamedTuple):
    """What was said, and whether more may be asked on the same connection."""

    status: int
    body: bytes
    keeps_alive: bool


def read(data: bytes) -> Sound | None:
    """The one response in `data`, interim ones before it; `None` if it is anything else, or more, or less."""
    while True:
        # blank lines before it are nobody's words (RFC 9112, section 2.2, grants them to requests)
        head, end, data = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        status = _STATUS.fullmatch(lines[0])
        headers = [_HEADER.fullmatch(line) for line in lines[1:]]
        if not end or status is None or None in headers:
            return None
        if not status[2].startswith(b"1"):
            break
        if int(status[2]) == UPGRADE:
            return None
    fields = [(match[1].lower(), match[2]) for match in headers if match is not None]
    body = _body(int(status[2]), fields, data)
    if body is None:
        return None
    tokens = {token.strip().lower() for name, value in fields if name == b"connection" for token in value.split(b",")}
    keeps_alive = b"close" not in tokens and (status[1] == b"1" or b"keep-alive" in tokens)
    return Sound(int(status[2]), body, keeps_alive)


def _body(status: int, fields: list[tuple[bytes, bytes]], data: bytes) -> bytes | None:
    """`data` as the framing of `fields` has it; `None` without one, or if it is not that exactly."""
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if len(lengths) + len(codings) > 1:
        return None
    if not all(coding.lower() == b"chunked" for coding in codings) or not all(map(bytes.isdigit, lengths)):
        return None
    if status in BODYLESS:
        return _all_but_blank(data, 0)
    if codings:
        return _chunks(data)
    return _all_but_blank(data, int(lengths[0])) if lengths else None


def _all_but_blank(data: bytes, length: int) -> bytes | None:
    """So much of `data`, if blank lines are all that follows."""
    return None if len(data) < length or data[length:].strip(b"\r\n") else data[:length]


def _chunks(data: bytes) -> bytes | None:
    body = b""
    while True:
        line, end, data = data.partition(b"\r\n")
        size = _CHUNK.fullmatch(line)
        if not end or size is None:
            return None
        length = int(size[1], 16)
        if length == 0:
            break
        if data[length : length + 2] != b"\r\n":
            return None
        body, data = body + data[:length], data[length + 2 :]
    while not data.startswith(b"\r\n"):
        line, end, data = data.partition(b"\r\n")
        if not end or _HEADER.fullmatch(line) is None:
            return None
    return None if data.strip(b"\r\n") else body
