"""Hands facts to every sink. A sink that fails costs a count and one log line, never the request."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.facts import Finished

log = logging.getLogger("pointsman")


class Sink(Protocol):
    """Takes facts. Synchronous and quick: requests wait meanwhile."""

    @property
    def name(self) -> str:
        """For the count of what it lost."""

    def finished(self, fact: Finished) -> None:
        """Take one exchange."""


class Sinks:
    """The fan-out, in the order given."""

    def __init__(self, sinks: Sequence[Sink]) -> None:
        self._sinks = tuple(sinks)
        self.dropped: dict[str, int] = {}
        """Facts lost, by sink."""

    def finished(self, fact: Finished) -> None:
        """Tell every sink. Never raises."""
        self.finished_all((fact,))

    def finished_all(self, facts: Sequence[Finished]) -> None:
        """Tell one sink after the other, so that its code stays in the caches. Never raises."""
        for sink in self._sinks:
            for fact in facts:
                try:
                    sink.finished(fact)
                except Exception as error:  # noqa: BLE001 - a bug in a sink must not hurt a request
                    self._lost(sink, error)

    def _lost(self, sink: Sink, error: Exception) -> None:
        if sink.name not in self.dropped:
            log.error("telemetry sink `%s` failed; further failures are only counted", sink.name, exc_info=error)
        self.dropped[sink.name] = self.dropped.get(sink.name, 0) + 1
