"""What a client hears while it waits, and what becomes of an answer that nobody waits for any more."""

from __future__ import annotations

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.chat import chat_answer, chat_chunk, chat_stream, role_chunk, usage
from fakes.client import FakeClient
from fakes.steps import SSE, Drop, Head, Send, Stall, Status, Tell, Wait, answer, error_answer
from proxy.facts import Outcome
from proxy.keepalive import Keepalive

SOON = {"connect_s": 2, "first_token_s": 5, "answer_s": 5, "idle_s": 5, "total_s": 10, "keepalive_s": 0.01}
COMMENT = b": keep-alive\n\n"
BODY = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


async def test_a_client_hears_of_a_provider_that_thinks(make, primary):
    """Its status is known, so the client's 200 can go out; comments follow until there is content."""
    gateway = make(timeouts=SOON)
    go_on = asyncio.Event()
    primary.script(Head(), Send(role_chunk()), Wait(go_on), *map(Send, chat_stream("Hello")[1:]))
    client = gateway.client({**BODY, "stream": True})

    serving = asyncio.ensure_future(gateway.serve(client))
    await client.heard(COMMENT * 2)
    assert 200 == client.status
    go_on.set()
    await serving

    assert "Hello" == client.text
    assert "[DONE]" == client.events[-1]
    assert client.received.startswith(COMMENT)
    assert COMMENT not in client.received.lstrip(COMMENT)
    assert Outcome.COMPLETED is gateway.fact.outcome


async def test_nothing_is_said_before_the_providers_status_is_known(make, primary):
    """It might be an error, which has a status of its own."""
    gateway = make(timeouts={**SOON, "first_token_s": 0.2}, retries={"max": 0})
    primary.script(Stall())

    client = await gateway.chat(stream=True)

    assert 504 == client.status
    assert COMMENT not in client.received


async def test_a_failover_after_a_comment_stays_invisible(make, primary, fallback):
    gateway = make(timeouts={**SOON, "first_token_s": 0.2})
    primary.script(Head(), Stall())
    fallback.script(SSE(*chat_stream("Hello")))

    client = await gateway.chat(stream=True)

    assert client.received.startswith(COMMENT)
    assert "Hello" == client.text
    assert ["upstream_first_token_timeout", "ok"] == [attempt.code for attempt in gateway.fact.attempts]


@pytest.mark.parametrize("surface", ["openai", "oneinfer", "oxen"])
async def test_a_failure_after_a_comment_is_an_error_event(make, primary, fallback, surface):
    gateway = make(timeouts={**SOON, "first_token_s": 1})
    primary.script(Head(), Stall())
    fallback.otherwise(error_answer(503))

    client = await gateway.chat(stream=True, surface=surface)

    assert 200 == client.status
    assert "error" in client.events[-1]
    assert b"[DONE]" not in client.received
    assert Outcome.FAILED is gateway.fact.outcome


async def test_a_client_may_be_left_in_silence(make, primary):
    gateway = make(timeouts={**SOON, "keepalive_s": None})
    go_on = asyncio.Event()
    primary.script(Head(), Wait(go_on), SSE(*chat_stream("Hello")))
    client = gateway.client({**BODY, "stream": True})

    serving = asyncio.ensure_future(gateway.serve(client))
    await primary.received()
    go_on.set()
    await serving

    assert COMMENT not in client.received


async def test_a_client_of_a_whole_answer_gets_no_comments(make, primary):
    gateway = make(timeouts=SOON)
    go_on = asyncio.Event()
    primary.script(Head(content_type="application/json"), Wait(go_on), Send(chat_answer()))
    client = gateway.client(BODY)

    serving = asyncio.ensure_future(gateway.serve(client))
    await primary.received()
    await asyncio.sleep(0.05)  # several times `keepalive_s`
    go_on.set()
    await serving

    assert chat_answer() == client.received


class TestAProviderThatBillsToTheEnd:
    """Of a profile that says so: the answer is read on without the client, for the count that will be billed."""

    @pytest.fixture
    def gateway(self, make, primary, fallback):
        return make(
            providers={
                "primary": {"base_url": primary.base_url, "profile": "groq", "api_key": "gsk-own-key-0001"},
                "fallback": {"base_url": fallback.base_url},
            }
        )

    async def test_a_stream_is_read_to_its_end(self, gateway, primary):
        left = asyncio.Event()
        rest = chat_stream("b", "c", counts={"prompt": 70, "completion": 30})[1:]
        primary.script(Send(role_chunk()), Send(chat_chunk("a")), Wait(left), *map(Send, rest))
        client = gateway.client({**BODY, "stream": True})

        await leaves(gateway, client, client.first_piece)
        left.set()
        fact = await gateway.settlement()

        assert Outcome.ABANDONED is fact.outcome
        assert (70, 30, False) == (fact.usage.prompt_tokens, fact.usage.output_tokens, fact.usage.estimated)
        assert primary.requests[0].completed

    @pytest.mark.parametrize("stream", [False, True])
    async def test_an_answer_that_had_not_begun_is_too(self, gateway, primary, stream):
        asked, left = asyncio.Event(), asyncio.Event()
        whole = answer(chat_answer(counts=usage(70, 30)))
        counted = SSE(*chat_stream("a", counts={"prompt": 70, "completion": 30}))
        primary.script(Tell(asked), Wait(left), counted if stream else whole)

        await leaves(gateway, gateway.client({**BODY, "stream": stream}), asked)
        left.set()
        fact = await gateway.settlement()

        assert Outcome.ABANDONED is fact.outcome
        assert (70, 30, False) == (fact.usage.prompt_tokens, fact.usage.output_tokens, fact.usage.estimated)
        assert ["cancelled"] == [attempt.code for attempt in fact.attempts]

    async def test_a_refusal_that_comes_then_is_put_down(self, gateway, primary):
        asked, left = asyncio.Event(), asyncio.Event()
        primary.script(Tell(asked), Wait(left), Status(503))

        await leaves(gateway, gateway.client(BODY), asked)
        left.set()
        fact = await gateway.settlement()

        assert fact.usage is None
        assert ["upstream_overloaded"] == [attempt.code for attempt in fact.attempts]

    async def test_a_stream_whose_usage_has_not_come_yet_is_too(self, gateway, primary):
        left = asyncio.Event()
        *begun, counted, done = chat_stream("a", counts={"prompt": 70, "completion": 30})
        primary.script(SSE(*begun), Wait(left), Send(counted + done))
        client = gateway.client({**BODY, "stream": True})

        serving = asyncio.ensure_future(gateway.serve(client))
        await client.heard(b'"finish_reason":"stop"')
        serving.cancel()
        await asyncio.wait({serving})
        left.set()

        assert 70 == (await gateway.settlement()).usage.prompt_tokens

    async def test_an_answer_that_broke_off_is_not_read_on(self, gateway, primary, fallback):
        """Its connection may serve somebody else by then."""
        primary.script(SSE(*chat_stream("a")[:2]))
        fallback.script(SSE(role_chunk()), Stall())
        client = gateway.client({**BODY, "stream": True})

        serving = asyncio.ensure_future(gateway.serve(client))
        asked = await fallback.received()
        serving.cancel()
        await asyncio.wait({serving})

        await asyncio.wait_for(asked.peer_closed.wait(), 5)
        assert (Outcome.ABANDONED, True) == (gateway.fact.outcome, gateway.fact.usage.estimated)
        primary.script(answer(chat_answer("Mine.")))
        assert b"Mine." in (await gateway.chat()).received

    async def test_after_a_splice_the_one_that_took_over_is_read_to_its_end(self, make, primary, fallback):
        gateway = make(
            providers={
                "primary": {"base_url": primary.base_url},
                "fallback": {"base_url": fallback.base_url, "profile": "groq", "api_key": "gsk-own-key-0001"},
            }
        )
        left = asyncio.Event()
        whole = chat_stream("one ", "two ", "three", counts={"prompt": 70, "completion": 30})
        primary.script(SSE(*whole[:2]), Drop())
        fallback.script(SSE(*whole[:3]), Wait(left), Send(b"".join(whole[3:])))
        client = gateway.client({**BODY, "stream": True})

        serving = asyncio.ensure_future(gateway.serve(client))
        await client.heard(b"two ")
        serving.cancel()
        await asyncio.wait({serving})
        left.set()
        fact = await gateway.settlement()

        assert (70, False) == (fact.usage.prompt_tokens, fact.usage.estimated)

    async def test_what_is_over_the_bound_is_cut_off(self, make, primary):
        gateway = make(
            providers={
                "primary": {"base_url": primary.base_url, "profile": "groq", "api_key": "gsk-own-key-0001"},
                "fallback": {"base_url": primary.base_url},
            },
            limits={"max_followed": 0},
        )
        asked = asyncio.Event()
        primary.script(Tell(asked), Stall())

        await leaves(gateway, gateway.client(BODY), asked)

        await asyncio.wait_for(primary.requests[0].peer_closed.wait(), 5)
        assert ["cancelled"] == [attempt.code for attempt in gateway.fact.attempts]
        assert gateway.fact.usage.estimated, "its prompt will be billed"

    async def test_the_end_of_the_drain_ends_it(self, gateway, primary):
        asked = asyncio.Event()
        primary.script(Tell(asked), Stall())
        await leaves(gateway, gateway.client({**BODY, "stream": True}), asked)
        assert [] == gateway.finished

        await gateway.followers.cut_off()

        assert Outcome.ABANDONED is gateway.fact.outcome
        await asyncio.wait_for(primary.requests[0].peer_closed.wait(), 5)


@pytest.mark.parametrize("surface", ["openai", "oneinfer", "oxen"])
async def test_a_stream_cut_off_by_a_shutdown_is_told_so(gateway, primary, surface):
    primary.script(Send(role_chunk()), Send(chat_chunk("Half")), Stall())
    client = gateway.client({**BODY, "stream": True})

    gateway.pipeline.is_closing = True
    await leaves(gateway, client, client.first_piece, surface=surface)

    assert "error" in client.events[-1]
    assert b"[DONE]" not in client.received
    assert client.finished
    assert (Outcome.TRUNCATED, "shutting_down") == (gateway.fact.outcome, gateway.fact.error_code)


async def test_a_request_cut_off_by_a_shutdown_is_told_to_try_again(gateway, primary):
    asked = asyncio.Event()
    primary.script(Tell(asked), Stall())
    client = gateway.client(BODY)

    gateway.pipeline.is_closing = True
    await leaves(gateway, client, asked)

    assert (503, "shutting_down") == (client.status, client.json["error"]["code"])


async def leaves(gateway: Any, client: Any, when: asyncio.Event, **fields: Any) -> None:
    """Serve, and cancel it then, as the server does when its client leaves."""
    serving = asyncio.ensure_future(gateway.serve(client, **fields))
    await asyncio.wait_for(when.wait(), 5)
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving


class TestALateHead:
    """A keep-alive that was about to begin the stream when the exchange ended otherwise."""

    async def test_a_failure_is_told_behind_the_head_that_was_on_its_way(self):
        began = asyncio.Event()

        async def begin() -> None:
            began.set()

        keepalive = Keepalive(exchange_with(200), FakeClient(b""), begin, 60)
        keepalive._tick()
        assert not began.is_set()

        await keepalive.stopped()

        assert began.is_set()

    async def test_starting_anew_leaves_no_second_clock(self):
        loop = asyncio.get_running_loop()
        keepalive = Keepalive(exchange_with(200), FakeClient(b""), nothing, 0.01)
        keepalive.start()
        first = keepalive._timer
        keepalive.start()

        assert first.cancelled()
        keepalive.stop()
        assert loop.is_running()


def exchange_with(status: int) -> Any:
    """As much of an exchange as a keep-alive looks at."""
    attempt = SimpleNamespace(status=status, ended_s=None)
    surface = SimpleNamespace(keepalive=COMMENT)
    return SimpleNamespace(attempts=[attempt], streaming=False, call=SimpleNamespace(surface=surface))


async def nothing() -> None:
    """No head."""
