"""All sinks of one process, started and ended together."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import sys
import time
from typing import TYPE_CHECKING

from proxy.telemetry import loop_lag
from proxy.telemetry.access_log import AccessLog
from proxy.telemetry.line_writer import LineWriter
from proxy.telemetry.metrics import Gauges, Metrics
from proxy.telemetry.sinks import Sink, Sinks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.config import Config
    from proxy.facts import Finished

log = logging.getLogger("pointsman")


class Telemetry:
    """Metrics, the access log, and whoever else wants the facts."""

    def __init__(self, config: Config, gauges: Gauges, extra: tuple[Sink, ...] = ()) -> None:
        self.metrics = Metrics(config.telemetry, gauges)
        self._writer: LineWriter | None = None
        sinks: list[Sink] = [self.metrics, *extra]
        if config.telemetry.access_log == "stdout":
            self._writer = LineWriter(sys.stdout.fileno(), name="access log")
            sinks.append(AccessLog(self._writer.write))
        self._sinks = Sinks(sinks)
        self._ticker: asyncio.Task[None] | None = None
        self.reloaded(config)

    @property
    def finished(self) -> Callable[[Finished], None]:
        """Tell every sink of one exchange."""
        return self._sinks.finished

    def start(self) -> None:
        """Watch the event loop. Needs one running."""
        self._ticker = loop_lag.start(self.metrics.loop_lag.observe)

    def reloaded(self, config: Config) -> None:
        """A configuration took effect."""
        digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]  # secrets dump as asterisks
        self.metrics.reloaded(digest, time.time())

    def dropped(self) -> Mapping[str, int]:
        """Facts lost, by sink."""
        lost = dict(self._sinks.dropped)
        if self._writer is not None and self._writer.dropped:
            lost["access_log"] = lost.get("access_log", 0) + self._writer.dropped
        return lost

    def close(self) -> None:
        """Write out what is buffered."""
        if self._ticker is not None:
            self._ticker.cancel()
        if self._writer is not None:
            self._writer.close()
