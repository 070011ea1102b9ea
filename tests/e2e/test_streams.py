"""Streams never lie: the very bytes, an honest end, and a provider that is told when nobody listens any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from e2e.dialects import ONEINFER, OPENAI, OXEN, SURFACES
from e2e.gateway import Gateway
from e2e.wire import Wire, request
from fakes.chat import DONE, chat_answer, chat_chunk, chat_stream, error_event, final_chunk, role_chunk, usage_chunk
from fakes.steps import SSE, Drop, Framing, Head, Reset, Send, Stall, Wait, answer, error_answer
from fakes.upstream import ScriptedUpstream

MESSAGES = [{"role": "user", "content": "Which way?"}]
WORDS = tuple(chat_chunk(f" word {number}") for number in range(50))
IDLE_S = 0.3


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def scripted(gateway: Gateway, upstream: ScriptedUpstream) -> Gateway:
    """The gateway with a route to the scripted provider alone, and small timeouts."""
    route = {
        "timeouts": {"idle_s": IDLE_S, "first_token_s": 5, "answer_s": 5, "total_s": 30},
        "deployments": [
            {"provider": "scripted", "price": {"input_usd_per_mtok": 1000.0, "output_usd_per_mtok": 2000.0}}
        ],
    }
    gateway.use(providers={"scripted": {"base_url": upstream.base_url}}, routes={"scripted": route})
    return gateway


def ask(session: aiohttp.ClientSession, gateway: Gateway, path: str = OPENAI.chat, **fields: Any):
    body = {"model": "scripted", "messages": MESSAGES, "stream": True, **fields}
    if path == ONEINFER.chat:
        body["provider"] = "scripted"
    return session.post(gateway.url + path, json=body)


async def fact_of(gateway: Gateway, reply: aiohttp.ClientResponse) -> dict[str, Any]:
    return await asyncio.to_thread(gateway.fact, reply.headers["x-request-id"])


STREAMS = {
    "usual": chat_stream("Turn", " left", ".", counts={}),
    "lines end in CRLF": tuple(event.replace(b"\n", b"\r\n") for event in chat_stream("a", "b", counts={})),
    "comments and other fields": (
        b": keep-alive\n\n",
        b"id: 7\nretry: 100\n" + role_chunk(),
        chat_chunk("x"),
        b":\n\n",
        final_chunk(),
        usage_chunk(),
        DONE,
    ),
    "no space after the colon": tuple(event.replace(b"data: ", b"data:") for event in chat_stream("a", "b", counts={})),
    "text that looks like protocol": (
        role_chunk(),
        chat_chunk('"usage":{"prompt_tokens":9} [DONE] data: {"error":1}'),
        final_chunk(),
        usage_chunk(),
        DONE,
    ),
    "other scripts": (role_chunk(), chat_chunk("Weiche \u2192 \u5de6 \U0001f6e4"), final_chunk(), usage_chunk(), DONE),
    "many": (role_chunk(), *WORDS, final_chunk(), usage_chunk(), DONE),
}


@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.LENGTH, Framing.CLOSE])
@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
async def test_the_bytes_pass_as_they_came(session, scripted, upstream, events, framing):
    upstream.script(SSE(*events, framing=framing))
    async with ask(session, scripted, stream_options={"include_usage": True}) as reply:
        assert b"".join(events) == await reply.read()
    assert "text/event-stream; charset=utf-8" == reply.headers["content-type"]
    tokens = (await fact_of(scripted, reply))["tokens"]
    assert (7, 3, False) == (tokens["input"], tokens["output"], tokens["estimated"])


@pytest.mark.parametrize("events", STREAMS.values(), ids=STREAMS)
async def test_only_the_usage_nobody_asked_for_is_left_out(session, scripted, upstream, events):
    upstream.script(SSE(*events))
    async with ask(session, scripted) as reply:
        assert b"".join(event for event in events if b'"choices":[]' not in event) == await reply.read()
    assert {"include_usage": True} == upstream.requests[0].json["stream_options"]
    fact = await fact_of(scripted, reply)
    assert (7, 3, "completed") == (fact["tokens"]["input"], fact["tokens"]["output"], fact["outcome"])
    assert (7 * 1000 + 3 * 2000) / 1e6 == fact["cost_usd"]


async def test_bytes_cut_anywhere_arrive_whole(session, scripted, upstream):
    upstream.one_byte_at_a_time = True
    events = chat_stream("Turn", " left", counts={})
    upstream.script(SSE(*events))
    async with ask(session, scripted) as reply:
        assert b"".join(event for event in events if b'"choices":[]' not in event) == await reply.read()


async def test_each_event_is_passed_on_when_it_comes(session, scripted, upstream):
    """Nothing waits for what comes after it."""
    go_on = [asyncio.Event() for _ in range(3)]
    first, second, third = (chat_chunk(text) for text in "abc")
    steps = (Send(role_chunk() + first), Wait(go_on[0]), Send(second), Wait(go_on[1]), Send(third))
    upstream.script(*steps, Wait(go_on[2]), Send(final_chunk() + DONE))
    async with ask(session, scripted) as reply:
        assert role_chunk() + first == await reply.content.readexactly(len(role_chunk() + first))
        for event, wave in ((second, go_on[0]), (third, go_on[1])):
            wave.set()
            assert event == await reply.content.readexactly(len(event))
        go_on[2].set()
        assert final_chunk() + DONE == await reply.read()


async def test_a_request_that_needs_no_change_goes_upstream_as_it_came(session, scripted, upstream):
    upstream.script(SSE(*chat_stream("a", counts={})))
    odd = b'{"stream_options" : {"include_usage":true}, "stream":true,\n"unknown":[1.50, "\\u00e9"],'
    odd += b' "model":"scripted", "messages":[{"role":"user","content":"x"}]}'
    async with session.post(scripted.url + OPENAI.chat, data=odd, headers={"Content-Type": "application/json"}):
        pass
    assert odd == (await upstream.received()).body


BREAKS = {
    "drop": (Drop(),),
    "reset": (Reset(),),
    "silence": (Stall(),),
    "error event": (Send(error_event("Scripted failure")), Stall()),
    "end without a finish": (),
    "half an event": (Send(b'data: {"choices":[{"delta":{"con'), Drop()),
}


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
@pytest.mark.parametrize("steps", BREAKS.values(), ids=BREAKS)
async def test_a_broken_stream_never_looks_complete(session, scripted, upstream, surface, steps):
    """The client gets an explicit error event, no `[DONE]`, and is billed for what came."""
    upstream.script(Send(role_chunk() + chat_chunk("Turn")), Wait(began := asyncio.Event()), *steps)
    async with ask(session, scripted, surface.chat) as reply:
        first = await reply.content.readany()
        began.set()
        body = first + await reply.read()
    assert b"Turn" in body
    assert b"[DONE]" not in body
    last = orjson.loads(body.rstrip().rpartition(b"data: ")[2])
    assert last["error"]["message"]
    fact = await fact_of(scripted, reply)
    assert ("truncated", 200) == (fact["outcome"], fact["status"])
    assert fact["error_code"].startswith("upstream_")
    assert (True, True) == (fact["tokens"]["estimated"], fact["cost_usd"] > 0)
    await asyncio.wait_for(upstream.requests[0].ended.wait(), 10)


async def test_a_stream_that_breaks_before_content_is_an_ordinary_error(session, scripted, upstream):
    upstream.otherwise(Send(role_chunk()), Drop())
    async with ask(session, scripted) as reply:
        assert (502, "upstream_connection_lost") == (reply.status, (await reply.json())["error"]["code"])
    assert "application/json" == reply.content_type


async def test_a_stream_that_breaks_before_content_is_asked_for_again(session, scripted, upstream):
    events = chat_stream("Turn", " left")
    upstream.script(Send(role_chunk()), Drop())
    upstream.script(SSE(*events))
    async with ask(session, scripted) as reply:
        assert b"".join(events) == await reply.read()
    assert 2 == (await fact_of(scripted, reply))["attempt_count"]


async def test_a_stream_without_its_terminator_gets_one(session, scripted, upstream):
    """The answer is complete, only `[DONE]` is missing: clients wait for it."""
    upstream.script(SSE(role_chunk(), chat_chunk("a"), final_chunk()))
    async with ask(session, scripted) as reply:
        assert (await reply.read()).endswith(final_chunk() + DONE)
    assert "completed" == (await fact_of(scripted, reply))["outcome"]


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
@pytest.mark.parametrize("answering", [True, False], ids=["answering", "silent"])
async def test_a_client_that_leaves_stops_the_provider(scripted, upstream, surface, stream, answering):
    began = Send(role_chunk() + chat_chunk("Turn")) if stream else Head(content_type="application/json")
    upstream.script(*((began,) if answering else ()), Stall())
    body = {"provider": "scripted", "model": "scripted", "messages": MESSAGES, "stream": stream}
    number = f"leaver-{surface.name}-{stream}-{answering}"
    async with Wire(scripted.port) as wire:
        await wire.send(request(surface.chat, orjson.dumps(body), f"X-Request-Id: {number}"))
        asked = await upstream.received()
        if stream and answering:
            assert 200 == (await wire.answer(until=b"Turn")).status
        wire.cut()
    await asyncio.wait_for(asked.peer_closed.wait(), 10)
    fact = await asyncio.to_thread(scripted.fact, number)
    assert ("abandoned", 499) == (fact["outcome"], fact["status"])
    assert (stream and answering) == (fact["tokens"] is not None and fact["tokens"]["estimated"])


async def test_the_connection_to_the_provider_is_kept(session, scripted, upstream):
    """Streams and whole answers take turns on one."""
    for number in range(6):
        upstream.script(SSE(*chat_stream("a", counts={})) if number % 2 else answer(chat_answer()))
    for number in range(6):
        async with ask(session, scripted, stream=bool(number % 2)) as reply:
            assert 200 == reply.status
            await reply.read()
    assert 1 == upstream.connections


async def test_an_error_answer_keeps_its_status_and_its_words(session, scripted, upstream):
    upstream.script(error_answer(400, "context_length_exceeded", "This model's maximum context length is 8 tokens."))
    async with ask(session, scripted) as reply:
        error = (await reply.json())["error"]
    assert (400, "context_length_exceeded") == (reply.status, error["code"])
    assert "maximum context length" in error["message"]


async def test_oneinfer_streams_in_its_own_chunks(session, scripted, upstream):
    upstream.script(SSE(*chat_stream("Turn", " left", counts={})))
    async with ask(session, scripted, ONEINFER.chat) as reply:
        *events, done = (await reply.read()).decode().strip().split("\n\n")
    chunks = [orjson.loads(event.removeprefix("data: ")) for event in events]
    assert ["chunk_1", "chunk_2", "chunk_final"] == [chunk["id"] for chunk in chunks]
    assert ["Turn", " left", ""] == [chunk["text"] for chunk in chunks]
    assert [None, None, "stop"] == [chunk["finish_reason"] for chunk in chunks]
    assert {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10} == chunks[-1]["usage"]
    assert "data: [DONE]" == done


async def test_oxen_streams_the_same_events_under_the_public_name(session, scripted, upstream):
    """Only the model's name differs, not a text that speaks of it."""
    events = chat_stream('"model":"upstream-model"', " left")
    upstream.script(SSE(*events))
    async with ask(session, scripted, OXEN.chat) as reply:
        assert b"".join(events).replace(b'"model":"upstream-model"', b'"model":"scripted"') == await reply.read()
