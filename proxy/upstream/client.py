"""Asks one deployment once, and waits until it really begins to answer.

The only file that knows what a fault of the connection means. A `Reply` leaves here with its first content in hand, so
whoever holds one knows that nothing may be retried any more; whoever got an `UpstreamError` knows that everything may.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.dialects.answer import read_answer
from proxy.dialects.meter import StreamMeter
from proxy.dialects.openai_chat import encode, injects_usage
from proxy.dialects.request import OPERATION_PATHS
from proxy.errors import ConnectionLost, MalformedAnswer, UpstreamError
from proxy.providers.credential import KeyMode
from proxy.providers.rate_limit import read_rate_limit
from proxy.upstream.connection import Connection, ConnectionFault, ReadTimeout
from proxy.upstream.judge import Judge, check_encoding, malformed
from proxy.upstream.patience import Patience
from proxy.upstream.reply import Source, StreamReply, WholeReply

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.config import LimitsConfig, TimeoutsConfig
    from proxy.dialects.request import ModelRequest
    from proxy.exchange import Attempt, Call, Reply
    from proxy.upstream.connection import ResponseHead
    from proxy.upstream.pool import Pool, Pools

MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body; more is cut off, it only feeds a message."""
ERROR_BODY_S = 5.0
"""For an error's body to arrive after its status."""
STALE_WITHIN_S = 2.0
"""A connection that was closed while it idled says so within a round trip. One that dies later may have died of the
request, which is then not asked again unseen."""
MAX_REQUEST_ID_CHARS = 128
OK = 200
STREAM_TYPE = "text/event-stream"


@dataclass(slots=True, eq=False)
class _Ask:
    """One request, ready to be sent and judged."""

    attempt: Attempt
    request: ModelRequest
    head: bytes
    body: bytes
    pool: Pool
    connect_s: float
    patience: Patience
    judge: Judge
    hides_usage: bool
    """The gateway asked for usage, the client did not."""


class HttpUpstream:
    """Sends requests to deployments over pooled connections."""

    def __init__(
        self,
        pools: Pools,
        limits: Callable[[], LimitsConfig],
        clock: Callable[[], float],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` is the one deadlines are told in; `wall_clock` reads the providers' dates."""
        self._pools = pools
        self._limits = limits
        self._clock = clock
        self._wall_clock = wall_clock

    async def send(
        self, attempt: Attempt, request: ModelRequest, call: Call, timeouts: TimeoutsConfig, deadline_s: float
    ) -> Reply:
        """Send `request` and wait for the first content. Raises an `UpstreamError`; nothing is retried here.

        The one exception is invisible: a pooled connection the provider had closed meanwhile is replaced. Raises
        `Unauthenticated` if the provider is called with the client's own key and there is none.
        """
        ask = self._prepare(attempt, request, call, timeouts, deadline_s)
        connection, response = await self._exchange(ask)
        try:
            self._note(attempt, response)
            if response.status != OK:
                return await self._refused(ask, connection, response)
            if request.stream:
                return await self._stream(ask, connection, response)
            return await self._whole(ask, connection, response)
        except ConnectionFault as fault:
            connection.abort()
            raise ask.patience.before_content(fault) from fault
        except UpstreamError:
            ask.pool.release(connection)  # kept if its answer is whole, whatever it says
            raise
        except BaseException:
            connection.abort()
            raise

    def _prepare(
        self, attempt: Attempt, request: ModelRequest, call: Call, timeouts: TimeoutsConfig, deadline_s: float
    ) -> _Ask:
        deployment = attempt.deployment
        provider = deployment.provider_config
        quirks = provider.profile.quirks
        injected = injects_usage(request, quirks)
        body = encode(
            request,
            upstream_model=deployment.upstream_model,
            tier=deployment.tier,
            quirks=quirks,
            inject_usage=injected,
        )
        return _Ask(
            attempt=attempt,
            request=request,
            head=provider.request_head(OPERATION_PATHS[request.operation], len(body), call.provider_key, call.headers),
            body=body,
            pool=self._pools.get(provider.origin, provider.max_connections),
            connect_s=timeouts.connect_s,
            patience=Patience(self._clock, deadline_s, timeouts, stream=request.stream),
            judge=Judge(quirks, self._wall_clock, own_key=provider.credential.mode is not KeyMode.CLIENT),
            hides_usage=injected,
        )

    async def _exchange(self, ask: _Ask) -> tuple[Connection, ResponseHead]:
        """Send, and wait for the response's head; once more on a fresh connection if a pooled one proved stale."""
        ask.patience.check()
        connection = await self._connect(ask, fresh=False)
        sent_s = self._clock()
        try:
            return connection, await self._ask(ask, connection)
        except ConnectionFault as fault:
            if not self._was_stale(connection, fault, sent_s):
                raise ask.patience.before_content(fault) from fault
        connection = await self._connect(ask, fresh=True)
        try:
            return connection, await self._ask(ask, connection)
        except ConnectionFault as fault:
            raise ask.patience.before_content(fault) from fault

    async def _connect(self, ask: _Ask, *, fresh: bool) -> Connection:
        wait_s = min(ask.connect_s, ask.patience.until_content())
        try:
            return await ask.pool.acquire(wait_s, fresh=fresh)
        except ConnectionFault as fault:
            raise ask.patience.before_sending(fault, wait_s, ask.connect_s) from fault

    async def _ask(self, ask: _Ask, connection: Connection) -> ResponseHead:
        try:
            connection.send(ask.head, ask.body)
            return await connection.head(ask.patience.until_content())
        except BaseException:
            connection.abort()
            raise

    def _was_stale(self, connection: Connection, fault: ConnectionFault, sent_s: float) -> bool:
        if not connection.is_stale or isinstance(fault, ReadTimeout):
            return False
        return self._clock() - sent_s < STALE_WITHIN_S

    def _note(self, attempt: Attempt, response: ResponseHead) -> None:
        """Keep what the head tells beside the answer."""
        headers = response.headers
        attempt.status = response.status
        request_id = headers.get("x-request-id") or headers.get("request-id")
        attempt.upstream_request_id = request_id[:MAX_REQUEST_ID_CHARS] if request_id else None
        provider = attempt.deployment.provider_config
        if provider.credential.mode is KeyMode.CLIENT:
            return  # the limit is that key's, not the deployment's
        told = read_rate_limit(provider.profile.rate_limits, headers, self._wall_clock)
        if told is not None:
            attempt.deployment.live.told_rate_limit(told.remaining, self._clock() + told.resets_in_s)

    async def _refused(self, ask: _Ask, connection: Connection, response: ResponseHead) -> Reply:
        raise ask.judge.response(response, await self._error_body(connection))

    async def _stream(self, ask: _Ask, connection: Connection, response: ResponseHead) -> Reply:
        check_encoding(response)
        if not response.headers.get("content-type", "").lower().startswith(STREAM_TYPE):
            body = await self._error_body(connection)
            raise ask.judge.not_a_stream(response, body, ask.request.operation)
        limits, quirks = self._limits(), ask.attempt.deployment.provider_config.profile.quirks
        meter = StreamMeter(
            quirks,
            drop_usage=ask.hides_usage,
            max_event_bytes=limits.max_event_bytes,
            choices=ask.request.choices,
        )
        meter.doubts = ask.request.ends_with_done
        source = Source(ask.pool, connection, response, meter, ask.patience, ask.judge, ask.request.ends_with_done)
        return StreamReply(source, await _first_content(source, limits.max_answer_bytes))

    async def _whole(self, ask: _Ask, connection: Connection, response: ResponseHead) -> Reply:
        check_encoding(response)
        if "json" not in response.headers.get("content-type", "").lower():
            raise malformed("JSON", response, f"{response.headers.get('content-length', 'any number of')} bytes")
        body = await self._body(ask, connection)
        answer = read_answer(body, ask.request.operation, ask.attempt.deployment.provider_config.profile.quirks)
        if answer.error is not None:
            raise ask.judge.response(response, body)
        ask.pool.release(connection)
        return WholeReply(response, body, answer)

    async def _body(self, ask: _Ask, connection: Connection) -> bytes:
        limit = self._limits().max_answer_bytes
        pieces: list[bytes] = []
        size = 0
        while data := await connection.read(ask.patience.until_content()):
            size += len(data)
            if size > limit:
                raise MalformedAnswer(
                    "The provider's answer is larger than this gateway takes.", detail=f"> {limit} bytes"
                )
            pieces.append(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

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
