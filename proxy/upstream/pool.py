"""Keep-alive connections to one origin: the last used first, bounded, with waiters in order.

Decisions are taken without an await; only connecting is I/O. What becomes free is handed to the first waiter at once:
nobody who comes later can take it from under them, and a waiter that has left meanwhile passes it on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from proxy.upstream.dial import Dialer
from proxy.upstream.faults import ConnectionFault, NoneFree
from proxy.upstream.proxies import NO_PROXIES
from proxy.upstream.tls import tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from proxy.upstream.connection import Connection
    from proxy.upstream.proxies import Proxies, Proxy

IDLE_LIMIT_S = 30.0
"""Most servers keep a connection for longer; a stale one costs a retry."""
MAX_AGE_S = 300.0
"""Then a connection makes room for one to where the provider's name leads by now. In steps of a sixteenth, down to
three quarters of it, so that those that were opened together are not all closed together."""
FINISH_GRACE_S = 1.0
"""For the last bytes of framing after a stream's own end."""
MAX_WAITERS = 1024
"""Of one origin; more are refused at once."""


class Pool:
    """Connections to `(host, port)`, with TLS if `context` is given. Not more than `limit` at once."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext | None, limit: int, proxy: Proxy | None = None
    ) -> None:
        self._dialer = Dialer(host, port, context, proxy)
        self._made = 0
        self.rewrites = proxy is not None and context is None
        """Whether a request's head must go through `head` before it is sent."""
        self.limit = limit
        """Change it with `adopt`."""
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._reserved = 0
        """Places held for connections that are being made."""
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        """Each is given a connection, or `None`: a reserved place to make one."""
        self._closed = False

    @property
    def open_connections(self) -> int:
        """Idle and busy."""
        return len(self._open)

    @property
    def idle_connections(self) -> int:
        """Waiting for a request."""
        return len(self._idle)

    @property
    def is_unused(self) -> bool:
        """Whether nothing is open, being opened or waited for."""
        return not (self._open or self._reserved or self._waiters)

    def head(self, head: bytes) -> bytes:
        """A request's head as the other end of these connections wants it: a proxy must be told where it is to go."""
        return self._dialer.head(head)

    def take(self) -> Connection | None:
        """The idle connection that was used last; `None` if there is none. Never waits."""
        while self._idle:
            connection = self._idle.pop()
            oldest_s = connection.now_s() - IDLE_LIMIT_S
            if connection.idle_since_s >= oldest_s and connection.reusable:
                connection.leased = True
                return connection
            connection.abort()
        return None

    async def acquire(self, timeout_s: float, *, fresh: bool = False) -> Connection:
        """An idle connection, or a new one. Raises `ConnectionFault`; `ConnectTimeout` and `NoneFree` are two.

        `fresh` never takes a used one: for the second try after a stale connection.
        """
        if self._closed:
            raise ConnectionFault("the gateway is closing")
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            connection = None if fresh else self.take()
            if connection is None and not self._reserve(fresh=fresh):
                connection = await self._wait(deadline_s)
                if connection is not None and connection.closed:
                    continue  # in the very moment it was handed over
                if connection is not None and fresh:
                    self._reserved += 1  # its place, before anybody else gets it
                    connection.abort()
                    connection = None
            if connection is None:
                connection = await self._connect(deadline_s)
            connection.leased = True
            return connection

    def release(self, connection: Connection) -> None:
        """Give back a connection: kept when its answer is whole, closed otherwise. Once more is no harm."""
        if not connection.leased:
            return
        connection.leased = False
        connection.on_complete = None
        if connection.served == 1:
            self._dialer.remember(connection)
        if connection.closed:
            return
        now_s = connection.now_s()
        is_surplus = self._closed or len(self._open) + self._reserved > self.limit
        if is_surplus or now_s >= connection.retires_s or not connection.reusable:
            connection.abort()
            return
        if self._waiters and (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
            return
        connection.idle_since_s = now_s
        self._idle.append(connection)

    def release_when_complete(self, connection: Connection) -> None:
        """Give back a connection whose stream has said its last word but whose framing is not finished yet."""
        if connection.complete or connection.closed:
            self.release(connection)
            return
        loop = asyncio.get_running_loop()
        timer = loop.call_later(FINISH_GRACE_S, connection.abort)

        def completed(done: Connection) -> None:
            timer.cancel()
            # Not from inside the parser's callback: it still has the rest of this read in hand.
            loop.call_soon(self.release, done)

        connection.on_complete = completed

    def adopt(self, limit: int) -> None:
        """A new limit. Above it nothing is cut: connections are closed as they are given back."""
        self.limit = limit
        while self._waiters and len(self._open) + self._reserved < self.limit:
            self._pass_on_place()

    def close(self) -> None:
        """Cut everything, for good; whoever waits is told."""
        self._closed = True
        while (waiter := self._next_waiter()) is not None:
            waiter.set_exception(ConnectionFault("the gateway is closing"))
        for connection in tuple(self._open):
            connection.abort()

    def sweep(self) -> None:
        """Close what has idled for too long, or is too old."""
        now_s = asyncio.get_running_loop().time()
        oldest_s = now_s - IDLE_LIMIT_S
        for connection in [c for c in self._idle if c.idle_since_s < oldest_s or c.retires_s <= now_s]:
            connection.abort()

    def _reserve(self, *, fresh: bool) -> bool:
        """Hold a place for a new connection, if need be that of an idle one. Idle ones mean that nobody waits."""
        if fresh and self._idle and len(self._open) + self._reserved >= self.limit:
            self._idle[0].abort()
        if len(self._open) + self._reserved >= self.limit:
            return False
        self._reserved += 1
        return True

    async def _connect(self, deadline_s: float) -> Connection:
        """Make a connection in the place that was reserved for it."""
        try:
            connection = await self._dialer.open(deadline_s)
            if connection.closed:
                raise ConnectionFault("closed by the provider")
            if self._closed:
                connection.abort()
                raise ConnectionFault("the gateway is closing")
            self._open.add(connection)
            connection.on_closed = self._on_closed
            connection.retires_s = asyncio.get_running_loop().time() + MAX_AGE_S * (1 - self._made % 5 / 16)
            self._made += 1
            return connection
        finally:
            self._reserved -= 1
            self._pass_on_place()

    async def _wait(self, deadline_s: float) -> Connection | None:
        """What becomes free: a connection, or a reserved place."""
        if len(self._waiters) >= MAX_WAITERS:
            raise NoneFree("too many requests wait for a connection")
        waiter: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(deadline_s):
                return await waiter
        except BaseException as error:
            self._leave(waiter)
            if isinstance(error, TimeoutError):
                raise NoneFree("no free connection in time") from None
            raise

    def _leave(self, waiter: asyncio.Future[Connection | None]) -> None:
        """A waiter has given up; what it was handed in the same moment goes to the next."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)
        elif waiter.done() and not waiter.cancelled() and waiter.exception() is None:
            connection = waiter.result()
            if connection is None:
                self._reserved -= 1
                self._pass_on_place()
            else:
                connection.leased = True
                self.release(connection)

    def _on_closed(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._pass_on_place()

    def _pass_on_place(self) -> None:
        if len(self._open) + self._reserved < self.limit and (waiter := self._next_waiter()) is not None:
            self._reserved += 1
            waiter.set_result(None)

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None


class Pools:
    """One pool an origin. Pools live on over reloads; unused ones are forgotten."""

    def __init__(self, context: Callable[[], ssl.SSLContext] = tls_context, proxies: Proxies = NO_PROXIES) -> None:
        self._make_context = context
        self.proxies = proxies
        self._context: ssl.SSLContext | None = None
        self._pools: dict[tuple[str, str, int], Pool] = {}

    def get(self, origin: tuple[str, str, int], limit: int) -> Pool:
        """The pool of `(scheme, host, port)`; of several limits for one origin the last counts."""
        pool = self._pools.get(origin)
        if pool is None:
            scheme, host, port = origin
            context = self._tls() if scheme == "https" else None
            pool = self._pools[origin] = Pool(host, port, context, limit, self.proxies.leading_to(*origin))
        elif pool.limit != limit:
            pool.adopt(limit)
        return pool

    @property
    def open_connections(self) -> int:
        """Over all origins."""
        return sum(pool.open_connections for pool in self._pools.values())

    @property
    def busy_connections(self) -> int:
        """Over all origins, those with a request in flight."""
        return sum(pool.open_connections - pool.idle_connections for pool in self._pools.values())

    def by_origin(self) -> Iterator[tuple[str, int, int]]:
        """Scheme, host and port as one text; connections that are busy; those that are idle."""
        for (scheme, host, port), pool in self._pools.items():
            idle = pool.idle_connections
            yield f"{scheme}://{host}:{port}", pool.open_connections - idle, idle

    def sweep(self) -> None:
        """Close idle connections past their limit, and forget the pools that are left with nothing."""
        for pool in self._pools.values():
            pool.sweep()
        self._pools = {origin: pool for origin, pool in self._pools.items() if not pool.is_unused}

    def close(self) -> None:
        """Cut everything, for good."""
        for pool in self._pools.values():
            pool.close()

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = self._make_context()
        return self._context
