"""A client that writes bytes as they are, and reads one answer: for requests no library would send."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Self

import httptools
import orjson

PATIENCE_S = 15.0


@dataclass(slots=True)
class Answer:
    """One response, and how the connection was left."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""
    whole: bool = False
    """Its framing says that it is complete."""

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    # --- httptools callbacks ---

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole = True


class Wire:
    """`async with Wire(port) as wire: await wire.send(b"..."); answer = await wire.answer()`."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Leave without a word."""
        self.writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Hand bytes to the kernel; the gateway may have closed meanwhile, which the answer will tell."""
        self.writer.write(data)
        try:
            await self.writer.drain()
        except ConnectionError:
            return

    async def answer(self, *, until: bytes | None = None) -> Answer:
        """The next response: all of it, or as far as its body has `until`."""
        answer = Answer()
        parser = httptools.HttpResponseParser(answer)
        async with asyncio.timeout(PATIENCE_S):
            while not answer.whole and (until is None or until not in answer.body):
                try:
                    data = await self.reader.read(65_536)
                except ConnectionError:
                    break
                if not data:
                    break
                parser.feed_data(data)
        answer.status = parser.get_status_code() if answer.headers else 0
        return answer

    async def closed(self) -> bool:
        """Wait until the gateway closes its side."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                while await self.reader.read(65_536):
                    pass
            except ConnectionError:
                pass
        return True


def head(method: str, path: str, *lines: str) -> bytes:
    """A request head with these header lines."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: gateway", *lines, "", ""]).encode("latin-1")


def request(path: str, body: bytes, *lines: str, method: str = "POST", content_type: str | None = "application/json"):
    """A request with its length, and a content type unless `None`."""
    typed = () if content_type is None else (f"Content-Type: {content_type}",)
    return head(method, path, *typed, f"Content-Length: {len(body)}", *lines) + body


async def ask(port: int, data: bytes) -> Answer:
    """Send and read one answer over a connection of its own."""
    async with Wire(port) as wire:
        await wire.send(data)
        return await wire.answer()
