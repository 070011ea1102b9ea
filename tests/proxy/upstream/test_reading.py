"""A reader is woken by what it waits for, in time, and holds the provider back when it cannot keep up."""

from __future__ import annotations

import asyncio

import pytest
from bench import GUARD_S, chunked, response
from wire import OK, REQUEST, SteppedLoop, Wire, answered, body, reading

from proxy.upstream.connection import HIGH_WATER_BYTES, Connection
from proxy.upstream.faults import ConnectionFault, ReadTimeout
from proxy.upstream.response import Response

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def loop() -> SteppedLoop:
    return SteppedLoop()


@pytest.fixture
async def stepped(loop: SteppedLoop) -> Connection:
    made = Connection(loop)  # type: ignore[arg-type]
    made.connection_made(Wire())  # type: ignore[arg-type]
    made.send(REQUEST, b"{}")
    return made


async def test_a_reader_that_stops_pauses_the_provider_and_reading_resumes_it(sent, wire):
    sent.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    received = 0
    while wire.reading:
        sent.data_received(bytes(10_000))
        received += 10_000
    assert HIGH_WATER_BYTES < received <= HIGH_WATER_BYTES + 10_000
    assert received == len(await sent.read(GUARD_S))
    assert wire.reading


async def test_a_paused_connection_is_not_reused_before_it_has_been_read(sent, wire):
    sent.data_received(response(bytes(HIGH_WATER_BYTES + 1)))
    assert sent.complete
    assert not wire.reading
    assert not sent.reusable
    await body(sent)
    assert wire.reading
    assert sent.reusable


async def test_a_closed_transport_is_not_resumed(sent, wire):
    sent.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(HIGH_WATER_BYTES + 1))
    sent.abort()
    assert HIGH_WATER_BYTES + 1 == len(await sent.read(GUARD_S))
    assert not wire.reading


async def test_a_reader_is_woken_by_the_head_by_each_piece_and_by_the_end(sent):
    head = await reading(sent.head(GUARD_S))
    sent.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert 200 == (await head).status
    for piece in (b"abc", b"d"):
        read = await reading(sent.read(GUARD_S))
        sent.data_received(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert piece == await read
    read = await reading(sent.read(GUARD_S))
    sent.data_received(b"0\r\n\r\n")
    assert b"" == await read


async def test_a_reader_is_told_of_a_fault(sent):
    head = await reading(sent.head(GUARD_S))
    sent.connection_lost(ConnectionResetError())
    with pytest.raises(ConnectionFault, match="reset"):
        await head


async def test_a_cancelled_reader_leaves_the_connection_as_it_was(sent):
    head = await reading(sent.head(GUARD_S))
    head.cancel()
    with pytest.raises(asyncio.CancelledError):
        await head
    sent.data_received(OK)
    assert (200, b'{"a":1}') == await answered(sent)


@pytest.mark.parametrize("moment", ["result", "fault", "timeout"])
async def test_a_reader_cancelled_in_the_moment_it_is_woken_is_cancelled(sent, moment):
    head = await reading(sent.head(GUARD_S if moment != "timeout" else 0.0))
    match moment:
        case "result":
            sent.data_received(OK)
        case "fault":
            sent.abort()
        case "timeout":
            await asyncio.sleep(0)
    head.cancel()
    with pytest.raises((asyncio.CancelledError, ReadTimeout)):
        await head


async def test_a_head_that_trickles_in_does_not_extend_its_time(stepped, loop):
    head = await reading(stepped.head(10.0))
    for byte in b"HTTP/1.1 ":
        loop.advance(1.0)
        stepped.data_received(bytes([byte]))
        await asyncio.sleep(0)
    assert not head.done()
    loop.advance(1.0)
    with pytest.raises(ReadTimeout):
        await head


async def test_framing_that_trickles_in_does_not_extend_the_time_for_a_piece(stepped, loop):
    stepped.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    read = await reading(stepped.read(10.0))
    loop.advance(9.0)
    stepped.data_received(b"1;extension")
    await asyncio.sleep(0)
    loop.advance(1.0)
    with pytest.raises(ReadTimeout):
        await read


async def test_each_piece_has_its_own_time_and_one_timer_serves_them_all(stepped, loop):
    stepped.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        read = await reading(stepped.read(10.0))
        assert 1 == len(loop.timers)
        loop.advance(9.0)
        stepped.data_received(b"1\r\na\r\n")
        assert b"a" == await read
    read = await reading(stepped.read(10.0))
    loop.advance(9.5)
    assert not read.done()
    loop.advance(1.0)
    with pytest.raises(ReadTimeout):
        await read


async def test_a_shorter_wait_is_not_held_up_by_an_earlier_longer_one(stepped, loop):
    head = await reading(stepped.head(100.0))
    stepped.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    await head
    read = await reading(stepped.read(5.0))
    loop.advance(5.0)
    with pytest.raises(ReadTimeout):
        await read


async def test_a_timer_that_nobody_needs_any_more_does_nothing(stepped, loop):
    head = await reading(stepped.head(10.0))
    stepped.data_received(OK)
    await head
    loop.advance(20.0)
    assert (200, b'{"a":1}') == await answered(stepped)
    assert not stepped.closed


async def test_a_closed_connection_leaves_no_timer(stepped, loop):
    head = await reading(stepped.head(10.0))
    stepped.abort()
    with pytest.raises(ConnectionFault):
        await head
    assert all(gone for _, _, gone in loop.timers)


async def test_without_time_left_nothing_more_is_read_but_an_end_is(sent):
    sent.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    with pytest.raises(ReadTimeout):
        await sent.read(0.0)
    assert b"a" == await sent.read(GUARD_S)
    sent.data_received(b"0\r\n\r\n")
    assert b"" == await sent.read(0.0)


# --- an answer waited for as a whole ----------------------------------------------------------------------------------


def suits(_: Response) -> bool:
    return True


async def test_a_whole_answer_in_many_pieces_wakes_its_reader_once(stepped, loop):
    waits: list[asyncio.Future[None]] = []
    create_future = loop.create_future
    loop.create_future = lambda: waits.append(create_future()) or waits[-1]
    whole = await reading(stepped.whole(GUARD_S, suits, 1000))
    for byte in chunked(b"ab", b"cd", b"e"):
        stepped.data_received(bytes([byte]))
        await asyncio.sleep(0)
    assert b"abcde" == (await whole).body
    assert 1 == len(waits)
    assert stepped.reusable


async def test_a_body_that_nobody_wants_is_not_waited_for(sent):
    whole = await reading(sent.whole(GUARD_S, lambda response: response.status == 200, 1000))
    sent.data_received(b"HTTP/1.1 500 No\r\nContent-Length: 9\r\n\r\nbro")
    response = await whole
    assert (500, None) == (response.status, response.body)
    assert b"bro" == await sent.read(GUARD_S)
    sent.data_received(b"ken...")
    assert b"ken..." == await sent.read(GUARD_S)


@pytest.mark.parametrize("length", [11, 10_000_000])
async def test_no_more_of_a_body_is_held_than_the_reader_takes(sent, wire, length):
    whole = await reading(sent.whole(GUARD_S, suits, 10))
    sent.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
    sent.data_received(bytes(11))
    assert (await whole).body is None
    assert not wire.reading
    assert not sent.reusable


async def test_a_whole_answer_may_be_larger_than_what_a_stream_may_hold(sent, wire):
    whole = await reading(sent.whole(GUARD_S, suits, 4 * HIGH_WATER_BYTES))
    sent.data_received(response(bytes(4 * HIGH_WATER_BYTES)))
    assert wire.reading
    assert 4 * HIGH_WATER_BYTES == len((await whole).body)


@pytest.mark.parametrize("cut", range(len(OK)))
async def test_an_answer_cut_short_is_never_whole(sent, cut):
    whole = await reading(sent.whole(GUARD_S, suits, 1000))
    if cut:
        sent.data_received(OK[:cut])
    sent.eof_received()
    with pytest.raises(ConnectionFault):
        await whole


async def test_an_answer_that_trickles_in_does_not_extend_its_time(stepped, loop):
    whole = await reading(stepped.whole(10.0, suits, 1000))
    for byte in OK[:9]:
        loop.advance(1.0)
        stepped.data_received(bytes([byte]))
        await asyncio.sleep(0)
    loop.advance(1.0)
    with pytest.raises(ReadTimeout):
        await whole


# --- pieces handed over as they come ------------------------------------------------------------------------------


class Taker:
    """Takes pieces, and wants no more after so many."""

    def __init__(self, wants: int = 1000) -> None:
        self.pieces: list[bytes] = []
        self.wants = wants

    def __call__(self, data: bytes) -> bool:
        self.pieces.append(data)
        self.wants -= 1
        return self.wants > 0


def patient() -> float:
    return GUARD_S


async def test_pieces_are_handed_over_in_the_turn_they_come(sent):
    sent.data_received(CHUNKED + b"1\r\na\r\n")
    take = Taker()
    flow = await reading(sent.flow(take, patient))
    assert [b"a"] == take.pieces
    sent.data_received(b"1\r\nb\r\n1\r\nc\r\n")
    assert [b"a", b"bc"] == take.pieces
    sent.data_received(b"1\r\nd\r\n0\r\n\r\n")
    assert [b"a", b"bc", b"d"] == take.pieces
    assert await flow is False


async def test_who_wants_no_more_is_given_no_more_even_if_the_end_comes_first(sent):
    """It must be able to look at what it has before it is given the rest."""
    sent.data_received(CHUNKED)
    take = Taker(wants=1)
    flow = await reading(sent.flow(take, patient))
    sent.data_received(b"1\r\na\r\n")
    sent.data_received(b"1\r\nb\r\n0\r\n\r\n")
    assert await flow is True
    assert [b"a"] == take.pieces
    assert await sent.flow(take, patient) is True
    assert [b"a", b"b"] == take.pieces
    assert await sent.flow(take, patient) is False


async def test_what_comes_while_nobody_takes_is_bounded(sent, wire):
    sent.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n")
    take = Taker(wants=1)
    flow = await reading(sent.flow(take, patient))
    while wire.reading:
        sent.data_received(bytes(10_000))
    assert await flow is True
    assert await sent.flow(take, patient) is True
    assert wire.reading
    assert len(take.pieces[1]) <= HIGH_WATER_BYTES + 10_000


async def test_what_the_taker_raises_is_raised_where_it_came_from(sent):
    sent.data_received(CHUNKED)

    def refuse(_: bytes) -> bool:
        raise ValueError("no")

    flow = await reading(sent.flow(refuse, patient))
    sent.data_received(b"1\r\na\r\n")
    with pytest.raises(ValueError, match="no"):
        await flow
    sent.data_received(b"1\r\nb\r\n0\r\n\r\n")
    assert b"b" == await body(sent)


async def test_the_taker_is_told_of_a_fault_after_what_was_sound(sent):
    sent.data_received(CHUNKED)
    take = Taker()
    flow = await reading(sent.flow(take, patient))
    sent.data_received(b"1\r\na\r\nzz\r\n")
    with pytest.raises(ConnectionFault, match="not HTTP"):
        await flow
    assert [b"a"] == take.pieces


async def test_a_cancelled_flow_takes_nothing_more(sent):
    sent.data_received(CHUNKED)
    take = Taker()
    flow = await reading(sent.flow(take, patient))
    flow.cancel()
    await asyncio.gather(flow, return_exceptions=True)
    sent.data_received(b"1\r\na\r\n")
    assert [] == take.pieces
    assert b"a" == await sent.read(GUARD_S)


async def test_each_piece_handed_over_renews_the_time_for_the_next(stepped, loop):
    stepped.data_received(CHUNKED)
    flow = await reading(stepped.flow(Taker(), lambda: 10.0))
    for _ in range(5):
        loop.advance(9.0)
        stepped.data_received(b"1\r\na\r\n")
    loop.advance(9.5)
    assert not flow.done()
    loop.advance(1.0)
    with pytest.raises(ReadTimeout):
        await flow


@pytest.mark.parametrize("at_hand", [True, False])
async def test_a_flow_that_never_pauses_meets_its_deadline(stepped, loop, at_hand):
    take = Taker()
    stepped.data_received(CHUNKED + (b"1\r\na\r\n" if at_hand else b""))
    loop.advance(1.0)
    flow = await reading(stepped.flow(take, lambda: (1.0 if at_hand else 5.0) - loop.time()))
    for _ in range(5):
        loop.advance(1.0)
        stepped.data_received(b"1\r\na\r\n")
    with pytest.raises(ReadTimeout, match="time"):
        await flow
    assert len(take.pieces) == (0 if at_hand else 3)
