"""The client's end: an aiohttp request as `Downstream`. A failed read or write becomes `ClientGone`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from proxy.errors import BadRequest, BodyTooLarge, ClientGone, SlowBody

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HIGH_WATER_BYTES = 64 * 1024
"""Of unsent answer, above which its provider is paused."""
GONE = "The client closed its connection."


class HttpDownstream:
    """One request and its response. `response` is what the handler returns to aiohttp afterwards."""

    __slots__ = ("_chunked", "_response", "_transport", "bytes_out", "closing", "request", "write_s")

    def __init__(self, request: web.BaseRequest, write_s: float, closing: Callable[[], bool]) -> None:
        self.request = request
        self.bytes_out = 0
        self.write_s = write_s
        self.closing = closing
        self._chunked = False
        self._transport: asyncio.Transport | None = None
        self._response: web.StreamResponse | None = None

    @property
    def response(self) -> web.StreamResponse:
        """The answer, whole or already streamed."""
        if self._response is None:
            raise ClientGone(GONE)
        return self._response

    async def read_body(self, limit: int, idle_s: float) -> bytes:
        """The whole body. Raises `BodyTooLarge` (before reading, if the length is announced) and `SlowBody`."""
        request = self.request
        expected = request.content_length
        if expected is not None and expected > limit:
            raise _too_large(limit)
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        content = request.content
        pieces: list[bytes] = []
        size = 0
        try:
            while not content.at_eof():
                if content.is_eof():
                    data = content.read_nowait()
                else:
                    async with asyncio.timeout(idle_s):
                        data = await content.readany()
                size += len(data)
                if size > limit:
                    raise _too_large(limit)
                pieces.append(data)
        except TimeoutError:
            raise SlowBody(f"The request body stopped arriving for {idle_s:g} seconds.") from None
        except web.RequestPayloadError as error:
            raise BadRequest("The request body is not framed as its headers say.", detail=str(error)) from error
        except ConnectionError as error:
            raise ClientGone(GONE) from error
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the head of a streamed answer. The one answer there is: after another one it is too late."""
        if self._response is not None:
            raise ClientGone(GONE)
        self._response = response = web.StreamResponse(status=status, headers=headers)
        if self.closing():
            response.force_close()
        try:
            await response.prepare(self.request)
            self.request.writer.send_headers()
            self._transport = self.request.transport
            self._chunked = response.headers.get("Transfer-Encoding") == "chunked"
        except ConnectionError as error:
            raise ClientGone(GONE) from error

    def push(self, data: bytes) -> bool:
        """Pass bytes on at once, past aiohttp's writer: its own way takes a coroutine and three objects a piece.

        False when more than `HIGH_WATER_BYTES` wait for a slow client: `drain` before more comes.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ClientGone(GONE)
        self.bytes_out += len(data)
        # Source: RFC 9112, 7.1; clients of HTTP/1.0 read to the connection's end
        transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        return transport.get_write_buffer_size() <= HIGH_WATER_BYTES

    async def drain(self) -> None:
        """Wait for a slow client, but not longer than `write_s`."""
        try:
            async with asyncio.timeout(self.write_s):
                await self.request.writer.drain()
        except TimeoutError:
            await self.abort()
            raise ClientGone("The client stopped reading.", detail=f"for {self.write_s:g} s") from None
        except ConnectionError as error:
            raise ClientGone(GONE) from error

    async def finish(self) -> None:
        """End a streamed answer. Whoever pushes after it is too late: the connection may serve another request."""
        self._transport = None
        if self._response is not None:
            try:
                await self._response.write_eof()
            except ConnectionError as error:
                raise ClientGone(GONE) from error

    async def abort(self) -> None:
        """Cut the connection so that the answer cannot look complete."""
        self._transport = None
        if self.request.transport is not None:
            self.request.transport.abort()

    async def respond(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Set the whole answer; aiohttp sends it when the handler returns."""
        self._response = response = web.Response(status=status, headers=headers, body=body)
        self.bytes_out = len(body)
        if self.closing() or not self.request.content.is_eof():
            response.force_close()  # an unread body must not be taken for the next request


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is larger than {limit} bytes, the limit of this gateway.")
