"""Streams leave nothing behind: not when thousands are open at once, and not when ten thousand are cut half-way."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from e2e.dialects import OPENAI
from e2e.faults.voice import FALLBACK, PIECES, PRIMARY
from e2e.gateway import Gateway
from e2e.wire import request
from fakes.steps import Drop, Send, Wait
from fakes.upstream import ScriptedUpstream

OPEN = 2_000
CUT = 10_000
AT_ONCE = 250
FILES = 4 * OPEN
"""Two connections each here, two in the process, and as many again."""
GROWTH_BYTES = 12 << 20
"""Of the process, from after a first round to after the last one: 1,250 bytes for each cut stream, less than the record
of one exchange takes. What the allocator keeps for the peak of open streams is there after the first round."""
KEPT_BYTES = 8 << 20
"""For streams that may be rescued: enough for those under way, a tenth of what all of them need one after another."""
PAGE_BYTES = resource.getpagesize()
BEGUN = PRIMARY.begins() + PRIMARY.says(*PIECES[:20])
REST = b"".join([PRIMARY.says(*PIECES[20:]), PRIMARY.ends(), PRIMARY.counts(), b"data: [DONE]\n\n"])
END = b"0\r\n\r\n"


@pytest.fixture
async def fallback() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
def many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(FILES, hard), hard))


class Streams:
    """Callers with a connection each; all they keep of an answer is how it ended."""

    def __init__(self, gateway: Gateway) -> None:
        self._port = gateway.port
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def connect(self, count: int) -> None:
        while len(self._free) < count:
            self._free.append(await asyncio.open_connection("127.0.0.1", self._port))

    async def ask(self, model: str, began: asyncio.Semaphore | None = None) -> bytes:
        """The last bytes of one stream."""
        body = orjson.dumps({"model": model, "stream": True, "messages": [{"role": "user", "content": "Which way?"}]})
        reader, writer = self._free.pop()
        writer.write(request(OPENAI.chat, body))
        last = b""
        while not last.endswith(END):
            data = await reader.read(65_536)
            assert data, f"the stream was cut off after {last!r}"
            last = (last + data)[-256:]
            if began is not None:
                began.release()
                began = None
        self._free.append((reader, writer))
        return last

    def close(self) -> None:
        for _, writer in self._free:
            writer.transport.abort()


def resident_bytes(gateway: Gateway) -> int:
    return int(Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES


async def hold_open(gateway: Gateway, upstream: ScriptedUpstream, streams: Streams) -> None:
    """As many streams as there shall be, all at the same time; then each is finished."""
    go_on = asyncio.Event()
    upstream.otherwise(Send(BEGUN), Wait(go_on), Send(REST))
    began = asyncio.Semaphore(0)
    asked = [asyncio.ensure_future(streams.ask("alone", began)) for _ in range(OPEN)]
    for _ in range(OPEN):
        await asyncio.wait_for(began.acquire(), 30)
    assert OPEN == await asyncio.to_thread(gateway.metric, "pointsman_streams_open")
    go_on.set()
    ends = await asyncio.gather(*asked)
    assert all(b"data: [DONE]" in end for end in ends)


async def cut_off(upstream: ScriptedUpstream, streams: Streams, count: int) -> None:
    """Half of them go on elsewhere, half end in an error."""
    upstream.otherwise(Send(BEGUN), Drop())
    models = iter(["alone", "rescued"] * (count // 2))

    async def caller() -> None:
        for model in models:
            assert (model == "rescued") == (b"data: [DONE]" in await streams.ask(model))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(caller())


async def test_open_and_cut_streams_leave_no_memory_behind(many_files, serve, upstream, fallback):
    """After the first round the process has what it needs; the others add nothing."""
    provider = {"max_connections": 2 * OPEN}
    gateway = serve(
        {
            "providers": {
                "first": {"base_url": upstream.base_url, **provider},
                "second": {"base_url": fallback.base_url, **provider},
            },
            "routes": {
                "alone": {"deployments": [{"provider": "first", "model": "any"}]},
                "rescued": {"deployments": [{"provider": "first", "model": "any"}, {"provider": "second"}]},
            },
            "limits": {"splice_total_bytes": KEPT_BYTES},
            "health": {"failures": 1_000_000, "retry_budget_min": AT_ONCE},
        }
    )
    fallback.otherwise(FALLBACK.answers(stream=True))
    streams = Streams(gateway)
    await streams.connect(OPEN)
    await hold_open(gateway, upstream, streams)
    await cut_off(upstream, streams, CUT // 10)
    before = resident_bytes(gateway)
    await hold_open(gateway, upstream, streams)
    await cut_off(upstream, streams, CUT)
    growth = resident_bytes(gateway) - before
    assert growth < GROWTH_BYTES, f"{before >> 20} MB grew by {growth / 2**20:.1f} MB"
    for gauge in ("pointsman_streams_open", "pointsman_requests_in_flight", "pointsman_upstream_in_flight"):
        assert 0 == await asyncio.to_thread(gateway.metric, gauge)
    streams.close()
