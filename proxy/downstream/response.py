"""Heads of answers as bytes."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

JSON = "application/json"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


class Response:
    """A whole answer, of handlers beside the pipeline."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self, body: bytes, status: int = 200, content_type: str = JSON, headers: Mapping[str, str] | None = None
    ) -> None:
        self.status = status
        self.body = body
        self.headers = {"Content-Type": content_type}
        if headers is not None:
            self.headers |= headers


def render_head(status: int, headers: Mapping[str, str], framing: str) -> bytes:
    """Status line, `headers`, and the lines of `framing`, each with its line break.

    Raises `ValueError` when a name or a value has a line break or a NUL in it: it would become another header.
    Source: RFC 9110, 5.5.
    """
    block = ""
    for name, value in headers.items():
        block += f"{name}: {value}\r\n"
    lines = len(headers)
    if block.count("\n") != lines or block.count("\r") != lines or "\0" in block:
        raise ValueError("a response header holds a line break or a NUL")
    line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
    return f"{line}{block}{framing}\r\n".encode("utf-8", "surrogateescape")


class DateLine:
    """The `Date` header, rendered once a second. Source: RFC 9110, 6.6.1."""

    __slots__ = ("_at_s", "_line", "_wall_clock")

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._at_s = -1
        self._line = ""

    def now(self) -> str:
        """With its line break."""
        at_s = int(self._wall_clock())
        if at_s != self._at_s:
            self._at_s, self._line = at_s, f"Date: {formatdate(at_s, usegmt=True)}\r\n"
        return self._line
