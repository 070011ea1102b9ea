"""Keeps a stream going whose provider breaks off: another deployment is asked, and goes on exactly where it ended.

Its answer is compared with what the client has; only if it begins with it, the rest is passed on. Otherwise the client
is told of the first failure, in an explicit error event: never a gap, never a repeat.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy.dialects.request import Operation
from proxy.dialects.splice import Continuer, Delivered, Divergence, NotSpliceable, Splicer
from proxy.errors import ClientGone, Diverged, GatewayError, StreamBroken, StreamDoubtful, UpstreamError
from proxy.journal import Journal
from proxy.record import bill, route_header
from proxy.search import conclude
from proxy.sending import relay_undoubting

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.exchange import Attempt, Downstream, Reply
    from proxy.journal import JournalBudget
    from proxy.keepalive import Keepalive
    from proxy.search import Search
    from proxy.sending import Sender

SPLICEABLE = frozenset({Operation.CHAT, Operation.TEXT_COMPLETION})
"""A Responses stream numbers its events and repeats its text: it cannot be cut in two."""


@dataclass(slots=True)
class Rescuer:
    """Relays streams, with a safety net under those that may be spliced."""

    sender: Sender
    budget: JournalBudget
    clock: Callable[[], float]
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """To read a journal: one at a time, as hundreds of streams may break in one moment."""

    async def relay(
        self, search: Search, reply: Reply, push: Callable[[bytes], bool], client: Downstream, keepalive: Keepalive
    ) -> None:
        """Hand the whole answer to `push`. Raises the `UpstreamError` that the client must be told of."""
        if reply.is_passed or not _may_rescue(search):
            await relay_undoubting(reply, push, client.drain)
            return
        journal = Journal(self.budget, search.x.world.config.limits.splice_stream_bytes)
        try:
            await reply.relay(journal.before(push, reply.meter), client.drain)
        except UpstreamError as broken:
            if not broken.splice:
                raise
            await _Rescue(self, search, journal, push, client, keepalive).carry_on(broken)
        finally:
            journal.forget()


def _may_rescue(search: Search) -> bool:
    request, route = search.request, search.route
    return (
        route.retries.splice
        and route.retries.max > 0
        and len(route.deployments) > 1
        and request.hub.operation in SPLICEABLE
        and request.choices == 1
    )


class _Rescue:
    """Of one stream, from its first break to its end."""

    __slots__ = ("client", "journal", "keepalive", "push", "rescuer", "search")

    def __init__(
        self,
        rescuer: Rescuer,
        search: Search,
        journal: Journal,
        push: Callable[[bytes], bool],
        client: Downstream,
        keepalive: Keepalive,
    ) -> None:
        self.rescuer = rescuer
        self.search = search
        self.push = push
        self.client = client
        self.keepalive = keepalive
        self.journal = journal

    async def carry_on(self, broken: UpstreamError) -> None:
        """Go on after `broken`, and after any later break. Raises what the client must be told of."""
        x = self.search.x
        told, error, failed = broken, broken, x.answering or x.attempts[-1]
        failed.usage = bill(x, x.reply)
        try:
            while told.splice:
                self.keepalive.start()
                try:
                    joint = await self._ask_another(failed, error, told)
                except StreamDoubtful:
                    if (later := await self._overlook()) is None:
                        return
                    told, error, failed = later, later, x.answering or x.attempts[-1]
                    continue
                try:
                    await joint.relay()
                except UpstreamError as next_error:
                    failed, error = joint.attempt, next_error
                    failed.usage = bill(x, joint.reply)
                    conclude(x, failed, self.rescuer.clock(), error.code, error)  # the client may leave before the next
                    told = error if joint.has_joined else told
                else:
                    return
        finally:
            self.keepalive.stop()
        raise told

    async def _overlook(self) -> UpstreamError | None:
        """Nobody else has the answer: what could not be read was nothing, as far as one can tell."""
        reply = self.search.x.reply
        self.keepalive.stop()
        if reply is None:
            return None
        try:
            await reply.relay(self.journal.before(self.push, reply.meter), self.client.drain)
        except UpstreamError as later:
            return later
        return None

    async def _ask_another(self, failed: Attempt, error: UpstreamError, told: UpstreamError) -> _Joint:
        """Have somebody else answer. Raises `told` when nobody can."""
        search = self.search
        if search.x.reply is not None and not isinstance(told, StreamDoubtful):
            search.x.reply.close()
        try:
            async with self.rescuer.turn:
                await asyncio.sleep(0)  # others want to be served in between
                delivered = self.journal.delivered()
            search.broke(failed, error, delivered, self.rescuer.clock())
            attempt, reply = await self.rescuer.sender.send(search)
        except NotSpliceable as reason:
            raise _noted(told, str(reason)) from error
        except ClientGone:
            raise
        except GatewayError as refusal:
            why = "no retry left" if refusal is told else f"{refusal.code}, {refusal.detail or refusal.message}"
            raise _noted(told, why) from refusal
        return _Joint(self, attempt, reply, delivered, told)


class _Joint:
    """Where another deployment's answer meets what the client has: silent before it, passed on behind it."""

    __slots__ = ("_delivered", "_follower", "_rescue", "_told", "attempt", "has_joined", "reply")

    def __init__(
        self, rescue: _Rescue, attempt: Attempt, reply: Reply, delivered: Delivered, told: UpstreamError
    ) -> None:
        """`told`: why the answer that the client has a part of is not the one to go on."""
        self.attempt = attempt
        self.reply = reply
        self.has_joined = False
        self._rescue = rescue
        self._delivered = delivered
        self._told = told
        self._follower = Continuer(delivered) if attempt.part == "continuation" else Splicer(delivered)

    async def relay(self) -> None:
        """Follow the answer to its end. Raises an `UpstreamError` if it breaks off or does not fit."""
        try:
            await self.reply.relay(self._take, self._rescue.client.drain)
        except StreamDoubtful as doubt:
            self.reply.close()  # two who cannot be trusted prove nothing
            raise StreamBroken(doubt.message, detail=doubt.detail) from None
        except UpstreamError:
            self.reply.close()
            raise
        except BaseException:
            if not self.has_joined:  # otherwise it is the exchange's own answer, and settled with it
                x = self._rescue.search.x
                self.attempt.usage = bill(x, self.reply)
                self.reply.close()
                conclude(x, self.attempt, self._rescue.rescuer.clock(), "cancelled")
            raise
        if not self.has_joined:
            raise Diverged("Another provider's answer does not fit.", detail="it ended too early")

    def _take(self, block: bytes) -> bool:
        try:
            passed = self._follower.feed(block)
        except Divergence as where:
            raise Diverged("Another provider's answer does not fit.", detail=str(where)) from None
        if not passed:
            return True
        if not self.has_joined:
            self._join()
        self._rescue.journal.keep(passed)
        return self._rescue.push(passed)

    def _join(self) -> None:
        rescue, x = self._rescue, self._rescue.search.x
        self.has_joined = True
        rescue.keepalive.stop()
        if x.reply is not None and x.answering is not None:
            x.reply.close()
            conclude(x, x.answering, rescue.rescuer.clock(), self._told.code, self._told)  # if it was only in doubt
        x.reply, x.answering = self.reply, self.attempt
        self.attempt.detail = f"took over after {self._delivered.characters} characters"
        # The header has gone out long ago: this is for whoever reads the stream with their own eyes.
        rescue.client.push(b": x-pointsman-route: %b\n\n" % route_header(x).encode())


def _noted(told: UpstreamError, why: str) -> UpstreamError:
    """The error that is told, with the operator's answer to why nobody took over."""
    told.detail = f"{told.detail or told.message}; not spliced: {why}"
    return told
