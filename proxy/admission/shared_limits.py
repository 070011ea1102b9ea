"""Requests a minute for each key, exact over all workers of one gateway: the arrival times lie in a file they all map.

Every request takes the kernel's lock on that file and gives it back: two system calls, about 1 us. The kernel takes the
lock from a worker that dies, and a time is one aligned word, written at once: nothing is left half done. Nobody waits
for ever: a worker that is stopped with the lock in hand keeps the others for `LOCK_TRIES` once, and then they go on
without it. The worst that comes of that is a request that is not counted.

All processes of a machine read the same monotonic clock. Source: clock_gettime(2); flock(2).
"""

from __future__ import annotations

import fcntl
import mmap
import os
from hashlib import blake2b
from typing import TYPE_CHECKING

from proxy.admission.limits import MAX_KEYS, S_TO_NS, RequestLimits, decide

if TYPE_CHECKING:
    from pathlib import Path

    from proxy.admission.limits import Decision

SLOTS = 1 << 17
"""Above `MAX_KEYS`, so that a key finds a place near its own."""
PROBES = 16
"""Slots where a key may lie. If all are taken the one nearest to its whole allowance is forgotten and given it."""
SLOT_WORDS = 2
"""The key's digest, 0 for none, and its arrival time in ns."""
TABLE_BYTES = SLOTS * SLOT_WORDS * 8
LOCK_TRIES = 1000
"""About 2 ms: longer than the holder needs, even if it has to wait for a core."""


def make_table(path: Path) -> None:
    """A table without keys. Raises `OSError`."""
    with path.open("xb") as file:
        # Not as a hole: a mapped page for which a full disk has no room kills whoever writes to it (SIGBUS).
        file.write(bytes(TABLE_BYTES))


class SharedLimits(RequestLimits):
    """`RequestLimits` in a table made by `make_table`; each worker has its own of the same file."""

    __slots__ = ("_digests", "_fd", "_is_patient", "_words")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)  # opened anew by each: what flock(2) locks by
        self._words = memoryview(mmap.mmap(self._fd, TABLE_BYTES)).cast("q")
        self._digests: dict[str, int] = {}
        self._is_patient = True

    def take(self, key: str, rpm: int, now_s: float) -> Decision:
        """As `RequestLimits.take`, from what all workers share. About 1.6 us more."""
        now_ns = int(now_s * S_TO_NS)
        digest = self._digests.get(key) or self._digest(key)
        words = self._words
        is_locked = self._lock()
        try:
            slot = digest % SLOTS * SLOT_WORDS
            if words[slot] != digest:
                slot = self._find(digest)
            words[slot + 1], decision = decide(words[slot + 1], rpm, now_ns)
        finally:
            if is_locked:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        return decision

    def close(self) -> None:
        """Let go of the table; `take` is over. Once more is no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __len__(self) -> int:
        return sum(1 for slot in range(0, SLOTS * SLOT_WORDS, SLOT_WORDS) if self._words[slot])

    def _find(self, digest: int) -> int:
        """The key's slot, or the one that is best made its."""
        words = self._words
        best, best_ns = 0, -1
        for probe in range(PROBES):
            slot = (digest + probe) % SLOTS * SLOT_WORDS
            if words[slot] == digest:
                return slot
            if best_ns < 0 or words[slot + 1] < best_ns:
                best, best_ns = slot, words[slot + 1]
        words[best + 1] = 0  # first: nobody inherits another's debts, even if this worker is killed here
        words[best] = digest
        return best

    def _digest(self, key: str) -> int:
        if len(self._digests) >= MAX_KEYS:
            self._digests.clear()
        found = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), signed=True) or 1
        self._digests[key] = found
        return found

    def _lock(self) -> bool:
        for _ in range(LOCK_TRIES if self._is_patient else 1):
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.sched_yield()
            else:
                self._is_patient = True
                return True
        self._is_patient = False
        return False
