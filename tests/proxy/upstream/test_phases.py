"""The same fault means another thing in each phase: before sending, before content, after it."""

from __future__ import annotations

import pytest
from bench import Bench, RawServer, failure
from chats import STOP, TEXT, broken

from fakes.chat import chat_answer, error_event, role_chunk
from fakes.steps import SSE, Drop, Head, Raw, Reset, Send, Stall, Status, Step, answer
from fakes.upstream import ScriptedUpstream
from proxy import errors
from proxy.errors import Health, Retry, UpstreamError

JSON = "application/json"
SOON_S = 0.02

Decision = tuple[type[UpstreamError], Retry, Health, bool]
"""The class, what may be tried next, what it says of the deployment, whether another may take the stream over."""
UNREACHABLE: Decision = (errors.ConnectFailed, Retry.HERE, Health.SICK, False)
LOST: Decision = (errors.ConnectionLost, Retry.HERE, Health.SICK, False)
SILENT: Decision = (errors.FirstTokenTimeout, Retry.ELSEWHERE, Health.SICK, False)
OUT_OF_TIME: Decision = (errors.TotalTimeout, Retry.NEVER, Health.FINE, False)
NO_ANSWER: Decision = (errors.MalformedAnswer, Retry.ELSEWHERE, Health.SICK, False)
OVERLOADED: Decision = (errors.UpstreamOverloaded, Retry.ELSEWHERE, Health.SICK, False)
BROKEN: Decision = (errors.StreamBroken, Retry.NEVER, Health.SICK, True)
STALLED: Decision = (errors.StreamStalled, Retry.NEVER, Health.SICK, True)
TOLD: Decision = (errors.ErrorInStream, Retry.NEVER, Health.SICK, False)


def decision(error: Exception) -> Decision:
    assert isinstance(error, UpstreamError)
    return type(error), error.retry, error.health, error.splice


async def test_a_name_that_does_not_resolve(make):
    assert UNREACHABLE == decision(await failure(make(f"http://{'x' * 64}.invalid/v1").ask()))


async def test_a_port_that_nobody_listens_on(make, unused_tcp_port):
    assert UNREACHABLE == decision(await failure(make(f"http://127.0.0.1:{unused_tcp_port}/v1").ask()))


@pytest.mark.parametrize(
    ("limit", "expected"), [("connect_s", UNREACHABLE), ("answer_s", SILENT), ("total_s", OUT_OF_TIME)]
)
async def test_connecting_that_never_ends_is_charged_to_the_limit_it_used_up(make, raw, limit, expected):
    """A TLS handshake with a server that says nothing: whichever limit is the shortest has run out."""
    bench = make(raw.base_url.replace("http:", "https:"))
    assert expected == decision(await failure(bench.ask(timeouts={limit: SOON_S})))
    assert not raw.requests


BEFORE_THE_HEAD: dict[str, list[Step]] = {
    "reset": [Reset()],
    "closed": [Drop()],
    "closed in the head": [Raw(b"HTTP/1.1 200 OK\r\nContent-"), Drop()],
}
AFTER_THE_HEAD: dict[str, list[Step]] = {
    "reset after the head": [Head(content_type=JSON), Reset()],
    "closed after the head": [Head(content_type=JSON), Send(b'{"id":'), Drop()],
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", BEFORE_THE_HEAD)
async def test_a_fresh_connection_lost_before_the_head_is_lost(name: str, stream, bench: Bench, upstream):
    """Told, not repeated unseen: the provider may have begun to work."""
    upstream.script(*BEFORE_THE_HEAD[name])
    assert LOST == decision(await failure(bench.ask(stream=stream)))
    assert 1 == len(upstream.requests)


@pytest.mark.parametrize("name", AFTER_THE_HEAD)
async def test_a_whole_answer_that_breaks_off_is_lost(name: str, bench: Bench, upstream: ScriptedUpstream):
    upstream.script(*AFTER_THE_HEAD[name])
    assert LOST == decision(await failure(bench.ask()))


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_a_proxys_error_on_a_used_connection_is_told_and_not_taken_for_a_stale_one(status, bench, upstream):
    upstream.script(answer(chat_answer()))
    await bench.whole()
    upstream.script(Status(status, body=b"<html>Bad Gateway</html>", content_type="text/html"))
    assert OVERLOADED == decision(await failure(bench.ask()))
    assert 2 == len(upstream.requests)


async def test_a_stale_connection_is_not_told_at_all(make, raw: RawServer):
    bench = make(raw.base_url)
    body = chat_answer()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {JSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    raw.answers = [[head + body], [None], [head + body]]
    assert [body, body] == [await bench.whole(), await bench.whole()]
    assert 2 == len(bench.attempts)


@pytest.mark.parametrize(("limit", "expected"), [("answer_s", SILENT), ("total_s", OUT_OF_TIME)])
@pytest.mark.parametrize("steps", [[Stall()], [Head(content_type=JSON), Send(b"{"), Stall()]], ids=["all", "half"])
async def test_silence_before_a_whole_answer(steps, limit, expected, bench, upstream):
    upstream.script(*steps)
    assert expected == decision(await failure(bench.ask(timeouts={limit: SOON_S})))
    await upstream.all_closed()


@pytest.mark.parametrize(("limit", "expected"), [("first_token_s", SILENT), ("total_s", OUT_OF_TIME)])
async def test_silence_before_the_first_content_of_a_stream(limit, expected, bench, upstream):
    """Start-up events and pings are no content."""
    upstream.script(SSE(role_chunk(), b": ping\n\n"), Stall())
    assert expected == decision(await failure(bench.ask(stream=True, timeouts={limit: SOON_S})))
    await upstream.all_closed()


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "status",
    [
        Status(200, content_type=JSON),
        Status(200, body=b"<html>It works!</html>", content_type="text/html"),
        Status(200, body=b"\n\n", content_type=JSON),
        Status(200, body=b"{", content_type=JSON),
        Status(200, body=b"OK", content_type="text/plain"),
    ],
    ids=["empty", "HTML", "blank lines", "half a document", "plain text"],
)
async def test_a_200_that_is_no_answer(status: Status, stream, bench, upstream):
    upstream.script(status)
    assert NO_ANSWER == decision(await failure(bench.ask(stream=stream)))


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_inside_a_200_is_known_by_its_code(stream, bench, upstream):
    upstream.script(Status(200, body=b'{"error":{"message":"busy","code":502}}', content_type=JSON))
    assert OVERLOADED == decision(await failure(bench.ask(stream=stream)))


AFTER_CONTENT: dict[str, tuple[list[Step], Decision]] = {
    "reset": ([SSE(TEXT), Reset()], BROKEN),
    "closed": ([SSE(TEXT), Drop()], BROKEN),
    "ended without a finish reason": ([SSE(TEXT)], BROKEN),
    "silent": ([SSE(TEXT), Stall()], STALLED),
    "an error event": ([SSE(TEXT, error_event("Busy", "server_overloaded"))], TOLD),
    "an error event, and an end": ([SSE(TEXT, error_event("Busy", "server_overloaded"), STOP)], TOLD),
}


@pytest.mark.parametrize("name", AFTER_CONTENT)
async def test_after_content_nothing_is_retried(name: str, bench: Bench, upstream: ScriptedUpstream):
    steps, expected = AFTER_CONTENT[name]
    upstream.script(*steps)
    seen, error = await broken(bench, timeouts={"idle_s": 0.05})
    assert (TEXT, expected) == (seen, decision(error))
