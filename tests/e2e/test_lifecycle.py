"""Stopping, reloading, and a bad file: none of them costs a request."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
import yaml

from e2e.dialects import OPENAI
from e2e.gateway import Gateway
from e2e.given import ALPHA_PRICE, MODEL
from e2e.wire import Wire, request
from fakes.steps import Stall

ASK = [{"role": "user", "content": "Which way?"}]
STREAMS = 50
FAILED_RELOADS = {"result": "failure"}


@pytest.fixture(scope="module")
def slow(simulators) -> dict[str, Any]:
    """A provider whose streams take about a second."""
    url = simulators.start("slow", words=30, tokens_per_second=30).base_url
    return {
        "providers": {"slow": {"profile": "simulated", "base_url": url}},
        "routes": {"slow": {"deployments": [{"provider": "slow"}]}},
    }


async def readiness(gateway: Gateway, session: aiohttp.ClientSession) -> int | None:
    """The status of a fresh connection's `/readyz`, `None` if nobody listens."""
    try:
        async with session.get(gateway.url + "/readyz", headers={"Connection": "close"}) as reply:
            return reply.status
    except aiohttp.ClientConnectionError:
        return None


async def until_not_ready(gateway: Gateway, session: aiohttp.ClientSession) -> int | None:
    async with asyncio.timeout(10):
        while (status := await readiness(gateway, session)) == 200:
            pass
    return status


@pytest.mark.parametrize("delay_s", [0.0, 1.0])
async def test_sigterm_lets_fifty_streams_finish(serve, slow, delay_s):
    """Meanwhile it is not ready, then deaf; the end is clean."""
    gateway = serve({**slow, "drain": {"delay_s": delay_s}})
    began = asyncio.Semaphore(0)

    async def stream(session: aiohttp.ClientSession) -> bytes:
        body = {"model": "slow", "messages": ASK, "stream": True}
        async with session.post(gateway.url + OPENAI.chat, json=body) as reply:
            first = await reply.content.readany()
            began.release()
            return first + await reply.read()

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:
        streams = [group.create_task(stream(session)) for _ in range(STREAMS)]
        for _ in range(STREAMS):
            await asyncio.wait_for(began.acquire(), 10)
        assert 200 == await readiness(gateway, session)
        assert not any(task.done() for task in streams)
        gateway.process.send_signal(signal.SIGTERM)
        assert await until_not_ready(gateway, session) in ({503} if delay_s else {None, 503})
    assert [True] * STREAMS == [task.result().endswith(b"data: [DONE]\n\n") for task in streams]
    assert 0 == await asyncio.to_thread(gateway.ended)
    assert ["completed"] * STREAMS == [fact["outcome"] for fact in gateway.facts]


async def test_a_request_whose_body_is_on_its_way_at_sigterm_is_answered(serve, slow):
    gateway = serve(slow)
    whole = request(OPENAI.chat, orjson.dumps({"model": "slow", "messages": ASK}))
    async with Wire(gateway.port) as streaming, Wire(gateway.port) as wire:
        await wire.send(whole[:-10])
        await streaming.send(request(OPENAI.chat, orjson.dumps({"model": "slow", "messages": ASK, "stream": True})))
        await streaming.answer(until=b"data:")  # later in the same loop: both are being served
        gateway.process.send_signal(signal.SIGTERM)
        async with aiohttp.ClientSession() as session:
            await until_not_ready(gateway, session)
        await wire.send(whole[-10:])
        answer = await wire.answer()
        assert (200, "close") == (answer.status, answer.headers["connection"])
    assert 0 == await asyncio.to_thread(gateway.ended)


@pytest.fixture(scope="module")
def endless(simulators) -> dict[str, Any]:
    """A provider whose streams outlast any patience."""
    url = simulators.start("endless", words=1000, tokens_per_second=1).base_url
    return {
        "providers": {"slow": {"profile": "simulated", "base_url": url}},
        "routes": {"slow": {"deployments": [{"provider": "slow"}]}},
    }


async def test_a_stream_that_outlasts_the_drain_is_told_so(serve, endless):
    gateway = serve({**endless, "drain": {"timeout_s": 0.05}})
    async with aiohttp.ClientSession() as session:
        body = {"model": "slow", "messages": ASK, "stream": True}
        async with session.post(gateway.url + OPENAI.chat, json=body) as reply:
            await reply.content.readany()
            gateway.process.send_signal(signal.SIGTERM)
            rest = await reply.read()
    assert b'"code":"shutting_down"' in rest.splitlines()[-2]
    assert b"[DONE]" not in rest
    assert 0 == await asyncio.to_thread(gateway.ended)
    assert [("truncated", "shutting_down")] == [(fact["outcome"], fact["error_code"]) for fact in gateway.facts]


async def test_a_request_that_outlasts_the_drain_is_told_to_try_again(serve, upstream):
    upstream.script(Stall())
    gateway = serve(
        {
            "providers": {"slow": {"base_url": upstream.base_url}},
            "routes": {"slow": {"deployments": [{"provider": "slow"}]}},
            "drain": {"timeout_s": 0.05},
        }
    )
    async with aiohttp.ClientSession() as session:
        asking = asyncio.ensure_future(session.post(gateway.url + OPENAI.chat, json={"model": "slow", "messages": ASK}))
        await upstream.received()
        gateway.process.send_signal(signal.SIGTERM)
        async with await asking as reply:
            told = await reply.json()
    assert (503, "shutting_down") == (reply.status, told["error"]["code"])
    assert 0 == await asyncio.to_thread(gateway.ended)


async def test_a_second_signal_ends_it_at_once(serve, endless):
    gateway = serve(endless)
    async with aiohttp.ClientSession() as session:
        body = {"model": "slow", "messages": ASK, "stream": True}
        async with session.post(gateway.url + OPENAI.chat, json=body) as reply:
            await reply.content.readany()
            gateway.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(gateway.line, "stopping: ")
            gateway.process.send_signal(signal.SIGINT)
            rest = await reply.read()
    assert b'"code":"shutting_down"' in rest
    assert 0 == await asyncio.to_thread(gateway.ended)


def swap_link(gateway: Gateway, folder: Path, document: dict[str, Any]) -> None:
    """Put a new version in place as Kubernetes does: a folder of its own, and the link above it swapped."""
    folder.mkdir()
    (folder / "pointsman.yaml").write_text(yaml.safe_dump(document))
    link = gateway.file.parent / "..data"
    draft = link.with_name("..draft")
    draft.symlink_to(folder)
    draft.replace(link)


async def test_reloading_under_load_fails_no_request(serve, document, tmp_path):
    """Prices, weights and routes change by signal, by a written file and by a swapped link; new routes appear."""
    gateway = serve(document)
    stop = asyncio.Event()
    bad: list[Any] = []
    good = 0

    async def client(session: aiohttp.ClientSession, number: int) -> None:
        nonlocal good
        while not stop.is_set():
            body = {"model": MODEL, "messages": ASK, "stream": bool(number % 2)}
            async with session.post(gateway.url + OPENAI.chat, json=body) as reply:
                text = await reply.read()
                whole = text.endswith(b"[DONE]\n\n") if number % 2 else b"chat.completion" in text
                if reply.status == 200 and whole:
                    good += 1
                else:
                    bad.append((reply.status, text))

    def version(number: int) -> dict[str, Any]:
        price = {name: value * (number + 1) for name, value in ALPHA_PRICE.items()}
        deployments = [
            {"provider": "alpha", "weight": number + 1, "price": price},
            {"provider": "beta", "priority": 0, "price": price},
        ]
        new = {f"new-{number}": {"deployments": [{"provider": "beta"}]}}
        return {**document, "routes": {MODEL: {"policy": "weighted", "deployments": deployments}, **new}}

    async def appears(number: int) -> None:
        await asyncio.to_thread(
            gateway.wait_for, lambda: gateway.get(f"/v1/models/new-{number}").status_code == 200, f"new-{number}"
        )

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(client(session, number))
        try:
            for number in range(6):
                await asyncio.to_thread(gateway.replace, version(number))
                await appears(number)
            gateway._write(version(6))  # noticed without a signal
            await appears(6)
            swap_link(gateway, tmp_path / "..v7", version(7))
            gateway.file.unlink()
            gateway.file.symlink_to("..data/pointsman.yaml")
            await appears(7)
            swap_link(gateway, tmp_path / "..v8", version(8))
            await appears(8)
        finally:
            stop.set()
    assert not bad
    assert good > 50
    assert 404 == gateway.get("/v1/models/new-7").status_code


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("routes: [", "not valid YAML"),
        ("", "there are none, so nothing could be answered"),
        ("routes: {x: {deployments: []}}", "a route needs at least one deployment"),
        ("providers: {a: {base_url: 'http://127.0.0.1:1/v1', api_kee: x}}", "did you mean `api_key`?"),
        ("providers: {a: {base_url: 'http://127.0.0.1:1/v1', api_key: '${NO_SUCH_KEY}'}}", "NO_SUCH_KEY"),
        ("auth: {mode: keys}", "needs at least one entry in `keys`"),
    ],
)
def test_a_bad_file_keeps_the_old_world(serve, document, text, says):
    """The log names the problem, a metric counts it, and a good file is taken again."""
    gateway = serve(document)
    gateway.file.write_text(text)
    gateway.process.send_signal(signal.SIGHUP)
    gateway.line("the new configuration is not used")
    gateway.line(says)
    assert 200 == gateway.post(OPENAI.chat, {"model": MODEL, "messages": ASK}).status_code
    assert 1 <= gateway.metric("pointsman_config_reloads_total", **FAILED_RELOADS)
    gateway.use(routes={"new": {"deployments": [{"provider": "beta"}]}})
    assert 200 == gateway.get("/v1/models/new").status_code


def test_readiness_liveness_and_health_agree(gateway):
    for path in ("/livez", "/readyz", "/healthz"):
        reply = gateway.get(path)
        assert (200, {"status": "ok"}) == (reply.status_code, reply.json())
