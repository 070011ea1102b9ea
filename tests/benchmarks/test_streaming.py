"""The client of streams counts events however they are cut, and takes nothing less than all of them for a stream."""

from __future__ import annotations

import socket
import threading
from argparse import Namespace
from collections.abc import Iterator

import pytest

from benchmarks import answers
from benchmarks.load.streaming import Streaming

EVENTS = 6
SENT = EVENTS + answers.FRAME_EVENTS


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def options(port: int, **more: object) -> Namespace:
    defaults = {"streams": 1, "events": SENT, "every_ms": 0, "ramp_s": 0.0, "settle_s": 0.0, "seconds": 0.0}
    return Namespace(port=port, **{**defaults, "pause_ms": 0.0, "cut": False, "hold": False, **more})


def answering(server: socket.socket, *writes: bytes) -> threading.Thread:
    """Answers one connection; each write is on its way before the next."""

    def serve() -> None:
        connection, _ = server.accept()
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.recv(65_536)
            for write in writes:
                connection.sendall(write)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def run(server: socket.socket, *writes: bytes, **more: object) -> dict[str, float]:
    thread = answering(server, *writes)
    found = Streaming(options(server.getsockname()[1], **more), b"ask").run()
    thread.join()
    return found


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_events_are_counted_however_they_are_cut(server, size):
    whole = answers.burst(EVENTS)
    found = run(server, *(whole[place : place + size] for place in range(0, len(whole), size)))
    assert (SENT, 1, 0) == (found["all_events"], found["streams"], found["errors"])


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        answers.burst(EVENTS)[:-40],
        answers.burst(EVENTS - 1),
    ],
    ids=["refused", "cut", "an event less"],
)
def test_what_is_no_whole_stream_is_an_error(server, said):
    assert 1 == run(server, said)["errors"]
