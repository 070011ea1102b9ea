"""A connection frames what comes, however it is cut, and gives itself up at the first doubt."""

from __future__ import annotations

import asyncio

import pytest
from bench import GUARD_S, chunked
from wire import OK, REQUEST, Wire, answered, body

from proxy.outbox import Outbox
from proxy.upstream.connection import (
    JOIN_BELOW_BYTES,
    MAX_BARE_BYTES,
    MAX_HEADERS,
    Connection,
)
from proxy.upstream.faults import ConnectionFault, ReadTimeout


async def test_a_request_leaves_in_one_write_unless_it_is_large(connection, wire):
    connection.send(REQUEST, b"{}")
    Outbox.of(asyncio.get_running_loop()).flush()
    assert [REQUEST + b"{}"] == wire.written
    connection.data_received(OK)
    wire.written.clear()
    large = bytes(JOIN_BELOW_BYTES + 1)
    connection.send(REQUEST, large)
    assert [REQUEST, large] == wire.written


async def test_one_connection_answers_many_requests(connection):
    for n in range(1, 4):
        connection.send(REQUEST, b"{}")
        assert not connection.reusable
        connection.data_received(OK)
        assert (200, b'{"a":1}') == await answered(connection)
        assert connection.reusable
        assert n == connection.served


VALID = {
    "length": (OK, b'{"a":1}'),
    "chunked": (chunked(b"abc", b"defg"), b"abcdefg"),
    "chunk extensions and trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"abc",
    ),
    "interim responses first": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK,
        b'{"a":1}',
    ),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    "empty": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b""),
    "an offer to upgrade": (
        b"HTTP/1.1 200 OK\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nok",
        b"ok",
    ),
}


@pytest.mark.parametrize("name", VALID)
async def test_a_response_cut_anywhere_is_the_same_response(name: str, connection: Connection):
    data, expected = VALID[name]
    cuts = [[data[:place], data[place:]] for place in range(len(data) + 1)]
    for pieces in [*cuts, [data[i : i + 1] for i in range(len(data))]]:
        connection.send(REQUEST, b"{}")
        for piece in pieces:
            if piece:
                connection.data_received(piece)
        assert expected == (await answered(connection))[1]
        assert connection.reusable, pieces


async def test_trailers_do_not_change_the_head(sent):
    sent.data_received(
        b"HTTP/1.1 200 OK\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: 2\r\nY: 3\r\n\r\n"
    )
    head = await sent.head(GUARD_S)
    assert {"x": "1", "transfer-encoding": "chunked"} == head.headers


async def test_headers_are_lower_case_and_repeated_ones_joined(sent):
    sent.data_received(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nEmpty:\r\nContent-Length: 0\r\n\r\n")
    assert {"x-a": "1, 2", "empty": "", "content-length": "0"} == (await sent.head(GUARD_S)).headers


@pytest.mark.parametrize("data", [b"", b"abc", b"abc" * 1000])
@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_body_without_a_length_ends_with_the_connection(sent, data, version):
    sent.data_received(b"HTTP/" + version + b" 200 OK\r\n\r\n")
    if data:
        sent.data_received(data)
    assert not sent.complete
    assert sent.eof_received() is False
    sent.connection_lost(None)
    assert (200, data) == await answered(sent)
    assert not sent.reusable


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)
async def test_a_connection_that_is_to_be_closed_is_not_used_again(sent, head):
    sent.data_received(head)
    assert sent.complete
    assert not sent.reusable


async def test_an_answer_before_the_whole_question_ends_the_connection(connection, wire):
    connection.send(REQUEST, b"{}")
    wire.unsent = 1
    connection.data_received(OK)
    assert (200, b'{"a":1}') == await answered(connection)
    assert not connection.reusable


REFUSED = {
    "no HTTP": b"\x16\x03\x01\x02\x00",
    "HTML without a head": b"<html>",
    "another version": b"HTTP/9.9 200 OK\r\n\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths in one": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nabc",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "gzip coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "chunked twice": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked, then not": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\nabc",
    "space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "a line fold": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "a null in a header": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nabc",
    "too many headers": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (MAX_HEADERS + 1) + b"\r\n",
    "too many interim heads": b"HTTP/1.1 103 E\r\nA: b\r\nC: d\r\n\r\n" * (MAX_HEADERS // 2 + 1),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("piece", [1, 1 << 20])
async def test_an_ambiguous_head_is_refused(name: str, piece: int, sent: Connection, wire: Wire):
    data = REFUSED[name]
    for start in range(0, len(data), piece):
        sent.data_received(data[start : start + piece])
    with pytest.raises(ConnectionFault):
        await answered(sent)
    assert sent.closed
    assert wire.closing


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n", b"-1\r\nabc", b"3\r\nabcd\r\n", b"3 \x00\r\nabc\r\n", b"11111111111111111\r\n"]
)
async def test_a_broken_chunk_is_a_fault_after_what_was_sound(sent, chunk):
    sent.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    assert b"ok" == await sent.read(GUARD_S)
    sent.data_received(chunk)
    with pytest.raises(ConnectionFault):
        await body(sent)


@pytest.mark.parametrize("more", [b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", b"H"])
@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("first", [OK, chunked(b'{"a":1}')])
async def test_a_second_response_to_one_request_is_never_seen(sent, more, together, first):
    for data in [first + more] if together else [first, more]:
        sent.data_received(data)
    assert (200, b'{"a":1}') == await answered(sent)
    assert sent.closed
    with pytest.raises(ConnectionFault, match="before the request"):
        sent.send(REQUEST, b"{}")


async def test_an_idle_connection_ends_at_a_single_blank_line(sent):
    sent.data_received(OK)
    sent.data_received(b"\r\n")
    assert sent.closed
    assert (200, b'{"a":1}') == await answered(sent)


async def test_bytes_before_the_first_request_end_the_connection(connection):
    connection.data_received(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    assert connection.closed
    with pytest.raises(ConnectionFault):
        connection.send(REQUEST, b"{}")


@pytest.mark.parametrize(
    "begin", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;"]
)
async def test_a_head_or_a_framing_without_end_is_cut_off(sent, begin):
    sent.data_received(begin)
    for _ in range(MAX_BARE_BYTES // 1024 + 1):
        sent.data_received(b"a" * 1024)
    assert sent.closed
    with pytest.raises(ConnectionFault, match="without any body"):
        await answered(sent)


async def test_trailers_without_end_are_cut_off(sent):
    sent.data_received(chunked(b"abc")[:-2])
    for _ in range(MAX_BARE_BYTES // 1024 + 1):
        sent.data_received(b"a: " + b"b" * 1019 + b"\r\n")
    assert b"abc" == await sent.read(GUARD_S)
    with pytest.raises(ConnectionFault, match="without any body"):
        await sent.read(GUARD_S)


async def test_many_small_chunks_are_no_bare_framing(sent):
    sent.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(3000):
        sent.data_received(b"1;" + b"x" * 100 + b"\r\na\r\n")
    sent.data_received(b"0\r\n\r\n")
    assert b"a" * 3000 == await body(sent)


@pytest.mark.parametrize("cut", range(0, len(OK), 7))
@pytest.mark.parametrize("how", ["eof", "lost", "reset", "abort"])
async def test_an_end_before_the_end_is_a_fault(sent, cut, how):
    if cut:
        sent.data_received(OK[:cut])
    match how:
        case "eof":
            sent.eof_received()
        case "lost":
            sent.connection_lost(None)
        case "reset":
            sent.connection_lost(ConnectionResetError())
        case "abort":
            sent.abort()
    with pytest.raises(ConnectionFault) as caught:
        await answered(sent)
    assert not isinstance(caught.value, ReadTimeout)
    assert sent.closed
    assert not sent.is_stale


@pytest.mark.parametrize("end", [Connection.abort, lambda c: c.connection_lost(ConnectionResetError())])
async def test_a_body_that_only_the_end_delimits_is_not_whole_when_it_is_cut(sent, end):
    sent.data_received(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    end(sent)
    sent.connection_lost(None)
    assert b"half" == await sent.read(GUARD_S)
    with pytest.raises(ConnectionFault):
        await sent.read(GUARD_S)


async def test_only_an_old_connection_without_a_byte_is_stale(connection):
    connection.send(REQUEST, b"{}")
    assert not connection.is_stale
    connection.data_received(OK)
    connection.send(REQUEST, b"{}")
    assert connection.is_stale
    connection.data_received(b"H")
    assert not connection.is_stale


async def test_a_connection_closed_while_idle_is_stale(sent):
    sent.data_received(OK)
    sent.eof_received()
    with pytest.raises(ConnectionFault):
        sent.send(REQUEST, b"{}")
    assert sent.is_stale


async def test_closing_is_told_once(sent):
    told: list[Connection] = []
    sent.on_closed = told.append
    sent.eof_received()
    sent.connection_lost(None)
    sent.abort()
    assert [sent] == told


async def test_unsent_bytes_do_not_delay_the_end():
    """A provider that answers and closes without reading a large request ends it at once."""
    loop = asyncio.get_running_loop()
    closing = asyncio.Event()

    async def answer_early(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 413 Too Large\r\n\r\nno")
        writer.write_eof()
        await closing.wait()
        writer.transport.abort()

    server = await asyncio.start_server(answer_early, "127.0.0.1", 0)
    _, made = await loop.create_connection(lambda: Connection(loop), *server.sockets[0].getsockname())
    made.send(b"POST / HTTP/1.1\r\n\r\n", bytes(32 << 20))
    assert (413, b"no") == await answered(made)
    assert made.closed
    closing.set()
    server.close()
    await server.wait_closed()
