"""Before content a failure is nobody's business; after it the client is told, and never that all is well."""

from __future__ import annotations

import asyncio
import random

import pytest
from bench import Client, RawServer, chunked, failure, response
from chats import CHAT, DELTA, ERROR, FAILED, STOP, TEXT, broken, outcome

from fakes.chat import DONE, chat_answer, chat_chunk, chunk, error_body, error_event, event, role_chunk
from fakes.steps import SSE, Drop, Framing, Garble, Head, Raw, Reset, Send, Stall, Status
from proxy import errors
from proxy.dialects.request import Operation
from proxy.upstream import client as client_module
from proxy.upstream import pool as pool_module

BEFORE_CONTENT = {
    "dropped": ([SSE(role_chunk()), Drop()], errors.ConnectionLost),
    "reset": ([SSE(role_chunk()), Reset()], errors.ConnectionLost),
    "garbled": ([SSE(role_chunk()), Garble()], errors.ConnectionLost),
    "ended": ([SSE(role_chunk())], errors.ConnectionLost),
    "nothing": ([SSE()], errors.ConnectionLost),
    "an error event": ([SSE(role_chunk(), error_event("Busy", "server_overloaded"))], errors.UpstreamError),
    "an error event without its blank line": ([SSE(role_chunk(), error_event()[:-1])], errors.UpstreamError),
    "a long error": ([SSE(event({"error": {"message": "too long", "code": "context_length_exceeded"}}))],
                     errors.ContextLengthExceeded),
    "JSON": ([Status(200, body=chat_answer())], errors.MalformedAnswer),
    "a JSON error": ([Status(200, body=error_body("x", "context_length_exceeded"))], errors.ContextLengthExceeded),
    "HTML": ([Status(200, body=b"<html>", content_type="text/html")], errors.MalformedAnswer),
    "no body": ([Status(200, content_type="text/html")], errors.MalformedAnswer),
    "encoded": ([SSE(TEXT, STOP, DONE, headers={"content-encoding": "gzip"})], errors.MalformedAnswer),
    "an endless event": ([SSE(b"data: " + b"x" * 3000)], errors.MalformedAnswer),
    "endless start-up": ([Head(), *[Send(b": ping\n\n" * 50)] * 100, Stall()], errors.MalformedAnswer),
}  # fmt: skip


@pytest.mark.parametrize("name", BEFORE_CONTENT)
async def test_what_goes_wrong_before_content_is_an_error_that_may_be_retried(name: str, make, upstream):
    steps, kind = BEFORE_CONTENT[name]
    bench = make(upstream.base_url, limits={"max_event_bytes": 2000, "max_answer_bytes": 3000})
    upstream.script(*steps)
    error = await failure(bench.ask(stream=True))
    assert isinstance(error, kind)
    assert not isinstance(error, errors.StreamBroken)


async def test_silence_before_content_is_a_first_token_timeout(bench, upstream):
    upstream.script(SSE(role_chunk()), Stall())
    assert isinstance(await failure(bench.ask(stream=True, timeouts={"first_token_s": 0.02})), errors.FirstTokenTimeout)
    upstream.script(SSE(role_chunk()), Stall())
    assert isinstance(await failure(bench.ask(stream=True, timeouts={"total_s": 0.02})), errors.TotalTimeout)
    await upstream.all_closed()


AFTER_CONTENT = {
    "dropped": [SSE(TEXT), Drop()],
    "dropped in an event": [SSE(TEXT, chat_chunk("more")[:-9]), Drop()],
    "reset": [SSE(TEXT, TEXT), Reset()],
    "a broken chunk": [SSE(TEXT), Raw(b"zz\r\n")],
    "ended without a finish reason": [SSE(TEXT)],
    "less than announced": [Head(framing=Framing.LENGTH, length=9999), Send(TEXT), Drop()],
    "closed": [Head(framing=Framing.CLOSE), Send(TEXT)],
}


@pytest.mark.parametrize("name", AFTER_CONTENT)
async def test_a_stream_that_breaks_off_never_looks_complete(name: str, bench, upstream):
    upstream.script(*AFTER_CONTENT[name])
    seen, error = await broken(bench)
    assert isinstance(error, errors.StreamBroken)
    assert not error.told
    assert seen in (TEXT, TEXT + TEXT)


async def test_a_stream_that_falls_silent_is_stalled(bench, upstream):
    upstream.script(SSE(TEXT), Stall())
    seen, error = await broken(bench, timeouts={"idle_s": 0.02})
    assert (TEXT, errors.StreamStalled) == (seen, type(error))
    await upstream.all_closed()


async def test_a_stream_that_takes_too_long_in_all_is_broken_off(make, upstream):
    now_s = asyncio.get_running_loop().time
    ahead_s = 0.0
    bench = make(upstream.base_url, clock=lambda: now_s() + ahead_s)
    upstream.script(SSE(TEXT), Stall())
    client = Client()
    reply = await bench.ask(stream=True, timeouts={"total_s": 100.0})
    ahead_s = 99.9
    error = await failure(client.take(reply))
    assert (TEXT, errors.StreamTimeout) == (client.received, type(error))
    assert "longer" in str(error)


@pytest.mark.parametrize("slow", [False, True])
async def test_a_stream_that_never_pauses_still_meets_its_deadline(make, upstream, slow):
    """Bytes are always at hand, so no wait ever times out: the clock alone must tell."""
    now_s = asyncio.get_running_loop().time
    ahead_s = 0.0
    bench = make(upstream.base_url, clock=lambda: now_s() + ahead_s)
    upstream.script(Head(), *[Send(TEXT * 50)] * 1000, Stall())
    reply = await bench.ask(stream=True, timeouts={"total_s": 1000.0})

    class Hours(Client):
        def push(self, data: bytes) -> bool:
            nonlocal ahead_s
            ahead_s += 100.0
            return super().push(data)

    with pytest.raises(errors.StreamBroken, match="longer"):
        await Hours(slow=slow).take(reply)
    await upstream.all_closed()


async def test_a_monster_event_after_content_breaks_the_stream(make, upstream):
    bench = make(upstream.base_url, limits={"max_event_bytes": 2000})
    upstream.script(SSE(TEXT, b"data: " + b"x" * 3000 + b"\n\n"))
    seen, error = await broken(bench)
    assert (TEXT, errors.StreamBroken) == (seen, type(error))


async def test_one_finished_choice_of_two_is_not_the_end(bench, upstream):
    upstream.script(SSE(TEXT, STOP))
    _, error = await broken(bench, n=2)
    assert isinstance(error, errors.StreamBroken)
    upstream.script(SSE(TEXT, STOP, chunk({}, index=1, finish_reason="stop")))
    assert (await bench.stream(n=2)).endswith(DONE)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("rest", [b"", STOP + DONE])
async def test_the_provider_s_error_event_does_not_reach_the_client(bench, upstream, together, rest):
    events = (TEXT, TEXT, error_event("Secret words", "server_error"), rest)
    upstream.script(Send(b"".join(events)) if together else SSE(*filter(None, events)))
    seen, error = await broken(bench)
    assert TEXT + TEXT == seen
    assert errors.ErrorInStream is type(error)
    assert "Secret" not in error.message
    assert "Secret" in (error.detail or "")


@pytest.mark.parametrize("together", [True, False])
async def test_an_error_event_that_is_cut_off_is_withheld_too(bench, upstream, together):
    last = error_event()[:-1]
    upstream.script(*([Send(TEXT + last)] if together else [Send(TEXT), Send(last)]))
    seen, error = await broken(bench)
    assert (TEXT, errors.ErrorInStream) == (seen, type(error))


@pytest.mark.parametrize("last", [FAILED, ERROR, ERROR + FAILED], ids=["failed", "error", "both"])
@pytest.mark.parametrize("together", [True, False])
async def test_a_responses_stream_s_own_failure_is_shown_and_told_as_one(bench, upstream, last, together):
    upstream.script(*([Send(DELTA + last)] if together else [Send(DELTA), Send(last)]))
    seen, error = await broken(bench, Operation.RESPONSES)
    assert DELTA + last == seen
    assert isinstance(error, errors.StreamFailed)
    assert error.told


async def test_a_responses_stream_that_breaks_off_is_not_told_yet(bench, upstream):
    upstream.script(SSE(DELTA))
    seen, error = await broken(bench, Operation.RESPONSES)
    assert (DELTA, False) == (seen, error.told)


async def test_a_bare_error_at_the_end_of_a_responses_stream_is_not_told_yet(bench, upstream):
    upstream.script(SSE(DELTA, b'[{"error":{"code":503,"message":"overloaded"}}]\n'))
    seen, error = await broken(bench, Operation.RESPONSES)
    assert (DELTA, errors.ErrorInStream) == (seen, type(error))


async def test_a_responses_failure_before_content_may_be_retried(bench, upstream):
    upstream.script(SSE(FAILED))
    error = await failure(bench.ask(Operation.RESPONSES, stream=True))
    assert errors.ServerError is type(error)


async def test_a_stream_scripted_whole_is_cut_anywhere_and_never_hangs(make, raw: RawServer):
    """Each prefix of a stream, then the end: complete, or an error; never anything else."""
    data = chunked(role_chunk(), TEXT, STOP, DONE)
    bench = make(raw.base_url)
    complete = 0
    for cut in range(0, len(data), 3):
        raw.answers = [[data[:cut], None]]
        seen = await outcome(bench.stream())
        assert isinstance(seen, errors.ConnectionLost | errors.StreamBroken) or seen == CHAT
        complete += seen == CHAT
    assert complete > 0


async def test_a_garbled_stream_never_hangs_and_never_harms_the_next_request(make, raw: RawServer, monkeypatch):
    """Bytes changed, doubled, dropped and put in at random, heads included: the next answer is always the right one."""
    monkeypatch.setattr(client_module, "ERROR_BODY_S", 0.01)
    monkeypatch.setattr(pool_module, "FINISH_GRACE_S", 0.01)
    rng = random.Random(17)
    data = chunked(role_chunk(), TEXT, STOP, DONE)
    bench = make(raw.base_url)
    failures = 0
    for n in range(300):
        garbled = bytearray(data)
        for _ in range(rng.randrange(1, 4)):
            start = rng.randrange(len(garbled))
            end = start + rng.choice((0, 1, 1, 1, 5, 40))
            garbled[start:end] = rng.choice((b"", b"\r\n", rng.randbytes(1), rng.randbytes(3), garbled[start:end] * 2))
        raw.answers = [[bytes(garbled)]]
        seen = await outcome(bench.stream(timeouts={"first_token_s": 0.01, "idle_s": 0.01}))
        assert isinstance(seen, bytes | errors.UpstreamError)
        failures += not isinstance(seen, bytes)
        raw.answers = [[response(body := chat_answer(f"answer {n}"))]]
        assert body == await bench.whole()
    assert 100 < failures < 300
