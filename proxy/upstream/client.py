"""Asks one deployment once, and waits until it really begins to answer.

What a fault of the connection means is told in `faults.py`. A `Reply` leaves here with its first content in hand, so
whoever holds one knows that nothing may be retried any more; whoever got an `UpstreamError` knows that everything may.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from proxy.dialects.inlining import addresses_of, inlined
from proxy.errors import ConnectionLost, MalformedAnswer, UpstreamError
from proxy.providers.credential import KeyMode
from proxy.providers.rate_limit import read_rate_limit
from proxy.upstream.ask import Ask, Way
from proxy.upstream.faults import ConnectionFault, Phase, ReadTimeout, meaning
from proxy.upstream.judge import UNENCODED, Judge, check_encoding, malformed
from proxy.upstream.memory import StateMemory
from proxy.upstream.patience import Patience
from proxy.upstream.reply import Source, StreamReply, WholeReply

if TYPE_CHECKING:
    from proxy.config import LimitsConfig, TimeoutsConfig
    from proxy.dialects.request import ModelRequest
    from proxy.exchange import Attempt, Call, Reply
    from proxy.providers.provider import Provider
    from proxy.upstream.connection import Connection
    from proxy.upstream.pool import Pools
    from proxy.upstream.response import Response

MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body; more is cut off, it only feeds a message."""
ERROR_BODY_S = 5.0
"""For an error's body to arrive after its status."""
STALE_WITHIN_S = 2.0
"""A connection that was closed while it idled says so within a round trip. One that dies later may have died of the
request, which is then not asked again unseen."""
MAX_REQUEST_ID_CHARS = 128
OK = 200
PROXY_REFUSES = 407
"""Proxy Authentication Required: the provider was not asked. Source: RFC 9110, section 15.5.8."""
STREAM_TYPES = ("text/event-stream",)


Fetch = Callable[[Sequence[str]], Awaitable[Mapping[str, str]]]
"""From addresses to `data:` URLs. Raises `Unsupported`: somebody else may fetch them himself."""


class HttpUpstream:
    """Sends requests to deployments over pooled connections."""

    def __init__(
        self,
        pools: Pools,
        limits: Callable[[], LimitsConfig],
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
        fetch: Fetch | None = None,
    ) -> None:
        """`clock` is the one deadlines are told in; `wall_clock` reads the providers' dates.

        `fetch` gets what a request names by address, as `data:` URLs, for providers that do not.
        """
        self._fetch = fetch
        self._pools = pools
        self._limits = limits
        self._clock = clock
        self._wall_clock = wall_clock
        self._memory = StateMemory(clock)

    async def send(
        self, attempt: Attempt, request: ModelRequest, call: Call, timeouts: TimeoutsConfig, deadline_s: float
    ) -> Reply:
        """Send `request` and wait for the first content. Raises an `UpstreamError`; nothing is retried here.

        The one exception is invisible: a pooled connection the provider had closed meanwhile is replaced. Raises
        `Unauthenticated` if the provider is called with the client's own key and there is none.
        """
        provider = attempt.deployment.provider_config
        if not provider.profile.quirks.fetches_urls:
            request = await self._with_contents(provider, request)
        patience = Patience(self._clock, deadline_s, timeouts, stream=request.stream)
        pool = self._pools.get(provider.origin, provider.max_connections)
        ask = Ask(attempt, request, call, self._memory, Way(pool, patience, timeouts.connect_s))
        wait_s = patience.until_content()
        if wait_s <= 0:
            raise patience.too_late()
        connection = pool.take()
        if connection is None:
            connection = await self._connect(ask, fresh=False)
            wait_s = patience.until_content()
        try:
            response = await self._ask(ask, connection, wait_s)
        except ConnectionFault as fault:
            connection, response = await self._once_more(ask, connection, fault)
        except BaseException:
            connection.abort()
            raise
        try:
            self._note(attempt, response)
            if response.body is not None:
                return self._whole(ask, connection, response, response.body)
            return await self._begun(ask, connection, response)
        except ConnectionFault as fault:
            connection.abort()
            raise patience.before_content(fault) from fault
        except UpstreamError:
            pool.release(connection)  # kept if its answer is whole, whatever it says
            raise
        except BaseException:
            connection.abort()
            raise

    async def _with_contents(self, provider: Provider, request: ModelRequest) -> ModelRequest:
        """`request`, or a copy that holds what it named by address. Raises `Unsupported` for what cannot be had."""
        if self._fetch is None or (request.dialect in provider.speaks and request.to_hub is not None):
            return request  # a client of the provider's own dialect knows what it can fetch
        hub, own = request.hub, provider.profile.quirks.own_urls
        addresses = [url for url in addresses_of(hub) if not url.startswith(own)]
        if not addresses:
            return request
        fetched = hub.fetched or {}
        if wanted := [url for url in addresses if url not in fetched]:
            hub.fetched = fetched = {**fetched, **await self._fetch(wanted)}  # once, however many are asked
        return inlined(hub, fetched)

    def _ask(self, ask: Ask, connection: Connection, wait_s: float) -> Awaitable[Response]:
        """Send it. What is answered waits for the head of a stream, or for the whole of an answer."""
        ask.sent_s = self._clock()
        connection.send(ask.way.pool.head(ask.head) if ask.way.pool.rewrites else ask.head, ask.body)
        if ask.request.stream:
            return connection.head(wait_s)
        return connection.whole(wait_s, _is_answer, self._limits().max_answer_bytes)

    async def _once_more(self, ask: Ask, connection: Connection, fault: ConnectionFault) -> tuple[Connection, Response]:
        """After `fault`: on a fresh connection, if a pooled one had been closed while it idled. Else raise it."""
        connection.abort()
        if (seen := connection.response) is not None:
            self._note(ask.attempt, seen)
        in_time = self._clock() - ask.sent_s < STALE_WITHIN_S
        if not connection.is_stale or not in_time or isinstance(fault, ReadTimeout):
            raise ask.way.patience.before_content(fault) from fault
        connection = await self._connect(ask, fresh=True)
        try:
            return connection, await self._ask(ask, connection, ask.way.patience.until_content())
        except ConnectionFault as second:
            connection.abort()
            raise ask.way.patience.before_content(second) from second
        except BaseException:
            connection.abort()
            raise

    async def _connect(self, ask: Ask, *, fresh: bool) -> Connection:
        wait_s = min(ask.way.connect_s, ask.way.patience.until_content())
        try:
            return await ask.way.pool.acquire(wait_s, fresh=fresh)
        except ConnectionFault as fault:
            raise ask.way.patience.before_sending(fault, wait_s, ask.way.connect_s) from fault

    def _note(self, attempt: Attempt, response: Response) -> None:
        """Keep what the head tells beside the answer."""
        headers = response.headers
        attempt.status = response.status
        request_id = headers.get("x-request-id") or headers.get("request-id")
        attempt.upstream_request_id = request_id[:MAX_REQUEST_ID_CHARS] if request_id else None
        provider = attempt.deployment.provider_config
        names = provider.profile.rate_limits
        if names.remaining.isdisjoint(headers) or provider.credential.mode is KeyMode.CLIENT:
            return  # nothing is told, or of that key's limit, which is not the deployment's
        told = read_rate_limit(names, headers, self._wall_clock)
        if told is not None:
            attempt.deployment.live.told_rate_limit(told.remaining, self._clock() + told.resets_in_s)

    def _judge(self, attempt: Attempt) -> Judge:
        provider = attempt.deployment.provider_config
        own_key = provider.credential.mode is not KeyMode.CLIENT
        return Judge(provider.profile.quirks, self._wall_clock, own_key=own_key)

    def _whole(self, ask: Ask, connection: Connection, response: Response, body: bytes) -> Reply:
        answer, passed = ask.read(body)
        if answer.error is not None:
            judge = self._judge(ask.attempt)
            if ask.dialect is not None:
                raise judge.event(answer.error, content_seen=False)  # what it means is known to its dialect alone
            raise judge.response(response, body)
        ask.way.pool.release(connection)
        if ask.dialect is not None:
            self._memory.keep(ask.owner, ask.dialect.opaque(answer.doc))
        return WholeReply(response, passed, answer, is_passed=ask.is_passed)

    async def _begun(self, ask: Ask, connection: Connection, response: Response) -> Reply:
        """What has not come as a whole: a stream, a refusal, or what is no answer."""
        if response.status == PROXY_REFUSES and ask.way.pool.rewrites:
            raise meaning(Phase.CONNECTING, ConnectionFault(f"the proxy refused with status {PROXY_REFUSES}"))
        if response.status != OK:
            raise self._judge(ask.attempt).response(response, await self._error_body(connection))
        if ask.request.stream:
            return await self._stream(ask, connection, response)
        raise self._unfit(response)

    def _unfit(self, response: Response) -> UpstreamError:
        """Why a 200 was not read to its end."""
        check_encoding(response)
        if not _is_answer(response):
            return malformed("JSON", response, f"{response.headers.get('content-length', 'any number of')} bytes")
        limit = self._limits().max_answer_bytes
        return MalformedAnswer("The provider's answer is larger than this gateway takes.", detail=f"> {limit} bytes")

    async def _stream(self, ask: Ask, connection: Connection, response: Response) -> Reply:
        check_encoding(response)
        judge = self._judge(ask.attempt)
        types = STREAM_TYPES if ask.dialect is None else ask.dialect.stream_types
        if not response.headers.get("content-type", "").lower().startswith(types):
            raise judge.not_a_stream(response, await self._error_body(connection), ask.read)
        limits = self._limits()
        meter = ask.meter(limits.max_event_bytes)
        ends_with_done = ask.request.ends_with_done and not ask.is_passed
        meter.doubts = ends_with_done
        source = Source(ask.way.pool, connection, response, meter, ask.way.patience, judge, ends_with_done)
        if ask.dialect is not None:
            source.at_end = partial(self._memory.keep, ask.owner, meter.opaque)
        return StreamReply(source, await _first_content(source, limits.max_answer_bytes), is_passed=ask.is_passed)

    async def _error_body(self, connection: Connection) -> bytes:
        """What the provider says is wrong, as far as it is worth reading."""
        pieces: list[bytes] = []
        size = 0
        give_up_s = self._clock() + ERROR_BODY_S
        try:
            while size < MAX_ERROR_BYTES and (data := await connection.read(give_up_s - self._clock())):
                pieces.append(data)
                size += len(data)
        except ConnectionFault:
            pass  # the status alone must do
        return b"".join(pieces)[:MAX_ERROR_BYTES]


def _is_answer(response: Response) -> bool:
    """Whether its body is worth waiting for: a 200 in readable JSON."""
    headers = response.headers
    return (
        response.status == OK
        and "json" in headers.get("content-type", "").lower()
        and headers.get("content-encoding", "").lower() in UNENCODED
    )


async def _first_content(source: Source, max_bytes: int) -> list[bytes]:
    """Hold start-up events, at most `max_bytes`, until content comes: until then any failure stays invisible."""
    meter = source.meter
    held: list[bytes] = []
    size = 0
    while not (meter.saw_content or meter.is_complete or meter.is_over):
        data = await source.next(source.patience.until_content())
        passed = source.rest() if data is None else data
        if passed:
            held.append(passed)
            size += len(passed)
        if data is None:
            break
        if size > max_bytes and not meter.saw_content:
            raise MalformedAnswer("The provider sends events without any content.", detail=f"> {max_bytes} bytes")
    if not meter.saw_content and meter.error is not None:
        raise source.judge.event(meter.error, content_seen=False)
    if not meter.saw_content and meter.lost:
        raise MalformedAnswer("The provider's first event was damaged.", detail="no JSON")
    if not meter.saw_content and not meter.is_complete:
        raise ConnectionLost("The provider ended the stream before it said anything.")
    return held
