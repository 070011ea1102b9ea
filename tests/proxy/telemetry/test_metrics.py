"""What a scrape shows after requests went by."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

import proxy
from proxy.config import HealthConfig, TelemetryConfig
from proxy.errors import Health
from proxy.facts import Outcome
from proxy.fleet.live import Fleet
from proxy.telemetry.metrics import FOLD_FACTS, MAX_KINDS, Connections, Gauges, Metrics
from proxy.usage import Usage


def metrics(**config: Any) -> Metrics:
    return Metrics(TelemetryConfig(**config))


class Scrape:
    """A scrape as Prometheus reads it."""

    def __init__(self, metrics: Metrics) -> None:
        self.text = metrics.render().decode()
        self.families = {family.name: family for family in text_string_to_metric_families(self.text)}
        self.samples = [sample for family in self.families.values() for sample in family.samples]

    def value(self, name: str, **labels: str) -> float | None:
        found = [sample.value for sample in self.samples if sample.name == name and sample.labels == labels]
        assert len(found) <= 1, found
        return found[0] if found else None

    def labels(self, name: str) -> list[dict[str, str]]:
        return [sample.labels for sample in self.samples if sample.name == name]


OTEL = {
    "gen_ai_operation_name": "chat",
    "gen_ai_provider_name": "openai",
    "gen_ai_original_model": "gpt",
    "gen_ai_request_model": "gpt-4o-mini",
    "gen_ai_response_model": "gpt-4o-mini",
}


def test_a_completed_stream_is_counted_everywhere_it_should_be(fact):
    told = metrics()
    told.finished(fact())
    told.finished(fact())

    scrape = Scrape(told)

    assert scrape.value("pointsman_requests_total", model="gpt", operation="chat", code="200", stream="true") == 2
    assert scrape.value("pointsman_request_duration_seconds_count", model="gpt", stream="true") == 2
    assert scrape.value("pointsman_request_duration_seconds_sum", model="gpt", stream="true") == 3.0
    assert scrape.value("pointsman_time_to_first_token_seconds_sum", model="gpt") == pytest.approx(0.6)
    assert scrape.value("pointsman_time_per_output_token_seconds_count", model="gpt") == 2
    assert scrape.value("pointsman_overhead_seconds_sum", operation="chat", stream="true") == pytest.approx(0.25)
    assert scrape.value("pointsman_queue_duration_seconds_sum", model="gpt", priority="default") == 0.25
    assert scrape.value("pointsman_cost_usd_total", model="gpt", provider="openai") == pytest.approx(0.003)
    assert scrape.value("pointsman_upstream_attempts_total", upstream="openai/gpt", code="ok") == 2
    assert scrape.value("pointsman_upstream_duration_seconds_sum", upstream="openai/gpt") == 2.5
    assert scrape.value("pointsman_upstream_time_to_first_token_seconds_sum", upstream="openai/gpt") == 0.5
    assert scrape.labels("pointsman_request_errors_total") == []


@pytest.mark.parametrize(
    ("kind", "tokens"),
    [("input", 100), ("input_cached", 30), ("input_cache_write", 0), ("output", 50), ("output_reasoning", 20)],
)
def test_tokens_are_counted_by_type_with_the_parts_inside_the_whole(fact, kind: str, tokens: int):
    told = metrics()
    told.finished(fact())

    assert tokens == Scrape(told).value("pointsman_tokens_total", model="gpt", provider="openai", type=kind)


def test_an_answer_without_a_price_is_counted_as_such(fact):
    told = metrics()
    told.finished(fact(cost_nano_usd=None))
    told.finished(fact(cost_nano_usd=None))

    scrape = Scrape(told)

    assert scrape.value("pointsman_cost_unknown_requests_total", model="gpt") == 2
    assert scrape.labels("pointsman_cost_usd_total") == []


def test_a_request_without_an_answer_leaves_no_latency_tokens_or_cost(fact):
    told = metrics()
    told.finished(
        fact(
            outcome=Outcome.REJECTED, status=401, error_code="invalid_api_key", route="unknown", attempts=(),
            usage=None, cost_nano_usd=None, ttft_s=None, tpot_s=None, provider="", deployment="", upstream_model="",
        )
    )  # fmt: skip

    scrape = Scrape(told)

    assert scrape.value("pointsman_requests_total", model="unknown", operation="chat", code="401", stream="true") == 1
    assert scrape.value("pointsman_request_errors_total", model="unknown", reason="auth") == 1
    assert [name for name in ("time_to_first_token_seconds", "tokens_total", "cost_usd_total", "queue_duration_seconds")
            if scrape.value(f"pointsman_{name}_count") or scrape.value(f"pointsman_{name}")] == []  # fmt: skip
    assert "gen_ai_client_token_usage_count" not in scrape.text


def test_a_whole_answer_has_a_first_token_but_no_time_per_token(fact, attempt):
    told = metrics()
    told.finished(fact(stream=False, tpot_s=None, ttft_s=1.0, attempts=(attempt(ttft_s=None),)))

    scrape = Scrape(told)

    assert scrape.value("pointsman_request_duration_seconds_count", model="gpt", stream="false") == 1
    assert scrape.value("pointsman_time_to_first_token_seconds_count", model="gpt") == 1
    assert scrape.value("gen_ai_server_time_to_first_token_seconds_count", **OTEL) == 1
    assert "time_per_output_token_seconds_count" not in scrape.text
    assert scrape.labels("pointsman_upstream_time_to_first_token_seconds_count") == []


def test_a_completed_answer_nobody_timed_is_still_counted(fact):
    told = metrics()
    told.finished(fact(ttft_s=None, tpot_s=None, usage=None))

    scrape = Scrape(told)

    assert scrape.value("gen_ai_server_request_duration_seconds_count", **OTEL) == 1
    assert scrape.labels("gen_ai_server_time_to_first_token_seconds_count") == []


def test_a_request_turned_away_after_waiting_shows_its_wait(fact):
    told = metrics()
    told.finished(
        fact(outcome=Outcome.FAILED, status=503, error_code="overloaded", attempts=(), queue_s=5.0, usage=None)
    )

    assert Scrape(told).value("pointsman_queue_duration_seconds_sum", model="gpt", priority="default") == 5.0


@pytest.mark.parametrize(
    ("outcome", "code", "reason"),
    [
        (Outcome.ABANDONED, None, "client_disconnect"),
        (Outcome.ABANDONED, "client_disconnect", "client_disconnect"),
        (Outcome.TRUNCATED, "upstream_stream_broken", "stream_truncated"),
        (Outcome.FAILED, "upstream_first_token_timeout", "upstream_timeout"),
        (Outcome.FAILED, "overloaded", "overloaded"),
        (Outcome.FAILED, "never heard of", "internal"),
    ],
)
def test_errors_are_counted_by_reason(fact, outcome: Outcome, code: str | None, reason: str):
    told = metrics()
    told.finished(fact(outcome=outcome, error_code=code))

    assert Scrape(told).value("pointsman_request_errors_total", model="gpt", reason=reason) == 1


def test_a_status_nobody_expects_is_other(fact):
    told = metrics()
    told.finished(fact(status=418))

    assert Scrape(told).labels("pointsman_requests_total")[0]["code"] == "other"


def test_a_completed_request_is_also_told_in_opentelemetrys_words(fact):
    told = metrics()
    told.finished(fact())

    scrape = Scrape(told)

    assert scrape.value("gen_ai_server_request_duration_seconds_sum", **OTEL) == 1.5
    assert scrape.value("gen_ai_server_time_to_first_token_seconds_sum", **OTEL) == 0.3
    assert scrape.value("gen_ai_server_time_per_output_token_seconds_sum", **OTEL) == 0.02
    assert scrape.value("gen_ai_client_operation_duration_seconds_sum", **OTEL) == 1.25
    assert scrape.value("gen_ai_client_token_usage_sum", **OTEL, gen_ai_token_type="input") == 100
    assert scrape.value("gen_ai_client_token_usage_sum", **OTEL, gen_ai_token_type="output") == 50


def test_a_failed_request_has_an_error_type_and_no_latency_in_opentelemetrys_words(fact, attempt):
    told = metrics()
    broken = attempt(code="upstream_stream_broken")
    told.finished(fact(outcome=Outcome.TRUNCATED, error_code="upstream_stream_broken", attempts=(broken,)))

    scrape = Scrape(told)

    error = OTEL | {"error_type": "upstream_stream_broken"}
    assert scrape.value("gen_ai_server_request_duration_seconds_count", **error) == 1
    assert scrape.value("gen_ai_client_operation_duration_seconds_count", **error) == 1
    assert scrape.labels("gen_ai_server_time_to_first_token_seconds_count") == []
    assert scrape.labels("gen_ai_client_token_usage_count") == []


def test_opentelemetry_hears_no_estimates(fact):
    told = metrics()
    told.finished(fact(usage=Usage(100, 50, estimated=True)))

    scrape = Scrape(told)

    assert scrape.labels("gen_ai_client_token_usage_count") == []
    assert scrape.value("pointsman_tokens_total", model="gpt", provider="openai", type="output") == 50


def test_providers_have_the_names_opentelemetry_knows(fact):
    told = metrics()
    told.finished(fact(provider="mistral"))

    assert (
        Scrape(told).labels("gen_ai_server_request_duration_seconds_count")[0]["gen_ai_provider_name"] == "mistral_ai"
    )


@pytest.mark.parametrize(
    ("naming", "ours", "otel"), [("native", True, False), ("otel", False, True), ("both", True, True)]
)
def test_naming_chooses_which_twins_are_shown(fact, naming: str, *, ours: bool, otel: bool):
    told = metrics(naming=naming)
    told.finished(fact())

    text = Scrape(told).text

    assert ours == ("pointsman_request_duration_seconds_count{" in text)
    assert otel == ("gen_ai_server_request_duration_seconds_count{" in text)
    assert otel == ("gen_ai_" in text)
    assert "pointsman_tokens_total{" in text
    assert "pointsman_upstream_attempts_total{" in text


def test_model_names_a_client_made_up_become_no_labels(fact, attempt):
    """Neither unknown names nor those a wildcard route passes on."""
    told = metrics()
    for number in range(10_000):
        route = "*" if number % 2 else "unknown"
        told.finished(fact(route=route, upstream_model=f"made-up-{number}"))
    lines = len(Scrape(told).text.splitlines())

    assert "made-up" not in Scrape(told).text
    told.finished(fact(route="*", upstream_model="one more"))
    assert lines == len(Scrape(told).text.splitlines())


def test_past_the_cap_all_label_sets_are_counted_together_and_the_loss_is_shown(fact):
    told = metrics(max_series=10)
    for number in range(10_000):
        told.finished(fact(route=f"m{number}"))

    scrape = Scrape(told)

    name = "pointsman_requests_total"
    assert len(scrape.labels(name)) == 11
    assert scrape.value(name, model="other", operation="other", code="other", stream="other") == 9_990
    assert sum(sample.value for sample in scrape.samples if sample.name == name) == 10_000
    assert scrape.value("pointsman_metric_series_dropped_total", metric=name) == 9_990
    assert max(len(family.samples) for family in scrape.families.values()) <= 11 * 25
    other = {"model": "other", "stream": "other"}
    assert scrape.value("pointsman_request_duration_seconds_count", **other) == 9_990


def test_nothing_is_lost_when_there_are_more_kinds_of_request_than_are_kept(fact):
    told = metrics(max_series=10, naming="native")
    total = MAX_KINDS + 10
    for number in range(total):
        told.finished(fact(route=f"m{number}"))
    told.finished(fact(route="m0"))

    scrape = Scrape(told)

    assert scrape.value("pointsman_request_duration_seconds_count", model="m0", stream="true") == 2
    assert scrape.value("pointsman_overhead_seconds_count", operation="chat", stream="true") == total + 1


def test_requests_in_flight_go_up_and_down():
    told = metrics(max_series=10)
    told.in_flight("gpt", 1)
    told.in_flight("gpt", 1)
    told.in_flight("gpt", -1)
    assert Scrape(told).value("pointsman_requests_in_flight", model="gpt") == 1

    for number in range(100):
        told.in_flight(f"m{number}", 1)

    scrape = Scrape(told)
    assert len(scrape.labels("pointsman_requests_in_flight")) == 11
    assert scrape.value("pointsman_requests_in_flight", model="other") == 91


def test_gauges_show_the_moment_of_the_scrape():
    fleet = Fleet(HealthConfig(failures=1))
    live = fleet.live("openai/gpt", "openai")
    live.told_rate_limit(0.5, 100.0)
    gauges = Gauges(
        upstreams=lambda: fleet.readings(1.0),
        queued=lambda: {"default": 3, "flex": 4},
        streams_open=lambda: 5,
        retries_denied=lambda: 6,
        dropped=lambda: {"access_log": 7},
        draining=lambda: True,
    )
    told = Metrics(TelemetryConfig(), gauges)
    before = Scrape(told)
    era = live.begin(1.0, 10)
    live.answering(1.0, era, 0.25)
    live.fail(1.0, era, Health.SICK)

    after = Scrape(told)

    upstream = {"upstream": "openai/gpt"}
    for name, was, became in [
        ("in_flight", 0, 1),
        ("up", 1, 0),
        ("breaker_state", 0, 2),
        ("ejections_total", 0, 1),
    ]:
        assert was == before.value(f"pointsman_upstream_{name}", **upstream)
        assert became == after.value(f"pointsman_upstream_{name}", **upstream)
    assert before.value("pointsman_upstream_ewma_ttft_seconds", **upstream) is None
    assert after.value("pointsman_upstream_ewma_ttft_seconds", **upstream) == 0.25
    assert after.value("pointsman_upstream_ratelimit_remaining", **upstream) == 0.5
    assert after.value("pointsman_requests_queued", priority="default") == 3
    assert after.value("pointsman_requests_queued", priority="flex") == 4
    assert after.value("pointsman_streams_open") == 5
    assert after.value("pointsman_retry_budget_denied_total") == 6
    assert after.value("pointsman_telemetry_dropped_total", sink="access_log") == 7
    assert after.value("pointsman_draining") == 1


def test_requests_over_a_keys_limit_are_counted_by_key(fact):
    told = metrics()
    for key in ("ci", "ci", "lab"):
        told.finished(fact(outcome=Outcome.REJECTED, status=429, error_code="rate_limit_exceeded", key=key))
    told.finished(fact(outcome=Outcome.FAILED, status=429, error_code="upstream_rate_limited", key="ci"))

    scrape = Scrape(told)

    assert scrape.value("pointsman_rate_limited_requests_total", key="ci") == 2
    assert scrape.value("pointsman_rate_limited_requests_total", key="lab") == 1


def test_connections_are_shown_by_origin_and_state():
    told = Metrics(TelemetryConfig(), Gauges(connections=lambda: [Connections("https://a:443", 2, 3)]))

    scrape = Scrape(told)

    assert scrape.value("pointsman_pool_connections", origin="https://a:443", state="busy") == 2
    assert scrape.value("pointsman_pool_connections", origin="https://a:443", state="idle") == 3


def test_reloads_show_their_result_and_the_configuration_in_effect():
    told = metrics()
    assert Scrape(told).labels("pointsman_config_info") == []

    told.reloaded("abc", 1_790_000_000.0)
    told.reload_failed()

    scrape = Scrape(told)
    assert scrape.value("pointsman_config_reloads_total", result="success") == 1
    assert scrape.value("pointsman_config_reloads_total", result="failure") == 1
    assert scrape.value("pointsman_config_last_reload_success_timestamp_seconds") == 1_790_000_000.0
    assert [{"hash": "abc"}] == scrape.labels("pointsman_config_info")


def test_the_process_and_the_build_are_shown():
    scrape = Scrape(metrics())

    assert scrape.labels("pointsman_build_info")[0]["version"] == proxy.__version__
    assert {"process_resident_memory_bytes", "python_gc_objects_collected_total", "python_info"} <= {
        sample.name for sample in scrape.samples
    }


def test_the_lag_of_the_event_loop_is_a_histogram():
    told = metrics()
    told.loop_lag.observe(0.003)

    scrape = Scrape(told)

    assert scrape.value("pointsman_event_loop_lag_seconds_bucket", le="0.0025") == 0
    assert scrape.value("pointsman_event_loop_lag_seconds_bucket", le="0.005") == 1


@pytest.mark.parametrize("naming", ["native", "otel", "both"])
def test_values_do_not_pile_up_while_nobody_looks(fact, naming: str):
    """Neither those of families that are not shown, nor those of the event loop while nothing is asked."""
    told = metrics(naming=naming)
    for _ in range(FOLD_FACTS):
        told.finished(fact())
    assert not any(slot._values for family in told._families._with_values for slot in family._slots.values())

    for _ in range(FOLD_FACTS - 1):
        told.lagged(0.001)
    assert len(told.loop_lag._values) == FOLD_FACTS - 1
    told.lagged(0.001)
    assert not told.loop_lag._values
    assert Scrape(told).value("pointsman_event_loop_lag_seconds_count") == FOLD_FACTS
