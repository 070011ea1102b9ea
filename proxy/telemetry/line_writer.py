"""Writes lines to a file descriptor on a thread of its own, so that a slow reader of the log slows no request."""

from __future__ import annotations

import logging
import os
import select
import threading
from collections import deque

log = logging.getLogger("pointsman")

FLUSH_S = 0.1
"""The longest a line waits before it is written."""
FLUSH_BYTES = 64 * 1024
"""As much as this is written at once: what a pipe holds on Linux."""
SHARED_BYTES = select.PIPE_BUF
"""The same for a pipe that others write to as well: no more is sure to stay together. Source: pipe(7), `PIPE_BUF`."""
HURRY_BYTES = 1024 * 1024
"""With as much as this waiting, writing begins before `FLUSH_S` is up. Rare: each wake of the thread costs the GIL."""
MAX_BUFFER_BYTES = 4 * 1024 * 1024
"""Kept while the reader is stuck; beyond it the oldest lines are dropped and counted."""
CLOSE_S = 5.0
"""For the last lines to go out at shutdown; a stuck reader does not hold the process longer."""


class LineBuffer:
    """Lines waiting to be written, at most `max_bytes` of them: the oldest make room. Thread-safe."""

    def __init__(self, max_bytes: int = MAX_BUFFER_BYTES) -> None:
        self._max_bytes = max_bytes
        self._lines: deque[bytes] = deque()
        self._size = 0
        self._lock = threading.Lock()
        self.dropped = 0
        """Lines ever lost."""

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, line: bytes) -> int:
        """Take a line, its newline included; the answer is the number of bytes now waiting."""
        with self._lock:
            self._lines.append(line)
            self._size += len(line)
            while self._size > self._max_bytes:
                self._size -= len(self._lines.popleft())
                self.dropped += 1
            return self._size

    def take(self) -> list[bytes]:
        """All that waits."""
        with self._lock:
            lines = list(self._lines)
            self._lines.clear()
            self._size = 0
            return lines

    def lose(self, count: int) -> None:
        """Count lines that were taken and could not be written."""
        with self._lock:
            self.dropped += count


class LineWriter:
    """A buffer and the daemon thread that empties it to `fd`, every `FLUSH_S` or `HURRY_BYTES`."""

    def __init__(self, fd: int, *, name: str, max_bytes: int = MAX_BUFFER_BYTES, of_several: bool = False) -> None:
        """`of_several`: other processes write to the same pipe, and no line may be torn by another's."""
        self._fd = fd
        self._piece_bytes = SHARED_BYTES if of_several else FLUSH_BYTES
        self._name = name
        self._buffer = LineBuffer(max_bytes)
        self._work = threading.Event()
        self._hurry = threading.Event()
        self._closing = False
        self._failed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines ever lost: the reader was stuck, or gone."""
        return self._buffer.dropped

    def write(self, line: bytes) -> None:
        """Take a line, its newline included. Never blocks."""
        size = self._buffer.add(line)
        before = size - len(line)
        # The events are touched where a bound is crossed, not for every line: each `set` takes a lock.
        if before <= 0:
            self._work.set()
        if before < HURRY_BYTES <= size:
            self._hurry.set()

    def close(self, timeout_s: float = CLOSE_S) -> None:
        """Write what waits, then end the thread. Lines a stuck reader did not take in time are counted as dropped."""
        self._closing = True
        self._hurry.set()
        self._work.set()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._buffer.lose(len(self._buffer.take()))

    def _run(self) -> None:
        while not self._closing:
            self._work.wait()  # nothing to write: no wake-ups
            self._hurry.wait(FLUSH_S)
            # Cleared before taking: a line in between is taken too, and the first one after it sets them again.
            self._work.clear()
            self._hurry.clear()
            self._flush()
        self._flush()

    def _flush(self) -> None:
        lines = self._buffer.take()
        if not lines:
            return
        try:
            self._write(b"".join(lines))
        except OSError as error:
            self._buffer.lose(len(lines))
            if not self._failed:
                self._failed = True
                log.error("`%s` cannot be written: %s; lost lines are only counted", self._name, error)  # noqa: TRY400

    def _write(self, data: bytes) -> None:
        start = 0
        while start < len(data):
            end = start + self._piece_bytes
            if end < len(data):
                end = data.rfind(b"\n", start, end) + 1 or end  # a line that is longer goes in pieces
            try:
                start += os.write(self._fd, data[start:end])
            except BlockingIOError:  # somebody made our standard output non-blocking
                select.select([], [self._fd], [])
