"""Where the environment names a proxy, providers are reached through it, and through nothing else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Self

import pytest
import trustme
from bench import RawServer, failure, response

from fakes.chat import chat_answer
from proxy import errors
from proxy.upstream.proxies import Proxies, Proxy
from proxy.upstream.tls import tls_context

ANSWER = chat_answer("Hello.")
HOST = "provider.example"
"""Nobody's name: only a proxy knows the way."""


class Tunnels:
    """A proxy that answers CONNECT with `answer`, and then leads to `port`, whatever was asked for."""

    def __init__(self, port: int = 0, answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> None:
        self.leads_to = port
        self.answer = answer
        self.asked: list[bytes] = []
        self.writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in tuple(self.writers):
            writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            if self.leads_to:
                there, back = await asyncio.open_connection("127.0.0.1", self.leads_to)
                self.writers.add(back)
                await asyncio.gather(_carry(reader, back), _carry(there, writer))
        writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[RawServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    async with RawServer(context) as running:
        running.otherwise = [response(ANSWER)]
        yield running


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = tls_context()
    authority.configure_trust(context)
    return context


def through(proxy: str, user: str = "") -> Proxies:
    return Proxies.from_environment({"ALL_PROXY": proxy.replace("//", f"//{user}@") if user else proxy})


async def test_an_http_provider_is_asked_for_by_its_whole_address(make, raw):
    raw.otherwise = [response(ANSWER)]
    bench = make(f"http://{HOST}:8000/v1", proxies=through(f"http://127.0.0.1:{raw.port}", "me:p%40ss"))
    assert [ANSWER, ANSWER] == [await bench.whole(), await bench.whole()]
    assert 1 == raw.connections
    for request in raw.requests:
        head = request.partition(b"\r\n\r\n")[0].split(b"\r\n")
        assert b"POST http://provider.example:8000/v1/chat/completions HTTP/1.1" == head[0]
        assert b"host: provider.example:8000" in head
        assert b"proxy-authorization: Basic " + base64.b64encode(b"me:p@ss") in head


async def test_an_https_provider_is_reached_through_a_tunnel_that_hears_no_key(make, secure, authority):
    async with Tunnels(secure.port) as tunnels:
        proxies = through(tunnels.url, "me:pass")
        bench = make(f"https://{HOST}/v1", proxies=proxies, context=lambda: trusting(authority))
        assert [ANSWER, ANSWER] == [await bench.whole(), await bench.whole()]
        assert 1 == len(tunnels.asked)
        lines = tunnels.asked[0].split(b"\r\n")
        assert b"CONNECT provider.example:443 HTTP/1.1" == lines[0]
        assert b"host: provider.example:443" in lines
        assert b"proxy-authorization: Basic " + base64.b64encode(b"me:pass") in lines
        assert b"sk-own" not in tunnels.asked[0]
        assert secure.requests[0].startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert b"proxy-authorization" not in secure.requests[0]
        bench.pools.close()
        await secure.all_closed()


async def test_a_tunnel_to_a_stranger_is_refused(make, secure):
    async with Tunnels(secure.port) as tunnels:
        error = await failure(make(f"https://{HOST}/v1", proxies=through(tunnels.url)).ask())
        assert isinstance(error, errors.ConnectFailed)
        assert "TLS" in (error.detail or "")
        assert not secure.requests


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 2\r\n\r\nno", "refused with status 407"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "refused with status 100"),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "bytes nobody asked for"),
        (b"SSH-2.0\r\n\r\n", "does not speak HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000, "no end"),
    ],
)
async def test_a_proxy_that_does_not_lead_there_is_a_provider_that_cannot_be_reached(make, answer, why):
    async with Tunnels(answer=answer) as tunnels:
        error = await failure(make(f"https://{HOST}/v1", proxies=through(tunnels.url, "me:secret")).ask())
        assert isinstance(error, errors.ConnectFailed)
        assert why in (error.detail or "")
        assert "secret" not in f"{error} {error.detail}"


async def test_what_an_http_proxy_refuses_is_no_answer_of_the_provider(make, raw):
    raw.otherwise = [response(b'{"error":{"message":"who are you?"}}', status="407 Proxy Authentication Required")]
    error = await failure(make(f"http://{HOST}/v1", proxies=through(f"http://127.0.0.1:{raw.port}")).ask())
    assert isinstance(error, errors.ConnectFailed)
    assert "407" in (error.detail or "")


async def test_a_proxy_that_says_nothing_is_waited_for_as_long_as_a_connection(make):
    closed = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        closed.set()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    bench = make(f"https://{HOST}/v1", proxies=through(f"http://127.0.0.1:{port}"))
    error = await failure(bench.ask(timeouts={"connect_s": 0.05}))
    assert isinstance(error, errors.ConnectFailed)
    assert "too long" in (error.detail or "")
    await closed.wait()
    server.close()
    await server.wait_closed()


async def test_nothing_is_sent_around_a_proxy_that_cannot_be_used(make):
    proxies = Proxies.from_environment({"HTTP_PROXY": "socks5://me:secret@127.0.0.1:1080"})
    assert ["`HTTP_PROXY` cannot be used: only proxies with an `http://` address can be used"] == proxies.problems
    error = await failure(make(f"http://{HOST}/v1", proxies=proxies).ask())
    assert isinstance(error, errors.ConnectFailed)
    assert "`HTTP_PROXY`" in (error.detail or "")
    assert "secret" not in (error.detail or "")


async def test_this_machine_is_never_reached_through_a_proxy(make, raw):
    raw.otherwise = [response(ANSWER)]
    async with Tunnels() as tunnels:
        for host in ("localhost", "127.0.0.1"):
            await make(f"http://{host}:{raw.port}/v1", proxies=through(tunnels.url)).whole()
        assert not tunnels.asked


P, Q = Proxy("p", 80), Proxy("q", 3128)


@pytest.mark.parametrize(
    ("environ", "scheme", "expected"),
    [
        ({}, "https", None),
        ({"HTTPS_PROXY": "http://p"}, "https", P),
        ({"HTTPS_PROXY": "p"}, "https", P),
        ({"HTTPS_PROXY": "http://p"}, "http", None),
        ({"HTTP_PROXY": "http://q:3128/"}, "http", Q),
        ({"HTTP_PROXY": "http://q:3128/"}, "https", None),
        ({"HTTPS_PROXY": "http://p", "https_proxy": "http://q:3128"}, "https", Q),
        ({"HTTPS_PROXY": "http://p", "https_proxy": ""}, "https", None),
        ({"ALL_PROXY": "http://p", "HTTPS_PROXY": "http://q:3128"}, "https", Q),
        ({"all_proxy": "http://p", "HTTPS_PROXY": "http://q:3128"}, "http", P),
        ({"HTTP_PROXY": "http://p", "REQUEST_METHOD": "GET"}, "http", None),
        ({"http_proxy": "http://p", "REQUEST_METHOD": "GET"}, "http", P),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, "https", None),
        ({"HTTPS_PROXY": "http://p", "NO_PROXY": "*", "no_proxy": "other"}, "https", P),
    ],
)
def test_the_environment_is_read_as_curl_reads_it(environ, scheme, expected):
    assert expected == Proxies.from_environment(environ).leading_to(scheme, "api.example.com", 443)


@pytest.mark.parametrize(
    ("entry", "host", "is_direct"),
    [
        ("example.com", "example.com", True),
        ("example.com", "api.EXAMPLE.com", True),
        (".example.com", "api.example.com", True),
        ("*.example.com", "api.example.com", True),
        ("example.com", "badexample.com", False),
        ("com.", "example.com", False),
        ("other, example.com", "example.com", True),
        ("other example.com", "example.com", True),
        ("example.com:443", "example.com", True),
        ("example.com:8443", "example.com", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", "example.com", False),
        ("fd00::/8", "fd00::1", True),
        ("fd00::0:1", "fd00::1", True),
        ("[fd00::1]:443", "fd00::1", True),
        ("[fd00::1]:80", "fd00::1", False),
        ("", "example.com", False),
        (",,.,*.", "example.com", False),
        ("/", "example.com", False),
    ],
)
def test_no_proxy_means_a_host_and_what_is_below_it(entry, host, is_direct):
    proxies = Proxies.from_environment({"HTTPS_PROXY": "http://p", "NO_PROXY": entry})
    assert (None if is_direct else P) == proxies.leading_to("https", host, 443)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1", "api.localhost"])
def test_loopback_needs_no_exception(host):
    assert Proxies(P, P).leading_to("http", host, 80) is None


@pytest.mark.parametrize(
    "url", ["https://p", "socks5h://p", "http://", "http://p:x", "http://caf\u00e9", "http://[::1"]
)
def test_what_is_no_usable_proxy_is_told_without_its_address(url):
    proxies = Proxies.from_environment({"https_proxy": url})
    assert 1 == len(proxies.problems)
    assert proxies.problems[0].startswith("`https_proxy` cannot be used: ")
    assert url not in proxies.problems[0]


def test_credentials_show_in_no_representation():
    proxy = Proxy.parse("http://me:secret@p:1")
    assert "secret" not in repr(proxy)
    assert base64.b64encode(b"me:secret").decode() not in repr(proxy)


def test_an_ipv6_provider_is_named_in_brackets():
    assert P.connect("fd00::1", 443).startswith(b"CONNECT [fd00::1]:443 HTTP/1.1\r\nhost: [fd00::1]:443\r\n")
