"""Signs of life for a client that waits: proxies in between cut a connection that is silent for a minute.

They cost the right status code unless the provider's is known, so none goes out before that.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import ClientGone
from proxy.tasks import fork

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from proxy.exchange import Downstream, Exchange

OK = 200


class Keepalive:
    """Of one stream without content: from `start` to `stop`, a comment every `every_s`."""

    __slots__ = ("_begin", "_beginning", "_client", "_every_s", "_timer", "_x")

    def __init__(
        self, x: Exchange, client: Downstream, begin: Callable[[], Awaitable[None]], every_s: float | None
    ) -> None:
        """`begin` sends the head of the stream, if that has not been done. `None`: never say anything."""
        self._x = x
        self._client = client
        self._begin = begin
        self._every_s = every_s
        self._beginning: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to count the seconds, anew if they are being counted."""
        self.stop()
        if self._every_s is not None:
            self._timer = asyncio.get_running_loop().call_later(self._every_s, self._tick)

    def stop(self) -> None:
        """Content has come, or an error. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def stopped(self) -> None:
        """The same, and wait until a head that was on its way is out."""
        self.stop()
        if self._beginning is not None:
            await self._beginning

    def _tick(self) -> None:
        if self._beginning is not None or self._x.streaming or self._is_status_known():
            self._say()
        self.start()

    def _is_status_known(self) -> bool:
        return any(attempt.status == OK and attempt.ended_s is None for attempt in self._x.attempts)

    def _say(self) -> None:
        if not self._x.streaming:
            self._beginning = self._beginning or fork(self._begin_stream(), name="keepalive")
            return
        try:
            self._client.push(self._x.call.surface.keepalive)
        except ClientGone:
            self.stop()  # whoever serves it is told by its own write or by being cancelled

    async def _begin_stream(self) -> None:
        try:
            await self._begin()
            self._client.push(self._x.call.surface.keepalive)
        except ClientGone:
            self.stop()
