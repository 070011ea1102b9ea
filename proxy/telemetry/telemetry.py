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
from proxy.telemetry.batch import Batch
from proxy.telemetry.line_writer import SHARED_BYTES, LineWriter
from proxy.telemetry.metrics import Gauges, Metrics
from proxy.telemetry.sinks import Sink, Sinks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.config import Config
    from proxy.facts import Finished

log = logging.getLogger("pointsman")


class Telemetry:
    """Metrics and the access log, which take facts in batches, and `extra` sinks, which hear of each at once."""

    def __init__(
        self, config: Config, gauges: Gauges, extra: tuple[Sink, ...] = (), *, of_several: bool = False
    ) -> None:
        """`of_several`: other workers write to the same standard output."""
        self.metrics = Metrics(config.telemetry, gauges, settle=self._settle)
        self._writer: LineWriter | None = None
        sinks: list[Sink] = [self.metrics]
        if config.telemetry.access_log == "stdout":
            self._writer = LineWriter(sys.stdout.fileno(), name="access log", of_several=of_several)
            sinks.append(AccessLog(self._writer.write, SHARED_BYTES if of_several else None))
        self._at_once = Sinks(extra)
        self._in_batches = Sinks(sinks)
        self._batch = Batch(self._in_batches.finished_all)
        self._finished = self._tell_all if extra else self._batch.add
        self._ticker: asyncio.Task[None] | None = None
        self.reloaded(config)

    @property
    def finished(self) -> Callable[[Finished], None]:
        """Tell every sink of one exchange."""
        return self._finished

    def start(self) -> None:
        """Watch the event loop. Needs one running."""
        self._batch.start()
        self._ticker = loop_lag.start(self.metrics.lagged)

    def reloaded(self, config: Config) -> None:
        """A configuration took effect."""
        self._settle()
        digest = hashlib.sha256(config.model_dump_json().encode()).hexdigest()[:12]  # secrets dump as asterisks
        self.metrics.reloaded(digest, time.time())

    def dropped(self) -> Mapping[str, int]:
        """Facts lost, by sink."""
        self._settle()
        lost = self._at_once.dropped | self._in_batches.dropped
        if self._writer is not None and self._writer.dropped:
            lost["access_log"] = lost.get("access_log", 0) + self._writer.dropped
        return lost

    def close(self) -> None:
        """Write out what is buffered."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._batch.close()
        if self._writer is not None:
            self._writer.close()

    def _tell_all(self, fact: Finished) -> None:
        self._at_once.finished(fact)
        self._batch.add(fact)

    def _settle(self) -> None:
        """Work off what waits, so that the figures are whole when somebody looks."""
        self._batch.flush()
