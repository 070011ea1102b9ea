"""Deployments that speak another dialect: refused requests, hedges beside them, streams that go on with them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from fakes.chat import chat_answer, chat_chunk, chat_stream, role_chunk
from fakes.steps import SSE, Drop, Head, Send, Wait, answer, error_answer
from proxy.errors import Unsupported

WORDS = ["The ", "quick ", "brown ", "fox ", "jumps."]
ASKED = {"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
PROFILES = {"ollama": "ollama"}
"""Of who fetches nothing."""
PICTURE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/a.png"}}]}]


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def claude(*texts: str) -> tuple[bytes, ...]:
    """A whole stream in Anthropic's dialect."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return (
        event("message_start", message={**message, "usage": {"input_tokens": 3, "output_tokens": 1}}),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        *(event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}) for text in texts),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 9}),
        event("message_stop"),
    )


@pytest.fixture
def mixed(make, primary, fallback):
    """`primary` speaks OpenAI, `fallback` Anthropic, unless told otherwise."""

    def build(first: str = "openai_chat", second: str = "anthropic_messages", **settings: Any) -> Any:
        spoken = {"primary": (primary, first), "fallback": (fallback, second)}
        providers = {
            name: {"base_url": upstream.base_url, "dialect": dialect, "profile": PROFILES.get(dialect)}
            for name, (upstream, dialect) in spoken.items()
        }
        return make(providers=providers, **settings)

    return build


@pytest.mark.parametrize("surface", ["openai", "anthropic"])
@pytest.mark.parametrize("is_turned", [False, True], ids=["to Anthropic", "to OpenAI"])
async def test_another_dialect_goes_on_where_a_stream_broke_off(mixed, primary, fallback, surface, is_turned):
    """Only what is passed on untranslated, in the client's own dialect, cannot be gone on with."""
    dialects = ("anthropic_messages", "openai_chat") if is_turned else ("openai_chat", "anthropic_messages")
    gateway = mixed(*dialects)
    gate = asyncio.Event()
    begun = claude(*WORDS[:2])[:4] if is_turned else (role_chunk(), *map(chat_chunk, WORDS[:2]))
    primary.script(*map(Send, begun), Wait(gate), Drop())
    fallback.script(SSE(*(chat_stream(*WORDS, counts={}) if is_turned else claude(*WORDS))))

    client = gateway.client({**ASKED, "stream": True})
    serving = asyncio.ensure_future(gateway.serve(client, surface=surface))
    await client.heard(b"quick")
    gate.set()
    await serving

    ends = [(attempt.part, attempt.code) for attempt in gateway.fact.attempts]
    if surface == "anthropic" and is_turned:
        assert [("answer", "upstream_stream_broken")] == ends
        return
    assert [("answer", "upstream_stream_broken"), ("splice", "ok")] == ends
    said = client.received.decode()
    places = [said.index(word.strip()) for word in WORDS]
    assert sorted(places) == places
    assert [1] * len(WORDS) == [said.count(word.strip()) for word in WORDS]


async def test_a_hedge_that_cannot_be_told_a_picture_harms_nobody(mixed, primary):
    """Whoever fetches it himself goes on; the other one was not asked, and costs nothing."""
    gate = asyncio.Event()

    async def fetch(urls: Sequence[str]) -> Mapping[str, str]:
        gate.set()
        raise Unsupported("There is no such picture.")

    gateway = mixed("openai_chat", "ollama", fetch=fetch, route={"hedge": {"delay_s": 0.01, "max_share": 1}})
    body = chat_answer("A cat.")
    primary.script(Wait(gate), Head(content_type="application/json"), Send(body))

    client = await gateway.chat(messages=PICTURE)

    assert 200 == client.status
    assert [("primary", "ok")] == [(attempt.provider, attempt.code) for attempt in gateway.fact.attempts]


async def test_a_picture_that_cannot_be_fetched_is_left_to_who_fetches_himself(mixed, fallback):
    async def fetch(urls: Sequence[str]) -> Mapping[str, str]:
        raise Unsupported("There is no such picture.")

    gateway = mixed("ollama", "openai_chat", fetch=fetch)
    fallback.script(answer(chat_answer("A cat.")))

    client = await gateway.chat(messages=PICTURE)

    assert 200 == client.status


async def test_a_picture_is_fetched_once_however_many_are_asked(mixed, primary, fallback):
    asked: list[str] = []

    async def fetch(urls: Sequence[str]) -> Mapping[str, str]:
        asked.extend(urls)
        return dict.fromkeys(urls, "data:image/png;base64,AAAA")

    gateway = mixed("ollama", "ollama", fetch=fetch, retries={"max": 3, "backoff_s": 0.001})
    primary.script(error_answer(503))
    fallback.script(answer(b'{"model":"l","message":{"role":"assistant","content":"A cat."},"done":true}'))

    client = await gateway.chat(messages=PICTURE)

    assert (200, 1) == (client.status, len(asked))
    assert b'"images":["AAAA"]' in fallback.requests[0].body


async def test_who_cannot_be_told_is_no_answer_while_who_can_is_resting(mixed, primary, fallback):
    """It may be asked in a moment: that is no fault of the request's."""
    gateway = mixed("anthropic_messages", "openai_chat", health={"failures": 1, "open_s": 60}, retries={"max": 0})
    fallback.script(error_answer(500))
    primary.script(error_answer(500))
    asked = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "logprobs": True}

    failed = await gateway.serve(gateway.client(asked))
    gateway.finished.clear()
    gateway.exchanges -= 1
    later = await gateway.serve(gateway.client(asked))

    assert 500 <= failed.status
    assert (503, "no_deployment_available") == (later.status, later.json["error"]["code"])


@pytest.mark.parametrize("name", ["a\r\nset-cookie: x", "h\u00e9\x00", "x" * 5000], ids=["lines", "odd", "long"])
async def test_a_dropped_field_is_named_in_one_line_whatever_its_name(mixed, primary, name):
    gateway = mixed("anthropic_messages")
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "stop_reason": "end_turn"}
    content = [{"type": "text", "text": "Hello"}]
    usage = {"input_tokens": 1, "output_tokens": 1}
    primary.script(answer(orjson.dumps({**message, "content": content, "usage": usage})))

    client = await gateway.serve(gateway.client({**ASKED, name: 1}), is_lenient=True)

    told = client.headers["x-pointsman-dropped"]
    assert (200, True) == (client.status, told.isascii() and told.isprintable())
    assert len(told) <= 200
