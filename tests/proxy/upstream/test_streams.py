"""A stream passes as it came, and its connection is kept only if nothing can follow."""

from __future__ import annotations

import asyncio

import pytest
from bench import Bench, Client, RawServer, chunked, failure, read, response, until
from chats import CHAT, COMPLETED, DELTA, STOP, TEXT

from fakes.chat import DONE, chat_answer, chat_chunk, error_event, role_chunk
from fakes.chat import usage_chunk as usage
from fakes.steps import SSE, Drop, Framing, Head, Reset, Send, Stall, Wait
from fakes.upstream import ScriptedUpstream
from proxy import errors
from proxy.dialects.request import Operation
from proxy.upstream import pool as pool_module
from proxy.upstream.connection import HIGH_WATER_BYTES


@pytest.mark.parametrize("framing", list(Framing))
@pytest.mark.parametrize("one_byte", [False, True])
async def test_a_stream_passes_byte_for_byte(bench, upstream, framing, one_byte):
    upstream.one_byte_at_a_time = one_byte
    upstream.script(SSE(role_chunk(), TEXT, STOP, DONE, framing=framing))
    assert CHAT == await bench.stream()


async def test_the_connection_of_a_complete_stream_is_kept(bench, upstream):
    upstream.otherwise(SSE(TEXT, STOP, DONE))
    for _ in range(3):
        assert TEXT + STOP + DONE == await bench.stream()
        await until(lambda: not bench.pools.busy_connections)
    assert 1 == upstream.connections


async def test_usage_that_only_the_gateway_asked_for_stays_here(bench, upstream):
    upstream.script(SSE(TEXT, STOP, usage(7, 3), DONE))
    upstream.script(SSE(TEXT, STOP, usage(7, 3), DONE))
    reply = await bench.ask(stream=True)
    assert TEXT + STOP + DONE == await read(reply)
    assert 7 == reply.meter.usage.input_tokens
    assert TEXT + STOP + usage(7, 3) + DONE == await bench.stream(stream_options={"include_usage": True})


async def test_a_reply_exists_only_once_content_has_come(bench, upstream):
    go = asyncio.Event()
    upstream.script(SSE(b": ping\n\n", role_chunk()), Wait(go), Send(TEXT + STOP + DONE))
    task = asyncio.ensure_future(bench.ask(stream=True))
    await upstream.received()
    for _ in range(50):
        await asyncio.sleep(0)
    assert not task.done()
    go.set()
    assert b": ping\n\n" + CHAT == await read(await task)


async def test_a_completion_without_a_word_is_an_answer(bench, upstream):
    upstream.script(SSE(role_chunk(), STOP, DONE))
    assert role_chunk() + STOP + DONE == await bench.stream()


@pytest.mark.parametrize("ending", [[], [Drop()], [Reset()]], ids=["ended", "dropped", "reset"])
@pytest.mark.parametrize("framing", [Framing.CHUNKED, Framing.CLOSE])
async def test_a_finished_stream_without_its_terminator_is_given_one(bench, upstream, framing, ending):
    go = asyncio.Event()
    upstream.script(SSE(TEXT, STOP, framing=framing), Wait(go), *ending)

    class Sequel(Client):
        def push(self, data: bytes) -> bool:
            if STOP in data:
                go.set()
            return super().push(data)

    assert TEXT + STOP + DONE == await Sequel().take(await bench.ask(stream=True))


async def test_a_finished_stream_that_falls_silent_is_complete(bench, upstream):
    upstream.script(SSE(TEXT + STOP), Stall())
    assert TEXT + STOP + DONE == await bench.stream(timeouts={"idle_s": 0.02})
    await upstream.all_closed()


async def test_a_last_event_without_its_blank_line_is_completed(bench, upstream):
    upstream.script(SSE(TEXT, STOP[:-2]))
    assert TEXT + STOP + DONE == await bench.stream()


async def test_what_follows_done_is_not_read(bench, upstream):
    upstream.script(SSE(TEXT, STOP, DONE), Send(error_event()))
    assert TEXT + STOP + DONE == await bench.stream()


@pytest.mark.parametrize("together", [True, False])
async def test_a_responses_stream_ends_with_its_last_event(bench, upstream, together):
    go = asyncio.Event()
    upstream.script(*([Send(DELTA + COMPLETED)] if together else [SSE(DELTA, COMPLETED)]), Wait(go))
    assert DELTA + COMPLETED == await bench.stream(Operation.RESPONSES)
    go.set()
    await until(lambda: not bench.pools.busy_connections)
    assert 1 == bench.pools.open_connections


async def test_the_last_framing_is_waited_for_and_the_connection_reused(bench, upstream):
    go = asyncio.Event()
    upstream.script(SSE(TEXT, STOP, DONE), Wait(go))
    assert TEXT + STOP + DONE == await bench.stream()
    assert 1 == bench.pools.busy_connections
    go.set()
    await until(lambda: not bench.pools.busy_connections)
    upstream.script(SSE(TEXT, STOP, DONE))
    await bench.stream()
    assert 1 == upstream.connections


async def test_framing_that_never_ends_is_not_waited_for_long(bench, upstream, monkeypatch):
    monkeypatch.setattr(pool_module, "FINISH_GRACE_S", 0.0)
    upstream.script(SSE(TEXT, STOP, DONE), Stall())
    await bench.stream()
    await upstream.all_closed()
    assert 0 == bench.pools.open_connections


async def test_closing_early_cuts_the_provider_and_closing_twice_is_no_harm(bench, upstream):
    upstream.script(SSE(TEXT), Stall())
    reply = await bench.ask(stream=True)
    reply.close()
    reply.close()
    await upstream.requests[0].peer_closed.wait()
    assert 0 == bench.pools.open_connections


async def test_a_cancelled_relay_is_cut_when_the_reply_is_closed(bench, upstream):
    upstream.script(SSE(TEXT), Stall())
    task = asyncio.ensure_future(bench.stream())
    await upstream.received()
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await upstream.requests[0].peer_closed.wait()
    assert 0 == bench.pools.open_connections


async def test_a_slow_reader_holds_the_provider_back(bench, upstream):
    """What is buffered here stays bounded, whatever the provider would like to send."""
    more = chat_chunk("x" * 50_000)
    upstream.script(Head(), Send(TEXT), *[Send(more)] * 1000, Send(STOP + DONE))
    client = Client(slow=True)
    client.go.clear()
    task = asyncio.ensure_future(client.take(await bench.ask(stream=True)))
    request = upstream.requests[0]
    await client.behind.wait()
    await request.blocked.wait()
    assert len(client.received) < HIGH_WATER_BYTES
    assert request.bytes_written < 30 << 20  # mostly the kernel's
    client.go.set()
    assert TEXT + more * 1000 + STOP + DONE == await task
    assert max(map(len, client.pieces)) <= 2 * HIGH_WATER_BYTES + len(more)


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("last", [DONE, error_event()])
async def test_nothing_after_the_last_event_is_taken_however_it_comes(make, raw: RawServer, slow, last: bytes):
    """The rest of the message is here before the relay goes on: still it is nobody's."""
    later = chunked(TEXT, STOP, last, chat_chunk("evil"), chat_chunk("evil"))
    cut = later.index(last) + len(last)
    for pieces in ([later], [later[:cut], later[cut:]], [later[i : i + 5] for i in range(0, len(later), 5)]):
        raw.answers = [list(pieces)]
        client = Client(slow=slow)
        reply = await make(raw.base_url).ask(stream=True)
        if last is DONE:
            await client.take(reply)
        else:
            assert errors.ErrorInStream is type(await failure(client.take(reply)))
        assert client.received == TEXT + STOP + (DONE if last is DONE else b"")


async def test_a_client_that_has_gone_ends_the_relay(bench, upstream):
    class Gone(Client):
        def push(self, data: bytes) -> bool:
            if self.pieces:
                raise errors.ClientGone("gone")
            return super().push(data)

    upstream.script(SSE(TEXT, TEXT, TEXT), Stall())
    error = await failure(Gone().take(await bench.ask(stream=True)))
    assert isinstance(error, errors.ClientGone)
    await upstream.requests[0].peer_closed.wait()


async def test_a_response_never_reaches_another_request(make, raw: RawServer):
    """Unread rests of a stream, extra responses and early answers stay with the request they belong to."""
    evil = response(chat_answer("evil"))
    bench = make(raw.base_url)
    raw.answers = [
        [chunked(TEXT, STOP, DONE, chat_chunk("evil"))[: -len(chat_chunk("evil"))], chat_chunk("evil")[:-5], b"evil"],
        [response(chat_answer("one"))],
        [response(chat_answer("two")) + evil],
        [response(chat_answer("three"))],
        [response(chat_answer("four")), evil],
        [response(chat_answer("five"))],
    ]
    assert TEXT + STOP + DONE == await bench.stream()
    for word in ("one", "two", "three", "four"):
        assert chat_answer(word) == await bench.whole()
    await until(lambda: not bench.pools.open_connections)
    assert chat_answer("five") == await bench.whole()


@pytest.mark.parametrize("size", [1, 7, 100])
async def test_a_stream_in_small_pieces_is_the_same_stream(make, raw: RawServer, size: int):
    data = chunked(role_chunk(), TEXT, STOP, DONE)
    raw.answers = [[data[i : i + size] for i in range(0, len(data), size)]]
    assert CHAT == await make(raw.base_url).stream()


async def test_a_stream_is_asked_for_as_the_provider_expects(upstream: ScriptedUpstream, bench: Bench):
    upstream.script(SSE(TEXT, STOP, DONE))
    await bench.stream()
    request = upstream.requests[0]
    assert ("POST", "/v1/chat/completions") == (request.method, request.target)
    assert {"include_usage": True} == request.json["stream_options"]
