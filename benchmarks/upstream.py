"""The provider of the benchmarks: canned answers as fast as a socket takes them; `python -m benchmarks.upstream`.

Knows no HTTP beyond what the systems under test send: a head, `Content-Length`, and a body.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys

import orjson
import uvloop

ANSWER_BYTES = 1024
EVENTS = 64
"""Text deltas of one stream; a role chunk, a final chunk and `[DONE]` come on top."""
EVENTS_SENT = EVENTS + 3

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_HEAD = {"id": "chatcmpl-bench", "created": 1_750_000_000, "model": "bench-model"}


def json_answer() -> bytes:
    """A whole HTTP answer whose body is a chat completion of exactly `ANSWER_BYTES`."""
    usage = {"prompt_tokens": 12, "completion_tokens": 150, "total_tokens": 162}

    def body(text: str) -> bytes:
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return orjson.dumps(_HEAD | {"object": "chat.completion", "choices": choices, "usage": usage})

    whole = body("x" * (ANSWER_BYTES - len(body(""))))
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(whole)}\r\n\r\n"
    return head.encode() + whole


def stream_parts() -> tuple[bytes, ...]:
    """The writes of a stream: the head, then each event in a chunk of its own, the end with the last."""

    def event(delta: dict[str, str], finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return b"data: " + orjson.dumps(_HEAD | {"object": "chat.completion.chunk", "choices": choices}) + b"\n\n"

    events = [event({"role": "assistant", "content": ""})]
    events += [event({"content": f" word{number:02d}"}) for number in range(EVENTS)]
    events += [event({}, "stop"), b"data: [DONE]\n\n"]
    chunks = [b"%x\r\n%b\r\n" % (len(each), each) for each in events]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return (head + chunks[0], *chunks[1:-1], chunks[-1] + b"0\r\n\r\n")


class Upstream(asyncio.Protocol):
    """Answers each request; `"stream":true` in the body chooses which way."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval_s: float) -> None:
        self._loop = loop
        self._interval_s = interval_s
        self._json = json_answer()
        self._stream = stream_parts()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]  # TCP gives no other kind

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Stop a stream under way."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer once the request is whole."""
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        length = _LENGTH.search(self._buffer, 0, end + 2)
        body = self._buffer[end + 4 :]
        if length is not None and len(body) < int(length[1]):
            return
        self._buffer = b""
        if self._transport is None:
            return
        if b'"stream":true' not in body:
            self._transport.write(self._json)
        elif self._interval_s:
            self._next(0, self._loop.time())
        else:
            for part in self._stream:
                self._transport.write(part)

    def _next(self, index: int, due_s: float) -> None:
        """Send one event and set the clock for the following, against the plan and not against now."""
        if self._transport is None:
            return
        self._transport.write(self._stream[index])
        if index + 1 < len(self._stream):
            due_s += self._interval_s
            self._timer = self._loop.call_at(due_s, self._next, index + 1, due_s)


async def serve(port: int, interval_s: float) -> None:
    """Listen on loopback, print the port, run until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Upstream(loop, interval_s), "127.0.0.1", port, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--interval-s", type=float, default=0.0, help="between two events of a stream; 0 sends a burst")
    args = parser.parse_args()
    try:
        uvloop.run(serve(args.port, args.interval_s))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
