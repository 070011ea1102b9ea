"""The life of a request: authenticate, read, route, reserve, admit, send, relay, settle.

Reads top to bottom. However an exchange ends, it is settled exactly once, without an `await` on the way. This file
imports no HTTP library: both ends are protocols (`proxy.exchange`).
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from proxy.admission.limits import limit_headers
from proxy.dialects.counting import estimate
from proxy.errors import (
    Blame,
    ClientGone,
    GatewayError,
    InternalError,
    RateLimited,
    ShuttingDown,
    Unauthenticated,
    UnsupportedMediaType,
    UpstreamError,
)
from proxy.exchange import Exchange
from proxy.facts import Outcome
from proxy.keepalive import Keepalive
from proxy.record import bill, finished
from proxy.search import Search, conclude
from proxy.sending import discard
from proxy.telling import JSON_HEADERS, STREAM_HEADERS, Told, answer_headers, error_headers
from proxy.world import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.admission.gate import Gate
    from proxy.admission.limits import RequestLimits
    from proxy.exchange import Call, Downstream, Reply, StreamEncoder
    from proxy.facts import Finished
    from proxy.fleet.retry_budget import RetryBudget
    from proxy.following import Followers
    from proxy.rescue import Rescuer
    from proxy.sending import Sender
    from proxy.world import KeyGrant, World

log = logging.getLogger("pointsman")


@dataclass(slots=True)
class Pipeline:
    """Serves calls. Owns nothing but the order of things."""

    world: Callable[[], World]
    sender: Sender
    rescuer: Rescuer
    followers: Followers
    gate: Gate
    limits: RequestLimits
    retry_budget: RetryBudget
    authenticate: Callable[[World, str | None], KeyGrant]
    emit: Callable[[Finished], None]
    in_flight: Callable[[str, int], None]
    """Told +1 and -1 with the route's label."""
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: random.Random = field(default_factory=random.Random)
    exchanges_open: int = 0
    """From the first byte to settlement, those outside the gate included."""
    streams_open: int = 0
    is_closing: bool = False
    """The time for draining is up: who is cut off now is told so."""

    async def serve(self, call: Call, client: Downstream) -> None:
        """Answer one call, whatever happens. Raises nothing but `CancelledError`, when the client has left."""
        x = Exchange(call, self.world(), self.clock(), self.wall_clock())
        self.exchanges_open += 1
        try:
            grant = self._authenticate(x)
            limits = x.world.config.limits
            body = await client.read_body(limits.max_body_bytes, limits.body_idle_s)
            search = self._read(x, grant, body)
            lane, label = search.request.service_tier, search.route.label
            if not self.gate.enter(lane):
                await self._queue(x, lane)
            try:
                self.in_flight(label, 1)
                if search.request.stream:
                    await self._stream(search, client)
                else:
                    x.answering, x.reply = await self.sender.send(search)
                    headers, rendered = self._rendered(x, x.reply)
                    await client.respond(200, headers, rendered)
            finally:
                self.gate.release(lane)
                self.in_flight(label, -1)
            x.outcome = Outcome.COMPLETED
        except GatewayError as error:
            await self._report(x, client, error)
        except asyncio.CancelledError:
            if not self.is_closing:
                x.outcome, x.status = Outcome.ABANDONED, ClientGone.status
                raise
            await self._report(x, client, ShuttingDown("This gateway is shutting down. Try again."))
        except Exception:
            log.exception("request %s failed inside the gateway", call.request_id)
            await self._report(x, client, InternalError("The gateway failed on this request. Its log has the reason."))
        finally:
            if x.outcome is Outcome.ABANDONED and self.followers.want(x):
                self.followers.follow(x, partial(self._settle, x, client))
            else:
                self._settle(x, client)

    def _authenticate(self, x: Exchange) -> KeyGrant:
        """Who calls. What opens this gateway must never leave it, be it another key than the one used."""
        call, world = x.call, x.world
        if call.content_type not in call.surface.content_types:
            raise _unsupported(call)
        x.grant = grant = self.authenticate(world, call.token)
        call.owner = grant.name
        theirs = call.provider_key
        if theirs is not None and not world.keys.is_open and (theirs == call.token or self._is_ours(world, theirs)):
            call.provider_key = None
        return grant

    def _is_ours(self, world: World, key: str) -> bool:
        try:
            self.authenticate(world, key)
        except Unauthenticated:
            return False
        return True

    def _read(self, x: Exchange, grant: KeyGrant, body: bytes) -> Search:
        """Understand the request, find its route, and take it from the key's allowance."""
        call = x.call
        x.bytes_in = len(body)
        x.request = request = call.surface.decode(call.operation, body)
        if call.session:
            request.session = call.session
        x.route = route = x.world.route(request)
        if grant.rpm is not None:
            self._reserve(x, grant.name, grant.rpm)
        return Search(x, request, route, self.retry_budget, self.rng)

    def _reserve(self, x: Exchange, key: str, rpm: int) -> None:
        """Take one request from the key's allowance. Passed or refused, the client is told how it stands."""
        decision = self.limits.take(key, rpm, self.clock())
        x.limit_headers = limit_headers(decision)
        if not decision.allowed:
            raise RateLimited(f"This key may make {rpm} requests a minute.", retry_after_s=decision.retry_after_s)

    async def _queue(self, x: Exchange, lane: str) -> None:
        """Wait for a place inside."""
        since_s = self.clock()
        await self.gate.acquire(lane)
        x.queue_s = self.clock() - since_s

    def _rendered(self, x: Exchange, reply: Reply) -> tuple[dict[str, str], bytes]:
        """Headers and body of a whole answer: the very bytes, unless the surface speaks another dialect."""
        if reply.whole is None:  # pragma: no cover - `Upstream` answers as it is asked; this tells the type checker
            raise InternalError("The provider streamed what was not to be streamed.")
        now_s = self.clock()
        rendered = reply.whole if reply.is_passed else x.call.surface.answer(reply.whole, Told(x, now_s))
        x.status = 200
        return answer_headers(x, now_s, JSON_HEADERS), rendered

    async def _stream(self, search: Search, client: Downstream) -> None:
        """Pass a stream on as it comes, with signs of life until it begins."""
        x = search.x
        keepalive = Keepalive(x, client, partial(self._begin, x, client), search.route.timeouts.keepalive_s)
        keepalive.start()
        try:
            x.answering, x.reply = await self.sender.send(search)
        finally:
            await keepalive.stopped()  # whether the head has gone out decides how a failure is told
        await self._begin(x, client)
        encoder = None if x.reply.is_passed else x.call.surface.stream(Told(x, self.clock()))
        push = client.push if encoder is None else partial(_push_encoded, encoder, client.push)
        await self.rescuer.relay(search, x.reply, push, client, keepalive)
        if encoder is not None and (closing := encoder.end(Told(x, self.clock()))):
            client.push(closing)
        await client.finish()

    async def _begin(self, x: Exchange, client: Downstream) -> None:
        """Send the head of a stream, once."""
        if x.streaming:
            return
        content = STREAM_HEADERS | {"Content-Type": x.call.stream_type}
        await client.begin(200, answer_headers(x, self.clock(), content))
        x.status, x.streaming = 200, True
        self.streams_open += 1

    async def _report(self, x: Exchange, client: Downstream, error: GatewayError) -> None:
        """Tell the client in its own dialect: a whole error before the first byte, an error event after it."""
        x.error = error
        try:
            if isinstance(error, ClientGone):
                raise error
            if x.streaming:
                x.outcome = Outcome.TRUNCATED if x.first_content_s is not None else Outcome.FAILED
                if not error.told:
                    client.push(x.call.surface.stream_error(error))
                await client.finish()
                return
            x.status, body = x.call.surface.error(error)
            x.outcome = Outcome.REJECTED if error.blame is Blame.CLIENT else Outcome.FAILED
            await client.respond(x.status, error_headers(x, error), body)
        except ClientGone:
            x.outcome, x.status = Outcome.ABANDONED, ClientGone.status

    def _settle(self, x: Exchange, client: Downstream) -> None:
        """Close, count down, bill, tell. No await in here: a cancellation cannot skip the bill."""
        now_s = self.clock()
        self.exchanges_open -= 1
        self.streams_open -= x.streaming
        if x.holds_retry:
            self.retry_budget.release()
        if x.left_behind is not None:
            discard(x.left_behind)  # does nothing if it was followed
            if x.reply is None and x.request is not None and x.attempts[-1].ended_s is None:
                x.attempts[-1].usage = x.usage = estimate(x.request.prompt_tokens, 0)
            conclude(x, x.attempts[-1], now_s, "cancelled")
        if x.reply is not None and x.answering is not None:
            x.answering.usage = x.usage = bill(x, x.reply)
            if x.outcome is Outcome.COMPLETED:
                conclude(x, x.answering, now_s, "ok")
            else:
                error = x.error if isinstance(x.error, UpstreamError) else None
                conclude(x, x.answering, now_s, "cancelled" if error is None else error.code, error)
            x.reply.close()
        self.emit(finished(x, client.bytes_out, now_s))


def _push_encoded(encoder: StreamEncoder, push: Callable[[bytes], bool], data: bytes) -> bool:
    encoded = encoder.feed(data)
    return push(encoded) if encoded else True


def _unsupported(call: Call) -> UnsupportedMediaType:
    known = " or ".join(f"`{name}`" for name in sorted(call.surface.content_types))
    got = f"`{shown(call.content_type)}`" if call.content_type else "none"
    return UnsupportedMediaType(f"The content type must be {known}, not {got}.")
