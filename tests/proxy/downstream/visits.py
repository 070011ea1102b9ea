"""Both neighbours of a connection, scripted: a client's transport without a socket, and an application that echoes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httptools
import orjson

from proxy.config import LimitsConfig
from proxy.downstream.client import HttpDownstream
from proxy.downstream.connection import Connection
from proxy.downstream.request import Request
from proxy.downstream.response import DateLine, Response
from proxy.downstream.server import Server
from proxy.errors import GatewayError

TURNS = 20
"""Of the event loop, after which whoever does not wait for the client has done what there was to do."""


class Client(asyncio.Transport):
    """The client's side: what it was sent, piece by piece, and how the connection was left."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[Any] = []
        """Each a `bytes`, or a tuple of what came in one `writelines`."""
        self.is_cut = self.is_shut = self.is_unread = False
        self.unsent = 0
        """Bytes it has not taken, as far as the connection knows."""

    @property
    def received(self) -> bytes:
        return b"".join(write if isinstance(write, bytes) else b"".join(write) for write in self.writes)

    @property
    def answers(self) -> list[Answer]:
        return read_answers(self.received)

    def write(self, data: Any) -> None:
        assert not self.is_shut, "wrote after its end"
        self.writes.append(bytes(data))

    def writelines(self, pieces: Iterable[Any]) -> None:
        assert not self.is_shut, "wrote after its end"
        self.writes.append(tuple(pieces))

    def write_eof(self) -> None:
        self.is_shut = True

    def is_closing(self) -> bool:
        return self.is_cut

    def close(self) -> None:
        self.is_cut = True

    abort = close

    def pause_reading(self) -> None:
        assert not self.is_unread
        self.is_unread = True

    def resume_reading(self) -> None:
        assert self.is_unread
        self.is_unread = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return self.unsent


@dataclass
class Answer:
    """One response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class Reader:
    """Parses responses one after the other; interim ones count."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        self.answers.append(Answer())

    def on_header(self, name: bytes, value: bytes) -> None:
        self.answers[-1].headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        self.answers[-1].status = self.parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.answers[-1].body += data


def read_answers(data: bytes) -> list[Answer]:
    """The responses in `data`, none of them to a HEAD."""
    reader = Reader()
    reader.parser.feed_data(data)
    return reader.answers


class Echo:
    """Answers with what it was asked: the body is read below 1000 bytes, and not at all for `/unread`."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.handlers: dict[str, Callable[[HttpDownstream], Any]] = {}
        """Path -> who else serves it."""

    async def handle(self, request: Request) -> Response | None:
        self.asked.append(request)
        client = HttpDownstream(request)
        if (handler := self.handlers.get(request.path)) is not None:
            await handler(client)
            return None
        body = b"" if request.path == "/unread" else await client.read_body(1000, 5.0)
        echo = {"method": request.method, "path": request.path, "query": dict(request.query), "body": body.decode()}
        return Response(orjson.dumps(echo))

    def error(self, path: str, error: GatewayError) -> Response:
        headers: Mapping[str, str] | None = None if error.retry_after is None else {"Retry-After": error.retry_after}
        return Response(orjson.dumps({"error": error.message}), error.status, headers=headers)


class Clock:
    """The event loop with its hands moved by the test."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.timers: list[tuple[float, Any]] = []
        self.create_future = asyncio.get_running_loop().create_future
        self.call_soon = asyncio.get_running_loop().call_soon

    def time(self) -> float:
        return self.now_s

    def call_at(self, at_s: float, call: Callable[[], None]) -> Any:
        timer = Timer(at_s, call)
        self.timers.append((at_s, timer))
        return timer

    def pass_s(self, seconds: float) -> None:
        """Let time pass, and fire what is due on the way."""
        until_s = self.now_s + seconds
        while due := [entry for entry in self.timers if entry[0] <= until_s and not entry[1].is_off]:
            entry = min(due, key=lambda entry: entry[0])
            self.timers.remove(entry)
            self.now_s = entry[0]
            entry[1].call()
        self.now_s = until_s


@dataclass
class Timer:
    at_s: float
    call: Callable[[], None]
    is_off: bool = False

    def cancel(self) -> None:
        self.is_off = True


class Visit:
    """A client at a server: `visit.say(b"GET ...")`, `await visit.settled()`, then look at `visit.client`."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.client = Client()
        self.connection = Connection(server, clock)  # type: ignore[arg-type]
        self.connection.connection_made(self.client)

    def say(self, data: bytes) -> None:
        if not self.client.is_cut:
            self.connection.data_received(data)

    async def settled(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def ask(self, *pieces: bytes) -> list[Answer]:
        """Say it all, and read what came back."""
        for piece in pieces:
            self.say(piece)
            await self.settled()
        await self.settled()
        return self.client.answers

    def leave(self) -> None:
        self.client.is_cut = True
        self.connection.connection_lost(None)


class House:
    """A server, its application and its visitors."""

    def __init__(self, **limits: Any) -> None:
        self.echo = Echo()
        self.clock = Clock()
        self.server = Server(self.echo, lambda: LimitsConfig(**limits))
        self.server.date = DateLine(lambda: 0.0)
        self.visits: list[Visit] = []

    def visit(self) -> Visit:
        self.visits.append(Visit(self.server, self.clock))
        return self.visits[-1]


def head(method: str, target: str, *lines: str, version: str = "1.1") -> bytes:
    """A request head with these lines behind `Host`."""
    return "\r\n".join([f"{method} {target} HTTP/{version}", "Host: here", *lines, "", ""]).encode("latin-1")


def post(target: str, body: bytes, *lines: str, version: str = "1.1") -> bytes:
    return head("POST", target, f"Content-Length: {len(body)}", *lines, version=version) + body
