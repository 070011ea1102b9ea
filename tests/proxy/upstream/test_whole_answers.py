"""A whole answer arrives as it is, or as an error that says what may be done about it."""

from __future__ import annotations

import asyncio
import random

import orjson
import pytest
from bench import Bench, Client, RawServer, chunked, failure, read, response, until

from fakes.chat import chat_answer, error_body
from fakes.steps import Drop, Framing, Garble, Head, Raw, Reset, Send, Stall, Status, Wait, answer, error_answer
from fakes.upstream import ScriptedUpstream
from proxy import errors
from proxy.dialects.request import Operation
from proxy.upstream import client as client_module

ANSWER = chat_answer("Hello.")


async def test_a_whole_answer_passes_and_its_connection_is_kept(bench: Bench, upstream: ScriptedUpstream):
    upstream.otherwise(answer(ANSWER, x_request_id="req-up-1"))
    for _ in range(3):
        reply = await bench.ask()
        assert (200, ANSWER, ANSWER) == (reply.status, reply.whole, await read(reply))
        assert 7 == reply.meter.usage.input_tokens
    assert 1 == upstream.connections
    assert "upstream-model" == upstream.requests[0].json["model"]
    assert (200, "req-up-1") == (bench.attempts[0].status, bench.attempts[0].upstream_request_id)


async def test_an_answer_in_pieces_is_put_together(bench, upstream):
    upstream.script(Head(content_type="application/json"), Send(ANSWER, piece=10))
    assert ANSWER == await bench.whole()


async def test_an_answer_that_the_end_delimits_is_whole(bench, upstream):
    upstream.script(Head(content_type="application/json", framing=Framing.CLOSE), Send(ANSWER))
    assert ANSWER == await bench.whole()
    await upstream.all_closed()


async def test_a_request_id_is_cut_to_size(bench, upstream):
    upstream.script(answer(ANSWER, request_id="r" * 1000))
    await bench.whole()
    assert "r" * client_module.MAX_REQUEST_ID_CHARS == bench.attempts[0].upstream_request_id


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
async def test_a_refusal_is_read_and_the_connection_kept(bench, upstream, status):
    upstream.script(error_answer(status, "some_code", "Some words"))
    upstream.script(answer(ANSWER))
    error = await failure(bench.ask())
    assert isinstance(error, errors.UpstreamError)
    assert status == error.upstream_status
    assert "Some words" in f"{error.message} {error.detail}"  # to the client, or to the log
    assert ANSWER == await bench.whole()
    assert 1 == upstream.connections


async def test_a_refusal_s_body_is_read_up_to_a_limit(bench, upstream, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_ERROR_BYTES", 1000)
    upstream.script(Head(status=500, content_type="text/plain"), *[Send(b"x" * 500)] * 1000, Stall())
    assert isinstance(await failure(bench.ask()), errors.ServerError)
    await upstream.all_closed()


@pytest.mark.parametrize("then", [Drop(), Reset(), Raw(b"zz\r\n")])
async def test_a_refusal_whose_body_breaks_off_is_still_that_refusal(bench, upstream, then):
    upstream.script(Head(status=429, headers={"retry-after": "7"}, content_type="text/plain"), Send(b"slow"), then)
    error = await failure(bench.ask())
    assert isinstance(error, errors.UpstreamRateLimited | errors.ConnectionLost)
    if not isinstance(then, Reset):
        assert 7 == error.retry_after_s


async def test_a_refusal_whose_body_never_comes_is_not_waited_for(bench, upstream, monkeypatch):
    monkeypatch.setattr(client_module, "ERROR_BODY_S", 0.01)
    upstream.script(Head(status=503), Stall())
    assert isinstance(await failure(bench.ask()), errors.UpstreamOverloaded)
    await upstream.all_closed()


@pytest.mark.parametrize(
    "reply",
    [
        response(b"<html>", kind="text/html"),
        response(b"", kind="text/plain"),
        response(b""),
        response(b"{"),
        response(b"[]"),
        response(b"{}"),
        response(ANSWER, "Content-Encoding: gzip"),
        response(ANSWER).replace(b"Content-Type", b"X"),
        chunked(b"data: [DONE]\n\n"),
    ],
)
async def test_a_success_that_is_no_answer_is_malformed(make, raw: RawServer, reply: bytes):
    raw.answers = [[reply], [response(ANSWER)]]
    bench = make(raw.base_url)
    assert isinstance(await failure(bench.ask()), errors.MalformedAnswer)
    assert ANSWER == await bench.whole()


async def test_an_error_inside_a_success_is_that_error(bench, upstream):
    upstream.script(Status(200, body=error_body("Context too long", "context_length_exceeded")))
    assert isinstance(await failure(bench.ask()), errors.ContextLengthExceeded)


async def test_an_answer_over_the_limit_is_refused_and_cut(make, upstream):
    bench = make(upstream.base_url, limits={"max_answer_bytes": 2000})
    upstream.script(Head(content_type="application/json"), *[Send(b" " * 1000)] * 1000, Stall())
    error = await failure(bench.ask())
    assert isinstance(error, errors.MalformedAnswer)
    assert "larger" in error.message
    await upstream.all_closed()


CUTS = {
    "no byte": [Drop()],
    "a reset": [Reset()],
    "half a head": [Raw(b"HTTP/1.1 200 OK\r\nContent-"), Drop()],
    "a head": [Head(framing=Framing.LENGTH, length=10), Drop()],
    "less than announced": [
        Head(content_type="application/json", framing=Framing.LENGTH, length=len(ANSWER) + 1),
        Send(ANSWER),
        Drop(),
    ],
    "no last chunk": [Head(content_type="application/json"), Send(ANSWER), Drop()],
    "a broken chunk": [Head(content_type="application/json"), Send(ANSWER), Garble()],
    "no HTTP": [Garble()],
}


@pytest.mark.parametrize("name", CUTS)
async def test_an_answer_cut_short_is_a_lost_connection(name: str, bench: Bench, upstream: ScriptedUpstream):
    upstream.script(*CUTS[name])
    error = await failure(bench.ask())
    assert isinstance(error, errors.MalformedAnswer if name == "a head" else errors.ConnectionLost)
    await upstream.all_closed()


async def test_more_than_announced_is_not_read_and_ends_the_connection(make, raw):
    raw.answers = [[response(ANSWER) + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"], [response(ANSWER)]]
    bench = make(raw.base_url)
    assert ANSWER == await bench.whole()
    assert 0 == bench.pools.open_connections
    assert ANSWER == await bench.whole()
    assert 2 == raw.connections


async def test_silence_is_a_timeout_and_ends_the_connection(bench, upstream):
    upstream.script(Stall())
    assert isinstance(await failure(bench.ask(timeouts={"answer_s": 0.02})), errors.FirstTokenTimeout)
    upstream.script(Head(content_type="application/json"), Send(b"{"), Stall())
    assert isinstance(await failure(bench.ask(timeouts={"total_s": 0.02})), errors.TotalTimeout)
    await upstream.all_closed()


async def test_without_time_left_nothing_is_sent(bench, upstream):
    assert isinstance(await failure(bench.ask(timeouts={"total_s": 1e-9})), errors.TotalTimeout)
    assert not upstream.requests


async def test_nobody_listens(make, unused_tcp_port):
    error = await failure(make(f"http://127.0.0.1:{unused_tcp_port}/v1").ask())
    assert isinstance(error, errors.ConnectFailed)
    assert "refused" in (error.detail or "").lower() or "connect" in (error.detail or "").lower()


async def test_all_connections_in_use_is_our_own_limit(make, upstream):
    bench = make(upstream.base_url, max_connections=1)
    go = asyncio.Event()
    upstream.script(Wait(go), answer(ANSWER))
    first = asyncio.ensure_future(bench.whole())
    await upstream.received()
    assert isinstance(await failure(bench.ask(timeouts={"connect_s": 0.02})), errors.ConnectionsExhausted)
    assert isinstance(await failure(bench.ask(timeouts={"answer_s": 0.02})), errors.FirstTokenTimeout)
    go.set()
    assert ANSWER == await first


async def test_the_client_s_own_key_is_the_one_that_is_refused(make, upstream):
    bench = make(upstream.base_url, api_key="client")
    upstream.script(error_answer(401, "invalid_api_key", headers={"x-ratelimit-remaining-requests": "0"}))
    assert isinstance(await failure(bench.ask()), errors.ClientCredentialRejected)
    assert "Bearer sk-clients-own-1" == upstream.requests[0].headers["authorization"]


async def test_an_embedding_is_a_whole_answer(bench, upstream):
    body = orjson.dumps({"object": "list", "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 3}})
    upstream.script(answer(body))
    assert body == await bench.whole(operation=Operation.EMBEDDINGS)
    assert "/v1/embeddings" == upstream.requests[0].target


# --- stale connections --------------------------------------------------------------------------------------------


async def test_a_provider_that_closes_idle_connections_at_random_is_never_noticed(make, raw: RawServer):
    """1,000 requests one after the other: each is answered, though connections die under them in every way."""
    rng = random.Random(5)
    bench = make(raw.base_url)
    for n in range(1000):
        body = chat_answer(f"answer {n}")
        dies_after = rng.random() < 0.3
        raw.refuses_used = rng.random() < 0.2
        raw.answers = [[response(body), *([None] if dies_after else [])]]
        assert body == await bench.whole()
        for _ in range(rng.randrange(3)):
            await asyncio.sleep(0)
    assert 1000 <= len(raw.requests)
    assert raw.refused > 50
    assert 300 < raw.connections < 600


async def test_a_stale_connection_is_replaced_by_a_fresh_one_not_by_another_stale_one(make, raw):
    bench = make(raw.base_url)
    raw.otherwise = [response(ANSWER)]
    await asyncio.gather(*[bench.whole() for _ in range(4)])
    assert 4 == raw.connections
    raw.answers = [[None], [response(ANSWER)]]
    assert ANSWER == await bench.whole()
    assert 5 == raw.connections


async def test_a_fresh_connection_that_dies_is_told(make, raw):
    bench = make(raw.base_url)
    raw.answers = [[response(ANSWER)], [None], [None]]
    await bench.whole()
    assert isinstance(await failure(bench.ask()), errors.ConnectionLost)
    assert 3 == len(raw.requests)


async def test_a_provider_gone_meanwhile_cannot_be_reached(bench, upstream):
    upstream.script(answer(ANSWER))
    await bench.whole()
    upstream.script(Drop())
    await upstream.stop()
    assert isinstance(await failure(bench.ask()), errors.ConnectFailed)


async def test_a_connection_that_dies_after_a_byte_is_not_stale(make, raw):
    bench = make(raw.base_url)
    raw.answers = [[response(ANSWER)], [b"H", None]]
    await bench.whole()
    assert isinstance(await failure(bench.ask()), errors.ConnectionLost)
    assert 2 == len(raw.requests)


async def test_a_connection_that_dies_late_may_have_died_of_the_request(make, upstream):
    """It is not asked again unseen: the provider may have worked, and will bill, for what it did not say."""
    jump_s = 0.0
    real = asyncio.get_running_loop().time
    bench = make(upstream.base_url, clock=lambda: real() + jump_s)
    upstream.script(answer(ANSWER))
    await bench.whole()
    go = asyncio.Event()
    upstream.script(Wait(go), Drop())
    task = asyncio.ensure_future(failure(bench.ask(timeouts={"total_s": 100.0, "answer_s": 100.0})))
    await upstream.received(2)
    jump_s = client_module.STALE_WITHIN_S
    go.set()
    assert isinstance(await task, errors.ConnectionLost)
    assert 2 == len(upstream.requests)


# --- cancelling ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "steps",
    [
        [Stall()],
        [Raw(b"HTTP/1.1 200 OK\r\n"), Stall()],
        [Head(content_type="application/json"), Send(b"{"), Stall()],
        [Head(status=500), Send(b"{"), Stall()],
    ],
)
async def test_a_cancelled_request_is_cut_at_the_provider(bench, upstream, steps):
    upstream.script(*steps)
    task = asyncio.ensure_future(bench.ask())
    request = await upstream.received()
    for _ in range(20):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    await request.peer_closed.wait()
    assert 0 == bench.pools.open_connections


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelled_at_any_turn_of_the_loop_nothing_stays_open_or_busy(make, raw, stream):
    reply = chunked(*[b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'], b"data: [DONE]\n\n")
    raw.otherwise = [reply[i : i + 20] for i in range(0, len(reply), 20)] if stream else [response(ANSWER)]
    bench = make(raw.base_url)
    finished = 0
    for turns in range(120):
        task = asyncio.ensure_future(bench.stream() if stream else bench.whole())
        for _ in range(turns % 60):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        finished += not task.cancelled()
        await until(lambda: not bench.pools.busy_connections)
    assert 0 < finished < 120


# --- rate limits --------------------------------------------------------------------------------------------------


async def test_the_rate_limit_headers_reach_the_fleet(make, upstream):
    bench = make(upstream.base_url, profile="openai", clock=lambda: 1000.0)
    left = {
        "x-ratelimit-limit-requests": "100",
        "x-ratelimit-remaining-requests": "90",
        "x-ratelimit-limit-tokens": "1000",
        "x-ratelimit-remaining-tokens": "250",
        "x-ratelimit-reset-tokens": "1m30s",
    }
    upstream.script(Status(200, left, ANSWER))
    await bench.whole()
    assert 0.25 == bench.live.rate_limit_remaining
    assert bench.live.unusable(1089.9) is None
    assert 0.25 == bench.live.rate_limit_remaining
    assert bench.live.unusable(1090.0) is None
    assert bench.live.rate_limit_remaining is None


async def test_a_refusal_tells_its_rate_limit_too(make, upstream):
    bench = make(upstream.base_url, profile="openai")
    upstream.script(error_answer(429, "rate_limit_exceeded", headers={"x-ratelimit-remaining-requests": "0"}))
    await failure(bench.ask())
    assert 0.0 == bench.live.rate_limit_remaining


async def test_the_limit_of_a_client_s_own_key_is_not_the_deployment_s(make, upstream):
    bench = make(upstream.base_url, profile="openai", api_key="client")
    upstream.script(Status(200, {"x-ratelimit-remaining-requests": "0"}, ANSWER))
    await bench.whole()
    assert bench.live.rate_limit_remaining is None


async def test_a_slow_client_is_waited_for(bench, upstream):
    upstream.script(answer(ANSWER))
    client = Client(slow=True)
    assert ANSWER == await client.take(await bench.ask())
    assert client.behind.is_set()


@pytest.mark.parametrize("status", ["200 OK", "429 Too Many Requests"])
async def test_an_answer_to_a_question_that_was_not_read_to_its_end_is_understood(make, status):
    """The rest of the question would precede the next one: the connection is not used again."""
    closed = asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        writer.write(response(ANSWER, status=status))
        await closed.wait()
        writer.transport.abort()

    server = await asyncio.start_server(early, "127.0.0.1", 0)
    bench = make(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    asked = bench.ask(user="x" * (16 << 20))
    if status.startswith("200"):
        assert ANSWER == await read(await asked)
    else:
        assert isinstance(await failure(asked), errors.UpstreamRateLimited)
    assert 0 == bench.pools.open_connections
    closed.set()
    server.close()
    await server.wait_closed()
