"""A connection's other sides, moved by the test alone: a transport that remembers, and a clock."""

from __future__ import annotations

import asyncio
from typing import Any

from bench import GUARD_S, response

from proxy.upstream.connection import Connection

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"
OK = response(b'{"a":1}')


class Wire:
    """A transport that remembers what is done to it: the connection's own decisions, byte by byte."""

    def __init__(self, unsent: int = 0) -> None:
        self.written: list[bytes] = []
        self.reading = True
        self.closing = False
        self.unsent = unsent

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def writelines(self, pieces: tuple[bytes, ...]) -> None:
        self.written.extend(pieces)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.closing = True


class SteppedLoop:
    """A clock and timers that only the test moves; futures are the running loop's."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.timers: list[tuple[float, Any, list[bool]]] = []
        self.create_future = asyncio.get_running_loop().create_future

    def time(self) -> float:
        return self.now_s

    def call_soon(self, callback: Any) -> None:
        """Each turn of this loop ends at once."""
        callback()

    def call_at(self, when_s: float, callback: Any) -> Any:
        gone: list[bool] = []
        self.timers.append((when_s, callback, gone))
        return type("Handle", (), {"cancel": lambda _: gone.append(True)})()

    def advance(self, by_s: float) -> None:
        self.now_s += by_s
        while due := [timer for timer in self.timers if timer[0] <= self.now_s]:
            self.timers.remove(due[0])
            if not due[0][2]:
                due[0][1]()


async def body(connection: Connection) -> bytes:
    pieces = []
    while data := await connection.read(GUARD_S):
        pieces.append(data)
    return b"".join(pieces)


async def answered(connection: Connection) -> tuple[int, bytes]:
    head = await connection.head(GUARD_S)
    return head.status, await body(connection)


async def reading(awaitable: Any) -> asyncio.Task[Any]:
    """Start it, and let it come to its wait."""
    task = asyncio.ensure_future(awaitable)
    await asyncio.sleep(0)
    return task
