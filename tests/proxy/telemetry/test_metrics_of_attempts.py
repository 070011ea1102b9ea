"""What a scrape shows of requests that took several attempts."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.config import TelemetryConfig
from proxy.telemetry.metrics import Gauges, Metrics


class Scrape:
    """A scrape as Prometheus reads it."""

    def __init__(self, metrics: Metrics) -> None:
        families = text_string_to_metric_families(metrics.render().decode())
        self._samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        return next((s.value for s in self._samples if s.name == name and s.labels == labels), None)

    def labels(self, name: str) -> list[dict[str, str]]:
        return [sample.labels for sample in self._samples if sample.name == name]


def test_retries_and_fallbacks_are_told_apart(fact, attempt):
    told = Metrics(TelemetryConfig())
    tries = (
        attempt(deployment="a", code="upstream_server_error", status=500, ttft_s=None),
        attempt(deployment="a", code="upstream_rate_limited", status=429, ttft_s=None),
        attempt(deployment="b"),
    )
    told.finished(fact(attempts=tries, deployment="b"))

    scrape = Scrape(told)

    assert scrape.value("pointsman_retries_total", model="gpt", reason="upstream_5xx") == 1
    assert scrape.value("pointsman_retries_total", model="gpt", reason="upstream_4xx") == 1
    assert [{"from": "a", "to": "b"}] == scrape.labels("pointsman_fallbacks_total")
    assert scrape.value("pointsman_upstream_attempts_total", upstream="a", code="upstream_rate_limited") == 1
    assert scrape.value("pointsman_upstream_time_to_first_token_seconds_count", upstream="a") is None
    assert scrape.value("pointsman_upstream_time_to_first_token_seconds_count", upstream="b") == 1


def test_a_hedge_is_no_retry(fact, attempt):
    """Neither the one that wins nor the one that loses."""
    told = Metrics(TelemetryConfig())
    slow = attempt(deployment="a", code="hedge_lost", ttft_s=None)
    told.finished(fact(attempts=(slow, attempt(deployment="b", part="hedge")), deployment="b"))
    late = attempt(deployment="b", part="hedge", code="hedge_lost", ttft_s=None)
    told.finished(fact(attempts=(attempt(deployment="a"), late), deployment="a"))
    told.finished(fact(attempts=(attempt(deployment="a"), late), deployment="a"))

    scrape = Scrape(told)

    assert scrape.labels("pointsman_retries_total") == []
    assert scrape.labels("pointsman_fallbacks_total") == []
    assert scrape.labels("pointsman_request_errors_total") == []
    assert scrape.value("pointsman_hedges_total", model="gpt", result="won") == 1
    assert scrape.value("pointsman_hedges_total", model="gpt", result="lost") == 2
    assert scrape.value("pointsman_upstream_attempts_total", upstream="b", code="hedge_lost") == 2
    errors = {labels.get("error_type") for labels in scrape.labels("gen_ai_client_operation_duration_seconds_count")}
    assert {None} == errors


def test_hedges_the_budget_forbade_are_counted_beside_the_others(fact, attempt):
    denied = {"gpt": 3}
    told = Metrics(TelemetryConfig(), Gauges(hedges_denied=lambda: denied))
    told.finished(fact(attempts=(attempt(code="hedge_lost"), attempt(deployment="b", part="hedge"))))
    Scrape(told)
    denied["gpt"] = 5

    scrape = Scrape(told)

    assert scrape.value("pointsman_hedges_total", model="gpt", result="denied_budget") == 5
    assert scrape.value("pointsman_hedges_total", model="gpt", result="won") == 1


def test_a_rescue_is_a_retry_after_what_broke_and_has_a_result(fact, attempt):
    told = Metrics(TelemetryConfig())
    broken = attempt(deployment="a", code="upstream_stream_broken")
    other = attempt(deployment="b", part="splice", code="upstream_diverged")
    down = attempt(deployment="b", part="continuation", code="upstream_overloaded", ttft_s=None)
    told.finished(fact(attempts=(broken, other, attempt(deployment="c", part="splice")), deployment="c"))
    told.finished(fact(attempts=(broken, down, attempt(deployment="c", part="splice")), deployment="c"))

    scrape = Scrape(told)

    assert scrape.value("pointsman_splices_total", model="gpt", result="joined") == 2
    assert scrape.value("pointsman_splices_total", model="gpt", result="diverged") == 1
    assert scrape.value("pointsman_splices_total", model="gpt", result="failed") == 1
    assert scrape.value("pointsman_retries_total", model="gpt", reason="stream_truncated") == 3
    assert scrape.value("pointsman_retries_total", model="gpt", reason="upstream_5xx") == 1
    assert scrape.value("pointsman_fallbacks_total", **{"from": "a", "to": "b"}) == 2
    assert scrape.value("pointsman_fallbacks_total", **{"from": "b", "to": "c"}) == 2


def test_each_attempts_cost_is_its_own_providers(fact, attempt):
    """The answer's is counted once, from the whole."""
    told = Metrics(TelemetryConfig())
    tries = (
        attempt(deployment="groq/a", provider="groq", code="upstream_stream_broken", cost_nano_usd=250_000),
        attempt(deployment="groq/b", provider="groq", part="splice", code="upstream_diverged", cost_nano_usd=50_000),
        attempt(deployment="mistral/c", provider="mistral", code="upstream_overloaded", part="splice"),
        attempt(part="splice", cost_nano_usd=1_500_000),
    )
    told.finished(fact(attempts=tries))

    scrape = Scrape(told)

    assert scrape.value("pointsman_cost_usd_total", model="gpt", provider="groq") == pytest.approx(0.0003)
    assert scrape.value("pointsman_cost_usd_total", model="gpt", provider="openai") == pytest.approx(0.0015)
    assert scrape.value("pointsman_cost_usd_total", model="gpt", provider="mistral") is None


def test_an_attempt_alone_has_no_cost_beside_the_answers(fact, attempt):
    told = Metrics(TelemetryConfig())
    told.finished(fact(attempts=(attempt(cost_nano_usd=1_500_000),)))

    assert Scrape(told).value("pointsman_cost_usd_total", model="gpt", provider="openai") == pytest.approx(0.0015)
