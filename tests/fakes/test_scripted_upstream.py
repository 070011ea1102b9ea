"""The fake is trusted by every other test, so it is tested against a client that reads raw bytes."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from fakes.chat import DONE, chat_answer, chat_chunk, chat_stream, final_chunk
from fakes.steps import (
    SSE,
    Drop,
    Framing,
    Garble,
    Head,
    Peer,
    Raw,
    Reset,
    Send,
    Stall,
    Status,
    Wait,
    answer,
    error_answer,
)
from fakes.upstream import ScriptedUpstream, TurnsAway

REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Case: Kept\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
async def upstream():
    async with ScriptedUpstream() as running:
        yield running


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, upstream: ScriptedUpstream, *, send: bytes = REQUEST) -> Client:
        client = cls(*await asyncio.open_connection("127.0.0.1", upstream.port))
        client.writer.write(send)
        return client

    async def until(self, end: bytes) -> bytes:
        return await self.reader.readuntil(end)

    async def rest(self) -> bytes:
        return await self.reader.read()

    async def close(self):
        self.writer.close()
        await self.writer.wait_closed()


async def test_a_request_is_remembered_as_it_was_sent(upstream):
    upstream.script(answer(b"{}"))
    client = await Client.connect(upstream)
    request = await upstream.received()
    assert ("POST", "/v1/chat/completions", {}) == (request.method, request.target, request.json)
    assert ("X-Case", "Kept") in request.header_list
    assert "Kept" == request.headers["x-case"]
    await client.close()


async def test_a_whole_answer_has_its_length_and_the_connection_serves_again(upstream):
    for _ in range(2):
        upstream.script(answer(b'{"a":1}', x_request_id="r1"))
    client = await Client.connect(upstream)
    for _ in range(2):
        reply = await client.until(b'{"a":1}')
        assert b"content-length: 7\r\n" in reply
        assert b"x-request-id: r1\r\n" in reply
        client.writer.write(REQUEST)
    await upstream.received(2)
    assert [0, 0] == [request.connection for request in upstream.requests[:2]]
    assert 1 == upstream.connections
    await client.close()


async def test_a_stream_is_chunked_and_ended(upstream):
    upstream.script(SSE(*chat_stream("Hel", "lo", counts={"prompt": 1, "completion": 2})))
    client = await Client.connect(upstream)
    reply = await client.until(b"\r\n0\r\n\r\n")
    assert b"transfer-encoding: chunked" in reply
    assert 6 == reply.count(b"data: ")
    await upstream.requests[0].ended.wait()
    assert upstream.requests[0].completed
    await client.close()


async def test_send_without_a_head_begins_an_event_stream(upstream):
    upstream.script(Send(DONE))
    client = await Client.connect(upstream)
    reply = await client.until(b"0\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"content-type: text/event-stream" in reply
    assert b"e\r\n" + DONE + b"\r\n" in reply
    await client.close()


async def test_a_close_delimited_answer_ends_with_the_connection(upstream):
    upstream.script(SSE(DONE, framing=Framing.CLOSE))
    client = await Client.connect(upstream)
    assert (await client.rest()).endswith(b"\r\n\r\n" + DONE)
    await client.close()


async def test_an_announced_length_need_not_be_true(upstream):
    upstream.script(Head(framing=Framing.LENGTH, length=99, content_type="application/json"), Send(b"{}"), Drop())
    client = await Client.connect(upstream)
    assert (await client.rest()).endswith(b"content-length: 99\r\n\r\n{}")
    await client.close()


async def test_wait_holds_the_answer_until_the_test_says_so(upstream):
    go = asyncio.Event()
    upstream.script(Send(chat_chunk("a")), Wait(go), Send(DONE))
    client = await Client.connect(upstream)
    assert b'"a"' in await client.until(b"}\n\n\r\n")
    assert not upstream.requests[0].ended.is_set()
    go.set()
    assert DONE in await client.until(b"0\r\n\r\n")
    await upstream.requests[0].ended.wait()
    assert upstream.requests[0].completed
    await client.close()


async def test_drop_delivers_what_was_sent_and_no_end(upstream):
    upstream.script(Send(chat_chunk("a")), Drop())
    client = await Client.connect(upstream)
    assert (await client.rest()).endswith(b"}\n\n\r\n")
    assert not upstream.requests[0].completed
    await client.close()


async def test_reset_is_a_tcp_reset(upstream):
    upstream.script(Reset())
    client = await Client.connect(upstream)
    with pytest.raises(ConnectionResetError):
        await client.rest()
    client.writer.close()


async def test_a_client_that_leaves_a_stalled_answer_is_noticed(upstream):
    upstream.script(Send(chat_chunk("a")), Stall())
    client = await Client.connect(upstream)
    await client.until(b"}\n\n\r\n")
    await client.close()
    await upstream.requests[0].peer_closed.wait()
    await upstream.requests[0].ended.wait()
    await upstream.all_closed()
    assert not upstream.requests[0].completed


@pytest.mark.parametrize("how", TurnsAway)
async def test_a_second_request_on_a_connection_is_turned_away(upstream, how):
    """Its bytes are read, it is not remembered, and nothing is answered."""
    upstream.turns_away = how
    upstream.otherwise(answer(b"{}"))
    client = await Client.connect(upstream)
    await client.until(b"\r\n\r\n{}")
    client.writer.write(REQUEST)
    with pytest.raises(ConnectionResetError) if how is TurnsAway.RESET else nullcontext():
        assert b"" == await client.rest()
    await upstream.all_closed()
    assert (1, 1) == (len(upstream.requests), upstream.turned_away)
    client.writer.close()


async def test_times_are_kept_in_order(upstream):
    began_s = asyncio.get_running_loop().time()
    upstream.script(Send(chat_chunk("a")), Drop())
    upstream.script(Send(chat_chunk("a")), Stall())
    for _ in range(2):
        client = await Client.connect(upstream)
        await client.until(b"}\n\n\r\n")
        await client.close()
    await upstream.all_closed()
    dropped, left = upstream.requests
    assert began_s <= dropped.came_s <= dropped.ended_s <= left.came_s <= left.left_s <= left.ended_s
    assert 0 == dropped.left_s


async def test_our_own_drop_is_not_the_peers_leaving(upstream):
    upstream.script(Drop())
    client = await Client.connect(upstream)
    await client.rest()
    await client.close()
    await upstream.all_closed()
    assert not upstream.requests[0].peer_closed.is_set()


async def test_garble_and_raw_are_framed_by_nobody(upstream):
    upstream.script(Head(), Raw(b"zz\r\n"), Garble(b"\x00"))
    client = await Client.connect(upstream)
    assert (await client.until(b"\x00")).endswith(b"\r\n\r\nzz\r\n\x00")
    await client.close()


async def test_pieces_are_chunks_of_their_own(upstream):
    upstream.script(Send(b"abc", piece=1))
    client = await Client.connect(upstream)
    assert (await client.until(b"0\r\n\r\n")).endswith(b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n")
    await client.close()


async def test_one_byte_at_a_time_changes_no_byte(upstream):
    for _ in range(2):
        upstream.script(SSE(chat_chunk("Hello"), final_chunk(), DONE))
    client = await Client.connect(upstream)
    plain = await client.until(b"\r\n0\r\n\r\n")
    upstream.one_byte_at_a_time = True
    client.writer.write(REQUEST)
    assert plain == await client.until(b"\r\n0\r\n\r\n")
    await client.close()


async def test_a_reader_that_stops_reading_blocks_the_script(upstream):
    upstream.script(Head(), *[Send(bytes(1 << 20))] * 64)
    client = await Client.connect(upstream)
    request = await upstream.received()
    await request.blocked.wait()
    assert request.bytes_written < 64 << 20
    assert not request.ended.is_set()
    client.writer.transport.abort()
    await request.peer_closed.wait()


async def test_a_request_without_a_script_gets_the_otherwise(upstream):
    client = await Client.connect(upstream)
    assert b"x-unscripted: 1" in await client.until(b"}}")
    upstream.otherwise(error_answer(429, "rate_limit_exceeded", headers={"retry-after": "3"}))
    client.writer.write(REQUEST)
    reply = await client.until(b"}}")
    assert reply.startswith(b"HTTP/1.1 429 ")
    assert b"retry-after: 3\r\n" in reply
    await client.close()


async def test_a_chunked_request_body_is_put_together(upstream):
    upstream.otherwise(answer(chat_answer()))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    client = await Client.connect(upstream, send=head + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")
    assert b"{}" == (await upstream.received()).body
    await client.close()


async def test_stopped_it_refuses_and_started_again_it_has_the_same_port():
    upstream = await ScriptedUpstream().start()
    port = upstream.port
    await upstream.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    await upstream.start()
    upstream.script(Status(204))
    client = await Client.connect(upstream)
    assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 204 ")
    assert port == upstream.port
    await client.close()
    await upstream.stop()


async def test_a_step_that_raises_fails_the_test_at_the_end():
    class Broken:
        async def run(self, peer: Peer) -> None:
            raise ValueError(f"a mistake in the script of {peer}")

    upstream = await ScriptedUpstream().start()
    upstream.script(Broken())
    client = await Client.connect(upstream)
    with pytest.raises(ConnectionResetError):
        await client.rest()
    with pytest.raises(ExceptionGroup, match="met"):
        await upstream.stop()
    client.writer.close()


async def test_a_request_that_is_no_http_fails_the_test_at_the_end():
    upstream = await ScriptedUpstream().start()
    client = await Client.connect(upstream, send=b"\x00\x01\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await client.rest()
    with pytest.raises(ExceptionGroup, match="met"):
        await upstream.stop()
    client.writer.close()
