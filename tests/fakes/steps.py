"""What a scripted provider does, one step after the other. Nothing here waits for time: only for events.

`Send` frames its bytes as the head said (chunked unless told otherwise) and begins an event stream if no head was sent.
A script that runs to its end ends the answer properly; `Drop`, `Reset` and `Stall` are how it does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from fakes.chat import error_body

EVENT_STREAM = "text/event-stream; charset=utf-8"
JSON = "application/json"


class Framing(Enum):
    """How the end of a body is told."""

    CHUNKED = "chunked"
    LENGTH = "content-length"
    CLOSE = "close"


class ScriptOver(Exception):
    """Raised by a step after which nothing more is sent."""


class Peer(Protocol):
    """The connection as a step sees it."""

    framing: Framing | None
    """`None` until a head was sent."""

    async def write(self, data: bytes) -> None:
        """Put bytes on the wire, waiting while the peer does not read."""

    async def wait(self, event: asyncio.Event) -> None: ...
    def close(self) -> None: ...
    def reset(self) -> None: ...


class Step(Protocol):
    """One act of the provider."""

    async def run(self, peer: Peer) -> None: ...


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers. `length` is announced with `Framing.LENGTH`; nobody checks that it is true."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = EVENT_STREAM
    framing: Framing = Framing.CHUNKED
    length: int = 0

    async def run(self, peer: Peer) -> None:
        fields = {"content-type": self.content_type, **self.headers}
        match self.framing:
            case Framing.CHUNKED:
                fields["transfer-encoding"] = "chunked"
            case Framing.LENGTH:
                fields["content-length"] = str(self.length)
            case Framing.CLOSE:
                fields["connection"] = "close"
        lines = [f"HTTP/1.1 {self.status} Scripted", *(f"{name}: {value}" for name, value in fields.items())]
        peer.framing = self.framing
        await peer.write("\r\n".join([*lines, "", ""]).encode("latin-1"))


@dataclass(frozen=True, slots=True)
class Send:
    """Body bytes in one write, or cut into writes (and chunks) of `piece` bytes."""

    data: bytes
    piece: int | None = None

    async def run(self, peer: Peer) -> None:
        if peer.framing is None:
            await Head().run(peer)
        size = self.piece or len(self.data)
        for start in range(0, len(self.data), max(size, 1)):
            part = self.data[start : start + size]
            await peer.write(b"%x\r\n%b\r\n" % (len(part), part) if peer.framing is Framing.CHUNKED else part)


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are, framed by nobody."""

    data: bytes

    async def run(self, peer: Peer) -> None:
        await peer.write(self.data)


@dataclass(frozen=True, slots=True)
class Garble:
    """Bytes that are no HTTP, neither as a head nor as a chunk; then the connection stays open, silent."""

    data: bytes = b"\x16\x03\x01 this is no HTTP\r\n\r\n"

    async def run(self, peer: Peer) -> None:
        await peer.write(self.data)
        raise ScriptOver


@dataclass(frozen=True, slots=True)
class Wait:
    """Go on when the test says so. Ends at once if the peer leaves."""

    event: asyncio.Event

    async def run(self, peer: Peer) -> None:
        await peer.wait(self.event)


@dataclass(frozen=True, slots=True)
class Tell:
    """Let the test, or another provider's script, know that this one has come so far."""

    event: asyncio.Event

    async def run(self, peer: Peer) -> None:
        del peer
        self.event.set()


@dataclass(frozen=True, slots=True)
class Stall:
    """Say nothing more and hold the connection open until the peer closes it or the fake is stopped."""

    async def run(self, peer: Peer) -> None:
        await peer.wait(asyncio.Event())


@dataclass(frozen=True, slots=True)
class Drop:
    """Close without ending the answer; what was sent before is delivered."""

    async def run(self, peer: Peer) -> None:
        peer.close()
        raise ScriptOver


@dataclass(frozen=True, slots=True)
class Reset:
    """Cut the connection with a TCP reset; what was sent before may be lost."""

    async def run(self, peer: Peer) -> None:
        peer.reset()
        raise ScriptOver


@dataclass(frozen=True, slots=True)
class Status:
    """A whole answer with its length."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    content_type: str = JSON

    async def run(self, peer: Peer) -> None:
        head = Head(self.status, self.headers, self.content_type, Framing.LENGTH, len(self.body))
        await head.run(peer)
        if self.body:
            await peer.write(self.body)


class SSE:
    """A stream of events, each in a write of its own, or cut into writes of `piece` bytes."""

    def __init__(
        self,
        *events: bytes,
        headers: Mapping[str, str] | None = None,
        framing: Framing = Framing.CHUNKED,
        piece: int | None = None,
    ) -> None:
        self.events = events
        self.piece = piece
        length = sum(map(len, events))
        self.head = Head(headers=headers or {}, framing=framing, length=length)

    async def run(self, peer: Peer) -> None:
        await self.head.run(peer)
        for event in self.events:
            await Send(event, self.piece).run(peer)


def answer(body: bytes, **headers: str) -> Status:
    """A 200 with a JSON body; underscores in header names become dashes."""
    return Status(200, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def error_answer(
    status: int,
    code: str | None = "server_error",
    message: str = "Scripted failure",
    *,
    kind: str = "invalid_request_error",
    headers: Mapping[str, str] | None = None,
) -> Status:
    """An OpenAI-shaped error."""
    return Status(status, headers or {}, error_body(message, code, kind))
