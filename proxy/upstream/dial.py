"""Opens connections to one origin: finds its addresses, races them, goes through a proxy if there is one, adds TLS.

Names are looked up anew for every connection, so that a provider can move: old connections leave by their age.
Sources: RFC 8305 (happy eyeballs), RFC 9110, section 9.3.6 (CONNECT).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

from aiohappyeyeballs import start_connection

from proxy.tasks import fork
from proxy.upstream.connection import Connection
from proxy.upstream.faults import ConnectionFault, ConnectTimeout
from proxy.upstream.tls import ResumingContext

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from aiohappyeyeballs import AddrInfoType

    from proxy.upstream.proxies import Proxy

    Addresses = Sequence[AddrInfoType]

RESOLVE_S = 3.0
"""For a name to be looked up; a part of the time for connecting."""
NEXT_ADDRESS_S = 0.25
"""Before the next address is tried beside a slow one. Source: RFC 8305, section 8."""
MAX_TUNNEL_HEAD_BYTES = 16 * 1024
"""Of a proxy's answer to CONNECT."""
_TUNNEL = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


class Dialer:
    """Connects to `(host, port)`, with TLS if `context` is given, through `proxy` if there is one."""

    __slots__ = ("_context", "_host", "_lookup", "_port", "_proxy")

    def __init__(self, host: str, port: int, context: ssl.SSLContext | None, proxy: Proxy | None) -> None:
        self._host = host
        self._port = port
        self._context = context
        self._proxy = proxy
        self._lookup: asyncio.Task[Addresses] | None = None
        """The last one begun. Whoever connects while it runs shares it."""

    def head(self, head: bytes) -> bytes:
        """A request's head as the other end of our connections wants it."""
        if self._proxy is None or self._context is not None:
            return head
        return self._proxy.absolute(head, self._host, self._port)

    async def open(self, deadline_s: float) -> Connection:
        """A new connection, by `deadline_s` of the loop's clock. Raises `ConnectionFault`; `ConnectTimeout` is one."""
        try:
            async with asyncio.timeout_at(deadline_s):
                return await self._open()
        except TimeoutError:
            raise ConnectTimeout("connecting took too long") from None
        except ssl.SSLError as error:
            raise ConnectionFault(f"TLS failed: {error.reason or error.__class__.__name__}") from error
        except (OSError, UnicodeError, RuntimeError) as error:  # a name may be none; uvloop's RuntimeErrors
            reason = getattr(error, "strerror", None) or error.__class__.__name__
            raise ConnectionFault(f"cannot connect: {reason}") from error

    def remember(self, connection: Connection) -> None:
        """Resume from a connection that has served, when the next one is opened."""
        if isinstance(self._context, ResumingContext) and (tls := connection.tls) is not None:
            self._context.remember(tls)

    async def _open(self) -> Connection:
        loop = asyncio.get_running_loop()
        made = await self._socket(loop)
        if self._proxy is not None and self._context is not None:
            try:
                await _tunnel(loop, made, self._proxy.connect(self._host, self._port))
            except BaseException:
                made.close()
                raise
        name = self._host if self._context else None
        try:
            # from here on the socket is the transport's: it is closed with it, whatever happens
            _, connection = await loop.create_connection(
                lambda: Connection(loop), sock=made, ssl=self._context, server_hostname=name
            )
        except BaseException:
            if isinstance(self._context, ResumingContext):
                self._context.forget(self._host)  # it may have been for the session
            raise
        return connection

    async def _socket(self, loop: asyncio.AbstractEventLoop) -> socket.socket:
        host, port = self._host, self._port
        if self._proxy is not None:
            if self._proxy.problem:
                raise ConnectionFault(self._proxy.problem)
            host, port = self._proxy.host, self._proxy.port
        addresses = await self._addresses(loop, host, port)
        made = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_S, loop=loop)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    async def _addresses(self, loop: asyncio.AbstractEventLoop, host: str, port: int) -> Addresses:
        """All there are, looked up now; by one thread, however many connections wait for it."""
        if self._lookup is None or self._lookup.done():
            asked = cast("Coroutine[Any, Any, Addresses]", loop.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            self._lookup = fork(asked, name="resolve")
            self._lookup.add_done_callback(_seen)
        try:
            async with asyncio.timeout(RESOLVE_S):
                return await asyncio.shield(self._lookup)
        except TimeoutError:
            raise ConnectionFault("cannot connect: the name was not resolved in time") from None


def _seen(lookup: asyncio.Task[Addresses]) -> None:
    """Nobody may be left to hear how it failed."""
    if not lookup.cancelled():
        lookup.exception()


async def _tunnel(loop: asyncio.AbstractEventLoop, made: socket.socket, request: bytes) -> None:
    """Have the proxy connect `made` through. Raises `ConnectionFault` if it does not."""
    await loop.sock_sendall(made, request)
    head = b""
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(made, MAX_TUNNEL_HEAD_BYTES)
        head += data
        if not data:
            raise ConnectionFault("the proxy closed the connection")
        if len(head) > MAX_TUNNEL_HEAD_BYTES:
            raise ConnectionFault("the head of the proxy's answer has no end")
    status = _TUNNEL.match(head)
    if status is None:
        raise ConnectionFault("the proxy does not speak HTTP")
    if not status[1].startswith(b"2"):
        raise ConnectionFault(f"the proxy refused with status {int(status[1])}")
    if head.index(b"\r\n\r\n") + 4 != len(head):  # the provider does not speak first, in TLS
        raise ConnectionFault("the proxy sent bytes nobody asked for")
