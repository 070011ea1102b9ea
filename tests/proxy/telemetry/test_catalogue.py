"""The catalogue as a whole: declared once, and to the liking of Prometheus's own linter."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from proxy.config import HealthConfig, TelemetryConfig
from proxy.facts import Outcome
from proxy.fleet.live import Fleet
from proxy.telemetry import catalogue
from proxy.telemetry.metrics import Gauges, Metrics

PROMTOOL = shutil.which("promtool")


def test_every_metric_of_the_catalogue_is_declared_once_with_its_type():
    text = Metrics(TelemetryConfig()).render().decode()
    specs = [spec for spec in vars(catalogue).values() if isinstance(spec, catalogue.Spec)]
    after_a_reload = {catalogue.RELOADED_AT, catalogue.CONFIG_INFO}

    for spec in specs:
        wanted = 0 if spec in after_a_reload else 1
        assert wanted == text.count(f"# TYPE {spec.name} {spec.kind}\n"), spec.name
        assert wanted == text.count(f"# HELP {spec.name} "), spec.name
        assert spec.help.endswith(".")
        assert (spec.kind == "counter") == spec.name.endswith("_total"), spec.name
        assert (spec.kind == "histogram") == bool(spec.buckets), spec.name
        assert sorted(set(spec.buckets)) == list(spec.buckets), spec.name


@pytest.mark.skipif(
    PROMTOOL is None and not os.environ.get("CI"), reason="promtool is not installed (package prometheus)"
)
def test_promtool_has_nothing_to_say(fact, attempt):
    assert PROMTOOL is not None, "CI needs promtool (package prometheus)"
    fleet = Fleet(HealthConfig())
    fleet.live("openai/gpt", "openai").told_rate_limit(0.5, 100.0)
    told = Metrics(
        TelemetryConfig(max_series=10),
        Gauges(upstreams=lambda: fleet.readings(1.0), queued=lambda: {"flex": 1}, dropped=lambda: {"access_log": 1}),
    )
    told.reloaded("abc", 1_790_000_000.0)
    told.in_flight('odd"\\name\n', 1)
    for number in range(12):
        told.finished(
            fact(route=f'm"{number}\\', attempts=(attempt(code="upstream_server_error"), attempt(deployment="b")))
        )
    told.finished(fact(cost_nano_usd=None, outcome=Outcome.TRUNCATED, error_code="upstream_stream_broken"))
    told.loop_lag.observe(0.1)

    command = [PROMTOOL, "check", "metrics"]
    verdict = subprocess.run(command, input=told.render(), capture_output=True, check=False, timeout=60)  # noqa: S603 - fixed

    assert (b"", b"", 0) == (verdict.stdout, verdict.stderr, verdict.returncode)
