"""Metrics that Prometheus can read, and that no client can make grow."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator

import aiohttp
import pytest

from e2e.dialects import ONEINFER, OPENAI, OXEN
from e2e.gateway import Gateway
from e2e.given import MODEL, require

ASK = [{"role": "user", "content": "Which way?"}]
NAMES = 10_000
AT_ONCE = 32


def series(gateway: Gateway) -> set[str]:
    return set(gateway.metrics())


async def pour(gateway: Gateway, paths: Iterator[tuple[str, str]]) -> set[int]:
    """Ask for each (path, model), many at a time: the statuses that came."""
    statuses: set[int] = set()

    async def worker(session: aiohttp.ClientSession) -> None:
        for path, model in paths:
            async with session.post(gateway.url + path, json={"model": model, "messages": ASK}) as reply:
                statuses.add(reply.status)
                await reply.read()

    async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(worker(session))
    return statuses


def test_promtool_finds_nothing_wrong(gateway):
    promtool = require(shutil.which("promtool"), "promtool")
    for fields in ({}, {"stream": True}, {"model": "nobody-has-it"}, {"messages": []}, {"service_tier": "flex"}):
        gateway.post(OPENAI.chat, {"model": MODEL, "messages": ASK, **fields})
    text = gateway.get("/metrics").content
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)  # noqa: S603
    assert (0, b"", b"") == (checked.returncode, checked.stdout, checked.stderr)


async def test_ten_thousand_model_names_make_no_new_series(gateway):
    """Whether they are refused, or passed on by a wildcard route."""
    paths = (OPENAI.chat, ONEINFER.chat, OXEN.chat)
    await pour(gateway, iter([(path, "unknown-0") for path in paths]))
    before = series(gateway)
    counted = gateway.metric("pointsman_requests_total")
    refused = await pour(gateway, ((paths[n % 3], f"unknown-{n}") for n in range(NAMES * 9 // 10)))
    assert {400, 404} == refused
    assert before == series(gateway)
    assert NAMES * 9 // 10 == gateway.metric("pointsman_requests_total") - counted

    gateway.use(routes={"*": {"deployments": [{"provider": "alpha"}]}})
    await pour(gateway, iter([(path, "passed-0") for path in paths]))
    before = series(gateway)
    assert {200} == await pour(gateway, ((paths[n % 3], f"passed-{n}") for n in range(NAMES // 10)))
    assert before == series(gateway)
    assert not any("passed-" in name or "unknown-" in name for name in before)


async def test_paths_methods_and_headers_make_no_series_either(gateway):
    gateway.get("/nothing")
    before = series(gateway)
    async with aiohttp.ClientSession() as session:
        for number, method in enumerate(("PUT", "PATCH", "DELETE", "PROPFIND", "LOCK") * 10):
            headers = {"User-Agent": f"agent-{number}", "X-Client-Request-Id": f"id-{number}"}
            async with session.request(method, f"{gateway.url}/path-{number}", headers=headers) as reply:
                assert 404 == reply.status
    assert before == series(gateway)


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_request_is_counted_with_its_tokens_and_its_cost(gateway, stream):
    labels = {"model": MODEL, "provider": "alpha"}
    names = ("pointsman_tokens_total", "pointsman_cost_usd_total")
    before = [gateway.metric(name, **labels) for name in names]
    reply = gateway.post(OPENAI.chat, {"model": MODEL, "messages": ASK, "stream": stream})
    fact = gateway.fact(reply.headers["x-request-id"])
    after = [gateway.metric(name, **labels) for name in names]
    tokens, cost = (now - then for now, then in zip(after, before, strict=True))
    assert fact["tokens"]["input"] + fact["tokens"]["output"] == tokens
    assert pytest.approx(fact["cost_usd"]) == cost
    assert 0 < cost
