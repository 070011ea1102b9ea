"""A client's end of a connection: sends bytes, reads answers. Judges nothing but HTTP."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Self

import httptools
import orjson

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

READ_BYTES = 65_536
PATIENCE_S = 60.0
"""For the next bytes of an answer."""


class Broken(Exception):
    """The connection ended before the answer did, or said what is no HTTP."""


class Line:
    """One connection, one exchange at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._whole = False

    @classmethod
    async def open(cls, port: int, *, window: int | None = None) -> Self:
        """Connect on loopback; `window`: bytes read ahead, where the client is to be slow. Raises `Broken`."""
        end = socket.socket()
        end.setblocking(False)
        if window is not None:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        try:
            await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", port))
        except OSError as error:
            end.close()
            raise Broken(f"no connection: {error}") from error
        return cls(*await asyncio.open_connection(sock=end, limit=window or READ_BYTES))

    @property
    def is_usable(self) -> bool:
        """Whether another exchange may begin."""
        return not self._reader.at_eof() and not self._writer.is_closing() and self._reader.exception() is None

    @property
    def status(self) -> int:
        """Of the answer under way."""
        return int(self._parser.get_status_code())

    def send(self, data: bytes) -> None:
        """Begin an exchange."""
        self._parser = httptools.HttpResponseParser(self)
        self._body.clear()
        self._whole = False
        self._writer.write(data)

    async def pieces(self, size: int = READ_BYTES) -> AsyncIterator[bytes]:
        """The answer's body as it comes, at most `size` bytes of the wire at a time. Raises `Broken`."""
        while not self._whole:
            try:
                data = await asyncio.wait_for(self._reader.read(size), PATIENCE_S)
                if not data:
                    raise Broken("closed")
                self._parser.feed_data(data)
            except (OSError, TimeoutError, httptools.HttpParserError) as error:
                raise Broken(f"{type(error).__name__} {error}") from error
            found = b"".join(self._body)
            self._body.clear()
            yield found

    async def body(self) -> bytes:
        """The whole of it. Raises `Broken`."""
        return b"".join([piece async for piece in self.pieces()])

    def close(self) -> None:
        """Leave at once, whatever is under way."""
        self._writer.transport.abort()

    def on_body(self, data: bytes) -> None:
        """Collect. Called by the parser, as is what follows."""
        self._body.append(data)

    def on_message_complete(self) -> None:
        """Know that this was all."""
        self._whole = True


def error_code(document: bytes) -> str:
    """Of an error in OpenAI's shape; what is none is quoted."""
    try:
        read: Any = orjson.loads(document)
        return str(read["error"]["code"])
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return repr(document[:100])
