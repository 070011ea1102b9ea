"""The client's end of an exchange: one request and its answer as `proxy.exchange.Downstream`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.downstream.bounds import JOIN_BELOW_BYTES
from proxy.downstream.connection import GONE
from proxy.downstream.request import ENDED
from proxy.errors import BodyTooLarge, ClientGone, SlowBody

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.downstream.request import Request

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class HttpDownstream:
    """One request and its answer. Everything raises `ClientGone` once the client has left."""

    __slots__ = ("_chunked", "_connection", "_outbox", "_transport", "bytes_out", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.bytes_out = 0
        self._connection = request.connection
        self._outbox = request.connection.outbox
        self._transport: asyncio.Transport | None = None
        self._chunked = False

    async def read_body(self, limit: int, idle_s: float) -> bytes:
        """The whole body. Raises `BodyTooLarge` (before reading, if the length is announced) and `SlowBody`."""
        request = self.request
        if not request.complete:
            await self._read_on(limit, idle_s)
        if request.size > limit:
            raise _too_large(limit)
        return request.body()

    async def _read_on(self, limit: int, idle_s: float) -> None:
        request, connection = self.request, self._connection
        if int(request.headers.get("content-length", "0")) > limit:
            raise _too_large(limit)
        if request.expects_continue:
            connection.interim(request, CONTINUE)
        try:
            await connection.receive(request, limit, idle_s)
        except TimeoutError:
            raise SlowBody(f"The request body stopped arriving for {idle_s:g} seconds.") from None
        if request.fault is not None:
            raise request.fault

    async def respond(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send the whole answer."""
        self._connection.answer(self.request, status, headers, body)
        self.bytes_out = len(body)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin a streamed answer. Its head leaves with the first piece if that comes in the same turn of the loop."""
        head = self._connection.begin(self.request, status, headers)
        self._transport = self._connection.transport
        self._chunked = not self.request.is_old
        if self._transport is not None:
            self._outbox.put(self._transport, head)

    def push(self, data: bytes) -> bool:
        """Pass bytes on in this turn of the loop. False when the client is behind: `drain` before more comes."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ClientGone(GONE)
        size = len(data)
        self.bytes_out += size
        if not self._chunked or not size:  # a chunk of no bytes would be the last
            self._outbox.put(transport, data)
        elif size <= JOIN_BELOW_BYTES:
            # Source: RFC 9112, 7.1
            self._outbox.put(transport, b"%x\r\n%b\r\n" % (size, data))
        else:
            self._outbox.flush()
            transport.writelines((b"%x\r\n" % size, data, b"\r\n"))
        return not self._connection.is_behind

    async def drain(self) -> None:
        """Wait for a slow client, but not longer than `limits.client_write_s`."""
        self._outbox.flush()
        if self._connection.is_behind:
            await self._connection.drain()

    async def finish(self) -> None:
        """End a streamed answer. Whoever pushes after it is too late: the connection may serve another request."""
        transport = self._transport
        if transport is None:
            return
        if transport.is_closing():
            raise ClientGone(GONE)
        if self._chunked:
            self._outbox.put(transport, b"0\r\n\r\n")
        self._transport = None
        self.request.answer = ENDED

    async def abort(self) -> None:
        """Cut the connection so that the answer cannot look complete."""
        self._transport = None
        self._connection.abort()


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes, the limit of this gateway.")
