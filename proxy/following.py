"""Answers read to their end although the client has left, because their provider bills all of them anyway.

Its own count, which comes last, is then what the books show.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.errors import UpstreamError
from proxy.search import conclude
from proxy.sending import relay_undoubting
from proxy.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.exchange import Exchange


class Followers:
    """At most `limits.max_followed` at once; each ends with its provider, or at the exchange's deadline."""

    __slots__ = ("_clock", "_tasks", "is_closing")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.is_closing = False
        """Nobody is followed any more."""

    def want(self, x: Exchange) -> bool:
        """Whether an abandoned exchange is worth it, and there is room."""
        if self.is_closing or len(self._tasks) >= x.world.config.limits.max_followed:
            return False
        if x.left_behind is not None:
            return True
        if x.answering is None or x.answering.ended_s is not None or x.reply is None or x.reply.whole is not None:
            return False
        if x.reply.meter.is_complete and x.reply.meter.usage is not None:
            return False  # all that matters has come
        return x.answering.deployment.provider_config.profile.quirks.bills_after_disconnect

    def follow(self, x: Exchange, settle: Callable[[], None]) -> None:
        """Read on in the background, then `settle`, whatever happens."""
        task = spawn(self._read_to_the_end(x, settle), name="follow")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def cut_off(self) -> None:
        """Settle them all now."""
        self.is_closing = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_to_the_end(self, x: Exchange, settle: Callable[[], None]) -> None:
        attempt = x.answering or x.attempts[-1]
        try:
            if x.left_behind is not None:
                attempt = x.attempts[-1]
                x.reply, x.answering = await x.left_behind, attempt
            if x.reply is not None:
                await relay_undoubting(x.reply, _drop, _at_once)
        except UpstreamError as error:
            conclude(x, attempt, self._clock(), error.code, error)
        finally:
            settle()


def _drop(data: bytes) -> bool:  # noqa: ARG001 - nobody wants it
    return True


async def _at_once() -> None:
    """Nobody is behind."""
