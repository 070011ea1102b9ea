"""Whole answers over keep-alive connections, for where there is no `wrk`. Run as `python -m benchmarks.load.asking`.

Prints one JSON line: count, errors, seconds, p50_s, p99_s.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import httptools
import orjson
import uvloop

from benchmarks.statistic import quantile

MAX_SAMPLES = 200_000
"""Latencies kept of one run."""
GRACE_S = 20.0
"""For exchanges under way when the time is up."""


@dataclass(slots=True)
class Tally:
    """What all connections saw."""

    left: float = math.inf
    """Requests that may still be begun."""
    count: int = 0
    errors: int = 0
    latencies_s: list[float] = field(default_factory=list)


class Connection(asyncio.Protocol):
    """Asks, reads to the end, and asks again until the deadline. `done` is set when it has stopped."""

    def __init__(self, request: bytes, tally: Tally, deadline_s: float) -> None:
        self._request = request
        self._tally = tally
        self._deadline_s = deadline_s
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._asked_s = 0.0
        self.done = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = transport  # type: ignore[assignment]  # TCP gives no other kind
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Parse; a malformed answer is an error and ends the connection."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._stop(failed=True)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """An end that we did not ask for is an error."""
        if not self.done.done():
            self._stop(failed=True)

    def on_message_complete(self) -> None:
        """Count the exchange and begin the next."""
        # not the loop's time: it stands still during a turn and has milliseconds only
        now_s = time.monotonic()
        self._tally.count += 1
        self._tally.errors += self._parser.get_status_code() != 200
        if len(self._tally.latencies_s) < MAX_SAMPLES:
            self._tally.latencies_s.append(now_s - self._asked_s)
        is_over = now_s >= self._deadline_s or not self._tally.left
        if is_over or not self._parser.should_keep_alive():
            self._stop(failed=not is_over)
        else:
            # not from within the parser that is being fed
            self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        if self._transport is None or self.done.done():
            return
        if not self._tally.left:
            self._stop(failed=False)
            return
        self._tally.left -= 1
        self._parser = httptools.HttpResponseParser(self)
        self._asked_s = time.monotonic()
        self._transport.write(self._request)

    def _stop(self, *, failed: bool) -> None:
        self._tally.errors += failed
        if not self.done.done():
            self.done.set_result(None)
        if self._transport is not None:
            self._transport.close()


async def drive(args: argparse.Namespace, request: bytes) -> dict[str, float]:
    """Run the load and sum it up."""
    loop = asyncio.get_running_loop()
    tally = Tally(math.inf if args.requests is None else args.requests)
    begun_s = time.monotonic()
    connections = []
    deadline_s = begun_s + args.seconds
    for _ in range(args.connections):
        _, one = await loop.create_connection(lambda: Connection(request, tally, deadline_s), "127.0.0.1", args.port)
        connections.append(one)
    await asyncio.wait([connection.done for connection in connections], timeout=args.seconds + GRACE_S)
    unfinished = sum(not connection.done.done() for connection in connections)
    return {
        "count": tally.count,
        "errors": tally.errors + unfinished,
        "seconds": time.monotonic() - begun_s,
        "p50_s": quantile(tally.latencies_s, 0.5),
        "p99_s": quantile(tally.latencies_s, 0.99),
    }


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--request", type=Path, required=True, help="a file with all of it, head and body")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--requests", type=int, help="an end before that, when each of so many is answered")
    args = parser.parse_args()
    print(orjson.dumps(uvloop.run(drive(args, args.request.read_bytes()))).decode())


if __name__ == "__main__":
    main()
