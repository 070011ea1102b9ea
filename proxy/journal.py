"""What has gone to the clients of open streams, kept so that a broken one can be continued elsewhere.

Of events that differ in their text alone only the text is kept: two dozen times less memory than the events, and it
stays in the processor's caches (to keep the events themselves costs 3 us an event on a busy gateway).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from proxy.dialects.splice import Delivered, NotSpliceable

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.meter import Meter

GRANT_BYTES = 4096
"""Claimed at a time from the process's budget, so that a stream seldom has to ask."""


@dataclass(slots=True)
class JournalBudget:
    """Of the whole process, in bytes."""

    limit: int
    used: int = 0


class Journal:
    """One stream's. Past the stream's or the process's limit it keeps nothing: the stream cannot be rescued then.

    The buffer holds whole events, and perhaps one that is still open: texts under one envelope become one event.
    """

    __slots__ = ("_budget", "_buffer", "_granted", "_is_lost", "_joined", "_max_bytes", "_prefix", "_suffix")

    def __init__(self, budget: JournalBudget, max_bytes: int) -> None:
        self._budget = budget
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._granted = 0
        self._is_lost = False
        self._joined = 0
        """Events kept as a part of another one."""
        self._prefix = b""
        """Of the open event; empty if there is none."""
        self._suffix = b""

    def before(self, push: Callable[[bytes], bool], meter: Meter) -> Callable[[bytes], bool]:
        """A `push` for what `meter` has just let through that also remembers it. About 0.2 us a piece."""
        buffer, extend = self._buffer, self._buffer.extend

        def deliver(block: bytes) -> bool:
            text = meter.text
            if text is None:
                self.keep(block)
            else:
                if meter.envelope.prefix is not self._prefix:
                    self._open(meter)
                extend(text)
                self._joined += meter.texts
                if len(buffer) > self._granted:
                    self._claim()
            return push(block)

        return deliver

    def keep(self, block: bytes) -> None:
        """Remember whole events."""
        self._close()
        self._buffer += block
        if len(self._buffer) > self._granted:
            self._claim()

    def delivered(self) -> Delivered:
        """What the client has. Raises `NotSpliceable`, with the reason."""
        if self._is_lost:
            raise NotSpliceable("too long to be kept")
        self._close()
        delivered = Delivered.read((bytes(self._buffer),))
        if delivered.is_finished:
            raise NotSpliceable("it had been finished")
        return replace(delivered, chunks=delivered.chunks + self._joined)

    def forget(self) -> None:
        """Give the bytes back. Idempotent."""
        self._is_lost = True
        self._buffer.clear()
        self._budget.used -= self._granted
        self._granted = 0

    def _open(self, meter: Meter) -> None:
        self._close()
        self._prefix, self._suffix = meter.envelope.prefix, meter.envelope.suffix
        self._buffer += self._prefix
        self._joined -= 1

    def _close(self) -> None:
        if self._prefix:
            self._buffer += self._suffix
            self._prefix = b""

    def _claim(self) -> None:
        """Have more granted, or drop everything, now and with every further piece."""
        budget, size = self._budget, len(self._buffer)
        more = min(max(GRANT_BYTES, size - self._granted), self._max_bytes - self._granted)
        if self._is_lost or size > self._max_bytes or budget.used + more > budget.limit:
            self.forget()
        else:
            self._granted += more
            budget.used += more
