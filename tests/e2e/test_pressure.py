"""More than fits: slow readers, full rooms and used-up limits."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import orjson
import pytest

from e2e.dialects import OPENAI, SURFACES
from e2e.gateway import Gateway
from e2e.given import MODEL
from e2e.wire import Wire, request
from fakes.chat import DONE, chat_answer, chat_chunk, final_chunk, role_chunk
from fakes.steps import Send, Stall, answer, error_answer
from fakes.upstream import ScriptedUpstream

MESSAGES = [{"role": "user", "content": "Which way?"}]
BIG = chat_chunk("x" * 60_000)
BIG_EVENTS = 600
"""Together far more than the kernel's buffers and the gateway's hold."""


def use_scripted(gateway: Gateway, upstream: ScriptedUpstream, **sections: Any) -> None:
    gateway.use(
        providers={"scripted": {"base_url": upstream.base_url}},
        routes={"scripted": {"retries": {"max": 0}, "deployments": [{"provider": "scripted"}]}},
        **sections,
    )


def chat(stream: bool, *lines: str, path: str = OPENAI.chat) -> bytes:  # noqa: FBT001 - a field of the request
    body = {"model": "scripted", "messages": MESSAGES, "stream": stream}
    return request(path, orjson.dumps(body), *lines)


async def test_a_slow_reader_slows_the_provider_and_loses_nothing(gateway, upstream):
    use_scripted(gateway, upstream)
    upstream.script(Send(role_chunk()), *[Send(BIG)] * BIG_EVENTS, Send(final_chunk() + DONE))
    async with aiohttp.ClientSession(read_bufsize=2**16) as session:
        body = {"model": "scripted", "messages": MESSAGES, "stream": True}
        async with session.post(gateway.url + OPENAI.chat, json=body) as reply:
            asked = await upstream.received()
            await asyncio.wait_for(asked.blocked.wait(), 20)
            assert asked.bytes_written < len(BIG) * BIG_EVENTS
            assert role_chunk() + BIG * BIG_EVENTS + final_chunk() + DONE == await reply.read()


async def test_a_reader_that_stopped_for_good_is_given_up(gateway, upstream):
    """And the provider is told so."""
    use_scripted(gateway, upstream, limits={"client_write_s": 0.3})
    upstream.script(Send(role_chunk()), *[Send(BIG)] * BIG_EVENTS, Stall())
    async with Wire(gateway.port) as wire:
        wire.writer.transport.pause_reading()
        await wire.send(chat(True, "X-Request-Id: stopped-reading"))
        asked = await upstream.received()
        await asyncio.wait_for(asked.peer_closed.wait(), 20)
    fact = await asyncio.to_thread(gateway.fact, "stopped-reading")
    assert ("abandoned", 499) == (fact["outcome"], fact["status"])


OVERLOADED = {"openai": "overloaded", "oneinfer": "overloaded", "oxen": "unknown_error"}


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
async def test_a_full_room_says_when_to_come_back(gateway, upstream, surface):
    use_scripted(gateway, upstream, limits={"max_inflight": 1, "max_inflight_flex": 1, "max_waiting": 0})
    upstream.script(Stall())
    async with Wire(gateway.port) as first, Wire(gateway.port) as second:
        await first.send(chat(stream=False))
        await upstream.received()
        path = surface.chat
        body = orjson.dumps({"model": "scripted", "provider": "scripted", "messages": MESSAGES})
        await second.send(request(path, body))
        refused = await second.answer()
        assert (503, OVERLOADED[surface.name]) == (refused.status, surface.code(refused.json))
        assert int(refused.headers["retry-after"]) >= 1


async def test_who_waits_is_served_when_there_is_room(gateway, upstream):
    use_scripted(gateway, upstream, limits={"max_inflight": 1, "max_inflight_flex": 1, "max_waiting": 8})
    for _ in range(2):
        upstream.script(Stall())
    upstream.otherwise(answer(chat_answer()))
    async with Wire(gateway.port) as first, Wire(gateway.port) as second, Wire(gateway.port) as third:
        await first.send(chat(stream=False))
        await upstream.received()
        await second.send(chat(stream=False))
        await asyncio.to_thread(gateway.wait_for, lambda: gateway.metric("pointsman_requests_queued"), "a queue")
        first.cut()
        await upstream.received(2)
        second.cut()
        await third.send(chat(stream=False))
        assert 200 == (await third.answer()).status


def test_a_providers_rate_limits_are_passed_on(gateway, simulators):
    limited = simulators.start("limited", rpm=2)
    gateway.use(
        providers={"limited": {"profile": "simulated", "base_url": limited.base_url}},
        routes={"limited": {"deployments": [{"provider": "limited"}]}},
    )
    replies = [gateway.post(OPENAI.chat, {"model": "limited", "messages": MESSAGES}) for _ in range(3)]
    assert [200, 200, 429] == [reply.status_code for reply in replies]
    assert ["1", "0"] == [reply.headers["x-ratelimit-remaining-requests"] for reply in replies[:2]]
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 60
    simulators.stop(limited)


async def test_a_short_retry_after_is_waited_out(gateway, upstream):
    gateway.use(
        providers={"scripted": {"base_url": upstream.base_url}},
        routes={"scripted": {"deployments": [{"provider": "scripted"}]}},
    )
    upstream.script(error_answer(429, "rate_limit_exceeded", kind="requests", headers={"retry-after-ms": "20"}))
    upstream.script(answer(chat_answer("Left.")))
    async with Wire(gateway.port) as wire:
        await wire.send(chat(stream=False))
        reply = await wire.answer()
    assert (200, "Left.") == (reply.status, reply.json["choices"][0]["message"]["content"])
    assert 2 == len(upstream.requests)


async def test_a_provider_out_of_money_is_left_alone(gateway, upstream):
    """The next one answers, and the first is not asked again."""
    gateway.use(
        providers={"scripted": {"base_url": upstream.base_url}},
        routes={MODEL: {"deployments": [{"provider": "scripted"}, {"provider": "alpha"}]}},
    )
    upstream.script(error_answer(429, "insufficient_quota", kind="insufficient_quota"))
    routes = [
        (await asyncio.to_thread(gateway.post, OPENAI.chat, {"model": MODEL, "messages": MESSAGES})) for _ in range(3)
    ]
    assert [200] * 3 == [reply.status_code for reply in routes]
    assert 1 == len(upstream.requests)
    assert "chosen=alpha/" in routes[-1].headers["x-pointsman-route"]
    assert "scripted/" in routes[-1].headers["x-pointsman-route"].partition("skipped=")[2]
