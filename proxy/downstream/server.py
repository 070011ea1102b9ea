"""All connections of clients: how many there may be, and how they end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from proxy.downstream.connection import Connection
from proxy.downstream.response import DateLine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from proxy.config import LimitsConfig
    from proxy.downstream.request import Request
    from proxy.downstream.response import Response
    from proxy.errors import GatewayError

MAX_TURNED_AWAY = 256
"""Connections above `limits.max_connections` that are being told so; more are cut without a word."""


class Application(Protocol):
    """Who serves requests."""

    def handle(self, request: Request) -> Awaitable[Response | None]:
        """Serve one request; `None`: it has been answered already. Raises `GatewayError`."""

    def error(self, path: str, error: GatewayError) -> Response:
        """`error` in the shape that clients of `path` read."""


class Server:
    """Makes a `Connection` for each client."""

    def __init__(self, application: Application, limits: Callable[[], LimitsConfig]) -> None:
        self.application = application
        self.limits = limits
        self.date = DateLine()
        self.connections: set[Connection] = set()
        self.is_draining = False
        """Answers say `Connection: close`."""
        self._is_empty: asyncio.Future[None] | None = None

    def __call__(self) -> Connection:
        """One for a new client."""
        return Connection(self, asyncio.get_running_loop())

    def welcome(self, connection: Connection) -> bool:
        """Count a new connection. False: there are too many, it is to be turned away."""
        excess = len(self.connections) - self.limits().max_connections
        if excess >= MAX_TURNED_AWAY:
            connection.abort()
        self.connections.add(connection)
        return excess < 0

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        self.connections.discard(connection)
        if not self.connections and self._is_empty is not None and not self._is_empty.done():
            self._is_empty.set_result(None)

    def close_idle(self) -> None:
        """Close what serves nothing; a body that is on its way still arrives."""
        for each in tuple(self.connections):
            if not each.is_serving:
                each.close()

    async def cut_off(self, settle_s: float) -> None:
        """Cancel every request, wait at most `settle_s` for them to settle, and close what is left."""
        self.is_draining = True
        tasks = [each.task for each in self.connections if each.task is not None and each.is_serving]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=settle_s)
        await self.shut(settle_s)

    async def shut(self, settle_s: float) -> None:
        """Close every connection once its last answer is out, and cut what has not taken it after `settle_s`."""
        for each in tuple(self.connections):
            each.close()
        if self.connections:
            self._is_empty = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._is_empty,), timeout=settle_s)
        for each in tuple(self.connections):
            each.abort()
