"""The provider of the benchmarks, over real sockets: each prompt gets the answer it asks for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from benchmarks import answers
from benchmarks.answers import Plan
from benchmarks.load.target import target
from benchmarks.upstream import Clock, Upstream


@pytest.fixture
async def port() -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    clock = Clock(loop)
    server = await loop.create_server(lambda: Upstream(clock), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


async def answer(port: int, *writes: bytes, size: int) -> bytes:
    """So many bytes of what comes; each write is read before the next."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for write in writes:
        writer.write(write)
        await writer.drain()
        await asyncio.sleep(0)
    try:
        return await reader.readexactly(size)
    finally:
        writer.transport.abort()


def unstamped(data: bytes) -> bytes:
    begin = data.find(answers.STAMP) + len(answers.STAMP)
    return (
        data[:begin] + b"0" * answers.STAMP_DIGITS + data[begin + answers.STAMP_DIGITS :]
        if answers.stamp(data)
        else data
    )


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (Plan(size=2048), answers.whole(2048)),
        (Plan(size=2048, delay_ms=1), answers.whole(2048)),
        (Plan(events=5), answers.burst(5)),
        (Plan(events=5, every_ms=1), answers.burst(5)),
    ],
    ids=["whole", "delayed", "burst", "paced"],
)
async def test_a_prompt_gets_the_answer_it_asks_for(port, plan, expected):
    found = await answer(port, target(port, plan, key="none").request, size=len(expected))
    assert expected == unstamped(found)


async def test_a_paced_stream_says_when_it_began(port):
    before_s = time.monotonic()
    found = await answer(port, target(port, Plan(events=5, every_ms=1), key="none").request, size=400)
    assert before_s - 1e-6 <= answers.stamp(found) <= time.monotonic()


@pytest.mark.parametrize("padding", [0, 400_000])
async def test_a_request_may_come_in_pieces(port, padding):
    whole = target(port, Plan(size=2048), key="none", padding=padding).request
    middle = len(whole) // 2
    expected = answers.whole(2048)
    assert expected == await answer(port, whole[:10], whole[10:middle], whole[middle:], size=len(expected))


async def test_a_body_may_come_in_chunks(port):
    body = answers.request_body(Plan(size=2048))
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    expected = answers.whole(2048)
    chunked = b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)
    assert expected == await answer(port, chunked, size=len(expected))


async def test_a_connection_answers_again(port):
    asked = target(port, Plan(events=3), key="none").request
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(asked)
        assert answers.burst(3) == await reader.readexactly(len(answers.burst(3)))
    writer.transport.abort()
