"""Rows a to d: clients that leave, read slowly, or do not wait for their turn."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import httptools
import pytest

from e2e.faults.said import Said
from e2e.faults.stage import BOTH_FORMS, STREAM, Given, Pair, Trial, request_bytes
from e2e.faults.table import row
from e2e.faults.voice import PIECES, PRIMARY, TEXT, begun
from e2e.wire import Wire
from fakes.chat import DONE
from fakes.steps import JSON, Drop, Head, Send, Stall, Step, Wait, error_answer
from fakes.upstream import Received

CUT_WITHIN_S = 0.5
HALF = 30
"""Pieces."""


def half(pair: Pair) -> tuple[Step, ...]:
    """The first half of an answer in the pair's form."""
    if pair.stream:
        return (Send(PRIMARY.begins()), *(Send(PRIMARY.says(piece)) for piece in PIECES[:HALF]))
    body = PRIMARY.body()
    return (Head(content_type=JSON), Send(body[: len(body) // 2]))


@row("a", "leaves mid-wait or mid-answer")
async def the_provider_is_cut_off_at_once(trial: Trial) -> None:
    slowest_s = 0.0

    def case(begins: bool) -> Any:  # noqa: FBT001 - which of two cases
        async def play(pair: Pair) -> None:
            nonlocal slowest_s
            clock = asyncio.get_running_loop().time
            pair.primary.otherwise(*(half(pair) if begins else ()), Stall())
            async with Wire(pair.stage.gateway.port) as wire:
                await wire.send(request_bytes(pair, f"X-Request-Id: request-{pair.name}"))
                asked = await pair.primary.received()
                if begins and pair.stream:
                    assert 200 == (await wire.answer(until=PIECES[HALF - 1].encode())).status
                left_s = clock()
                wire.cut()
                await asyncio.wait_for(asked.peer_closed.wait(), 10)
            took_s = asked.left_s - left_s
            slowest_s = max(slowest_s, took_s)
            assert took_s < CUT_WITHIN_S
            pair.saw(1, 0)
            fact = await pair.fact_of(f"request-{pair.name}")
            assert ("abandoned", 499) == (fact["outcome"], fact["status"])
            assert ["cancelled"] == [attempt["code"] for attempt in fact["attempts"]]
            billed = fact["tokens"] is not None and fact["tokens"]["estimated"] and fact["cost_usd"] > 0
            assert billed == (begins and pair.stream)

        return play

    def later(primary: tuple[Step, ...], asked: int) -> Any:
        """Is gone when `asked` deployments have been asked: who has not answered yet is cut off, nobody else asked."""

        async def play(pair: Pair) -> None:
            nonlocal slowest_s
            pair.primary.otherwise(*primary)
            pair.fallback.otherwise(Stall())
            async with Wire(pair.stage.gateway.port) as wire:
                await wire.send(request_bytes(pair, f"X-Request-Id: request-{pair.name}"))
                refused = await pair.primary.received()
                await (refused.ended.wait() if asked == 1 else pair.fallback.received())
                left_s = asyncio.get_running_loop().time()
                wire.cut()
                for request in pair.fallback.requests:
                    await asyncio.wait_for(request.peer_closed.wait(), 10)
                    slowest_s = max(slowest_s, request.left_s - left_s)
                    assert request.left_s - left_s < CUT_WITHIN_S
            fact = await pair.fact_of(f"request-{pair.name}")
            assert ("abandoned", 499) == (fact["outcome"], fact["status"])
            pair.saw(1, asked - 1)

        return play

    limited = error_answer(429, "rate_limit_exceeded", kind="requests", headers={"retry-after": "2"})
    hedging = Given(route={"hedge": {"delay_s": 0.05, "max_share": 1.0}})
    await trial.all(
        [
            ("mid-wait", case(False), Given()),
            ("mid-answer", case(True), Given()),
            ("while it waits for another try", later((limited,), 1), Given()),
            ("after a failover", later((error_answer(503),), 2), Given()),
            ("beside a hedge", later((Stall(),), 2), hedging),
        ]
    )
    await trial.all([("mid-rescue", later(begun(Drop()), 2), Given())], forms=(STREAM,))
    trial.notes.append(f"slowest {slowest_s * 1000:.0f} ms")


@row("b", "leaves, and the provider bills anyway")
async def the_answer_is_read_to_its_end_and_billed(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        go_on = asyncio.Event()
        rest = b"".join([*map(PRIMARY.says, PIECES[HALF:]), PRIMARY.ends(), PRIMARY.counts(), DONE])
        pair.primary.otherwise(*half(pair), Wait(go_on), Send(rest))
        async with Wire(pair.stage.gateway.port) as wire:
            await wire.send(request_bytes(pair, f"X-Request-Id: request-{pair.name}"))
            asked = await pair.primary.received()
            await wire.answer(until=PIECES[HALF - 1].encode())
            wire.cut()
        with pytest.raises(TimeoutError):  # as long as it may take to cut off one that does not bill
            await asyncio.wait_for(asked.peer_closed.wait(), CUT_WITHIN_S)
        go_on.set()
        await asyncio.wait_for(asked.ended.wait(), 10)
        fact = await pair.fact_of(f"request-{pair.name}")
        assert asked.completed, "the provider was cut off"
        assert ("abandoned", 499) == (fact["outcome"], fact["status"])
        tokens = fact["tokens"]
        assert (PRIMARY.prompt, PRIMARY.completion, False) == (tokens["input"], tokens["output"], tokens["estimated"])

    await trial.each(case, Given(profiles=("groq", None)), forms=(STREAM,))


STREAM_BYTES = 20 << 20
CHUNK = PRIMARY.says("y" * 16_000)
CHUNKS = STREAM_BYTES // len(CHUNK) + 1
UNREAD_BYTES = 14 << 20
"""Of the kernel's and the gateway's buffers on the way; three streams of 20 MB wait at the same time."""
GROWTH_BYTES = 12 << 20
"""Of the process, for the three streams together: what is buffered, and what a fresh process grows by."""


def resident_bytes(process_id: int) -> int:
    """Memory of a process that is in RAM (Linux)."""
    pages = int(Path(f"/proc/{process_id}/statm").read_text().split()[1])
    return pages * 4096


async def until_still(pair: Pair, asked: Received) -> None:
    """Wait until nothing more is taken of an answer while the process serves others, a hundred times."""
    written = -1
    while written != asked.bytes_written:
        written = asked.bytes_written
        for _ in range(100):
            async with pair.stage.session.get(pair.stage.gateway.url + "/livez") as reply:
                assert await reply.read()


@row("c", "reads a few KB of a 20 MB stream, then stops")
async def memory_is_bounded(trial: Trial) -> None:
    process_id = trial.stage.gateway.process.pid
    before = resident_bytes(process_id)
    growth: list[int] = []

    async def case(pair: Pair) -> None:
        pair.primary.otherwise(Send(PRIMARY.begins()), *[Send(CHUNK)] * CHUNKS, Send(PRIMARY.ends() + DONE))
        with socket.create_connection(("127.0.0.1", pair.stage.gateway.port)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            slow.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(slow, request_bytes(pair, f"X-Request-Id: request-{pair.name}"))
            assert await loop.sock_recv(slow, 4096)
            asked = await pair.primary.received()
            await asyncio.wait_for(asked.blocked.wait(), 10)
            await until_still(pair, asked)
            growth.append(resident_bytes(process_id) - before)
            assert not asked.ended.is_set(), "all was taken in although nobody reads it"
            assert asked.bytes_written < UNREAD_BYTES
        await asyncio.wait_for(asked.peer_closed.wait(), 10)

    await trial.each(case, forms=(STREAM,))
    trial.notes.append(f"+{max(growth, default=0) / 2**20:.1f} MB for three")
    assert max(growth, default=0) < GROWTH_BYTES


class Answers:
    """Reads all answers of one connection, one after the other."""

    def __init__(self) -> None:
        self.whole: list[bytes] = []
        self._body = b""
        self._parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        self.whole.append(self._body)
        self._body = b""

    async def read(self, wire: Wire, count: int) -> list[bytes]:
        async with asyncio.timeout(15):
            while len(self.whole) < count and (data := await wire.reader.read(65_536)):
                self._parser.feed_data(data)
        return self.whole


@row("d", "two pipelined requests on one connection")
async def they_are_answered_in_order(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        """The first is held back until the second has been sent, and may well have been answered."""
        go_on = asyncio.Event()
        pair.primary.script(Wait(go_on), PRIMARY.answers(stream=pair.stream))
        pair.primary.otherwise(PRIMARY.answers("Second", ".", stream=not pair.stream))
        async with Wire(pair.stage.gateway.port) as wire:
            await wire.send(request_bytes(pair) + request_bytes(pair, stream=not pair.stream))
            await pair.primary.received()
            go_on.set()
            first, second = await Answers().read(wire, 2)
        Said(pair.surface, pair.stream, 200, HEADERS[pair.stream], first, False, 0.0).whole(TEXT)
        Said(pair.surface, not pair.stream, 200, HEADERS[not pair.stream], second, False, 0.0).whole("Second.")
        pair.saw(2, 0)
        assert [pair.stream, not pair.stream] == [request.json["stream"] for request in pair.primary.requests]

    await trial.each(case, forms=BOTH_FORMS)


HEADERS = {True: {"content-type": "text/event-stream"}, False: {"content-type": "application/json"}}
