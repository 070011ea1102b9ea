"""The provider of the benchmarks: canned answers as fast as a socket takes them; `python -m benchmarks.upstream`.

Knows no HTTP beyond what the systems under test send: a head, a length or chunks, and a body. Prints its port, and with
`--tls` that of its twin behind TLS.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import ssl
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

import uvloop

from benchmarks import answers

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.answers import Plan

KEPT_BYTES = 8192
"""Of each request: the head, and the part of the body that tells the answer."""
BACKLOG = 4096
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"


class Later:
    """Calls back after one fixed delay. As all wait equally long, a queue in order and one timer are enough."""

    def __init__(self, loop: asyncio.AbstractEventLoop, delay_s: float) -> None:
        self._loop = loop
        self._delay_s = delay_s
        self._due: deque[tuple[float, Callable[[], bool]]] = deque()
        """When, and what is called then. As long as there are answers under way."""
        self._is_armed = False

    def add(self, call: Callable[[], bool]) -> None:
        """Call after the delay, and then again and again as long as it answers that it wants more.

        Times follow the plan: one that comes late does not delay those behind it.
        """
        self._due.append((self._loop.time() + self._delay_s, call))
        self._arm()

    def _arm(self) -> None:
        if not self._is_armed and self._due:
            self._is_armed = True
            self._loop.call_at(self._due[0][0], self._fire)

    def _fire(self) -> None:
        now_s, due, delay_s = self._loop.time(), self._due, self._delay_s
        while due and due[0][0] <= now_s:
            due_s, call = due.popleft()
            if call():
                due.append((due_s + delay_s, call))
        self._is_armed = False
        self._arm()


class Clock:
    """The queues of all delays in use."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[int, Later] = {}

    def after(self, delay_ms: int, call: Callable[[], bool]) -> None:
        """See `Later.add`."""
        if (queue := self._queues.get(delay_ms)) is None:
            queue = self._queues[delay_ms] = Later(self._loop, delay_ms / 1000)
        queue.add(call)


class Upstream(asyncio.Protocol):
    """Answers each request as its prompt says. A connection serves one at a time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept = b""
        self._missing = 0
        """Bytes of a body under way; negative: it comes in chunks."""
        self._stream: tuple[bytes, ...] = ()
        self._next = 0
        self._file: int | None = None
        """The socket, as long as nothing waits in the transport; `None` with TLS, always."""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = transport  # type: ignore[assignment]  # TCP gives no other kind
        if transport.get_extra_info("sslcontext") is None:
            self._file = transport.get_extra_info("socket").fileno()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Stop a stream under way at its next event."""
        self.transport = self._file = None

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        if self._missing:
            self._continued(data)
        else:
            self._begun(self._kept + data if self._kept else data)

    def _begun(self, data: bytes) -> None:
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._kept = data[:KEPT_BYTES]
            return
        self._kept = data[end + 4 : end + 4 + KEPT_BYTES]
        length = _LENGTH.search(data, 0, end + 2)
        if length is None:
            self._missing = 0 if data.endswith(_LAST_CHUNK) or len(data) == end + 4 else -1
        else:
            self._missing = int(length[1]) - (len(data) - end - 4)
        if not self._missing:
            self._asked()

    def _continued(self, data: bytes) -> None:
        if len(self._kept) < KEPT_BYTES:
            self._kept += data[: KEPT_BYTES - len(self._kept)]
        if self._missing > 0:
            self._missing -= len(data)
        elif data.endswith(_LAST_CHUNK):
            self._missing = 0
        if not self._missing:
            self._asked()

    def _asked(self) -> None:
        plan = answers.plan_of(self._kept)
        self._kept = b""
        if plan.delay_ms:
            self._clock.after(plan.delay_ms, lambda: self.answer(plan))
        else:
            self.answer(plan)

    def answer(self, plan: Plan) -> bool:
        """Send it, or begin to. Always false: what follows of a stream has its own place in the clock."""
        if self.transport is None:
            return False
        if not plan.events:
            self.transport.write(answers.whole(plan.size))
        elif not plan.every_ms:
            self.transport.write(answers.burst(plan.events))
        else:
            # the role and the first word at once, as providers do; then a word at a time
            self._stream, self._next = answers.stream(plan.events), 2
            self.transport.write(answers.stamped(self._stream[0], time.monotonic()) + self._stream[1])
            self._clock.after(plan.every_ms, self.go_on)
        return False

    def go_on(self) -> bool:
        """Send the next event of a stream; whether there are more."""
        if self.transport is None:
            return False
        self._send(self._stream[self._next])
        self._next += 1
        return self._next < len(self._stream)

    def _send(self, data: bytes) -> None:
        """Past the transport as long as the socket takes all: with many streams that is a third of the work."""
        sent = 0
        if self._file is not None:
            try:
                sent = os.write(self._file, data)
            except OSError:
                sent = 0
            if sent == len(data):
                return
            self._file = None
        if self.transport is not None:
            self.transport.write(data[sent:])


async def serve(build: Callable[[], Upstream], port: int, tls: list[str] | None) -> None:
    """Listen on loopback, print the ports, run until killed. `tls`: files of the certificate and its key."""
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(build, "127.0.0.1", port, backlog=BACKLOG)]
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        servers.append(await loop.create_server(build, "127.0.0.1", 0, backlog=BACKLOG, ssl=context))
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await servers[0].serve_forever()


async def run(args: argparse.Namespace) -> None:
    """Serve what was asked for on the command line."""
    clock = Clock(asyncio.get_running_loop())
    await serve(lambda: Upstream(clock), args.port, args.tls)


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--tls", nargs=2, metavar=("CERTIFICATE", "KEY"), help="listen for TLS as well, on another port"
    )
    try:
        uvloop.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
