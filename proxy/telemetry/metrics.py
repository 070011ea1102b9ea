"""Counts facts and tells Prometheus. Everything runs on the event loop; nothing here waits or locks."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

import proxy
from proxy.telemetry import catalogue
from proxy.telemetry.families import Families
from proxy.telemetry.series import OTHER, render_now
from proxy.telemetry.slots import Slots, kind_of

if TYPE_CHECKING:
    from proxy.config import TelemetryConfig
    from proxy.facts import Finished
    from proxy.telemetry.series import Histogram
    from proxy.telemetry.slots import Kind

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_KINDS = 8192
"""Label sets resolved at once; beyond it they are resolved anew, which loses nothing but time."""


class UpstreamReading(Protocol):
    """One deployment as it is now; `proxy.fleet.live.Reading` is one."""

    @property
    def upstream(self) -> str:
        """The deployment's id."""

    @property
    def inflight(self) -> int:
        """Attempts under way."""

    @property
    def up(self) -> bool:
        """Whether an attempt would be admitted."""

    @property
    def state(self) -> int:
        """0 closed, 1 half-open, 2 open."""

    @property
    def ttft_s(self) -> float | None:
        """Smoothed time to first token; `None` before the first answer."""

    @property
    def remaining(self) -> float | None:
        """Share of the provider's rate limit, 0..1; `None` when it does not say."""


def _nobody() -> Iterable[UpstreamReading]:
    return ()


def _nothing() -> Mapping[str, int]:
    return {}


def _zero() -> int:
    return 0


def _no() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Gauges:
    """Where to read, at each scrape, what is true at that moment."""

    upstreams: Callable[[], Iterable[UpstreamReading]] = _nobody
    queued: Callable[[], Mapping[str, int]] = _nothing
    """Requests waiting, by lane."""
    streams_open: Callable[[], int] = _zero
    retries_denied: Callable[[], int] = _zero
    """Ever, by the retry budget."""
    hedges_denied: Callable[[], Mapping[str, int]] = _nothing
    """By a route's hedging budget, since that began; by the route's label."""
    dropped: Callable[[], Mapping[str, int]] = _nothing
    """Ever, by sink."""
    draining: Callable[[], bool] = _no


class Metrics:
    """A sink for facts. `finished` updates some 25 slots in 2 to 3 us."""

    name = "metrics"

    def __init__(self, config: TelemetryConfig, gauges: Gauges | None = None) -> None:
        self._gauges = gauges or Gauges()
        self._max_series = config.max_series
        self._families = Families(
            config.max_series, native=config.naming != "otel", otel=config.naming in ("otel", "both")
        )
        self._kinds: dict[Kind, Slots] = {}
        self._in_flight: dict[str, int] = {}
        self._config_hash = ""
        self._reloaded_at_s: float | None = None
        self._build = (proxy.__version__, platform.python_version())
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)

    @property
    def loop_lag(self) -> Histogram:
        """Where the event loop's lateness is observed."""
        return self._families.loop_lag.slot()

    def finished(self, fact: Finished) -> None:
        """Count one exchange."""
        kind = kind_of(fact)
        slots = self._kinds.get(kind)
        if slots is None:
            slots = self._resolve(kind, fact)
        slots.record(fact)

    def in_flight(self, model: str, by: int) -> None:
        """One more (+1) or one less (-1) request of this route is being served."""
        if model not in self._in_flight and len(self._in_flight) >= self._max_series:
            model = OTHER
        self._in_flight[model] = self._in_flight.get(model, 0) + by

    def reloaded(self, digest: str, at_s: float) -> None:
        """A configuration took effect, the first one included. `digest` names it; Unix time."""
        self._families.reloads.cell("success").value += 1
        self._config_hash, self._reloaded_at_s = digest, at_s

    def reload_failed(self) -> None:
        """A bad configuration was refused, the old one stays."""
        self._families.reloads.cell("failure").value += 1

    def render(self) -> bytes:
        """The text format, version 0.0.4. About 0.25 us a line."""
        out: list[str] = []
        for model, denied in self._gauges.hedges_denied().items():
            self._families.hedges.cell(model, "denied_budget").value = denied
        for family in self._families:
            family.render(out)
        self._render_gauges(out)
        out.append("")
        return "\n".join(out).encode() + generate_latest(self._process)

    def _resolve(self, kind: Kind, fact: Finished) -> Slots:
        if len(self._kinds) >= MAX_KINDS:
            self._kinds.clear()
        found = self._kinds[kind] = Slots(fact, self._families)
        return found

    def _render_gauges(self, out: list[str]) -> None:
        gauges = self._gauges
        self._render_upstreams(list(gauges.upstreams()), out)
        render_now(catalogue.IN_FLIGHT, _by_label(self._in_flight), out)
        render_now(catalogue.STREAMS_OPEN, [((), gauges.streams_open())], out)
        render_now(catalogue.QUEUED, _by_label(gauges.queued()), out)
        render_now(catalogue.RETRIES_DENIED, [((), gauges.retries_denied())], out)
        render_now(catalogue.TELEMETRY_DROPPED, _by_label(gauges.dropped()), out)
        render_now(catalogue.DRAINING, [((), int(gauges.draining()))], out)
        render_now(catalogue.BUILD_INFO, [(self._build, 1)], out)
        dropped = [((family.spec.name,), family.dropped) for family in self._families if family.dropped]
        render_now(catalogue.SERIES_DROPPED, dropped, out)
        if self._reloaded_at_s is not None:
            render_now(catalogue.RELOADED_AT, [((), self._reloaded_at_s)], out)
            render_now(catalogue.CONFIG_INFO, [((self._config_hash,), 1)], out)

    def _render_upstreams(self, readings: list[UpstreamReading], out: list[str]) -> None:
        render_now(catalogue.UPSTREAM_IN_FLIGHT, [((r.upstream,), r.inflight) for r in readings], out)
        render_now(catalogue.UPSTREAM_UP, [((r.upstream,), int(r.up)) for r in readings], out)
        render_now(catalogue.UPSTREAM_BREAKER, [((r.upstream,), int(r.state)) for r in readings], out)
        render_now(catalogue.UPSTREAM_EWMA, [((r.upstream,), r.ttft_s) for r in readings if r.ttft_s is not None], out)
        render_now(
            catalogue.UPSTREAM_REMAINING,
            [((r.upstream,), r.remaining) for r in readings if r.remaining is not None],
            out,
        )


def _by_label(counts: Mapping[str, int]) -> list[tuple[tuple[str, ...], int]]:
    return [((name,), count) for name, count in counts.items()]
