"""aiohttp's server with what it lacks at an open door: a limit on slow heads, and errors in JSON."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from proxy.errors import BadRequest, GatewayError, InternalError

if TYPE_CHECKING:
    from proxy.surfaces.router import Router

log = logging.getLogger("pointsman")

KEEPALIVE_S = 75.0
"""For an idle client connection."""
MAX_LINE_BYTES = 16 * 1024
"""Of a request line or one header field."""
MAX_HEADERS = 128
LINGER_S = 2.0
"""To read what a client still sends after an early error, so that it can read the answer."""
SLOW_HEAD = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
)
SLOW_HEAD_BODY = (
    b'{"error":{"message":"The request head did not arrive in time.","type":"invalid_request_error",'
    b'"param":null,"code":"request_timeout"}}'
)


class GuardedHandler(RequestHandler):
    """A connection whose head must arrive within `head_s` of its first byte (against slowloris)."""

    __slots__ = ("_head_s", "_head_timer", "_router")

    def __init__(self, manager: GuardedServer, *, head_s: float, router: Router, **kwargs: Any) -> None:
        super().__init__(manager, **kwargs)
        self._head_s = head_s
        self._head_timer: asyncio.TimerHandle | None = None
        self._router = router

    def data_received(self, data: bytes) -> None:
        """Start the clock with a head's first bytes, stop it with its last."""
        super().data_received(data)
        waiter = self._waiter
        # before its first turn the connection's task does not wait yet: then nothing parsed means the same
        if self._request_count == 0 or (waiter is not None and not waiter.done()):
            if self._head_timer is None:
                self._head_timer = asyncio.get_running_loop().call_later(self._head_s, self._too_slow)
        elif self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop the clock."""
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    @property
    def is_serving(self) -> bool:
        """Whether a request is under way; its answer will say `Connection: close` while draining."""
        return self._current_request is not None

    def cut_off(self) -> asyncio.Task[None] | None:
        """Cancel what runs here, if anything does: its answer stays visibly incomplete."""
        if self._task_handler is not None:
            self._task_handler.cancel()
        return self._task_handler

    def _too_slow(self) -> None:
        if self.transport is not None:
            self.transport.write(SLOW_HEAD % (len(SLOW_HEAD_BODY), SLOW_HEAD_BODY))
        self.force_close()

    def handle_error(
        self, request: web.BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """What is no HTTP, or broke outside the pipeline, in JSON."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun; it can only be cut off") from exc
        error: GatewayError
        if status < 500:  # noqa: PLR2004 - aiohttp's own verdict on the head
            error = BadRequest("The request is not valid HTTP.", detail=message)
        else:
            log.error("request to `%s` failed outside the pipeline", request.path, exc_info=exc)
            error = InternalError("The gateway failed on this request. Its log has the reason.")
        response = self._router.error(request.path, error)
        response.force_close()
        return response


class GuardedServer(web.Server):
    """Makes a `GuardedHandler` for each connection."""

    def __init__(self, router: Router, *, head_s: float) -> None:
        # A client that leaves cancels its handler: that is how the provider is told to stop.
        super().__init__(router.handle, handler_cancellation=True)
        self._router = router
        self._head_s = head_s

    def pre_shutdown(self) -> None:
        """Close what idles. aiohttp would deafen the rest as well, and lose a body that is still on its way."""
        for each in self.connections:
            if not (isinstance(each, GuardedHandler) and each.is_serving):
                each.close()

    async def cut_off(self, settle_s: float) -> None:
        """Cancel every request, and wait at most `settle_s` for them to settle.

        aiohttp's `shutdown` lets them run on for its timeout first, and for ever if that is 0.
        """
        handlers = [each for each in self.connections if isinstance(each, GuardedHandler)]
        tasks = [task for each in handlers if (task := each.cut_off()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=settle_s)
        await self.shutdown(settle_s)

    def __call__(self) -> RequestHandler:
        """One a connection."""
        return GuardedHandler(
            self,
            head_s=self._head_s,
            router=self._router,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGER_S,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            max_headers=MAX_HEADERS,
            access_log=None,
        )
