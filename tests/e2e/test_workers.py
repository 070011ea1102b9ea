"""Several workers on one port: to clients, scrapers and operators they are one gateway."""

from __future__ import annotations

import asyncio
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from os import kill
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from e2e.dialects import OPENAI
from e2e.gateway import PATIENCE_S, POLL_S, Gateway
from e2e.given import KEY, MODEL

ASK = [{"role": "user", "content": "Which way?"}]
BODY = {"model": MODEL, "messages": ASK, "max_tokens": 4}
TWO = ("--workers", "2")
CONNECTIONS = 40
"""Enough for the kernel to give some to each of two workers."""
REQUESTS = "pointsman_requests_total"
STOPPING = re.compile(r"worker (\d): stopping: (\d+) requests are running")


def session(gateway: Gateway, *, fresh: bool = False) -> aiohttp.ClientSession:
    """As many connections as requests at a time; `fresh`: one for each request."""
    connector = aiohttp.TCPConnector(limit=0, force_close=fresh)
    timeout = aiohttp.ClientTimeout(PATIENCE_S)
    return aiohttp.ClientSession(gateway.url, connector=connector, timeout=timeout, headers=gateway.auth())


def workers_of(gateway: Gateway) -> list[int]:
    """Process ids."""
    pid = gateway.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def until(fact: Callable[[], object], called: str) -> None:
    """Even when the gateway's first process has ended."""
    until_s = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < until_s, f"{called} did not come"
        await asyncio.sleep(POLL_S)


def totals(text: str) -> dict[str, float]:
    """Whatever can only grow."""
    found: dict[str, float] = {}
    grows = False
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            grows = line.endswith((" counter", " histogram"))
        elif not line.startswith("#") and grows:
            series, _, value = line.rpartition(" ")
            found[series] = float(value)
    return found


def requests_in(found: dict[str, float], name: str = REQUESTS) -> float:
    return sum(value for series, value in found.items() if series.partition("{")[0] == name)


async def scrape(client: aiohttp.ClientSession) -> dict[str, float]:
    async with client.get("/metrics") as reply:
        assert 200 == reply.status
        return totals(await reply.text())


async def test_whichever_worker_is_asked_the_figures_are_those_of_all(serve, document):
    """Each of many connections is told the same, and it is what the clients have counted."""
    gateway, rounds = serve(document, *TWO), 5

    async def client(client: aiohttp.ClientSession) -> None:
        for _ in range(rounds):
            async with client.post(OPENAI.chat, json=BODY) as reply:
                assert 200 == reply.status
                await reply.read()

    async with session(gateway) as clients, asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(client(clients))
    sent = CONNECTIONS * rounds
    async with session(gateway, fresh=True) as scraper:
        async with asyncio.timeout(PATIENCE_S):
            while requests_in(await scrape(scraper)) != sent:
                pass
        for _ in range(CONNECTIONS):
            found = await scrape(scraper)
            assert sent == requests_in(found)
            assert sent == requests_in(found, "pointsman_request_duration_seconds_count")
    await until(lambda: len(gateway.facts) == sent, "all access log lines")
    assert 0 == await asyncio.to_thread(gateway.stop)


async def test_a_worker_killed_under_load_is_replaced_and_no_counter_ever_goes_down(serve, document):
    gateway = serve(document, *TWO)
    stop = asyncio.Event()
    replies: Counter[int] = Counter()

    async def load(client: aiohttp.ClientSession) -> None:
        while not stop.is_set():
            try:
                async with client.post(OPENAI.chat, json=BODY) as reply:
                    await reply.read()
                    replies[reply.status] += 1
            except aiohttp.ClientError:  # it was this worker's connection
                replies[0] += 1

    async def watch(scraper: aiohttp.ClientSession) -> None:
        last: dict[str, float] = {}
        while not stop.is_set():
            try:
                found = await scrape(scraper)
            except aiohttp.ClientError:  # it was the killed one we asked
                continue
            lower = {series: (was, found.get(series)) for series, was in last.items() if found.get(series, 0.0) < was}
            assert not lower
            last = found

    async def kills(index: int) -> None:
        since = len(gateway.said)
        seen = replies[200]
        await until(lambda: replies[200] >= seen + 50, "load")
        kill(workers_of(gateway)[index], signal.SIGKILL)
        line = await asyncio.to_thread(gateway.line, "is back", since)
        assert f"{line[line.index('worker') :].removesuffix(' is back')} ended (killed by SIGKILL)" in " ".join(
            gateway.said[since:]
        )
        seen = replies[200]
        await until(lambda: replies[200] >= seen + 50, "load")

    async with session(gateway, fresh=True) as client, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(load(client))
        group.create_task(watch(client))
        for index in (0, 1):
            await kills(index)
        stop.set()
    assert {200, 0} >= set(replies)
    assert 2 == len(workers_of(gateway))
    assert 0 == await asyncio.to_thread(gateway.stop)


async def test_a_keys_requests_a_minute_hold_for_all_workers_together(serve, document):
    """Each worker alone would let the whole minute's allowance pass."""
    rpm, sent = 60, 160
    keys = [{"name": "ci", "key": KEY, "rpm": rpm}]
    gateway = serve({**document, "auth": {"keys": keys}}, *TWO)

    async def ask(client: aiohttp.ClientSession) -> int:
        async with client.post(OPENAI.chat, json=BODY) as reply:
            await reply.read()
            return reply.status

    async with session(gateway, fresh=True) as client:
        began_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(client)) for _ in range(sent)]
        took_s = time.monotonic() - began_s
    statuses = Counter(each.result() for each in asked)
    assert {200, 429} == set(statuses)
    assert rpm <= statuses[200] <= rpm * (1 + took_s / 60)


async def test_a_token_of_one_worker_is_good_at_all_of_them(serve, document):
    """Also when the variable for their secret is there and empty, as a template leaves it."""
    settings = {"auth": {"keys": [{"name": "ci", "key": KEY}]}, "oneinfer": {"default_provider": "alpha"}}
    gateway = serve({**document, **settings}, *TWO, POINTSMAN_TOKEN_SECRET="")

    async def status(client: aiohttp.ClientSession, token: str) -> int:
        async with client.get("/v1/models", headers={"Authorization": f"Bearer {token}"}) as reply:
            return reply.status

    async with session(gateway, fresh=True) as client:
        async with client.post(f"/v1/ula/oauth-authentication?api_key={KEY}", headers={"Authorization": ""}) as reply:
            token = (await reply.json())["access_token"]
        assert {200} == set(await asyncio.gather(*(status(client, token) for _ in range(CONNECTIONS))))


@pytest.fixture(scope="module")
def slow(simulators) -> dict[str, Any]:
    """A provider whose streams take about a second."""
    url = simulators.start("slow-of-many", words=30, tokens_per_second=30).base_url
    return {
        "providers": {"slow": {"profile": "simulated", "base_url": url}},
        "routes": {"slow": {"deployments": [{"provider": "slow"}]}},
    }


async def test_sigterm_drains_all_workers_together(serve, slow):
    """A stream under way on each ends well; meanwhile none is ready, then none listens; the end is clean."""
    gateway = serve({**slow, "drain": {"delay_s": 0.5}}, *TWO)
    began = asyncio.Semaphore(0)

    async def stream(client: aiohttp.ClientSession) -> bytes:
        async with client.post(OPENAI.chat, json={"model": "slow", "messages": ASK, "stream": True}) as reply:
            first = await reply.content.readany()
            began.release()
            return first + await reply.read()

    async def readiness(client: aiohttp.ClientSession) -> int | None:
        try:
            async with client.get("/readyz") as reply:
                return reply.status
        except aiohttp.ClientConnectionError:
            return None

    async with session(gateway, fresh=True) as client, asyncio.TaskGroup() as group:
        streams = [group.create_task(stream(client)) for _ in range(CONNECTIONS)]
        for _ in range(CONNECTIONS):
            await began.acquire()
        assert {200} == {await readiness(client) for _ in range(10)}
        gateway.process.send_signal(signal.SIGTERM)
        await until(lambda: 2 == sum("stopping: " in line for line in gateway.said), "both stopping")
        assert {503} == set(await asyncio.gather(*(readiness(client) for _ in range(10))))
        async with asyncio.timeout(PATIENCE_S):
            while await readiness(client) is not None:
                pass
        # one may be a moment later than the other
        async with asyncio.timeout(PATIENCE_S):
            while {None} != {await readiness(client) for _ in range(10)}:
                pass
    assert [True] * CONNECTIONS == [each.result().endswith(b"data: [DONE]\n\n") for each in streams]
    assert 0 == await asyncio.to_thread(gateway.ended)
    assert ["completed"] * CONNECTIONS == [fact["outcome"] for fact in gateway.facts]
    running = {found[1]: int(found[2]) for found in map(STOPPING.search, gateway.said) if found}
    assert {"0", "1"} == set(running)
    assert CONNECTIONS == sum(running.values())
    assert all(running.values())


async def test_a_second_signal_ends_all_at_once(serve, simulators):
    url = simulators.start("endless-of-many", words=1000, tokens_per_second=1).base_url
    providers = {"slow": {"profile": "simulated", "base_url": url}}
    gateway = serve({"providers": providers, "routes": {"slow": {"deployments": [{"provider": "slow"}]}}}, *TWO)
    began = asyncio.Semaphore(0)

    async def stream(client: aiohttp.ClientSession) -> bytes:
        async with client.post(OPENAI.chat, json={"model": "slow", "messages": ASK, "stream": True}) as reply:
            await reply.content.readany()
            began.release()
            return await reply.read()

    async with session(gateway) as client, asyncio.TaskGroup() as group:
        streams = [group.create_task(stream(client)) for _ in range(CONNECTIONS)]
        for _ in range(CONNECTIONS):
            await began.acquire()
        gateway.process.send_signal(signal.SIGTERM)
        await until(lambda: 2 == sum("stopping: " in line for line in gateway.said), "both stopping")
        gateway.process.send_signal(signal.SIGINT)
    assert all(b'"code":"shutting_down"' in each.result() for each in streams)
    assert 0 == await asyncio.to_thread(gateway.ended)


async def test_a_reload_reaches_every_worker_and_a_bad_file_none(serve, document):
    gateway = serve(document, *TWO)
    new = {**document, "routes": {**document["routes"], "new": {"deployments": [{"provider": "beta"}]}}}

    async def statuses() -> set[int]:
        async def ask() -> int:
            async with client.get("/v1/models/new") as reply:
                return reply.status

        async with session(gateway, fresh=True) as client:
            return set(await asyncio.gather(*(ask() for _ in range(CONNECTIONS))))

    async def both(text: str) -> None:
        wanted = [f"worker {index}: {text}" for index in (0, 1)]
        await until(lambda: all(any(each in line for line in gateway.said) for each in wanted), text)

    assert {404} == await statuses()
    gateway.file.write_text("routes: {x: {deployments: []}}")
    gateway.process.send_signal(signal.SIGHUP)
    await both("the new configuration is not used")
    assert {404} == await statuses()
    gateway._write(new)
    gateway.process.send_signal(signal.SIGHUP)
    await both("configuration reloaded")
    assert {200} == await statuses()


async def test_workers_whose_supervisor_is_killed_end_by_themselves(serve, document, short_path):
    gateway = serve(document, *TWO, TMPDIR=str(short_path))
    workers = workers_of(gateway)
    assert 1 == len(list(short_path.glob("pointsman-*/limits")))
    gateway.process.kill()
    await until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "their ends")
    await asyncio.to_thread(gateway.ended)
    assert any("worker 0: the supervisor is gone: stopping" in line for line in gateway.said)
    assert [] == list(short_path.glob("pointsman-*/*"))


async def test_a_supervisor_killed_while_all_drain_cuts_nothing_off(serve, simulators):
    """To workers under way to their end it is no second signal."""
    url = simulators.start("two-seconds-of-many", words=60, tokens_per_second=25).base_url
    providers = {"slow": {"profile": "simulated", "base_url": url}}
    gateway = serve({"providers": providers, "routes": {"slow": {"deployments": [{"provider": "slow"}]}}}, *TWO)
    began = asyncio.Semaphore(0)

    async def stream(client: aiohttp.ClientSession) -> bytes:
        async with client.post(OPENAI.chat, json={"model": "slow", "messages": ASK, "stream": True}) as reply:
            first = await reply.content.readany()
            began.release()
            return first + await reply.read()

    async with session(gateway, fresh=True) as client, asyncio.TaskGroup() as group:
        streams = [group.create_task(stream(client)) for _ in range(CONNECTIONS)]
        for _ in range(CONNECTIONS):
            await began.acquire()
        gateway.process.send_signal(signal.SIGTERM)
        await until(lambda: 2 == sum("stopping: " in line for line in gateway.said), "both stopping")
        gateway.process.kill()
    await asyncio.to_thread(gateway.ended)
    assert [True] * CONNECTIONS == [each.result().endswith(b"data: [DONE]\n\n") for each in streams]


async def test_nothing_is_left_behind(serve, document, short_path):
    gateway = serve(document, *TWO, TMPDIR=str(short_path))
    folder = next(short_path.glob("pointsman-*/limits")).parent
    assert 0o700 == folder.stat().st_mode & 0o777
    assert 0 == await asyncio.to_thread(gateway.stop)
    assert not folder.exists()
