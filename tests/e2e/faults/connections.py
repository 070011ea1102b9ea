"""Rows 5 and 18 to 20: connections that die young or idle, answers that are none, and bytes in odd shapes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from typing import Any

from e2e.dialects import ONEINFER, OPENAI, OXEN, SURFACES
from e2e.faults.stage import STREAM, WHOLE, Given, Pair, Trial
from e2e.faults.table import row
from e2e.faults.voice import PIECES, PRIMARY, TEXT
from fakes.chat import DONE
from fakes.steps import EVENT_STREAM, JSON, SSE, Drop, Framing, Head, Raw, Reset, Send, Stall, Status, Step
from fakes.upstream import TurnsAway


@row("5", "resets TCP before any byte")
async def asks_again_over_a_new_connection(trial: Trial) -> None:
    async def once(pair: Pair) -> None:
        pair.primary.script(Reset())
        pair.primary.otherwise(pair.primary_answers())
        said = await pair.ask()
        said.whole()
        pair.saw(2, 0)
        assert ["upstream_connection_lost", "ok"] == await pair.codes(said)

    async def always(pair: Pair) -> None:
        pair.primary.otherwise(Reset())
        pair.fallback.otherwise(pair.fallback_answers())
        (await pair.ask()).whole()
        pair.saw(2, 1)

    async def after_the_head(pair: Pair) -> None:
        """A status alone is no answer yet."""
        pair.primary.script(Head(content_type=EVENT_STREAM if pair.stream else JSON), Reset())
        pair.primary.otherwise(pair.primary_answers())
        (await pair.ask()).whole()
        pair.saw(2, 0)

    async def deaf(pair: Pair) -> None:
        """Nobody listens there any more."""
        await pair.primary.stop()
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        pair.saw(0, 1)
        assert "upstream_connect_failed" in await pair.codes(said)

    await trial.all(
        [
            ("once", once, Given()),
            ("always", always, Given()),
            ("after the head", after_the_head, Given()),
            ("refused", deaf, Given()),
        ]
    )


PAGE = b"<!doctype html><html><body><h1>Welcome</h1> {} data: nothing</body></html>"


def no_answers(*, stream: bool) -> dict[str, Step]:
    """A 200 each, and none of them an answer."""
    right = EVENT_STREAM if stream else JSON
    wrong = JSON if stream else EVENT_STREAM
    whole = b"".join(PRIMARY.stream()) if stream else PRIMARY.body()
    return {
        "a page": Status(200, {}, PAGE, "text/html; charset=utf-8"),
        "a page under the right type": Status(200, {}, PAGE, right),
        "an answer under another type": Status(200, {}, whole, "text/plain"),
        "an answer without any type": Status(200, {}, whole, ""),
        "the other form's type": Status(200, {}, PAGE, wrong),
        "an empty body": Status(200, {}, b"", right),
        "a document that is no answer": Status(200, {}, b'{"status": "ok"}', JSON),
        "null": Status(200, {}, b"null", JSON),
        "an array": Status(200, {}, b"[]", JSON),
        "blank lines": Status(200, {}, b"\n\n\n", right),
    }


@row("18", "200 with an HTML body, a wrong type, or nothing")
async def fails_over_before_the_first_byte(trial: Trial) -> None:
    def case(name: str) -> tuple[str, Any, Given]:
        async def play(pair: Pair) -> None:
            pair.primary.otherwise(no_answers(stream=pair.stream)[name])
            pair.fallback.otherwise(pair.fallback_answers())
            said = await pair.ask()
            said.whole()
            primary, fallback = pair.seen()
            assert (True, 1) == (1 <= primary <= 2, fallback)
            assert b"Welcome" not in said.body

        return name, play, Given()

    await trial.all([case(name) for name in no_answers(stream=True)])
    trial.notes.append(f"{len(no_answers(stream=True))} kinds")


REQUESTS = 1000


@row("19", "closes an idle pooled connection as it is used")
async def a_stale_connection_is_never_felt(trial: Trial) -> None:
    def case(how: TurnsAway | None) -> Any:
        async def play(pair: Pair) -> None:
            """`None`: closes after each answer, and says nothing of it beforehand."""
            pair.primary.turns_away = how
            steps = PRIMARY.answers("Left", ".", stream=pair.stream), *(() if how else (_end(pair), Drop()))
            pair.primary.otherwise(*steps)
            for number in range(REQUESTS):
                said = await pair.ask()
                assert said.is_whole, (number, said.status, said.body)
                assert said.headers["x-pointsman-route"].endswith("; attempts=1"), number
            said.whole("Left.")
            pair.saw(REQUESTS, 0)
            if how is not None:
                assert pair.primary.turned_away > REQUESTS / 2
                trial.notes.append(f"{pair.primary.turned_away} turned away by a {how.value}")

        return play

    await asyncio.gather(
        trial.all([("closed", case(TurnsAway.CLOSE), Given())], surfaces=(OPENAI,), forms=(WHOLE,)),
        trial.all([("reset", case(TurnsAway.RESET), Given())], surfaces=(ONEINFER,), forms=(STREAM,)),
        trial.all([("closed after each", case(None), Given())], surfaces=(OXEN,), forms=(STREAM,)),
    )


def _end(pair: Pair) -> Step:
    """The end of a chunked body, which the script would else send only when it does not close."""
    return Raw(b"0\r\n\r\n" if pair.stream else b"")


BIG = "x" * (8 << 20)
TOO_BIG = "x" * (17 << 20)
"""Over `limits.max_event_bytes`."""
PING = b'event: ping\ndata: {"type": "ping"}\n\n'


def _with_between(between: bytes) -> tuple[bytes, ...]:
    first, second, *rest = PRIMARY.stream()
    return (between, first, between, second, between, *(event + between for event in rest[:-1]), rest[-1])


def odd_streams() -> dict[str, tuple[Step, ...]]:
    """Streams that are right, however odd."""
    events = PRIMARY.stream()
    joined = b"".join(events)
    return {
        "CRLF": (SSE(*(event.replace(b"\n", b"\r\n") for event in events)),),
        "CR": (SSE(*(event.replace(b"\n", b"\r") for event in events)),),
        "no blank after the colon": (SSE(*(event.replace(b"data: ", b"data:") for event in events)),),
        "comments": (SSE(*_with_between(b": OPENROUTER PROCESSING\n\n")),),
        "comments without a blank line": (SSE(*_with_between(b": keep-alive\n")),),
        "pings": (SSE(*_with_between(PING)),),
        "blank lines": (SSE(*_with_between(b"\n\n\n")),),
        "all in one write": (SSE(joined),),
        "no blank line at the end": (SSE(joined[:-1]),),
        "in pieces of three": (SSE(*events, piece=3),),
        "ended by closing": (SSE(*events, framing=Framing.CLOSE),),
        "a header of 60 KB": (Head(headers={"x-big": "h" * 60_000}), Send(joined)),
        "a length too large": (Head(framing=Framing.LENGTH, length=len(joined) + 99), Send(joined), Drop()),
        "a length too large, kept open": (Head(framing=Framing.LENGTH, length=len(joined) + 99), Send(joined), Stall()),
    }


@row("20", "bytes in odd shapes and sizes")
async def passes_them_or_fails_cleanly(trial: Trial) -> None:
    await trial.all(list(_odd_streams()), forms=(STREAM,))
    await trial.all(list(_odd_frames()))
    await trial.all([("8 MB", _big, Given())], surfaces=SURFACES)
    await trial.all([("an event over the limit", _too_big, Given())], surfaces=(OPENAI,), forms=(STREAM,))


def _odd_streams() -> Iterator[tuple[str, Any, Given]]:
    for name, steps in odd_streams().items():

        async def play(pair: Pair, steps: tuple[Step, ...] = steps) -> None:
            pair.primary.otherwise(*steps)
            (await pair.ask()).whole()
            pair.saw(1, 0)

        yield name, play, Given()

    async def length_too_small(pair: Pair) -> None:
        """The rest is nobody's: the stream is broken there, and no answer after it is touched."""
        events = PRIMARY.stream()
        joined = b"".join(events)
        pair.primary.script(Head(framing=Framing.LENGTH, length=len(joined) // 2), Send(joined), Stall())
        pair.primary.otherwise(pair.primary_answers())
        pair.fallback.otherwise(pair.fallback_answers())
        (await pair.ask()).whole()
        pair.saw(1, 1)
        (await pair.ask()).whole()

    yield "a length too small", length_too_small, Given()


def _odd_frames() -> Iterator[tuple[str, Any, Given]]:
    async def byte_by_byte(pair: Pair) -> None:
        pair.primary.one_byte_at_a_time = True
        pair.primary.otherwise(pair.primary_answers(*PIECES[:12]))
        (await pair.ask()).whole("".join(PIECES[:12]))
        pair.saw(1, 0)

    async def big_header(pair: Pair) -> None:
        """64 KB of one header are more than is read: as if the connection had broken."""
        kind = EVENT_STREAM if pair.stream else JSON
        pair.primary.otherwise(Head(headers={"x-big": "h" * (64 << 10)}, content_type=kind), Drop())
        pair.fallback.otherwise(pair.fallback_answers())
        (await pair.ask()).whole()
        pair.saw(2, 1)

    async def zipped(pair: Pair) -> None:
        """Nobody asked for it; it cannot be read on the way."""
        kind = EVENT_STREAM if pair.stream else JSON
        body = b"".join(PRIMARY.stream()) if pair.stream else PRIMARY.body()
        pair.primary.otherwise(Status(200, {"content-encoding": "gzip"}, gzip.compress(body), kind))
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        assert "content-encoding" not in said.headers
        pair.saw(1, 1)
        assert "gzip" not in (pair.primary.requests[0].headers.get("accept-encoding") or "")

    yield "one byte at a time", byte_by_byte, Given()
    yield "a header of 64 KB", big_header, Given()
    yield "gzip", zipped, Given()
    yield "a wrong length", _wrong_length, Given()


async def _wrong_length(pair: Pair) -> None:
    """Of a whole answer; streams have theirs above. Too small: cut short, and what is over belongs to nobody."""
    if pair.stream:
        pair.primary.otherwise(Head(framing=Framing.LENGTH, length=10), Send(DONE), Stall())
    else:
        body = PRIMARY.body()
        head = Head(content_type=JSON, framing=Framing.LENGTH, length=len(body) - 20)
        pair.primary.script(head, Send(body), Stall())
        larger = Head(content_type=JSON, framing=Framing.LENGTH, length=len(body) + 20)
        pair.primary.otherwise(larger, Send(body), Drop())
    pair.fallback.otherwise(pair.fallback_answers())
    for _ in range(2):
        (await pair.ask()).whole()
    assert 2 == len(pair.fallback.requests)
    assert len(pair.primary.requests) <= 4


async def _big(pair: Pair) -> None:
    """One event, or one answer."""
    pair.primary.otherwise(pair.primary_answers("Turn", BIG, "."))
    (await pair.ask()).whole(f"Turn{BIG}.")
    pair.saw(1, 0)


async def _too_big(pair: Pair) -> None:
    """Of a stream. After the first content it breaks the stream, and the other answer takes over."""
    pair.primary.otherwise(SSE(PRIMARY.begins(), PRIMARY.says("Turn"), PRIMARY.says(TOO_BIG), *PRIMARY.stream()[2:]))
    pair.fallback.otherwise(pair.fallback_answers())
    (await pair.ask()).whole(TEXT)
    pair.saw(1, 1)
