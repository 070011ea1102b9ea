"""One connection of a client: has its requests served one after the other, and ends well.

States, and how long each may last:

| state   | meaning                                        | left for                       | at most                |
| ------- | ---------------------------------------------- | ------------------------------ | ---------------------- |
| idle    | nothing of a request is here                   | head, serving                  | `KEEPALIVE_S`          |
| head    | a part of a head is here                       | serving; closing if it is bad  | `limits.header_s`: 408 |
| serving | a request is answered, its body may still come | idle, head, closing            | as its reader grants   |
| closing | the last answer is out; what comes is dropped  | the end                        | `LINGER_S`             |

A client that leaves cancels whoever serves it: that is how a provider is told to stop. Source: RFC 9112, section 9.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, cast

from proxy.downstream.bounds import (
    HIGH_WATER_BODY_BYTES,
    HIGH_WATER_BYTES,
    JOIN_BELOW_BYTES,
    KEEPALIVE_S,
    LINGER_BYTES,
    LINGER_S,
    MAX_AHEAD_BYTES,
    RETRY_S,
)
from proxy.downstream.deadline import Deadline
from proxy.downstream.framing import Framer
from proxy.downstream.request import BEGUN, ENDED, NOT_BEGUN
from proxy.downstream.response import render_head
from proxy.errors import ClientGone, GatewayError, InternalError, Overloaded, SlowBody
from proxy.outbox import Outbox
from proxy.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.downstream.request import Request
    from proxy.downstream.server import Server

log = logging.getLogger("pointsman")

GONE = "The client closed its connection."

IDLE, HEAD, SERVING, CLOSING = "idle", "head", "serving", "closing"


class Connection(asyncio.Protocol):
    """Bytes in, requests to the application, answers out."""

    __slots__ = (
        "_arrival", "_deadline", "_discarded", "_drained", "_framer", "_held", "_held_bytes", "_idle_s", "_is_paused",
        "_limit", "_loop", "_read", "_reader", "_server", "_state", "_unsent", "is_behind", "outbox", "task",
        "transport",
    )  # fmt: skip

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self.outbox = Outbox.of(loop)
        self._framer = Framer(self)
        self._deadline = Deadline(loop, self._expire)
        """Of the present state."""
        self._state = IDLE
        self.transport: asyncio.Transport | None = None
        """`None` before the connection is made and after it is lost."""
        self.task: asyncio.Task[None] | None = None
        """Serves one request after the other; exists from the first one on."""
        self._arrival: asyncio.Future[None] | None = None
        """What `task` waits for when there is no request."""
        self._read: Request | None = None
        """Whose body somebody waits for, or for more than `_limit` of it."""
        self._reader: asyncio.Future[None] | None = None
        self._limit = 0
        self._idle_s = 0.0
        self._held: list[bytes] = []
        """Came behind a request that is being answered; not parsed yet."""
        self._held_bytes = 0
        self._is_paused = False
        self._discarded = 0
        self.is_behind = False
        """More than `HIGH_WATER_BYTES` wait to be taken by the client."""
        self._drained: asyncio.Future[None] | None = None
        self._unsent = math.inf

    @property
    def is_serving(self) -> bool:
        """Whether a request is under way."""
        return self._state is SERVING

    # --- for the transport --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, or say that there are too many connections."""
        stream = cast("asyncio.Transport", transport)  # by how we listen
        stream.set_write_buffer_limits(HIGH_WATER_BYTES)
        self.transport = stream
        if self._server.welcome(self):
            self._deadline.set(KEEPALIVE_S)
        else:
            self._refuse(Overloaded("Too many connections are open here.", retry_after_s=RETRY_S))

    def data_received(self, data: bytes) -> None:
        """Frame what came. This is once a request: what is rare has a function of its own."""
        framer = self._framer
        if framer.is_over:
            self._discard(len(data))
            return
        if self._state is SERVING and framer.receiving is None:
            self._hold(data)
            return
        rest = framer.feed(data)
        if framer.requests and self._state is not SERVING:
            self._state = SERVING
            if self._arrival is not None:
                self._arrival.set_result(None)
                self._arrival = None
            elif self.task is None:
                self.task = spawn(self._serve(), name="client")
        if framer.mid_message or framer.refusal is not None or self._read is not None:
            self._look_at_unfinished()
        if rest:
            self.data_received(rest)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - however it ended, it did
        """Stop whoever serves."""
        self.transport = None
        self._state = CLOSING
        self._deadline.close()
        self._framer.close()
        if self.task is not None:
            self.task.cancel()
        self._server.forget(self)

    def pause_writing(self) -> None:
        """The client takes less than it is given."""
        self.is_behind = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self.is_behind = False
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    # --- what is not whole --------------------------------------------------------------------------------------------

    def _look_at_unfinished(self) -> None:
        """A head or a body is not all here, or will never be."""
        framer = self._framer
        if self._read is not None:
            self._look_at_body(self._read)
        elif framer.receiving is not None:
            if framer.receiving.size > HIGH_WATER_BODY_BYTES:
                self._pause()
        elif self._state is not SERVING:
            if framer.refusal is not None:
                self._refuse(framer.refusal)
            elif self._state is IDLE:
                self._expect_head()

    def _look_at_body(self, request: Request) -> None:
        if request.complete or request.fault is not None or request.size > self._limit:
            self._wake_reader(None)
        else:
            self._deadline.set(self._idle_s)

    def _expect_head(self) -> None:
        self._state = HEAD
        self._deadline.set(self._server.limits().header_s)

    def _hold(self, data: bytes) -> None:
        """Keep what came ahead, unparsed. A client that sends no end of it is not read any more."""
        self._held.append(data)
        self._held_bytes += len(data)
        if self._held_bytes > MAX_AHEAD_BYTES:
            self._pause()

    def _pause(self) -> None:
        if not self._is_paused and self.transport is not None:
            self._is_paused = True
            self.transport.pause_reading()

    def _resume(self) -> None:
        if self._is_paused and self.transport is not None:
            self._is_paused = False
            self.transport.resume_reading()

    async def receive(self, request: Request, limit: int, idle_s: float) -> None:
        """Wait until the body of `request` is whole, is over `limit` bytes, or has a `fault`.

        Raises `TimeoutError` when nothing came for `idle_s`.
        """
        if request.complete or request.fault is not None or request.size > limit:
            return
        self._read, self._limit, self._idle_s = request, limit, idle_s
        self._reader = reader = self._loop.create_future()
        self._resume()
        self._deadline.set(idle_s)
        try:
            await reader
        finally:
            self._read = self._reader = None

    def _wake_reader(self, error: Exception | None) -> None:
        if self._reader is None or self._reader.done():
            return
        if error is None:
            self._reader.set_result(None)
        else:
            self._reader.set_exception(error)

    # --- serving ------------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Have requests answered in their order, until the connection ends."""
        application, requests = self._server.application, self._framer.requests
        while self._state is not CLOSING:
            if not requests:
                self._arrival = arrival = self._loop.create_future()
                await arrival
                continue
            request = requests.popleft()
            try:
                if self.is_behind:
                    await self.drain()
                response = await application.handle(request)
                if response is not None:
                    self.answer(request, response.status, response.headers, response.body)
            except GatewayError as error:
                self._tell(request, error)
            except Exception:
                log.exception("request to `%s` failed outside the pipeline", request.path)
                request.keep_alive = False
                self._tell(request, InternalError("The gateway failed on this request. Its log has the reason."))
            finally:
                self._ended(request)

    def _tell(self, request: Request, error: GatewayError) -> None:
        """Answer with an error, if there is still somebody to tell and no answer has begun."""
        if self.transport is not None and not self.transport.is_closing() and request.answer == NOT_BEGUN:
            told = self._server.application.error(request.path, error)
            self.answer(request, told.status, told.headers, told.body)

    def _ended(self, request: Request) -> None:
        """Go on to the next request, wait for one, or end."""
        if request.answer != ENDED:
            self.abort()  # the answer must not look complete
        elif self._state is CLOSING:
            return
        elif not request.keep_alive or self._server.is_draining:
            self._linger()
        elif not self._framer.requests:
            self._rest()

    def _rest(self) -> None:
        """No request is left: take what came ahead, else wait for it."""
        framer = self._framer
        self._unsent = math.inf
        if framer.refusal is not None:
            self._refuse(framer.refusal)
            return
        if framer.mid_message:
            self._expect_head()
        else:
            self._state = IDLE
            self._deadline.set(KEEPALIVE_S)
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
            self._resume()
            self.data_received(data)

    # --- answers ------------------------------------------------------------------------------------------------------

    def answer(self, request: Request, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Send a whole answer. Raises `ClientGone`, and `ValueError` for headers that cannot be sent."""
        transport = self._open(request)
        framing = f"Content-Length: {len(body)}\r\n{self._persistence(request)}{self._server.date.now()}"
        head = render_head(status, headers, framing)
        request.answer = ENDED
        if request.method == "HEAD":
            self.outbox.put(transport, head)
        elif len(body) <= JOIN_BELOW_BYTES:
            self.outbox.put(transport, head + body)
        else:
            self.outbox.flush()
            transport.writelines((head, body))

    def interim(self, request: Request, message: bytes) -> None:
        """Send what comes before an answer. Raises `ClientGone`."""
        self.outbox.put(self._open(request), message)

    def begin(self, request: Request, status: int, headers: Mapping[str, str]) -> bytes:
        """The head of a streamed answer, for its writer to send. Raises as `answer` does."""
        self._open(request)
        request.keep_alive = request.keep_alive and not request.is_old  # such an answer ends with the connection
        framing = "" if request.is_old else "Transfer-Encoding: chunked\r\n"
        head = render_head(status, headers, f"{framing}{self._persistence(request)}{self._server.date.now()}")
        request.answer = BEGUN
        return head

    async def drain(self) -> None:
        """Wait for a slow client. Cuts it off after `limits.client_write_s` and raises `ClientGone`."""
        timeout_s = self._server.limits().client_write_s
        self._drained = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout_s):
                await self._drained
        except TimeoutError:
            self.abort()
            raise ClientGone("The client stopped reading.", detail=f"for {timeout_s:g} s") from None
        finally:
            self._drained = None

    def _open(self, request: Request) -> asyncio.Transport:
        """Where the answer goes. There is one to a request: after it, it is too late for another."""
        transport = self.transport
        if transport is None or transport.is_closing() or request.answer != NOT_BEGUN:
            raise ClientGone(GONE)
        return transport

    def _persistence(self, request: Request) -> str:
        """Whether the connection outlives the answer, as its header says it. Source: RFC 9112, 9.3."""
        if not request.complete or self._server.is_draining:
            request.keep_alive = False  # an unread body must not be taken for the next request
        if not request.keep_alive:
            return "Connection: close\r\n"
        return "Connection: keep-alive\r\n" if request.is_old else ""

    # --- the end ------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End it once all answers are out."""
        self._take_no_more()
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """End it at once: an answer under way stays visibly incomplete."""
        self._take_no_more()
        if self.transport is not None:
            self.transport.abort()

    def _take_no_more(self) -> None:
        """Begin the end. What has been answered in this turn goes out before it."""
        self.outbox.flush()
        self._framer.is_over, self._state = True, CLOSING

    def _refuse(self, error: GatewayError) -> None:
        """Say `error` as the last thing on this connection."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._take_no_more()
        told = self._server.application.error(self._framer.target.decode("latin-1"), error)
        framing = f"Content-Length: {len(told.body)}\r\nConnection: close\r\n{self._server.date.now()}"
        transport.write(render_head(told.status, told.headers, framing) + told.body)
        self._linger()

    def _linger(self) -> None:
        """Shut our side, and drop what comes until the client closes: else a reset could overtake the answer.

        Source: RFC 9112, 9.6.
        """
        self._take_no_more()
        self._held.clear()
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write_eof()
            self._resume()
            self._deadline.set(LINGER_S)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.abort()

    def _expire(self) -> None:
        """The present state has lasted too long."""
        if self._state is HEAD:
            self._refuse(SlowBody("The request head did not arrive in time."))
        elif self._state is SERVING:
            self._wake_reader(TimeoutError())  # if there is none, nothing is being waited for here
        else:
            self._part()

    def _part(self) -> None:
        """Idle or closing for too long. A client that still takes its answer may go on as long as it takes some."""
        transport = self.transport
        unsent = 0 if transport is None else transport.get_write_buffer_size()
        if 0 < unsent < self._unsent:
            self._unsent = unsent
            self._deadline.set(self._server.limits().client_write_s)
        else:
            self.abort()
