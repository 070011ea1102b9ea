"""Every metric this gateway has: name, labels, buckets and meaning, in one table.

Labels come from configuration and from closed sets only: `model` is a route's name, `upstream` a deployment's id,
`provider` a provider's name. Nothing a client writes becomes a label.
"""

from __future__ import annotations

from typing import NamedTuple

PREFIX = "pointsman_"
NANO = 1_000_000_000

REQUEST_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 900.0)
FIRST_TOKEN_S = (
    *(0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0),
    *(20.0, 30.0, 60.0, 120.0, 300.0),
)
PER_TOKEN_S = (
    *(0.002, 0.004, 0.006, 0.008, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5),
)
OVERHEAD_S = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
QUEUE_S = (*OVERHEAD_S, 5.0, 15.0, 60.0)

# The boundaries OpenTelemetry advises. Source: semantic conventions 1.41.0, docs/gen-ai/gen-ai-metrics.md.
OTEL_DURATION_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
OTEL_FIRST_TOKEN_S = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
OTEL_PER_TOKEN_S = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5)
OTEL_TOKENS = tuple(float(4**power) for power in range(14))


class Spec(NamedTuple):
    """One family. Histograms have `buckets`; counters and gauges have none."""

    name: str
    kind: str
    """`counter`, `gauge` or `histogram`."""
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()
    merge: str = "sum"
    """How the figures of several workers become one: `sum`, `max`, `min`, `mean`, or `worker`: not at all, each is told
    apart by that label. A worker that is gone still counts in counters and histograms, no longer in gauges."""
    unit: int = 1
    """What is counted is this many times smaller than what is shown: whole nano-USD, say, for USD."""


def _counter(name: str, labels: str, meaning: str) -> Spec:
    return Spec(PREFIX + name, "counter", tuple(labels.split()), meaning)


def _gauge(name: str, labels: str, meaning: str, merge: str) -> Spec:
    return Spec(PREFIX + name, "gauge", tuple(labels.split()), meaning, merge=merge)


def _histogram(name: str, labels: str, meaning: str, buckets: tuple[float, ...]) -> Spec:
    return Spec(PREFIX + name, "histogram", tuple(labels.split()), meaning, buckets)


REQUESTS = _counter("requests_total", "model operation code stream", "Requests by the status the client saw.")
REQUEST_ERRORS = _counter("request_errors_total", "model reason", "Requests that did not end well, by reason.")
REQUEST_DURATION = _histogram(
    "request_duration_seconds", "model stream", "From the client's first byte to the last byte sent.", REQUEST_S
)
FIRST_TOKEN = _histogram(
    "time_to_first_token_seconds", "model", "From the client's first byte to the first content.", FIRST_TOKEN_S
)
PER_TOKEN = _histogram(
    "time_per_output_token_seconds", "model", "After the first token; one observation a stream.", PER_TOKEN_S
)
OVERHEAD = _histogram(
    "overhead_seconds", "operation stream", "The gateway's own share: neither provider nor queue.", OVERHEAD_S
)
QUEUE = _histogram("queue_duration_seconds", "model priority", "Wait for admission.", QUEUE_S)
TOKENS = _counter(
    "tokens_total",
    "model provider type",
    "Tokens of the answers and their prompts; input_cached and input_cache_write are parts of input, output_reasoning "
    "of output.",
)
COST = _counter(
    "cost_usd_total", "model provider", "Cost in USD of the answers, and of attempts that lost or broke off."
)._replace(unit=NANO)
COST_UNKNOWN = _counter("cost_unknown_requests_total", "model", "Answers with tokens but without a known price.")
ATTEMPTS = _counter("upstream_attempts_total", "upstream code", "Attempts at a deployment, by how they ended.")
UPSTREAM_DURATION = _histogram("upstream_duration_seconds", "upstream", "One attempt, whole.", REQUEST_S)
UPSTREAM_FIRST_TOKEN = _histogram(
    "upstream_time_to_first_token_seconds", "upstream", "From sending an attempt to its first content.", FIRST_TOKEN_S
)
RETRIES = _counter("retries_total", "model reason", "Further attempts, by what was wrong with the one before.")
FALLBACKS = _counter("fallbacks_total", "from to", "Further attempts that went to another deployment.")
HEDGES = _counter(
    "hedges_total", "model result", "Second attempts beside a slow one: won, lost, or not made as denied_budget."
)
SPLICES = _counter(
    "splices_total", "model result", "Attempts to go on with a stream that broke off: joined, diverged or failed."
)
RELOADS = _counter("config_reloads_total", "result", "Configuration reloads: success or failure.")
RATE_LIMITED = _counter("rate_limited_requests_total", "key", "Requests refused because their key was over its limit.")
LOOP_LAG = _histogram("event_loop_lag_seconds", "", "How late a 100 ms timer fires: saturation.", OVERHEAD_S)._replace(
    merge="worker"
)

IN_FLIGHT = _gauge("requests_in_flight", "model", "Requests admitted and not yet answered.", "sum")
STREAMS_OPEN = _gauge("streams_open", "", "Streamed answers under way.", "sum")
QUEUED = _gauge("requests_queued", "priority", "Requests waiting for admission.", "sum")
UPSTREAM_IN_FLIGHT = _gauge("upstream_in_flight", "upstream", "Attempts under way.", "sum")
UPSTREAM_UP = _gauge("upstream_up", "upstream", "1 if an attempt would be admitted now.", "min")
UPSTREAM_BREAKER = _gauge("upstream_breaker_state", "upstream", "0 closed, 1 half-open, 2 open.", "max")
UPSTREAM_EJECTIONS = _counter("upstream_ejections_total", "upstream", "Times the breaker set a deployment aside.")
UPSTREAM_EWMA = _gauge("upstream_ewma_ttft_seconds", "upstream", "Smoothed time to first token.", "mean")
UPSTREAM_REMAINING = _gauge(
    "upstream_ratelimit_remaining", "upstream", "Share of the provider's rate limit left.", "min"
)
POOL_CONNECTIONS = _gauge("pool_connections", "origin state", "Connections to providers: busy or idle.", "sum")
RETRIES_DENIED = _counter("retry_budget_denied_total", "", "Retries not made because the retry budget was spent.")
RELOADED_AT = _gauge(
    "config_last_reload_success_timestamp_seconds", "", "Unix time of the last configuration that took effect.", "min"
)
CONFIG_INFO = _gauge("config_info", "hash", "The configuration in effect.", "max")
TELEMETRY_DROPPED = _counter("telemetry_dropped_total", "sink", "Facts or log lines a sink lost.")
SERIES_DROPPED = _counter("metric_series_dropped_total", "metric", "Label sets counted as `other` at the series cap.")
DRAINING = _gauge("draining", "", "1 while shutting down.", "max")
BUILD_INFO = _gauge("build_info", "version python", "What is running.", "max")

# The names OpenTelemetry gives the same things, in Prometheus spelling: dashboards made for other gateways fit.
_WHO = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_original_model", "gen_ai_request_model")
OTEL_LABELS = (*_WHO, "gen_ai_response_model", "error_type")
OTEL_REQUEST_DURATION = Spec(
    "gen_ai_server_request_duration_seconds",
    "histogram",
    OTEL_LABELS,
    "Duration of a request as the client sees it.",
    OTEL_DURATION_S,
)
OTEL_OPERATION_DURATION = Spec(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    OTEL_LABELS,
    "Duration of one attempt at a provider.",
    OTEL_DURATION_S,
)
OTEL_FIRST_TOKEN = Spec(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    OTEL_LABELS,
    "Time to the first content of a completed request.",
    OTEL_FIRST_TOKEN_S,
)
OTEL_PER_TOKEN = Spec(
    "gen_ai_server_time_per_output_token_seconds",
    "histogram",
    OTEL_LABELS,
    "Time per output token after the first of a completed request.",
    OTEL_PER_TOKEN_S,
)
OTEL_TOKEN_USAGE = Spec(
    "gen_ai_client_token_usage",
    "histogram",
    (*OTEL_LABELS, "gen_ai_token_type"),
    "Input and output tokens of a request as the provider counts them; estimates are left out.",
    OTEL_TOKENS,
)

TWINS = frozenset({REQUEST_DURATION, FIRST_TOKEN, PER_TOKEN})
"""Left out with `telemetry.naming: otel`: the same figures under OpenTelemetry's names."""

OTEL_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_openai": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Our provider names -> `gen_ai.provider.name`, where they differ. Source: semantic conventions 1.41.0."""

CODES = frozenset({200, 400, 401, 402, 403, 404, 405, 408, 413, 415, 422, 429, 499, 500, 501, 502, 503, 504, 529})
"""Values of the label `code`; any other status is `other`."""

SPECS = {spec.name: spec for spec in tuple(globals().values()) if isinstance(spec, Spec)}
"""By name."""
