"""Requests served one after the other, on a connection that ends well."""

from __future__ import annotations

import asyncio
import itertools
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from visits import House, head, post, read_answers

from proxy.downstream.connection import (
    HIGH_WATER_BODY_BYTES,
    KEEPALIVE_S,
    LINGER_BYTES,
    LINGER_S,
    MAX_AHEAD_BYTES,
)
from proxy.downstream.framing import MAX_AHEAD
from proxy.downstream.response import DateLine
from proxy.downstream.server import MAX_TURNED_AWAY

CHUNKED = "Transfer-Encoding: chunked"
GET = head("GET", "/")
TALK = b"".join(
    (
        post("/1?a=b", b"one"),
        head("GET", "/2", "X: y"),
        head("POST", "/3", CHUNKED) + b"2\r\nth\r\n3\r\nree\r\n0\r\nX-Trailer: t\r\n\r\n",
        post("/4", b"four", "Upgrade: h2c", "Connection: Upgrade"),
        post("/5", b"five", "Connection: close"),
    )
)
SAID = [("/1", "one"), ("/2", ""), ("/3", "three"), ("/4", "four"), ("/5", "five")]


def said(visit):
    return [(answer.json["path"], answer.json["body"]) for answer in visit.client.answers]


async def test_what_is_asked_at_once_is_answered_in_its_order(house):
    visit = house.visit()
    await visit.ask(TALK)
    assert SAID == said(visit)
    assert {"a": "b"} == visit.client.answers[0].json["query"]
    assert visit.client.is_shut


async def test_a_talk_cut_anywhere_gets_the_same_answers(house):
    """Cut in two at every byte, and with its answers awaited in between or not."""
    whole = house.visit()
    await whole.ask(TALK)
    for place in range(1, len(TALK)):
        visit = house.visit()
        visit.say(TALK[:place])
        if place % 2:
            await visit.settled()
        await visit.ask(TALK[place:])
        assert whole.client.received == visit.client.received
        visit.leave()


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, len(TALK)), max_size=30), st.randoms(use_true_random=False))
def test_a_talk_in_any_pieces_gets_the_same_answers(places, rng):
    async def talk():
        house = House()
        visit = house.visit()
        edges = [0, *sorted(places), len(TALK)]
        for begin, end in itertools.pairwise(edges):
            visit.say(TALK[begin:end])
            if rng.random() < 0.5:
                await asyncio.sleep(0)
        await visit.settled()
        assert SAID == said(visit)
        visit.leave()
        await visit.settled()

    asyncio.run(talk())


async def test_a_bad_head_is_refused_behind_the_answers_to_what_came_before(house):
    visit = house.visit()
    answers = await visit.ask(post("/1", b"one") + b"GET / HTTP/1.1\r\n bad\r\n\r\n" + head("GET", "/smuggled"))
    assert [200, 400] == [answer.status for answer in answers]
    assert ["/1"] == [request.path for request in house.echo.asked]
    assert "close" == answers[-1].headers["connection"]
    assert visit.client.is_shut


async def test_an_answer_before_its_body_closes_what_the_body_could_be_mistaken_for(house):
    visit = house.visit()
    answers = await visit.ask(head("POST", "/unread", "Content-Length: 100"), GET * 3)
    assert [(200, "close")] == [(answer.status, answer.headers["connection"]) for answer in answers]
    assert 1 == len(house.echo.asked)


async def test_after_the_last_answer_what_comes_is_dropped_until_the_client_closes(house):
    """A reset would take the answer along with it."""
    visit = house.visit()
    await visit.ask(b"nonsense\r\n\r\n")
    visit.say(b"more of it" * 1000)
    assert visit.client.is_shut
    assert not visit.client.is_cut
    house.clock.pass_s(LINGER_S + 0.1)
    assert visit.client.is_cut


async def test_a_client_that_goes_on_for_ever_after_the_last_answer_is_cut(house):
    visit = house.visit()
    await visit.ask(b"nonsense\r\n\r\n")
    for _ in range(LINGER_BYTES // 2**20):
        visit.say(b"x" * 2**20)
    assert not visit.client.is_cut
    visit.say(b"x")
    assert visit.client.is_cut


async def test_a_body_nobody_reads_is_not_read_from_the_wire(house):
    gate = asyncio.Event()

    async def slow(client):
        await gate.wait()
        await client.respond(200, {}, await client.read_body(10**9, 5.0))

    house.echo.handlers["/slow"] = slow
    visit = house.visit()
    size = HIGH_WATER_BODY_BYTES + 5
    await visit.ask(head("POST", "/slow", f"Content-Length: {size}") + b"x" * HIGH_WATER_BODY_BYTES)
    assert not visit.client.is_unread
    await visit.ask(b"xx")
    assert visit.client.is_unread
    gate.set()
    await visit.settled()
    assert not visit.client.is_unread
    assert [size] == [len(answer.body) for answer in await visit.ask(b"xxx")]


async def test_what_comes_ahead_is_bounded(house):
    """What is not served in the end, the client can tell by the `close`."""
    gate = asyncio.Event()

    async def slow(client):
        await gate.wait()
        await client.respond(200, {}, b"")

    house.echo.handlers["/slow"] = slow
    visit = house.visit()
    await visit.ask(head("GET", "/slow"))
    for _ in range(MAX_AHEAD_BYTES // len(GET) + 1):
        visit.say(GET)
    assert visit.client.is_unread
    gate.set()
    await visit.settled()
    assert not visit.client.is_unread
    answers = await visit.ask()
    assert 1 + MAX_AHEAD == len(answers)
    assert "close" == answers[-1].headers["connection"]


async def test_a_client_that_takes_no_answers_gets_no_further_requests_served(house):
    visit = house.visit()
    visit.connection.pause_writing()
    await visit.ask(GET + GET)
    assert not house.echo.asked
    visit.connection.resume_writing()
    await visit.settled()
    assert [200, 200] == [answer.status for answer in visit.client.answers]


async def test_a_client_that_leaves_stops_whoever_serves_it(house):
    stopped = asyncio.Event()

    async def endless(client):
        await client.begin(200, {})
        client.push(b"begun")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    house.echo.handlers["/endless"] = endless
    visit = house.visit()
    await visit.ask(head("GET", "/endless"))
    assert b"begun" in visit.client.received
    visit.leave()
    await visit.settled()
    assert stopped.is_set()


async def test_a_handler_that_breaks_is_an_error_in_json_and_the_end(house, caplog):
    async def broken(client):
        raise LookupError("of no use to a client")

    house.echo.handlers["/broken"] = broken
    visit = house.visit()
    with caplog.at_level(logging.ERROR):
        (answer,) = await visit.ask(head("GET", "/broken") + GET)
    assert (500, "close") == (answer.status, answer.headers["connection"])
    assert b"of no use" not in answer.body
    assert "of no use" in caplog.text


async def test_a_handler_that_breaks_in_the_middle_of_its_answer_cuts_it(house, caplog):
    async def broken(client):
        await client.begin(200, {})
        client.push(b"half")
        raise LookupError

    house.echo.handlers["/broken"] = broken
    visit = house.visit()
    await visit.ask(head("GET", "/broken"))
    assert visit.client.is_cut
    assert b"0\r\n\r\n" not in visit.client.received


async def test_an_idle_connection_is_closed_in_the_end(house):
    visit = house.visit()
    await visit.ask(GET)
    house.clock.pass_s(KEEPALIVE_S - 1)
    await visit.ask(GET)
    house.clock.pass_s(KEEPALIVE_S - 1)
    assert not visit.client.is_cut
    house.clock.pass_s(1)
    assert visit.client.is_cut


async def test_line_breaks_do_not_keep_a_connection_open(house):
    visit = house.visit()
    house.clock.pass_s(KEEPALIVE_S - 1)
    visit.say(b"\r\n")
    house.clock.pass_s(1)
    assert visit.client.is_cut


@pytest.mark.parametrize("before", [b"", GET, post("/", b"body")])
async def test_a_head_has_its_time_from_its_first_byte(house, before):
    visit = house.visit()
    await visit.ask(before + b"GET")
    house.clock.pass_s(14)
    visit.say(b" / HT")
    house.clock.pass_s(0.9)
    assert not visit.client.is_shut
    house.clock.pass_s(0.1)
    assert [408] == [answer.status for answer in visit.client.answers][bool(before) :]


async def test_many_requests_cost_one_timer(house):
    visit = house.visit()
    for _ in range(50):
        await visit.ask(GET)
    assert 1 == len(house.clock.timers)


async def test_an_idle_client_that_still_takes_its_answer_may_finish(house):
    visit = house.visit()
    await visit.ask(GET)
    visit.client.unsent = 1000
    house.clock.pass_s(KEEPALIVE_S)
    visit.client.unsent = 500
    house.clock.pass_s(60)
    assert not visit.client.is_cut
    house.clock.pass_s(60)
    assert visit.client.is_cut


async def test_a_body_that_pauses_has_its_time_anew_with_each_piece(house):
    visit = house.visit()
    await visit.ask(head("POST", "/", "Content-Length: 3"))
    for _ in range(2):
        house.clock.pass_s(4.9)
        await visit.ask(b"x")
    assert not visit.client.answers
    house.clock.pass_s(5.1)
    await visit.settled()
    assert [(408, "close")] == [(answer.status, answer.headers["connection"]) for answer in visit.client.answers]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_body_is_asked_for_only_when_it_is_read(house, version):
    """Source: RFC 9110, 10.1.1."""
    visit = house.visit()
    lines = ("Content-Length: 5", "Expect: 100-Continue")
    await visit.ask(head("POST", "/", *lines, version=version))
    assert (b"" if version == "1.0" else b"HTTP/1.1 100 Continue\r\n\r\n") == visit.client.received
    await visit.ask(b"hello")
    assert "hello" == visit.client.answers[-1].json["body"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (head("POST", "/unread", "Content-Length: 5", "Expect: 100-continue"), 200),
        (head("POST", "/", "Content-Length: 1001", "Expect: 100-continue"), 413),
        (post("/", b"hello", "Expect: 100-continue"), 200),
    ],
    ids=["unread", "too large", "already here"],
)
async def test_a_body_nobody_wants_or_that_is_here_is_not_asked_for(house, data, status):
    visit = house.visit()
    await visit.ask(data)
    assert [status] == [answer.status for answer in visit.client.answers]


async def test_a_body_is_whole_although_the_next_request_is_not(house):
    visit = house.visit()
    answers = await visit.ask(
        head("POST", "/", "Content-Length: 5") + b"he", b"llo" + head("POST", "/", CHUNKED) + b"5"
    )
    assert ["hello"] == [answer.json["body"] for answer in answers]


async def test_a_body_over_the_limit_is_refused_as_soon_as_it_is(house):
    visit = house.visit()
    await visit.ask(head("POST", "/", CHUNKED) + b"400\r\n" + b"x" * 1000)
    assert not visit.client.answers
    await visit.ask(b"x")
    assert [413] == [answer.status for answer in visit.client.answers]


async def test_a_body_with_a_bad_chunk_is_told_to_whoever_reads_it(house):
    for pieces in ([b"x\r\n"], [b"1\r\na\r\n", b"x\r\n"]):
        visit = house.visit()
        answers = await visit.ask(head("POST", "/", CHUNKED), *pieces)
        assert [(400, "close")] == [(answer.status, answer.headers["connection"]) for answer in answers]
        assert not visit.client.is_cut


@pytest.mark.parametrize(("line", "stays"), [("X: y", False), ("Connection: keep-alive", True)])
async def test_http_1_0_stays_only_if_it_asks_to(house, line, stays):
    visit = house.visit()
    for _ in range(2):
        await visit.ask(head("GET", "/", line, version="1.0"))
    kinds = [answer.headers["connection"] for answer in visit.client.answers]
    assert (["keep-alive"] * 2 if stays else ["close"]) == kinds
    assert visit.client.is_shut is not stays


async def test_a_head_request_gets_the_head_of_its_answer(house):
    visit = house.visit()
    visit.say(head("HEAD", "/") + GET)
    await visit.settled()
    first, _, second = visit.client.received.partition(b"\r\n\r\n")
    answer = read_answers(second)[0]
    assert f"Content-Length: {len(answer.body) + 1}".encode() in first


async def test_an_answer_says_when_it_was_given_and_not_by_whom(house):
    now_s = [784_111_777.2]
    house.server.date = DateLine(lambda: now_s[0])
    visit = house.visit()
    for _ in range(2):
        await visit.ask(GET)
        now_s[0] += 1.0
    first, second = visit.client.answers
    assert "Sun, 06 Nov 1994 08:49:37 GMT" == first.headers["date"]
    assert "Sun, 06 Nov 1994 08:49:38 GMT" == second.headers["date"]
    assert "server" not in first.headers


@pytest.mark.parametrize("house", [{"max_connections": 2}], indirect=True)
async def test_a_client_too_many_is_told_to_come_back(house):
    first, _, third = house.visit(), house.visit(), house.visit()
    (answer,) = await third.ask()
    assert (503, "1", "close") == (answer.status, answer.headers["retry-after"], answer.headers["connection"])
    assert third.client.is_shut
    for _ in range(MAX_TURNED_AWAY - 1):
        house.visit()
    mute = house.visit()
    assert mute.client.is_cut
    assert not mute.client.received
    for visit in house.visits[1:]:
        visit.leave()
    assert [200] == [answer.status for answer in await first.ask(GET)]
    assert [200] == [answer.status for answer in await house.visit().ask(GET)]


async def test_draining_closes_what_idles_and_lets_finish_what_does_not(house):
    gate = asyncio.Event()

    async def slow(client):
        await gate.wait()
        await client.respond(200, {}, b"done")

    async def stream(client):
        await client.begin(200, {})
        await gate.wait()
        client.push(b"done")
        await client.finish()

    house.echo.handlers |= {"/slow": slow, "/stream": stream}
    idle, begun, busy, streaming = house.visit(), house.visit(), house.visit(), house.visit()
    await begun.ask(b"GET / HT")
    await busy.ask(head("GET", "/slow"))
    await streaming.ask(head("GET", "/stream"))
    house.server.is_draining = True
    house.server.close_idle()
    assert [True, True, False, False] == [visit.client.is_cut for visit in house.visits]
    assert not idle.client.received
    gate.set()
    (answer,) = await busy.ask()
    assert ("close", b"done") == (answer.headers["connection"], answer.body)
    assert [b"done"] == [answer.body for answer in await streaming.ask()]
    assert busy.client.is_shut
    assert streaming.client.is_shut


async def test_cutting_off_lets_handlers_say_goodbye(house):
    async def polite(client):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await client.respond(503, {}, b"sorry")

    async def rude(client):
        await asyncio.Event().wait()

    house.echo.handlers |= {"/polite": polite, "/rude": rude}
    told, cut = house.visit(), house.visit()
    await told.ask(head("GET", "/polite"))
    await cut.ask(head("GET", "/rude"))
    await house.server.cut_off(0.0)
    assert [503] == [answer.status for answer in told.client.answers]
    assert cut.client.is_cut
    assert not cut.client.received
