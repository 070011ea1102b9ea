"""The client of the benchmarks: keep-alive connections that ask again and again. Run as `python -m benchmarks.load`.

Prints one JSON line: requests, events, errors, seconds, and latencies of whole exchanges in seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass, field

import httptools
import orjson
import uvloop

from benchmarks.upstream import EVENTS_SENT

MAX_SAMPLES = 200_000
"""Latencies kept of one run."""
GRACE_S = 20.0
"""For exchanges under way when the time is up."""
BODY = {"model": "bench-model", "messages": [{"role": "user", "content": "Which platform for the express, please?"}]}


def request_bytes(host: str, key: str, *, stream: bool) -> bytes:
    """One whole request, as an SDK would send it."""
    body = orjson.dumps(BODY | ({"stream": True} if stream else {}))
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nAccept: */*\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


@dataclass(slots=True)
class Tally:
    """What all connections saw."""

    requests: int = 0
    events: int = 0
    errors: int = 0
    latencies_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    """To the first byte of each answer."""


class Connection(asyncio.Protocol):
    """Asks, reads to the end, and asks again until the deadline. `done` is set when it has stopped."""

    def __init__(self, request: bytes, tally: Tally, deadline_s: float, *, stream: bool) -> None:
        self._request = request
        self._tally = tally
        self._deadline_s = deadline_s
        self._stream = stream
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._asked_s = 0.0
        self._events = 0
        self._last = b""
        self._waiting = False
        self.done = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = transport  # type: ignore[assignment]  # TCP gives no other kind
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Parse; a malformed answer is an error and ends the connection."""
        if self._waiting:
            self._waiting = False
            self._keep(self._tally.first_s, self._loop.time() - self._asked_s)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._stop(failed=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """An end that we did not ask for is an error."""
        if not self.done.done():
            self._stop(failed=True)

    def on_body(self, body: bytes) -> None:
        """Count the events that end here; a blank line may be cut in two."""
        if self._stream:
            self._events += body.count(b"\n\n") + (self._last == b"\n" and body.startswith(b"\n"))
            self._last = body[-1:] if not body.endswith(b"\n\n") else b""

    def on_message_complete(self) -> None:
        """Count the exchange and begin the next."""
        now_s = self._loop.time()
        good = self._parser.get_status_code() == 200 and (not self._stream or self._events >= EVENTS_SENT)
        self._tally.requests += 1
        self._tally.events += self._events
        self._tally.errors += not good
        self._keep(self._tally.latencies_s, now_s - self._asked_s)
        if now_s >= self._deadline_s or not self._parser.should_keep_alive():
            self._stop(failed=now_s < self._deadline_s)
        else:
            # not from within the parser that is being fed
            self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        if self._transport is None or self.done.done():
            return
        self._parser = httptools.HttpResponseParser(self)
        self._events, self._last, self._waiting = 0, b"", True
        self._asked_s = self._loop.time()
        self._transport.write(self._request)

    def _stop(self, *, failed: bool) -> None:
        self._tally.errors += failed
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()

    @staticmethod
    def _keep(samples: list[float], value_s: float) -> None:
        if len(samples) < MAX_SAMPLES:
            samples.append(value_s)


async def drive(args: argparse.Namespace) -> dict[str, float]:
    """Run the load and sum it up."""
    loop = asyncio.get_running_loop()
    tally = Tally()
    begun_s = loop.time()
    deadline_s = begun_s + args.seconds
    request = request_bytes(f"127.0.0.1:{args.port}", args.key, stream=args.stream)

    def build() -> Connection:
        return Connection(request, tally, deadline_s, stream=args.stream)

    connections = []
    for _ in range(args.connections):
        _, connection = await loop.create_connection(build, "127.0.0.1", args.port)
        connections.append(connection)
        # spread over a fifth of a second: streams in lockstep would measure their collisions
        await asyncio.sleep(0.2 / args.connections)
    await asyncio.wait([connection.done for connection in connections], timeout=args.seconds + GRACE_S)
    unfinished = sum(not connection.done.done() for connection in connections)
    return {
        "requests": tally.requests,
        "events": tally.events,
        "errors": tally.errors + unfinished,
        "seconds": loop.time() - begun_s,
        "p50_s": quantile(tally.latencies_s, 0.5),
        "p99_s": quantile(tally.latencies_s, 0.99),
        "first_p50_s": quantile(tally.first_s, 0.5),
        "first_p99_s": quantile(tally.first_s, 0.99),
    }


def quantile(samples: list[float], share: float) -> float:
    """The nearest-rank quantile, 0 of nothing."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", default="none")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--stream", action="store_true")
    try:
        result = uvloop.run(drive(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)
    print(orjson.dumps(result).decode())


if __name__ == "__main__":
    main()
