"""What an error's code means to an operator: a reason to count by, and a flag of two letters to grep for.

The flags are Envoy's `%RESPONSE_FLAGS%` where it has one of that meaning.
"""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """One way to end badly."""

    label: str
    """For `request_errors_total` and `retries_total`."""
    flag: str
    """For the access log; `-` when the status says it all."""


_AUTH = Reason("auth", "UA")
_BAD = Reason("bad_request", "-")
_NO_ROUTE = Reason("bad_request", "NR")
_REFUSED = Reason("upstream_4xx", "UR")
_LOCKED = Reason("upstream_4xx", "UX")
_TIMEOUT = Reason("upstream_timeout", "UT")

OTHER = Reason("internal", "-")

REASONS = {
    "invalid_request": _BAD,
    "invalid_json": _BAD,
    "invalid_type": _BAD,
    "missing_required_parameter": _BAD,
    "unsupported_parameter": _BAD,
    "not_found": _NO_ROUTE,
    "model_not_found": _NO_ROUTE,
    "provider_not_found": _NO_ROUTE,
    "endpoint_not_found": _NO_ROUTE,
    "unsupported_capability": _NO_ROUTE,
    "method_not_allowed": _BAD,
    "request_timeout": _BAD,
    "request_too_large": _BAD,
    "unsupported_media_type": _BAD,
    "not_implemented": _BAD,
    "invalid_api_key": _AUTH,
    "forbidden": _AUTH,
    "insufficient_credits": Reason("budget", "RL"),
    "rate_limit_exceeded": Reason("rate_limited", "RL"),
    "client_disconnect": Reason("client_disconnect", "DC"),
    "internal_error": OTHER,
    "overloaded": Reason("overloaded", "UO"),
    "shutting_down": Reason("overloaded", "DR"),
    "no_deployment_available": Reason("no_upstream", "UH"),
    "policy_refused": Reason("no_upstream", "PR"),
    "upstream_connect_failed": Reason("upstream_reset", "UF"),
    "upstream_connections_exhausted": Reason("overloaded", "UO"),
    "upstream_connection_lost": Reason("upstream_reset", "UC"),
    "upstream_stream_broken": Reason("stream_truncated", "UC"),
    "upstream_stream_stalled": Reason("stream_truncated", "IT"),
    "upstream_error_in_stream": Reason("stream_truncated", "UE"),
    "upstream_diverged": Reason("stream_truncated", "UD"),
    "upstream_first_token_timeout": _TIMEOUT,
    "upstream_total_timeout": Reason("upstream_timeout", "DT"),
    "upstream_stream_timeout": Reason("stream_truncated", "DT"),
    "upstream_error": Reason("upstream_5xx", "UE"),
    "upstream_server_error": Reason("upstream_5xx", "UE"),
    "upstream_overloaded": Reason("upstream_5xx", "UE"),
    "upstream_malformed_answer": Reason("upstream_5xx", "UM"),
    "upstream_rate_limited": Reason("upstream_4xx", "UL"),
    "upstream_capacity_exceeded": Reason("upstream_4xx", "UL"),
    "upstream_quota_exhausted": _LOCKED,
    "upstream_out_of_money": _LOCKED,
    "upstream_credential_rejected": _LOCKED,
    "upstream_credential_pending": _LOCKED,
    "insufficient_quota": _REFUSED,
    "upstream_rejected": _REFUSED,
    "tool_use_failed": _REFUSED,
    "context_length_exceeded": _REFUSED,
    "content_policy_violation": _REFUSED,
    "cancelled": Reason("client_disconnect", "DC"),
    "hedge_lost": Reason("hedge_lost", "-"),  # another attempt was quicker: no error, and no reason to retry
}
"""By `GatewayError.code`, and by what an attempt may end with beside those."""


def reason_of(code: str | None) -> Reason:
    """The reason behind `code`; `internal` for one that is not in the table, as every code should be."""
    return REASONS.get(code or "", OTHER)
