"""Many streams at once, read by one epoll loop so that it is not what is measured.

Run as `python -m benchmarks.load.streaming`.

Prints one JSON line. Counts events by the blank line that ends each, with HTTP's
chunks left in place: nothing in the answers looks like their marks.

With `--hold` each connection asks once, the line comes as soon as all have their first bytes, and the connections stay
open until standard input ends.
"""

from __future__ import annotations

import argparse
import select
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from benchmarks import answers
from benchmarks.statistic import quantile

READ_BYTES = 262_144
EVENT_END = b"\n\n"
ANSWER_END = b"0\r\n\r\n"
STATUS = b"HTTP/1.1 200"
LATE_S = 0.1
"""An event that comes so much after its time stalls its stream."""
TURN_S = 0.05
"""At most, before the clock is looked at."""
RAMP_TURN_S = 0.001
"""The same while connections are being opened."""
GRACE_S = 15.0
"""For the streams under way when the time is up, and for the first bytes of those held open."""
CONNECT_S = 10.0
MAX_SAMPLES = 200_000
"""Times to the first byte, of one run."""


@dataclass(slots=True)
class Tally:
    """What all streams saw."""

    all_events: int = 0
    events: int = 0
    """Since the beginning of the window, as are `streams` and `first_s`."""
    streams: int = 0
    errors: int = 0
    first_s: list[float] = field(default_factory=list)


class Stream:
    """One connection and its answer under way."""

    __slots__ = ("asked_s", "base_s", "events", "first", "is_stamped", "socket", "tail", "worst_s")

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self.worst_s = -1e9
        """The highest lag in the window: what an event came after its place in the plan."""
        self.ask(b"", 0.0)

    def ask(self, request: bytes, now_s: float) -> None:
        """Begin anew."""
        self.asked_s = now_s
        self.first = True
        self.events = 0
        self.tail = b""
        self.base_s = 1e9
        """When the plan began: as the provider says, or else the lowest lag of all events."""
        self.is_stamped = False
        if request:
            self.socket.sendall(request)


class Streaming:
    """The loop. Times are of the monotonic clock."""

    def __init__(self, args: argparse.Namespace, request: bytes) -> None:
        self._args = args
        self._request = request
        self._every_s = args.every_ms / 1000
        self._epoll = select.epoll()
        self._view = memoryview(bytearray(READ_BYTES))
        self._streams: dict[int, Stream] = {}
        self._tally = Tally()
        self._worst_s: list[float] = []
        """Of each stream: how late its latest event was."""

    def run(self) -> dict[str, float]:
        """Open the streams over the ramp, let them settle, count through the window, let them end."""
        args = self._args
        begun_s = time.monotonic()
        opening_s = begun_s + args.ramp_s
        window_s = opening_s + args.settle_s
        end_s = window_s + args.seconds
        self._ramp(opening_s, end_s)
        self._turn(window_s, end_s)
        for stream in self._streams.values():
            stream.worst_s = -1e9
        self._tally = Tally(all_events=self._tally.all_events, errors=self._tally.errors)
        cpu_s, from_s = time.process_time(), time.monotonic()
        self._turn(end_s, end_s)
        seconds = time.monotonic() - from_s
        busy = (time.process_time() - cpu_s) / seconds
        for stream in self._streams.values():
            self._judge(stream)
        if not args.cut:
            self._finish(time.monotonic() + GRACE_S)
        return {**self._sum(), "seconds": time.monotonic() - from_s, "busy": busy}

    def hold(self) -> dict[str, float]:
        """Open them, and wait for the first bytes of all."""
        begun_s = time.monotonic()
        end_s = begun_s + self._args.ramp_s + GRACE_S
        self._ramp(begun_s + self._args.ramp_s, end_s)
        while time.monotonic() < end_s and any(stream.first for stream in self._streams.values()):
            self._poll(end_s)
        self._tally.errors += sum(stream.first for stream in self._streams.values())
        return self._sum()

    def _sum(self) -> dict[str, float]:
        tally = self._tally
        return {
            "all_events": tally.all_events,
            "events": tally.events,
            "streams": tally.streams,
            "errors": tally.errors,
            "late": sum(worst_s > LATE_S for worst_s in self._worst_s),
            "worst_s": max(self._worst_s, default=0.0),
            "first_p50_s": quantile(tally.first_s, 0.5),
            "first_p99_s": quantile(tally.first_s, 0.99),
        }

    def _ramp(self, until_s: float, end_s: float) -> None:
        """Open the connections evenly over the time until then."""
        begun_s = time.monotonic()
        for number in range(self._args.streams):
            self._turn(begun_s + (until_s - begun_s) * number / self._args.streams, end_s, RAMP_TURN_S)
            self._open()
        self._turn(until_s, end_s)

    def _turn(self, until_s: float, end_s: float, turn_s: float = TURN_S) -> None:
        """Poll until a time."""
        while time.monotonic() < until_s:
            self._poll(end_s, turn_s)

    def _finish(self, deadline_s: float) -> None:
        """Read what is under way; what does not end in time is an error."""
        while self._streams and time.monotonic() < deadline_s:
            self._poll(0.0)
        self._tally.errors += len(self._streams)

    def _open(self) -> None:
        try:
            end = socket.create_connection(("127.0.0.1", self._args.port), CONNECT_S)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = Stream(end)
            stream.ask(self._request, time.monotonic())
        except OSError:
            self._tally.errors += 1
            return
        end.setblocking(False)
        self._streams[end.fileno()] = stream
        self._epoll.register(end.fileno(), select.EPOLLIN)

    def _poll(self, end_s: float, turn_s: float = TURN_S) -> None:
        if self._args.pause_ms:
            # more events for each look: less work here and in the kernel, and no more lateness than this
            time.sleep(self._args.pause_ms / 1000)
        streams = self._streams
        for number, _ in self._epoll.poll(turn_s):
            stream = streams[number]
            try:
                # a fresh buffer of that size for each read would cost more than all the rest
                data = bytes(self._view[: stream.socket.recv_into(self._view)])
            except OSError:
                data = b""
            if data:
                self._read(stream, data, end_s)
            else:
                self._lost(stream)

    def _read(self, stream: Stream, data: bytes, end_s: float) -> None:
        now_s = time.monotonic()
        if stream.first:
            stream.first = False
            if len(self._tally.first_s) < MAX_SAMPLES:
                self._tally.first_s.append(now_s - stream.asked_s)
            if self._every_s and (begun_s := answers.stamp(data)) is not None:
                stream.base_s, stream.is_stamped = begun_s, True
            if data[: len(STATUS)] != STATUS[: len(data)]:
                self._lost(stream)
                return
        # a blank line may be cut in two
        count = data.count(EVENT_END) + (data[:1] == b"\n" and stream.tail[-1:] == b"\n")
        if count:
            # of those that came together the first has waited longest, the last least
            stream.worst_s = max(stream.worst_s, now_s - self._planned_s(stream.events))
            stream.events += count
            if not stream.is_stamped:
                stream.base_s = min(stream.base_s, now_s - self._planned_s(stream.events - 1))
            self._tally.events += count
            self._tally.all_events += count
        stream.tail = data[-5:] if len(data) >= len(ANSWER_END) else (stream.tail + data)[-5:]
        if stream.tail == ANSWER_END:
            self._ended(stream, now_s, end_s)

    def _planned_s(self, event: int) -> float:
        """After the first one, which comes with the second."""
        return float(max(0, event - 1) * self._every_s)

    def _ended(self, stream: Stream, now_s: float, end_s: float) -> None:
        self._tally.streams += 1
        self._tally.errors += stream.events != self._args.events
        self._judge(stream)
        if now_s >= end_s or self._args.hold:
            self._close(stream)
            return
        try:
            stream.worst_s = -1e9
            stream.ask(self._request, now_s)
        except OSError:
            self._lost(stream)

    def _judge(self, stream: Stream) -> None:
        if stream.worst_s > -1e9 and stream.events:
            self._worst_s.append(stream.worst_s - stream.base_s)

    def _lost(self, stream: Stream) -> None:
        """Closed by the other side, or no answer: an error, and one stream less."""
        self._tally.errors += 1
        self._close(stream)

    def _close(self, stream: Stream) -> None:
        del self._streams[stream.socket.fileno()]
        stream.socket.close()


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--request", type=Path, required=True, help="a file with all of it, head and body")
    parser.add_argument("--streams", type=int, default=64, help="at a time")
    parser.add_argument("--events", type=int, required=True, help="of each stream, all of them")
    parser.add_argument("--every-ms", type=int, default=0, help="between two events, by which lateness is judged")
    parser.add_argument("--ramp-s", type=float, default=0.3, help="for opening the streams one after the other")
    parser.add_argument("--settle-s", type=float, default=0.2, help="before it is counted")
    parser.add_argument("--seconds", type=float, default=5.0, help="that are counted")
    parser.add_argument("--pause-ms", type=float, default=0.0, help="from one look at the sockets to the next")
    parser.add_argument("--cut", action="store_true", help="leave the streams that are under way in the end")
    parser.add_argument("--hold", action="store_true", help="keep the streams open until standard input ends")
    args = parser.parse_args()
    streaming = Streaming(args, args.request.read_bytes())
    print(orjson.dumps(streaming.hold() if args.hold else streaming.run()).decode(), flush=True)
    if args.hold:
        sys.stdin.buffer.read()


if __name__ == "__main__":
    main()
