"""Lines reach a pipe without anybody waiting for it."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator

import pytest

from proxy.telemetry.line_writer import FLUSH_BYTES, SHARED_BYTES, LineBuffer, LineWriter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends, the reading one first; a test may close them itself."""
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def read_all(fd: int) -> bytes:
    with os.fdopen(os.dup(fd), "rb") as stream:
        return stream.read()


def test_the_buffer_keeps_the_newest_lines_and_counts_the_rest():
    buffer = LineBuffer(max_bytes=10)

    sizes = [buffer.add(line) for line in (b"aaa\n", b"bbb\n", b"ccc\n", b"ddd\n")]

    assert [4, 8, 8, 8] == sizes
    assert buffer.dropped == 2
    assert [b"ccc\n", b"ddd\n"] == buffer.take()
    assert len(buffer) == 0


def test_a_line_larger_than_the_buffer_is_dropped():
    buffer = LineBuffer(max_bytes=3)

    assert buffer.add(b"long\n") == 0
    assert ([], 1) == (buffer.take(), buffer.dropped)


def test_lines_come_out_in_order_and_closing_writes_the_last(pipe):
    reader, out = pipe
    writer = LineWriter(out, name="test log")
    lines = [f"{number}\n".encode() for number in range(1000)]
    for line in lines:
        writer.write(line)

    writer.close()
    os.close(out)

    assert b"".join(lines) == read_all(reader)
    assert writer.dropped == 0


def test_a_line_is_written_without_closing(pipe):
    reader, out = pipe
    writer = LineWriter(out, name="test log")

    writer.write(b"first\n")
    assert os.read(reader, 100) == b"first\n"
    writer.write(b"second\n")
    assert os.read(reader, 100) == b"second\n"
    writer.close()


def test_more_than_a_pipe_holds_gets_through_a_slow_reader(pipe):
    reader, out = pipe
    writer = LineWriter(out, name="test log")
    line = b"x" * 999 + b"\n"
    count = 5 * FLUSH_BYTES // len(line)
    got: list[bytes] = []
    eater = threading.Thread(target=lambda: got.append(read_all(reader)))

    for _ in range(count):
        writer.write(line)
    eater.start()
    writer.close()
    os.close(out)
    eater.join()

    assert count * len(line) == len(got[0])


def test_a_pipe_somebody_made_non_blocking_loses_nothing(pipe):
    reader, out = pipe
    os.set_blocking(out, False)
    writer = LineWriter(out, name="test log")
    data = b"y" * (3 * FLUSH_BYTES) + b"\n"
    got: list[bytes] = []
    eater = threading.Thread(target=lambda: got.append(read_all(reader)))

    writer.write(data)
    eater.start()
    writer.close()
    os.close(out)
    eater.join()

    assert [data] == got


def test_a_reader_that_is_gone_is_counted_and_told_once(pipe, caplog):
    reader, out = pipe
    os.close(reader)
    writer = LineWriter(out, name="test log")
    writer.write(b"one\n")
    while not writer.dropped:
        writer._thread.join(0.01)
    writer.write(b"two\n")
    writer.close()

    assert writer.dropped == 2
    assert ["`test log` cannot be written: [Errno 32] Broken pipe; lost lines are only counted"] == caplog.messages


def test_a_stuck_reader_loses_the_oldest_lines_and_does_not_hold_up_the_end(pipe):
    reader, out = pipe
    os.set_blocking(out, False)
    filled = 0
    try:
        while True:
            filled += os.write(out, b"z" * 4096)
    except BlockingIOError:
        os.set_blocking(out, True)
    writer = LineWriter(out, name="test log", max_bytes=100)
    for _ in range(50):
        writer.write(b"0123456789" * 4 + b"\n")

    writer.close(timeout_s=0.01)

    assert writer.dropped >= 46
    os.close(reader)
    writer._thread.join()
    assert writer.dropped == 50


@pytest.mark.parametrize(("of_several", "most_bytes"), [(False, FLUSH_BYTES), (True, SHARED_BYTES)])
def test_what_is_written_at_once_is_whole_lines_and_no_more_than_stays_together(of_several, most_bytes):
    """A socket that keeps pieces apart shows each of them."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lines = [b"%d %s\n" % (number, b"x" * (number % 700)) for number in range(500)]
    pieces: list[bytes] = []
    with ours, theirs:
        writer = LineWriter(ours.fileno(), name="test", of_several=of_several)
        for line in lines:
            writer.write(line)
        while sum(map(len, pieces)) < sum(map(len, lines)):
            pieces.append(theirs.recv(2 * FLUSH_BYTES))
        writer.close()
    assert b"".join(lines) == b"".join(pieces)
    assert all(piece.endswith(b"\n") and len(piece) <= most_bytes for piece in pieces)


def test_a_line_longer_than_a_piece_is_written_whole(pipe):
    reading, writing = pipe
    long = b"x" * (3 * SHARED_BYTES) + b"\n"
    writer = LineWriter(writing, name="test", of_several=True)
    for line in (b"a\n", long, b"b\n"):
        writer.write(line)
    writer.close()
    os.close(writing)
    assert b"a\n" + long + b"b\n" == read_all(reading)
