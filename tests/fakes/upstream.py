"""A provider that does exactly what a test tells it, on a real socket, and remembers all it was asked.

Bytes are written by hand so that they can be wrong; only requests are parsed by a library (llhttp).
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Self, cast

import httptools
import orjson

from fakes.steps import Framing, ScriptOver, Status, Step

NO_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER on, 0 seconds: close sends RST."""
PATIENCE_S = 10.0
"""A fact a test waits for comes long before this, or never."""
UNSCRIPTED = Status(500, {"x-unscripted": "1"}, b'{"error":{"message":"the test scripted no answer to this request"}}')


class TurnsAway(Enum):
    """How a connection is closed as idle just when it is used again."""

    CLOSE = "close"
    RESET = "reset"


@dataclass(slots=True)
class Received:
    """One request as it came."""

    number: int
    """From 0, in the order of arrival over all connections."""
    connection: int
    """From 0, in the order of connecting."""
    method: str
    target: str
    header_list: list[tuple[str, str]]
    """As sent: order, case and repetitions kept."""
    body: bytes
    peer_closed: asyncio.Event = field(default_factory=asyncio.Event)
    """The gateway closed the connection while its answer was under way, or after it."""
    blocked: asyncio.Event = field(default_factory=asyncio.Event)
    """A write had to wait because the gateway did not read."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """The script has ended, in whatever way."""
    came_s: float = 0.0
    """When its last byte was read; as all times here by the clock of the event loop."""
    ended_s: float = 0.0
    """When `ended` was set; 0 before."""
    left_s: float = 0.0
    """When `peer_closed` was set; 0 before."""
    bytes_written: int = 0
    """Of the answer, handed to the kernel's side so far."""
    completed: bool = False
    """The script ran to its end and the answer was ended properly."""

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; the last of repeated ones."""
        return {name.lower(): value for name, value in self.header_list}

    @property
    def json(self) -> Any:
        """The decoded body."""
        return orjson.loads(self.body)


class ScriptedUpstream:
    """Answers each request with the next script. `async with ScriptedUpstream() as upstream: ...`."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        """Accepted since the start."""
        self.faults: list[Exception] = []
        """Steps that raised, requests that were no HTTP. `stop` raises them."""
        self.one_byte_at_a_time = False
        """Every byte of every answer, heads too, leaves in a write of its own."""
        self.turns_away: TurnsAway | None = None
        """What meets the first bytes of a second request on a connection: they are read and never answered."""
        self.turned_away = 0
        """Requests that met it. They are not among `requests`."""
        self._scripts: deque[tuple[Step, ...]] = deque()
        self._otherwise: tuple[Step, ...] = (UNSCRIPTED,)
        self._open: set[_Connection] = set()
        self._waiters: list[asyncio.Future[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._port = 0

    @property
    def port(self) -> int:
        """Chosen by the kernel; kept after `stop`, when connecting is refused."""
        return self._port

    @property
    def base_url(self) -> str:
        """What a provider's `base_url` would be."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def open_connections(self) -> int:
        """Not yet closed by either side."""
        return len(self._open)

    @property
    def scripts_left(self) -> int:
        """Scripts nobody has asked for yet."""
        return len(self._scripts)

    def script(self, *steps: Step) -> None:
        """What to do at the next request that has no script yet."""
        self._scripts.append(steps)

    def otherwise(self, *steps: Step) -> None:
        """What to do when the scripts have run out; without it such requests get a 500."""
        self._otherwise = steps

    async def received(self, count: int = 1) -> Received:
        """Wait until `count` requests have come, and give the last of these."""
        await self._until(lambda: len(self.requests) >= count)
        return self.requests[count - 1]

    async def all_closed(self) -> None:
        """Wait until no connection is open."""
        await self._until(lambda: not self._open)

    async def start(self) -> Self:
        """Listen on a free port of the loopback interface."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Stop listening, end every script and cut every connection. `start` listens on the same port again.

        Raises an `ExceptionGroup` of `faults`, if there were any.
        """
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in tuple(self._open):
            connection.reset()
        await self.all_closed()
        if server is not None:
            await server.wait_closed()
        if self.faults:
            faults, self.faults = self.faults, []
            raise ExceptionGroup("the scripted upstream met", faults)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # --- for the connections --------------------------------------------------------------------------------------

    def opened(self, connection: _Connection) -> int:
        """Count a connection and number it."""
        self._open.add(connection)
        self.connections += 1
        return self.connections - 1

    def closed(self, connection: _Connection) -> None:
        """A connection has ended."""
        self._open.discard(connection)
        self._notify()

    def take(self, request: Received) -> tuple[Step, ...]:
        """Record a request and hand out its script."""
        self.requests.append(request)
        self._notify()
        return self._scripts.popleft() if self._scripts else self._otherwise

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that `stop` ends."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _notify(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    async def _until(self, fact: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not fact():
                waiter = asyncio.get_running_loop().create_future()
                self._waiters.append(waiter)
                await waiter


class _Connection(asyncio.Protocol):
    """Reads requests one after the other and plays a script to each."""

    framing: Framing | None

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self._upstream = upstream
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._request: Received | None = None
        self._playing: Received | None = None
        self._script: asyncio.Task[None] | None = None
        self._left_by_us = False
        self._parser = httptools.HttpRequestParser(self)
        self.framing = None

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's
        self._transport = cast("asyncio.Transport", transport)
        self._number = self._upstream.opened(self)
        self._set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._transport.set_write_buffer_limits(0)

    def data_received(self, data: bytes) -> None:
        if self._upstream.turns_away is not None and self._request is not None:
            self._turn_away(self._upstream.turns_away)
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._upstream.faults.append(ValueError(f"the gateway sent no valid HTTP: {error}"))
            self.reset()

    def _turn_away(self, how: TurnsAway) -> None:
        if not self._left_by_us:
            self._upstream.turned_away += 1
            self.close() if how is TurnsAway.CLOSE else self.reset()

    def eof_received(self) -> None:
        self._peer_left()

    def connection_lost(self, exc: Exception | None) -> None:
        self._peer_left()
        self._upstream.closed(self)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _peer_left(self) -> None:
        if self._left_by_us or self._request is None:
            return
        if not self._request.peer_closed.is_set():
            self._request.left_s = asyncio.get_running_loop().time()
        self._request.peer_closed.set()
        if self._script is not None:
            self._script.cancel()

    # --- httptools callbacks --------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._request = Received(
            number=len(self._upstream.requests),
            connection=self._number,
            method=self._parser.get_method().decode(),
            target=self._target.decode(),
            header_list=self._headers,
            body=b"".join(self._body),
            came_s=asyncio.get_running_loop().time(),
        )
        steps = self._upstream.take(self._request)
        self._script = self._upstream.spawn(self.play(steps, self._request, self._script))

    # --- fakes.steps.Peer -----------------------------------------------------------------------------------------

    async def write(self, data: bytes) -> None:
        size = 1 if self._upstream.one_byte_at_a_time else len(data)
        for start in range(0, len(data), max(size, 1)):
            await self._write(data[start : start + size])

    async def _write(self, data: bytes) -> None:
        assert self._transport is not None
        assert self._playing is not None
        self._transport.write(data)
        # a turn of the loop for the other side, so that writes are not all in the socket before it reads
        await asyncio.sleep(0)
        if not self._writable.is_set():
            self._playing.blocked.set()
            await self._writable.wait()
        self._playing.bytes_written += len(data)

    async def wait(self, event: asyncio.Event) -> None:
        await event.wait()

    def close(self) -> None:
        self._left_by_us = True
        assert self._transport is not None
        self._transport.close()

    def reset(self) -> None:
        self._left_by_us = True
        assert self._transport is not None
        self._set_option(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self._transport.abort()

    def _set_option(self, level: int, option: int, value: int | bytes) -> None:
        assert self._transport is not None
        # a duplicate shares the options, and every event loop lends its file number
        with socket.socket(fileno=os.dup(self._transport.get_extra_info("socket").fileno())) as own:
            own.setsockopt(level, option, value)

    async def play(self, steps: tuple[Step, ...], request: Received, before: asyncio.Task[None] | None) -> None:
        """Run one script. What a step raises is kept for the test, and cuts the connection."""
        try:
            if before is not None:
                await asyncio.wait((before,))
            self._playing, self.framing = request, None
            for step in steps:
                await step.run(self)
            await self._finish()
            request.completed = True
        except ScriptOver:
            pass
        except asyncio.CancelledError:
            return  # the peer left or the test is over
        except Exception as error:  # noqa: BLE001 - a broken script must not look like a slow provider
            self._upstream.faults.append(error)
            self.reset()
        finally:
            request.ended_s = asyncio.get_running_loop().time()
            request.ended.set()

    async def _finish(self) -> None:
        if self.framing is Framing.CHUNKED:
            await self.write(b"0\r\n\r\n")
        elif self.framing is Framing.CLOSE:
            self.close()
