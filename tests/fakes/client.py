"""A client without a socket: what the pipeline says to it, and how it may misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.dialects.sse import data_of, events_of
from proxy.errors import BodyTooLarge, ClientGone

PATIENCE_S = 10.0
"""A fact a test waits for comes long before this, or never."""


@dataclass(slots=True)
class FakeClient:
    """The client's end of one exchange."""

    body: bytes
    leaves_after: int | None = None
    """Is gone when asked to take piece number so and so, from 0."""
    leaves_before_answer: bool = False
    never_sends_body: bool = False
    is_slow: bool = False
    """Is behind after every piece."""
    drained: int = 0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    finished: bool = False
    first_piece: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def bytes_out(self) -> int:
        return sum(map(len, self.pieces))

    @property
    def received(self) -> bytes:
        """Everything, joined."""
        return b"".join(self.pieces)

    @property
    def json(self) -> Any:
        """A whole answer."""
        return orjson.loads(self.received)

    @property
    def events(self) -> list[Any]:
        """The data of each event of a stream, decoded; `[DONE]` as that text."""
        payloads = [data_of(event) for event in events_of(self.received)]
        return ["[DONE]" if data == b"[DONE]" else orjson.loads(data) for data in payloads if data]

    @property
    def text(self) -> str:
        """The text of an OpenAI stream."""
        deltas = [event["choices"][0]["delta"] for event in self.events if event != "[DONE]" and event.get("choices")]
        return "".join(delta.get("content") or "" for delta in deltas)

    async def heard(self, text: bytes) -> None:
        """Wait until it has received `text`."""
        async with asyncio.timeout(PATIENCE_S):
            while text not in self.received:
                self.news.clear()
                await self.news.wait()

    async def read_body(self, limit: int, idle_s: float) -> bytes:
        del idle_s
        if self.never_sends_body:
            await asyncio.Event().wait()
        if len(self.body) > limit:
            raise BodyTooLarge("too large")
        return self.body

    async def begin(self, status: int, headers: Mapping[str, str]) -> None:
        if self.leaves_before_answer:
            raise ClientGone("gone")
        self.status, self.headers = status, headers

    def push(self, data: bytes) -> bool:
        if self.leaves_after is not None and len(self.pieces) >= self.leaves_after:
            raise ClientGone("gone")
        self.pieces.append(data)
        self.first_piece.set()
        self.news.set()
        return not self.is_slow

    async def drain(self) -> None:
        self.drained += 1

    async def finish(self) -> None:
        self.finished = True

    async def abort(self) -> None:
        self.finished = False

    async def respond(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if self.leaves_before_answer:
            raise ClientGone("gone")
        self.status, self.headers = status, headers
        self.pieces.append(body)
        self.finished = True
