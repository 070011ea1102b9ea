"""A request's answer, as the pipeline writes it."""

from __future__ import annotations

import asyncio

import pytest
from visits import head, post

from proxy.downstream.bounds import JOIN_BELOW_BYTES
from proxy.errors import ClientGone

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def serve(house):
    """Have `/` served by a function; answers the visit."""

    async def serve(handler, *lines: str, version="1.1"):
        house.echo.handlers["/"] = handler
        visit = house.visit()
        await visit.ask(head("GET", "/", *lines, version=version))
        return visit

    return serve


async def test_a_whole_answer_leaves_in_one_write(serve):
    visit = await serve(lambda client: client.respond(200, JSON, b"{}"))
    assert 1 == len(visit.client.writes)
    (answer,) = visit.client.answers
    assert (200, "2", b"{}") == (answer.status, answer.headers["content-length"], answer.body)
    assert "connection" not in answer.headers


async def test_a_large_answer_is_not_copied(serve):
    body = b"x" * 100_000
    visit = await serve(lambda client: client.respond(200, JSON, body))
    ((_, sent),) = visit.client.writes
    assert sent is body


async def test_what_follows_a_head_in_one_turn_leaves_in_one_write(serve):
    async def stream(client):
        await client.begin(200, {"Content-Type": "text/event-stream"})
        assert client.push(b"one")
        assert client.push(b"two")
        await client.finish()
        assert 6 == client.bytes_out

    visit = await serve(stream)
    head, pieces = visit.client.writes
    assert head.endswith(b"\r\n\r\n")
    assert b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n" == pieces
    assert b"onetwo" == visit.client.answers[0].body


async def test_the_head_of_a_stream_without_a_piece_does_not_wait(serve):
    async def stream(client):
        await client.begin(200, {})
        await asyncio.Event().wait()

    visit = await serve(stream)
    assert visit.client.received.endswith(b"\r\n\r\n")


async def test_a_stream_without_any_piece_is_whole(serve):
    async def stream(client):
        await client.begin(200, {})
        await client.finish()

    visit = await serve(stream)
    assert 2 == len(visit.client.writes)
    assert [b""] == [answer.body for answer in visit.client.answers]
    assert [200, 200] == [answer.status for answer in await visit.ask(head("GET", "/"))]


async def test_nothing_is_no_piece(serve):
    """A chunk of no bytes would end the answer."""

    async def stream(client):
        await client.begin(200, {})
        client.push(b"")
        client.push(b"more")
        await client.finish()

    assert [b"more"] == [answer.body for answer in (await serve(stream)).client.answers]


async def test_a_large_piece_is_the_very_object(serve):
    data = b"x" * (JOIN_BELOW_BYTES + 1)

    async def stream(client):
        await client.begin(200, {})
        client.push(data)
        client.push(data)
        await client.finish()

    visit = await serve(stream)
    assert [data, data] == [write[1] for write in visit.client.writes if isinstance(write, tuple)]
    assert all(write[1] is data for write in visit.client.writes if isinstance(write, tuple))
    assert data * 2 == visit.client.answers[0].body


async def test_http_1_0_gets_no_chunks_and_reads_to_the_end(serve):
    async def stream(client):
        await client.begin(200, {})
        client.push(b"one")
        client.push(b"two")
        await client.finish()

    visit = await serve(stream, "Connection: keep-alive", version="1.0")
    assert visit.client.received.endswith(b"\r\n\r\nonetwo")
    assert b"Connection: close\r\n" in visit.client.received
    assert visit.client.is_shut


async def test_whoever_writes_after_the_end_is_too_late(serve):
    """The connection may be serving another request by then."""
    late = []

    async def stream(client):
        late.append(client)
        await client.begin(200, {})
        client.push(b"one")
        await client.finish()

    visit = await serve(stream)
    before = visit.client.received
    with pytest.raises(ClientGone):
        late[0].push(b"too late")
    with pytest.raises(ClientGone):
        await late[0].respond(200, {}, b"too late")
    with pytest.raises(ClientGone):
        await late[0].begin(200, {})
    await late[0].finish()
    assert before == visit.client.received


async def test_a_client_that_has_left_is_told_nothing(serve):
    async def stream(client):
        await client.begin(200, {})
        client.push(b"one")
        await asyncio.sleep(0)  # it leaves at the end of this turn
        client._transport.close()
        with pytest.raises(ClientGone):
            client.push(b"two")
        with pytest.raises(ClientGone):
            await client.finish()
        raise LookupError

    visit = await serve(stream)
    assert visit.client.received.endswith(b"3\r\none\r\n")


async def test_a_client_that_has_left_before_its_answer_is_told_nothing(serve):
    async def answer(client):
        client.request.connection.transport.close()
        with pytest.raises(ClientGone):
            await client.begin(200, {})
        await client.respond(200, {}, b"")

    visit = await serve(answer)
    assert not visit.client.received


async def test_an_aborted_answer_cannot_look_complete(serve):
    async def stream(client):
        await client.begin(200, {})
        client.push(b"half")
        await client.abort()

    visit = await serve(stream)
    assert visit.client.is_cut
    assert not visit.client.received.endswith(b"0\r\n\r\n")


async def test_a_slow_client_is_waited_for(house, serve):
    behind = []

    async def stream(client):
        await client.begin(200, {})
        client._connection.pause_writing()
        behind.append(client.push(b"one"))
        await client.drain()
        behind.append(client.push(b"two"))
        await client.finish()

    visit = await serve(stream)
    assert [False] == behind
    visit.connection.resume_writing()
    await visit.settled()
    assert [False, True] == behind
    assert b"onetwo" == visit.client.answers[0].body


@pytest.mark.parametrize("house", [{"client_write_s": 0.001}], indirect=True)
async def test_a_client_that_stopped_reading_is_cut(house, serve):
    ended = asyncio.Event()

    async def stream(client):
        await client.begin(200, {})
        client._connection.pause_writing()
        client.push(b"one")
        try:
            await client.drain()
        except ClientGone:
            ended.set()
            raise

    visit = await serve(stream)
    await asyncio.wait_for(ended.wait(), 5)
    await visit.settled()
    assert visit.client.is_cut


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "a\nb", "a\rb", "a\0b"])
async def test_a_header_cannot_become_two(serve, value):
    async def broken(client):
        with pytest.raises(ValueError, match="line break"):
            await client.respond(200, {"X": value}, b"")
        with pytest.raises(ValueError, match="line break"):
            await client.begin(200, {"X": value})
        await client.respond(500, {}, b"told otherwise")

    assert [500] == [answer.status for answer in (await serve(broken)).client.answers]


async def test_a_body_that_is_here_is_read_without_waiting(house):
    """In the very turn: whoever needs no second one saves it."""

    async def read(client):
        reading = client.read_body(1000, 5.0)
        with pytest.raises(StopIteration) as ended:
            reading.send(None)
        await client.respond(200, {}, ended.value.value)

    house.echo.handlers["/"] = read
    (answer,) = await house.visit().ask(post("/", b"hello"))
    assert b"hello" == answer.body


async def test_a_query_has_a_bound(house):
    visit = house.visit()
    answers = await visit.ask(head("GET", "/other?a=1&a=2&b=%20c+d&e"), head("GET", "/other?" + "a&" * 200))
    assert {"a": "1", "b": " c d", "e": ""} == answers[0].json["query"]
    assert 400 == answers[1].status
