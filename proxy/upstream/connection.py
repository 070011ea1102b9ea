"""One keep-alive HTTP/1.1 connection to a provider: one request in flight, pulled by whoever waits for the answer.

llhttp (through httptools) frames the response; this file only moves bytes and knows when they stop. It judges nothing:
what an early end means is told in `faults.py`. What is ambiguous is refused: bytes nobody asked for, two responses
to one request, a transfer coding other than `chunked`. Source: RFC 9112, sections 6.3, 9.3 and 11.1.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httptools

from proxy.outbox import Outbox
from proxy.upstream.faults import ConnectionFault, ReadTimeout
from proxy.upstream.response import NAMES, REFUSED, Response, lowered

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

HIGH_WATER_BYTES = 256 * 1024
"""Unread body above which the provider's socket is paused. What one read brought comes on top."""
MAX_BARE_BYTES = 64 * 1024
"""Of a head, or of framing between two pieces of body; more is an attack or a bug."""
MAX_HEADERS = 200
"""Lines of a head, interim ones included."""
JOIN_BELOW_BYTES = 64 * 1024
"""Head and body up to this size leave in one write."""


class Connection(asyncio.Protocol):
    """States: idle -> sent -> head seen -> complete -> idle. `closed` from anywhere, for good."""

    __slots__ = (
        "_asked_long", "_bare_bytes", "_body", "_buffered", "_eof_ends_body", "_expecting", "_expires_s", "_fault",
        "_granted_s", "_handed", "_header_lines", "_headers", "_keep_alive", "_loop", "_may_hold", "_outbox",
        "_parser", "_paused", "_progress_s", "_suits", "_take", "_timer", "_timer_s", "_transport", "_wait_s",
        "_waiter", "closed", "complete", "idle_since_s", "leased", "now_s", "on_closed", "on_complete", "response",
        "retires_s", "served", "touched",
    )  # fmt: skip

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._outbox = Outbox.of(loop)
        self.now_s = loop.time
        """For the pool as well: to ask for the running loop takes a system call, `getpid`, each time."""
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._expires_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = 0.0
        self._progress_s = 0.0
        """When a flow last got something; from then on it may be silent for `_granted_s`."""
        self._granted_s = 0.0
        self._take: Callable[[bytes], bool] | None = None
        self._wait_s: Callable[[], float] = float
        self._suits: Callable[[Response], bool] | None = None
        """Set while a whole response is waited for: whether this one is worth it."""
        self._handed: Exception | None = None
        """What `_take` raised, for whoever gave it."""
        self._fault: ConnectionFault | None = None
        self.closed = False
        self.served = 0
        """Requests answered in full: above 0 the connection may have gone stale."""
        self.leased = False
        """Whether somebody else than the pool holds it. The pool's own mark."""
        self.idle_since_s = 0.0
        self.retires_s = float("inf")
        """When it is too old to be lent again. The pool's own mark, as the one before."""
        self.on_closed: Callable[[Connection], None] | None = None
        self.on_complete: Callable[[Connection], None] | None = None
        """Called from inside the parser: must not touch the connection there and then."""
        self._reset()

    def _reset(self) -> None:
        self.response: Response | None = None
        self._headers: dict[str, str] = {}
        self._header_lines = 0
        self._bare_bytes = 0
        self._body: list[bytes] = []
        self._buffered = 0
        self._may_hold = HIGH_WATER_BYTES
        self._paused = False
        self._expecting = False
        self._eof_ends_body = False
        self._keep_alive = False
        self.complete = False
        self.touched = False
        """Whether any byte of the response has come."""

    # --- for the caller -----------------------------------------------------------------------------------------------

    def send(self, head: bytes, body: bytes) -> None:
        """Start a request. The connection must be idle. Raises `ConnectionFault` if it has closed meanwhile."""
        self._reset()
        transport = self._transport
        if transport is None or self.closed:
            raise ConnectionFault("closed before the request was sent")
        self._expecting = True
        self._asked_long = len(body) > JOIN_BELOW_BYTES
        if self._asked_long:
            transport.writelines((head, body))
        else:
            self._outbox.put(transport, head + body)

    async def head(self, timeout_s: float) -> Response:
        """Status and headers, within `timeout_s` in all. Raises `ConnectionFault`."""
        expires_s = self.now_s() + timeout_s
        while self.response is None:
            await self._wait(expires_s)
        return self.response

    async def whole(self, timeout_s: float, suits: Callable[[Response], bool], max_bytes: int) -> Response:
        """The response with its whole body, within `timeout_s` and in one wait. Raises `ConnectionFault`.

        It has no body if `suits` said no to its head, or if the body is larger than `max_bytes`: then the rest was not
        waited for. To be called right after `send`.
        """
        expires_s = self.now_s() + timeout_s
        self._suits, self._may_hold = suits, max_bytes
        try:
            while not (self.complete or self._buffered > max_bytes or self._suits is None):
                await self._wait(expires_s)
            response = self.response
            assert response is not None  # noqa: S101 - no other way out of the loop
            if self._suits is not None and self._buffered <= max_bytes:
                response.body = self.collect()
            return response
        finally:
            self._suits, self._may_hold = None, HIGH_WATER_BYTES

    async def read(self, timeout_s: float) -> bytes:
        """The body that has come since the last call, b"" at its end. Raises `ConnectionFault`.

        Waits at most `timeout_s` in all: framing that trickles in does not extend it. Without time left it raises even
        if there is something to read, so that a stream that never pauses still meets its deadline.
        """
        body = self._body
        if self.complete and not body:
            return b""
        if timeout_s <= 0:
            raise ReadTimeout("no time left")
        if not body:
            expires_s = self.now_s() + timeout_s
            while not (body or self.complete):
                await self._wait(expires_s)
        return self.collect()

    async def flow(self, take: Callable[[bytes], bool], wait_s: Callable[[], float]) -> bool:
        """Hand the body to `take` as it comes, in the same turn of the event loop, while it answers true.

        The caller sleeps meanwhile. Answers false at the body's end, true when `take` wants no more for now; what comes
        then waits. Raises what `take` raises, and `ConnectionFault` when nothing has come for `wait_s()`, which is
        asked anew after each piece; without time left also if there is something.
        """
        while self._body or not self.complete:
            left_s = wait_s()
            if left_s <= 0:
                raise ReadTimeout("no time left")
            if self._body:
                if not take(self.collect()):
                    return True
                continue
            self._take, self._wait_s = take, wait_s
            self._progress_s, self._granted_s = self.now_s(), left_s
            try:
                await self._wait(self._progress_s + left_s)
            finally:
                wants_more, self._take = self._take is not None, None
                handed, self._handed = self._handed, None
            if handed is not None:
                raise handed
            if not wants_more:
                return True
        return False

    def hurry(self) -> None:
        """For `take`, when `wait_s` answers less than before: from now on no more than that is waited."""
        if self._take is None:
            return
        self._progress_s, self._granted_s = self.now_s(), self._wait_s()
        if self._timer_s > self._progress_s + self._granted_s:
            self._arm(self._progress_s + self._granted_s)

    def collect(self) -> bytes:
        """All body there is, at once; one piece stays the very object."""
        body = self._body
        data = body[0] if len(body) == 1 else b"".join(body)
        body.clear()
        self._buffered = 0
        if self._paused and self._transport is not None and not self.closed:
            self._paused = False
            self._transport.resume_reading()
        return data

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent: both sides have said all, and neither wants to close."""
        transport = self._transport
        return (
            self.complete
            and self._keep_alive
            and not self._paused
            and not self.closed
            and transport is not None
            and not transport.is_closing()
            and transport.get_write_buffer_size() == 0  # answered before all was asked: the rest would precede
            # which over TLS is not all: its socket may hold the rest of a long question that was refused unread
            and not (self._asked_long and self.response is not None and self.response.status >= REFUSED and self.tls)
        )

    @property
    def tls(self) -> ssl.SSLObject | None:
        """What the handshake made, if there was one."""
        return None if self._transport is None else self._transport.get_extra_info("ssl_object")

    @property
    def is_stale(self) -> bool:
        """An old connection that died without a byte of this answer: the provider may have closed it as idle."""
        return self.served > 0 and not self.touched

    def abort(self) -> None:
        """Close at once; the provider sees it and stops."""
        self._fail(ConnectionFault("closed by the gateway"))

    def _wait(self, expires_s: float) -> asyncio.Future[None]:
        """What the reader is woken by. Raises the fault there was."""
        if self._fault is not None:
            raise self._fault
        waiter = self._waiter = self._loop.create_future()
        self._expires_s = expires_s
        # one timer outlives many waits: a stream would otherwise start and cancel one an event
        if self._timer is None or self._timer_s > expires_s:
            self._arm(expires_s)
        return waiter

    def _arm(self, at_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_s = at_s
        self._timer = self._loop.call_at(at_s, self._expire)

    def _expire(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._take is not None:
            # A flow has come further meanwhile, but has no more than its time in all.
            self._expires_s = min(self._progress_s + self._granted_s, self.now_s() + self._wait_s())
        if self._expires_s > self._timer_s:
            self._arm(self._expires_s)
            return
        self._take = None
        waiter.set_exception(ReadTimeout("silent for too long, or out of time"))

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # --- for the transport --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # a stream transport, by how we connect

    def data_received(self, data: bytes) -> None:
        """Frame what came. The reader is woken by what it waits for: a head, a piece of body, an end."""
        if not self._expecting:
            # Nobody asked for these: they must never become part of the next answer.
            self._fail(ConnectionFault("bytes nobody asked for"))
            return
        self.touched = True
        self._bare_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            refused = error.__context__
            self._fail(refused if isinstance(refused, ConnectionFault) else ConnectionFault(f"not HTTP: {error}"))
            return
        except httptools.HttpParserUpgrade:
            self._fail(ConnectionFault("it speaks another protocol now (101)"))
            return
        if self._bare_bytes > MAX_BARE_BYTES and not self.complete:
            self._fail(ConnectionFault("too many bytes without any body: a head or a framing without end"))
            return
        body, take = self._body, self._take
        if take is not None and body:  # the way of every event: what one read brought, in the same turn of the loop
            try:
                if take(body.pop() if len(body) == 1 and not self._paused else self.collect()):
                    self._buffered = 0
                    self._progress_s = self.now_s()  # what it is worth, the timer asks when it fires
                    return
            except Exception as error:  # noqa: BLE001 - raised again where `take` came from
                self._handed = error
            self._buffered, self._take = 0, None
            self._wake()
        elif self._buffered > self._may_hold and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
            self._wake()

    def eof_received(self) -> bool:
        """The provider will send no more: close our side as well, unsent bytes and all."""
        self._end(ConnectionFault("closed by the provider"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the reader, or end a body that has no other end."""
        if exc is None:
            self._end(ConnectionFault("closed by the provider"))
        else:
            self._fail(ConnectionFault(f"reset ({exc.__class__.__name__})"))

    def _end(self, fault: ConnectionFault) -> None:
        if self._eof_ends_body and not self.closed:
            self.complete = True
        self._fail(fault)

    def _fail(self, fault: ConnectionFault) -> None:
        """Close; the first reason stands. A complete body stays readable."""
        if self.closed:
            return
        self.closed = True
        self._expecting = False
        if not self.complete:
            self._fault = fault
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self._wake()
        if self.on_closed is not None:
            self.on_closed(self)

    # --- for llhttp ---------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Refuse a second response to one request."""
        if not self._expecting:
            raise ConnectionFault("two responses to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Collect a header; repeated ones are joined. Trailers are dropped: nothing here reads them."""
        if self.response is not None:
            return
        self._header_lines += 1
        if self._header_lines > MAX_HEADERS:
            raise ConnectionFault("too many response headers")
        key = NAMES.get(name) or lowered(name)
        text = value.decode("latin-1")
        if key in self._headers:
            text = f"{self._headers[key]}, {text}"
        self._headers[key] = text

    def on_headers_complete(self) -> None:
        """Publish the head, unless it is an interim one."""
        status = self._parser.get_status_code()
        headers = self._headers
        if status < 200:  # noqa: PLR2004 - RFC 9110, 15.2: interim responses
            self._headers = {}
            return
        coding = headers.get("transfer-encoding")
        if coding is not None and coding.strip().lower() != "chunked":
            raise ConnectionFault("a transfer coding other than `chunked`")
        head = self.response = Response(status, headers)
        self._eof_ends_body = coding is None and "content-length" not in headers
        if self._suits is None or not self._suits(head):
            self._suits = None
            self._wake()

    def on_body(self, data: bytes) -> None:
        """Keep the piece by reference."""
        self._body.append(data)
        self._buffered += len(data)
        self._bare_bytes = 0
        if self._take is None and self._suits is None:
            self._wake()

    def on_message_complete(self) -> None:
        """The response is whole."""
        if self.response is None:
            return
        self.complete = True
        self._expecting = False
        self._eof_ends_body = False
        self._keep_alive = self._parser.should_keep_alive()  # only now: llhttp forgets it right after
        self.served += 1
        self._wake()
        if self.on_complete is not None:
            self.on_complete(self)
