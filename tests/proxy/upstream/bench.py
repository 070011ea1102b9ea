"""What the tests of this folder share: one deployment ready to be asked, and a server that answers with raw bytes."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from typing import Any, Self

import orjson

from proxy.config import HealthConfig, LimitsConfig, ProviderConfig, TimeoutsConfig
from proxy.dialects.openai_chat import decode
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation
from proxy.exchange import Attempt, Call, Reply
from proxy.fleet.live import Credential, Live
from proxy.providers.provider import Provider
from proxy.upstream.client import HttpUpstream
from proxy.upstream.pool import Pools
from proxy.upstream.proxies import NO_PROXIES, Proxies
from proxy.upstream.tls import tls_context
from proxy.world import Deployment

GUARD_S = 10.0
"""What a test waits for comes long before this, or never."""
SECONDS = {"connect_s": 5.0, "first_token_s": 5.0, "answer_s": 5.0, "idle_s": 5.0, "total_s": 10.0}


class Bench:
    """One deployment behind an `HttpUpstream`."""

    def __init__(
        self,
        base_url: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        context: Callable[[], ssl.SSLContext] = tls_context,
        proxies: Proxies = NO_PROXIES,
        max_connections: int = 8,
        limits: dict[str, int] | None = None,
        **provider: Any,
    ) -> None:
        fields = {"api_key": "sk-own-key-000001", "base_url": base_url, "max_connections": max_connections, **provider}
        self.pools = Pools(context, proxies)
        self.clock = clock
        self.live = Live("p/m", Credential(), HealthConfig())
        self.deployment = Deployment(
            "p/m", Provider.from_config("p", ProviderConfig(**fields), {}), "upstream-model", self.live
        )
        self.limits = LimitsConfig(**(limits or {}))
        self.upstream = HttpUpstream(self.pools, lambda: self.limits, clock, wall_clock)
        self.attempts: list[Attempt] = []

    async def ask(
        self, operation: Operation = Operation.CHAT, timeouts: dict[str, float] | None = None, **doc: Any
    ) -> Reply:
        """Send one request; the reply is the caller's to close."""
        document = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "input": "hi", "prompt": "hi", **doc}
        request = decode(operation, orjson.dumps(document))
        given = TimeoutsConfig(**{**SECONDS, **(timeouts or {})})
        attempt = Attempt(self.deployment, self.clock(), "test", 0, 0)
        self.attempts.append(attempt)
        call = Call(OpenAISurface(), operation, None, "application/json", "req_1", provider_key="sk-clients-own-1")
        async with asyncio.timeout(GUARD_S):
            return await self.upstream.send(attempt, request, call, given, self.clock() + given.total_s)

    async def quiet(self) -> None:
        """Wait until nobody holds a connection."""
        await until(lambda: not self.pools.busy_connections)

    async def stream(self, operation: Operation = Operation.CHAT, **options: Any) -> bytes:
        """A whole stream as the client would see it."""
        return await read(await self.ask(operation, stream=True, **options))

    async def whole(self, **options: Any) -> bytes:
        """A whole answer."""
        return await read(await self.ask(**options))


class Client:
    """Takes a reply. `slow`: is behind after every piece, and `drain` waits for `go`."""

    def __init__(self, *, slow: bool = False) -> None:
        self.pieces: list[bytes] = []
        self.slow = slow
        self.behind = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    @property
    def received(self) -> bytes:
        """What came before a fault counts too."""
        return b"".join(self.pieces)

    def push(self, data: bytes) -> bool:
        """As a downstream takes it."""
        assert data
        self.pieces.append(data)
        return not self.slow

    async def drain(self) -> None:
        """Wait until the test lets it go on."""
        assert self.slow, "nobody was behind"
        self.behind.set()
        await self.go.wait()

    async def take(self, reply: Reply) -> bytes:
        """Everything, then close."""
        try:
            async with asyncio.timeout(GUARD_S):
                await reply.relay(self.push, self.drain)
        finally:
            reply.close()
        return self.received


async def read(reply: Reply) -> bytes:
    """Everything, then close."""
    return await Client().take(reply)


async def until(fact: Callable[[], bool]) -> None:
    """Let the loop turn until it is so."""
    async with asyncio.timeout(GUARD_S):
        while not fact():  # noqa: ASYNC110 - a fact of the code under test: nobody sets an event for it
            await asyncio.sleep(0)


async def failure(awaitable: Any) -> Exception:
    """The exception it ends in."""
    try:
        await awaitable
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return error
    raise AssertionError("it did not fail")


class RawServer:
    """Answers each request with the next entry of `answers`: bytes as they are, in the pieces given; `None` closes.

    Reads requests only as far as their length says; keeps what it got.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.answers: list[list[bytes | None]] = []
        self.otherwise: list[bytes | None] = [None]
        self.first_words = b""
        """Said to whoever connects, before being asked."""
        self.refuses_used = False
        """Whether a request on a connection that has served before is met by closing it."""
        self.refused = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.protocols: list[str | None] = []
        """Agreed on in the TLS handshake, by connection."""
        self.resumed: list[bool] = []
        """Whether the handshake was a short one, by connection."""
        self._context = context
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()

    @property
    def base_url(self) -> str:
        scheme = "http" if self._context is None else "https"
        return f"{scheme}://localhost:{self.port}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await self._until(lambda: not self._writers)
        await self._server.wait_closed()

    async def asked(self, count: int) -> None:
        """Wait until so many requests have come."""
        await self._until(lambda: len(self.requests) >= count)

    async def all_closed(self) -> None:
        """Wait until no connection is open."""
        await self._until(lambda: not self._writers)

    async def _until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(GUARD_S):
            while not fact():
                self._changed.clear()
                await self._changed.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        if (tls := writer.get_extra_info("ssl_object")) is not None:
            self.protocols.append(tls.selected_alpn_protocol())
            self.resumed.append(tls.session_reused)
        try:
            await self._answer(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            self._changed.set()
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self.first_words)
        served = 0
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            self.requests.append(head + await reader.readexactly(length))
            self._changed.set()
            if served and self.refuses_used:
                self.refused += 1
                return
            served += 1
            for piece in self.answers.pop(0) if self.answers else self.otherwise:
                if piece is None:
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)


def response(body: bytes, *headers: str, kind: str = "application/json", status: str = "200 OK") -> bytes:
    """A whole response with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(*chunks: bytes, kind: str = "text/event-stream") -> bytes:
    """A whole chunked response."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode("latin-1")
    return head + b"".join(b"%x\r\n%b\r\n" % (len(data), data) for data in chunks) + b"0\r\n\r\n"
