"""The families that facts feed, built from the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.telemetry import catalogue
from proxy.telemetry.series import Counters, Histograms

if TYPE_CHECKING:
    from collections.abc import Iterator


class Families:
    """All families that facts feed. `otel` adds OpenTelemetry's, `native` keeps those of ours it has twins for."""

    def __init__(self, max_series: int, *, native: bool, otel: bool) -> None:
        self._all: list[Counters | Histograms] = []
        self._with_values: list[Histograms] = []
        """All histograms, those that are not shown as well."""
        self._max_series = max_series
        self.otel = otel
        self.requests = self._counters(catalogue.REQUESTS)
        self.errors = self._counters(catalogue.REQUEST_ERRORS)
        self.rate_limited = self._counters(catalogue.RATE_LIMITED)
        self.duration = self._histograms(catalogue.REQUEST_DURATION)
        self.first_token = self._histograms(catalogue.FIRST_TOKEN)
        self.per_token = self._histograms(catalogue.PER_TOKEN)
        self.overhead = self._histograms(catalogue.OVERHEAD)
        self.queue = self._histograms(catalogue.QUEUE)
        self.tokens = self._counters(catalogue.TOKENS)
        self.cost = self._counters(catalogue.COST)
        self.cost_unknown = self._counters(catalogue.COST_UNKNOWN)
        self.attempts = self._counters(catalogue.ATTEMPTS)
        self.upstream_duration = self._histograms(catalogue.UPSTREAM_DURATION)
        self.upstream_first_token = self._histograms(catalogue.UPSTREAM_FIRST_TOKEN)
        self.retries = self._counters(catalogue.RETRIES)
        self.fallbacks = self._counters(catalogue.FALLBACKS)
        self.hedges = self._counters(catalogue.HEDGES)
        self.splices = self._counters(catalogue.SPLICES)
        self.reloads = self._counters(catalogue.RELOADS)
        self.loop_lag = self._histograms(catalogue.LOOP_LAG)
        self.otel_request = self._histograms(catalogue.OTEL_REQUEST_DURATION)
        self.otel_operation = self._histograms(catalogue.OTEL_OPERATION_DURATION)
        self.otel_first_token = self._histograms(catalogue.OTEL_FIRST_TOKEN)
        self.otel_per_token = self._histograms(catalogue.OTEL_PER_TOKEN)
        self.otel_tokens = self._histograms(catalogue.OTEL_TOKEN_USAGE)
        if not native:
            self._all = [family for family in self._all if family.spec not in catalogue.TWINS]
        if not otel:
            self._all = [family for family in self._all if family.spec.name.startswith(catalogue.PREFIX)]

    def __iter__(self) -> Iterator[Counters | Histograms]:
        return iter(self._all)

    def fold(self) -> None:
        """Sort all values observed into their buckets."""
        for family in self._with_values:
            family.fold()

    def _counters(self, spec: catalogue.Spec) -> Counters:
        family = Counters(spec, self._max_series)
        self._all.append(family)
        return family

    def _histograms(self, spec: catalogue.Spec) -> Histograms:
        family = Histograms(spec, self._max_series)
        self._all.append(family)
        self._with_values.append(family)
        return family
