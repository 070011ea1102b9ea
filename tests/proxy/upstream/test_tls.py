"""Providers are spoken to over TLS, and only to the one that was meant."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
import uvloop
from bench import Bench, RawServer, chunked, failure, response, until

from fakes.chat import DONE, chat_answer, chat_chunk, final_chunk
from proxy import errors
from proxy.upstream import tls as tls_module
from proxy.upstream.tls import ResumingContext, tls_context

ANSWER = chat_answer("Hello.")
TEXT, STOP = chat_chunk("Hello"), final_chunk()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(
    authority: trustme.CA, name: str = "localhost", newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.maximum_version = newest
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ResumingContext:
    context = tls_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def server(authority: trustme.CA) -> AsyncIterator[RawServer]:
    async with RawServer(server_context(authority)) as running:
        yield running


async def test_answers_and_streams_pass_over_one_connection(make, server, authority):
    bench = make(server.base_url, context=lambda: trusting(authority))
    for _ in range(3):
        server.answers = [[response(ANSWER)], [chunked(TEXT, STOP, DONE)]]
        assert ANSWER == await bench.whole()
        assert TEXT + STOP + DONE == await bench.stream()
    assert 1 == server.connections


async def test_http_1_1_is_agreed_on_with_a_server_that_prefers_another(make, server, authority):
    server.answers = [[response(ANSWER)]]
    await make(server.base_url, context=lambda: trusting(authority)).whole()
    assert ["http/1.1"] == server.protocols


async def test_a_stranger_s_certificate_is_refused_before_anything_is_sent(make, server):
    error = await failure(make(server.base_url).ask())
    assert isinstance(error, errors.ConnectFailed)
    assert "TLS" in (error.detail or "")
    assert not server.requests


async def test_a_certificate_for_another_name_is_refused(make, authority):
    async with RawServer(server_context(authority, "other.example")) as server:
        error = await failure(make(server.base_url, context=lambda: trusting(authority)).ask())
        assert isinstance(error, errors.ConnectFailed)
        assert not server.requests


async def test_a_server_without_tls_cannot_be_reached(make, raw):
    error = await failure(make(raw.base_url.replace("http:", "https:")).ask(timeouts={"connect_s": 0.2}))
    assert isinstance(error, errors.ConnectFailed)


@pytest.mark.parametrize("cut", [0, 30, 300])
async def test_a_stream_cut_short_is_noticed_over_tls_too(make, server, authority, cut):
    bench = make(server.base_url, context=lambda: trusting(authority))
    server.answers = [[chunked(TEXT, STOP, DONE)[:cut], None]]
    assert isinstance(await failure(bench.stream()), errors.ConnectionLost | errors.StreamBroken)
    assert 0 == bench.pools.open_connections


async def test_a_stale_connection_is_replaced_over_tls_too(make, server, authority):
    bench = make(server.base_url, context=lambda: trusting(authority))
    server.otherwise = [response(ANSWER)]
    await bench.whole()
    server.refuses_used = True
    assert ANSWER == await bench.whole()
    assert 2 == server.connections


async def test_a_large_body_passes_over_tls(make, server, authority):
    large = chat_answer("x" * 3_000_000)
    server.answers = [[response(large)]]
    assert large == await make(server.base_url, context=lambda: trusting(authority)).whole(user="y" * 2_000_000)
    assert len(server.requests[0]) > 2_000_000


async def test_a_question_refused_before_it_was_read_ends_the_connection_over_tls_too(make, authority):
    """Its rest would precede the next one, and only the socket below the encryption knows of it."""
    closed = asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        writer.write(response(ANSWER, status="429 Too Many Requests"))
        await closed.wait()
        writer.transport.abort()

    server = await asyncio.start_server(early, "127.0.0.1", 0, ssl=server_context(authority))
    port = server.sockets[0].getsockname()[1]
    bench = make(f"https://localhost:{port}/v1", context=lambda: trusting(authority))
    assert isinstance(await failure(bench.ask(user="x" * (16 << 20))), errors.UpstreamRateLimited)
    assert 0 == bench.pools.open_connections
    closed.set()
    server.close()
    await server.wait_closed()


async def test_a_short_question_that_is_refused_keeps_its_connection(make, server, authority):
    bench = make(server.base_url, context=lambda: trusting(authority))
    server.answers = [[response(ANSWER, status="429 Too Many Requests")], [response(ANSWER)]]
    assert isinstance(await failure(bench.ask()), errors.UpstreamRateLimited)
    assert ANSWER == await bench.whole()
    assert 1 == server.connections


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_further_connection_resumes_the_session_of_the_one_before(authority, newest, run):
    async def main() -> None:
        async with RawServer(server_context(authority, newest=newest)) as server:
            server.otherwise = [response(ANSWER), None]  # it closes after each answer
            bench = Bench(server.base_url, context=lambda: trusting(authority))
            for served in range(1, 4):
                assert ANSWER == await bench.whole()
                await server.all_closed()
                await until(lambda: not bench.pools.open_connections)
                assert served == server.connections
            assert [False, True, True] == server.resumed

    run(main())


async def test_a_session_is_never_offered_to_another_name(authority):
    context = trusting(authority)
    async with RawServer(server_context(authority)) as server:
        server.otherwise = [response(ANSWER), None]
        bench = Bench(server.base_url, context=lambda: context)
        await bench.whole()
        await server.all_closed()
        tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost")
        assert tls.session is not None
        tls = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="other.example")
        assert tls.session is None
        await until(lambda: not bench.pools.open_connections)


async def test_a_server_that_forgets_its_sessions_is_greeted_anew(make, authority):
    context = trusting(authority)
    for _ in range(2):
        async with RawServer(server_context(authority)) as server:
            server.otherwise = [response(ANSWER), None]
            assert ANSWER == await make(server.base_url, context=lambda: context).whole()
            assert [False] == server.resumed


async def test_a_failed_handshake_leaves_no_session_behind(make, authority):
    context = trusting(authority)
    async with RawServer(server_context(authority)) as server:
        server.otherwise = [response(ANSWER), None]
        await make(server.base_url, context=lambda: context).whole()
    async with RawServer(server_context(authority, "other.example")) as server:
        error = await failure(make(server.base_url, context=lambda: context).ask())
        assert isinstance(error, errors.ConnectFailed)
    assert context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="localhost").session is None


def test_sessions_are_kept_of_a_bounded_number_of_names(authority, monkeypatch):
    monkeypatch.setattr(tls_module, "MAX_SESSIONS", 2)
    context = trusting(authority)
    sessions = {}
    for name in ("a.example", "b.example", "c.example"):
        context.remember(handshaken(context, server_context(authority, name), name))
        sessions[name] = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname=name).session
    assert all(session is not None for session in sessions.values())
    assert context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.example").session is None
    assert context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="b.example").session is not None


def handshaken(context: ssl.SSLContext, server_side: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A client's end after a handshake in memory, the tickets that follow it included."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = context.wrap_bio(to_client, to_server, server_hostname=name)
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    for end in (client, server, client, server):
        with contextlib.suppress(ssl.SSLWantReadError):
            end.do_handshake()
    with contextlib.suppress(ssl.SSLWantReadError):
        client.read(1)
    return client
