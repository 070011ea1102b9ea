"""A deployment that has begun to answer. The relay: bytes out are the bytes that came in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.errors import StreamBroken, StreamDoubtful, StreamFailed, UpstreamError
from proxy.upstream.faults import ConnectionFault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from proxy.dialects.answer import Answer
    from proxy.dialects.meter import StreamMeter
    from proxy.upstream.connection import Connection
    from proxy.upstream.judge import Judge
    from proxy.upstream.patience import Patience
    from proxy.upstream.pool import Pool
    from proxy.upstream.response import Response

DONE = b"data: [DONE]\n\n"


class WholeReply:
    """An answer that came in one piece and has been read and understood."""

    __slots__ = ("headers", "is_passed", "meter", "status", "whole")

    def __init__(self, response: Response, body: bytes, answer: Answer, *, is_passed: bool) -> None:
        self.is_passed = is_passed
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self.whole = body
        self.meter = answer

    async def relay(self, push: Callable[[bytes], bool], drain: Callable[[], Awaitable[None]]) -> None:
        """The body at once."""
        if not push(self.whole):
            await drain()

    def close(self) -> None:
        """Nothing is held."""


@dataclass(slots=True, eq=False)
class Source:
    """A stream's connection and what is needed to read it: `meter` follows, `patience` limits, `judge` names faults."""

    pool: Pool
    connection: Connection
    response: Response
    meter: StreamMeter
    patience: Patience
    judge: Judge
    ends_with_done: bool
    """Chat and completions: `[DONE]` ends the stream, and its errors are told in the surface's own words.

    Otherwise a stream passed on in another dialect, whose last events are part of it.
    """
    at_end: Callable[[], None] | None = None
    """Called once, when nobody reads it any more."""

    @property
    def has_ended(self) -> bool:
        """Whether the last event has come: what follows is framing, or nobody's."""
        return self.meter.saw_done or (self.meter.is_complete and not self.ends_with_done)

    async def next(self, wait_s: float) -> bytes | None:
        """The next whole events; `None` at the end. Raises `ConnectionFault`, or an `UpstreamError` for a monster."""
        data = await self.connection.read(wait_s)
        return self.sound(self.meter.feed(data)) if data else None

    def rest(self) -> bytes:
        """What is left when no more comes."""
        return self.sound(self.meter.close())

    def sound(self, passed: bytes) -> bytes:
        """Up to `[DONE]`, or without what is no answer: an error event is told of in the surface's own words."""
        return passed[: self.meter.sound_bytes] if self.ends_with_done or self.meter.lost else passed


class StreamReply:
    """A stream whose first content is in `held`. Ends completely, or raises `StreamBroken`: never in between."""

    __slots__ = ("_closed", "_has_doubted", "_held", "_source", "headers", "is_passed", "meter", "status", "whole")

    def __init__(self, source: Source, held: list[bytes], *, is_passed: bool) -> None:
        self.is_passed = is_passed
        self.status = source.response.status
        self.headers: Mapping[str, str] = source.response.headers
        self.meter = source.meter
        self.whole: bytes | None = None
        self._source = source
        self._held = held
        self._closed = False
        self._has_doubted = False

    async def relay(self, push: Callable[[bytes], bool], drain: Callable[[], Awaitable[None]]) -> None:
        """Whole events as they come, several together when they came together; no task is woken for them.

        Once it has raised `StreamDoubtful` it may be called again: then what was doubtful is overlooked.
        """
        source, meter = self._source, self.meter
        if self._closed:
            raise StreamBroken("The answer has been closed.")  # its connection may serve somebody else by now
        held, self._held = self._held, []
        if self._has_doubted and (behind := source.sound(meter.overlook())):
            held.append(behind)
        keeps_up = True
        for data in held:
            keeps_up = push(data)
        if not keeps_up:
            await drain()
        fault = await self._pour(push, drain)
        if not meter.is_over and (tail := source.rest()):
            push(tail)
        if (broken := self._verdict(fault)) is not None:
            raise broken from fault
        if source.ends_with_done and not meter.saw_done:
            push(DONE)  # complete, but the provider left out the terminator clients wait for

    async def _pour(
        self, push: Callable[[bytes], bool], drain: Callable[[], Awaitable[None]]
    ) -> ConnectionFault | None:
        """All that still comes; answers the fault that ended it, `None` if it came to an end of its own."""
        source, meter, patience = self._source, self.meter, self._source.patience
        connection = source.connection
        keeps_up = True

        def take(data: bytes) -> bool:
            nonlocal keeps_up
            passed = meter.feed(data)
            if meter.is_over:
                passed = source.sound(passed)
            keeps_up = not passed or push(passed)
            if meter.finish_reason is not None:
                connection.hurry()
            return keeps_up and not meter.is_over

        def wait_s() -> float:
            is_ending = meter.is_complete and not meter.goes_on
            return patience.until_end() if is_ending else patience.until_next()

        try:
            while not meter.is_over:
                if not await connection.flow(take, wait_s):
                    break
                if not keeps_up:
                    await drain()
        except ConnectionFault as fault:
            return fault
        return None

    def close(self) -> None:
        """Reuse the connection if the stream has ended by itself, else cut it: the provider stops at once."""
        if self._closed:
            return
        self._closed = True
        source = self._source
        if source.at_end is not None:
            source.at_end()
        if source.has_ended:
            source.pool.release_when_complete(source.connection)
        else:
            source.pool.release(source.connection)

    def _verdict(self, fault: ConnectionFault | None) -> UpstreamError | None:
        """What is wrong with the stream as it ended; `None` if nothing."""
        source, meter = self._source, self.meter
        if meter.error is not None:
            error = source.judge.event(meter.error, content_seen=True)
            if source.ends_with_done or meter.sound_bytes is None:
                return error
            return StreamFailed(error.message, detail=error.detail, upstream_status=source.response.status)
        if meter.in_doubt or meter.lost:
            self._has_doubted = meter.in_doubt
            kind = StreamDoubtful if meter.in_doubt else StreamBroken
            return kind("A piece of the provider's answer was damaged.", detail="an event is no JSON")
        if meter.is_complete and not (meter.goes_on and fault is not None):
            return None
        if fault is not None:
            return source.patience.after_content(fault)
        return StreamBroken("The provider's answer broke off.", detail="ended without a finish reason")
