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
from proxy.exchange import Exchange, Told
from proxy.facts import Outcome
from proxy.keepalive import Keepalive
from proxy.record import bill, finished, route_header, server_timing
from proxy.search import Search, conclude
from proxy.sending import discard
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

PASSED_PREFIXES = ("x-ratelimit-", "openai-")
"""Response headers of a provider that clients read."""
KEPT_HEADERS = frozenset({"openai-organization", "openai-project"})
"""Of these the ones that name an account, which is the operator's."""
STREAM_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
JSON_HEADERS = {"Content-Type": "application/json"}


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
        x = Exchange(call=call, world=self.world(), started_s=self.clock(), started_at_s=self.wall_clock())
        self.exchanges_open += 1
        try:
            await self._serve(x, client)
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

    async def _serve(self, x: Exchange, client: Downstream) -> None:
        call, world = x.call, x.world
        _check_content_type(call)
        x.grant = self.authenticate(world, call.token)
        if self._opens_us(world, call):
            call.provider_key = None  # it opens this gateway: it must never leave it
        body = await client.read_body(world.config.limits.max_body_bytes, world.config.limits.body_idle_s)
        x.bytes_in = len(body)
        x.request = request = call.surface.decode(call.operation, body)
        request.session = call.session or request.session
        x.route = route = world.route(request)
        self._reserve(x, x.grant)
        waits_from_s = self.clock()
        async with self.gate.admit(request.service_tier):
            x.queue_s = self.clock() - waits_from_s
            self.in_flight(route.label, 1)
            keepalive = Keepalive(x, client, partial(self._begin, x, client), route.timeouts.keepalive_s)
            try:
                search = Search(x, request, route, self.retry_budget, self.rng)
                if request.stream:
                    keepalive.start()
                try:
                    x.answering, x.reply = await self.sender.send(search)
                finally:
                    if request.stream:
                        await keepalive.stopped()  # whether the head has gone out decides how a failure is told
                await self._relay(search, x.reply, client, keepalive)
            finally:
                keepalive.stop()
                self.in_flight(route.label, -1)
        x.outcome = Outcome.COMPLETED

    def _opens_us(self, world: World, call: Call) -> bool:
        """Whether what came as a provider's key is a key or a token of this gateway, be it another than was used."""
        if call.provider_key is None or world.keys.is_open:
            return False
        if call.provider_key == call.token:
            return True
        try:
            self.authenticate(world, call.provider_key)
        except Unauthenticated:
            return False
        return True

    def _reserve(self, x: Exchange, grant: KeyGrant) -> None:
        """Take one request from the key's allowance. Passed or refused, the client is told how it stands."""
        if grant.rpm is None:
            return
        decision = self.limits.take(grant.name, grant.rpm, self.clock())
        x.limit_headers = limit_headers(decision)
        if not decision.allowed:
            raise RateLimited(f"This key may make {grant.rpm} requests a minute.", retry_after_s=decision.retry_after_s)

    async def _relay(self, search: Search, reply: Reply, client: Downstream, keepalive: Keepalive) -> None:
        """Pass the answer on: the very bytes, unless the surface speaks another dialect."""
        x = search.x
        surface = x.call.surface
        if reply.whole is not None:
            rendered = surface.answer(reply.whole, self._told(x))
            x.status = 200
            await client.respond(200, self._headers(x) | JSON_HEADERS, rendered)
            return
        await self._begin(x, client)
        encoder = surface.stream(self._told(x))
        push = client.push if encoder is None else partial(_push_encoded, encoder, client.push)
        await self.rescuer.relay(search, reply, push, client, keepalive)
        if encoder is not None and (closing := encoder.end(self._told(x))):
            client.push(closing)
        await client.finish()

    async def _begin(self, x: Exchange, client: Downstream) -> None:
        """Send the head of a stream, once."""
        if x.streaming:
            return
        await client.begin(200, self._headers(x) | STREAM_HEADERS)
        x.status, x.streaming = 200, True
        self.streams_open += 1

    def _headers(self, x: Exchange) -> dict[str, str]:
        theirs = x.reply.headers if x.reply is not None else {}
        headers = {
            name: value
            for name, value in theirs.items()
            if name.startswith(PASSED_PREFIXES) and name not in KEPT_HEADERS
        }
        headers |= x.limit_headers  # the key's own limit is what the client must heed
        headers["x-request-id"] = x.call.request_id
        headers["x-pointsman-route"] = route_header(x)
        headers["Server-Timing"] = server_timing(x, self.clock())
        return headers

    def _told(self, x: Exchange) -> Told:
        deployment = (x.answering or x.attempts[-1]).deployment
        return Told(
            request_id=x.call.request_id,
            created_s=int(x.started_at_s),
            provider=deployment.provider,
            model=x.route.name if x.route is not None else "",
            upstream_model=deployment.upstream_model,
            context_window=deployment.context_window,
            latency_s=self.clock() - x.started_s,
            usage=bill(x, x.reply),
        )

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
            await client.respond(x.status, self._error_headers(x, error), body)
        except ClientGone:
            x.outcome, x.status = Outcome.ABANDONED, ClientGone.status

    def _error_headers(self, x: Exchange, error: GatewayError) -> dict[str, str]:
        headers = x.limit_headers | {"x-request-id": x.call.request_id} | JSON_HEADERS
        if error.retry_after is not None:
            headers["Retry-After"] = error.retry_after
        if x.attempts:
            headers["x-pointsman-route"] = route_header(x)
        return headers

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
            error = x.error if isinstance(x.error, UpstreamError) else None
            complete = x.error is None and x.outcome is not Outcome.ABANDONED
            conclude(x, x.answering, now_s, "ok" if complete else (error.code if error else "cancelled"), error)
            x.reply.close()
        self.emit(finished(x, client.bytes_out, now_s))


def _push_encoded(encoder: StreamEncoder, push: Callable[[bytes], bool], data: bytes) -> bool:
    encoded = encoder.feed(data)
    return push(encoded) if encoded else True


def _check_content_type(call: Call) -> None:
    if call.content_type not in call.surface.content_types:
        known = " or ".join(f"`{name}`" for name in sorted(call.surface.content_types))
        got = f"`{shown(call.content_type)}`" if call.content_type else "none"
        raise UnsupportedMediaType(f"The content type must be {known}, not {got}.")
