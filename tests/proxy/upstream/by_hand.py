"""A connection without an event loop: time, timers and its reader move only when the test moves them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Iterable
from typing import Any

from wire import REQUEST, Wire

from proxy.upstream.connection import Connection
from proxy.upstream.faults import ConnectionFault

PATIENCE_S = 10.0
MAX_BYTES = 4096
"""Of a body that is read as a whole."""
MAX_TURNS = 10_000
"""Of one reader; more is a loop without end."""

Answer = tuple[int, bytes | None]
"""Status and body; no body: it was larger than `MAX_BYTES`."""


class HandFuture:
    """As much of a future as a connection and its reader use."""

    def __init__(self) -> None:
        self._is_done = False
        self._error: Exception | None = None

    def done(self) -> bool:
        return self._is_done

    def set_result(self, _: None) -> None:
        assert not self._is_done
        self._is_done = True

    def set_exception(self, error: Exception) -> None:
        self.set_result(None)
        self._error = error

    def __await__(self) -> Generator[HandFuture, None, None]:
        if not self._is_done:
            yield self
        if self._error is not None:
            raise self._error


class HandLoop:
    """A clock, and timers that go off when it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.timers: dict[int, tuple[float, Callable[[], None]]] = {}
        self.made = 0

    def time(self) -> float:
        return self.now_s

    def create_future(self) -> HandFuture:
        return HandFuture()

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Each turn of this loop ends at once."""
        callback()

    def call_at(self, when_s: float, callback: Callable[[], None]) -> Any:
        self.made += 1
        number = self.made
        self.timers[number] = when_s, callback
        return type("Handle", (), {"cancel": lambda _: self.timers.pop(number, None)})()

    def advance(self, by_s: float) -> None:
        self.now_s += by_s
        while due := [number for number, (when_s, _) in self.timers.items() if when_s <= self.now_s]:
            self.timers.pop(due[0])[1]()


class Reader:
    """Runs a coroutine as far as it comes, whenever it is its turn."""

    def __init__(self, reading: Coroutine[Any, Any, Answer]) -> None:
        self._reading = reading
        self._waits_for: HandFuture | None = None
        self.answer: Answer | None = None
        self.fault: ConnectionFault | None = None

    @property
    def has_ended(self) -> bool:
        return self.answer is not None or self.fault is not None

    def turn(self) -> None:
        for _ in range(MAX_TURNS):
            if self.has_ended or (self._waits_for is not None and not self._waits_for.done()):
                return
            try:
                self._waits_for = self._reading.send(None)
            except StopIteration as end:
                self.answer = end.value
            except ConnectionFault as fault:
                self.fault = fault
        raise AssertionError("it turns in circles")


async def by_whole(connection: Connection) -> Answer:
    response = await connection.whole(PATIENCE_S, lambda _: True, MAX_BYTES)
    return response.status, response.body


async def by_pieces(connection: Connection) -> Answer:
    response = await connection.head(PATIENCE_S)
    pieces = []
    while data := await connection.read(PATIENCE_S):
        pieces.append(data)
    return response.status, b"".join(pieces)


async def by_flow(connection: Connection) -> Answer:
    response = await connection.head(PATIENCE_S)
    pieces: list[bytes] = []

    def take(data: bytes) -> bool:
        pieces.append(data)
        return len(pieces) % 3 > 0  # now and then it wants a pause

    while await connection.flow(take, lambda: PATIENCE_S):
        pass
    return response.status, b"".join(pieces)


WAYS = {"whole": by_whole, "pieces": by_pieces, "flow": by_flow}


class Talk:
    """One connection and what is said on it."""

    def __init__(self) -> None:
        self.loop = HandLoop()
        self.wire = Wire()
        self.connection = Connection(self.loop)  # type: ignore[arg-type]
        self.connection.connection_made(self.wire)  # type: ignore[arg-type]

    def ask(self, way: str, pieces: Iterable[bytes], *, is_slow: bool = False) -> Reader:
        """Send a request, have `pieces` come, and let the reader take them; a slow one only looks when all has come."""
        self.connection.send(REQUEST, b"{}")
        reader = Reader(WAYS[way](self.connection))
        reader.turn()
        for piece in pieces:
            if self.connection.closed:
                break
            if piece:
                self.connection.data_received(piece)
            if not is_slow:
                reader.turn()
        reader.turn()
        return reader

    def silence(self, reader: Reader) -> None:
        """Nothing more comes for longer than anybody waits."""
        self.loop.advance(PATIENCE_S)
        reader.turn()

    def end(self, reader: Reader) -> None:
        """The provider closes."""
        if not self.connection.closed:
            self.connection.eof_received()
        reader.turn()
