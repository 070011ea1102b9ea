"""Providers are spoken to over TLS, and only to the one that was meant."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from bench import RawServer, chunked, failure, response

from fakes.chat import DONE, chat_answer, chat_chunk, final_chunk
from proxy import errors
from proxy.upstream.pool import tls_context

ANSWER = chat_answer("Hello.")
TEXT, STOP = chat_chunk("Hello"), final_chunk()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def server_context(authority: trustme.CA, name: str = "localhost") -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["h2", "http/1.1"])
    authority.issue_cert(name).configure_cert(context)
    return context


def trusting(authority: trustme.CA) -> ssl.SSLContext:
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
