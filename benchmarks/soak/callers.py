"""The clients of the soak. Each act is one exchange and answers how it ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks import answers
from benchmarks.answers import Plan
from benchmarks.load.target import target
from benchmarks.pointsman import KEY
from benchmarks.soak.outcomes import Ended
from benchmarks.soak.wire import Broken, Line, error_code

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

JSON = Plan(size=1024, delay_ms=5)
PACED = Plan(events=40, every_ms=50)
BURST = Plan(events=512)
LONG = Plan(events=4096)
"""More than the buffers between hold."""
SLOW_BYTES = 8192
"""A slow reader's gulp."""
SLOW_PAUSE_S = 0.05
POOLED = 32
"""Connections kept open between exchanges."""
_POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
_TYPE = b"Content-Type: application/json\r\n"
GARBAGE = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nContent-Length: -1\r\n\r\n",
    _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
    _POST + _TYPE + b"Content-Length: 4\r\n\r\n}{][",
    _POST + _TYPE + b"Authorization: Bearer wrong\r\nContent-Length: 2\r\n\r\n{}",
    _POST + _TYPE + b'Authorization: Bearer %b\r\nContent-Length: 15\r\n\r\n{"model":"nope"' % KEY.encode(),
    b"BREW /coffee HTTP/1.1\r\nHost: a\r\n\r\n",
)
_BODY = answers.whole(JSON.size).partition(b"\r\n\r\n")[2]


class Callers:
    """Connections to one gateway, and what is done over them."""

    def __init__(self, port: int, chance: random.Random) -> None:
        self._port = port
        self._chance = chance
        self._free: list[Line] = []
        self._requests = {plan: target(port, plan, key=KEY).request for plan in (JSON, PACED, BURST, LONG)}
        self.acts: dict[str, Callable[[], Awaitable[Ended]]] = {
            "json": self.json,
            "paced": lambda: self.stream("paced", PACED),
            "burst": lambda: self.stream("burst", BURST),
            "cut": self.cut,
            "slow": self.slow,
            "garbage": self.garbage,
        }

    async def json(self) -> Ended:
        """A whole answer, byte for byte as the provider gave it."""
        line = await self._line()
        line.send(self._requests[JSON])
        body = await self._or_close(line, line.body())
        if line.status != 200:
            return self._ended(line, "json", body)
        if body != _BODY:
            return Ended("json", "wrong", f"{len(body)} bytes: {body[:100]!r}")
        self._keep(line)
        return Ended("json", "ok")

    async def stream(self, kind: str, plan: Plan) -> Ended:
        """All words in order, once each, and `[DONE]` behind them; or an error that says so."""
        line = await self._line()
        line.send(self._requests[plan])
        body = await self._or_close(line, line.body())
        if line.status != 200:
            return self._ended(line, kind, body)
        self._keep(line)
        return _judged(kind, body, plan)

    async def cut(self) -> Ended:
        """Leaves in the middle: of the request, before the answer, or in a stream."""
        line = await Line.open(self._port)
        place = self._chance.randrange(3)
        data = self._requests[PACED if place else JSON]
        line.send(data if place else data[: self._chance.randrange(len(data))])
        try:
            if place == 1:
                await asyncio.sleep(self._chance.random() * 0.02)
            elif place > 1:
                wanted = self._chance.randrange(1, PACED.events)
                async for _ in line.pieces():
                    wanted -= 1
                    if wanted <= 0:
                        break
        finally:
            line.close()
        return Ended("cut", "cut")

    async def slow(self) -> Ended:
        """Reads a long answer in sips."""
        line = await Line.open(self._port, window=SLOW_BYTES)
        line.send(self._requests[LONG])
        found = []
        try:
            async for piece in line.pieces(SLOW_BYTES):
                found.append(piece)
                await asyncio.sleep(SLOW_PAUSE_S)
        finally:
            line.close()
        body = b"".join(found)
        return self._ended(line, "slow", body) if line.status != 200 else _judged("slow", body, LONG)

    async def garbage(self) -> Ended:
        """Nonsense gets a 4xx or a closed connection, or a 501; never an answer."""
        line = await Line.open(self._port)
        try:
            line.send(self._chance.choice(GARBAGE))
            body = await line.body()
        except Broken:
            return Ended("garbage", "refused")
        finally:
            line.close()
        if 400 <= line.status < 500 or line.status == 501:
            return Ended("garbage", "refused")
        return Ended("garbage", "wrong", f"{line.status} {body[:100]!r}")

    def close(self) -> None:
        """Give the idle connections back."""
        for line in self._free:
            line.close()
        self._free.clear()

    async def _line(self) -> Line:
        while self._free:
            line = self._free.pop(self._chance.randrange(len(self._free)))
            if line.is_usable:
                return line
            line.close()
        return await Line.open(self._port)

    def _keep(self, line: Line) -> None:
        # a new one now and then: connections must reach workers that came later
        if len(self._free) < POOLED and self._chance.random() < 0.95:
            self._free.append(line)
        else:
            line.close()

    @staticmethod
    async def _or_close(line: Line, reading: Awaitable[bytes]) -> bytes:
        try:
            return await reading
        except BaseException:
            line.close()
            raise

    @staticmethod
    def _ended(line: Line, kind: str, body: bytes) -> Ended:
        line.close()
        return Ended(kind, "error", error_code(body))


def _judged(kind: str, body: bytes, plan: Plan) -> Ended:
    """Of a stream that came to its end."""
    data = [row.removeprefix(b"data: ") for row in body.split(b"\n") if row.startswith(b"data: ")]
    said, done = [], data[-1:] == [b"[DONE]"]
    for each in data[:-1] if done else data:
        try:
            document: dict[str, Any] = orjson.loads(each)
        except orjson.JSONDecodeError:
            return Ended(kind, "wrong", f"an event of {each[:100]!r}")
        if "error" in document:
            return Ended(kind, "error", error_code(each))
        said += [choice["delta"].get("content") or "" for choice in document["choices"]]
    if not done or "".join(said) != "".join(map(answers.word, range(plan.events))):
        return Ended(kind, "wrong", f"{len(data)} events, done={done}, the last {body[-100:]!r}")
    return Ended(kind, "ok")
