"""OneInfer's error envelope, with statuses and codes as one table.

Source: OneInfer Inference API reference, "Error Status Codes": 400, 401, 403, 415, 422, 500. Its clients look for the
text in `error.error_description`, `error.message`, `api_details.api_message` and `detail`: it is in all four.
"""

from __future__ import annotations

from typing import Any

import orjson

from proxy import errors
from proxy.errors import GatewayError, UpstreamError

_TABLE: tuple[tuple[type[GatewayError], int, str], ...] = (
    (errors.InvalidJson, 400, "invalid_json"),
    (errors.WrongType, 422, "validation_error"),
    (errors.MissingField, 400, "missing_required_field"),
    (errors.UnknownProvider, 400, "unsupported_provider"),
    (errors.BadRequest, 400, "invalid_field_value"),
    (errors.ModelNotFound, 400, "unsupported_model"),
    (errors.UpstreamModelMissing, 400, "unsupported_model"),
    (errors.Unauthenticated, 401, "unauthorized"),
    (errors.ClientCredentialRejected, 401, "invalid_api_key"),
    (errors.InsufficientCredits, 403, "insufficient_credits"),
    (errors.UnsupportedMediaType, 415, "unsupported_media_type"),
    (errors.RateLimited, 429, "rate_limited"),
    (errors.PolicyRefused, 429, "rate_limited"),
    (errors.UpstreamRateLimited, 429, "rate_limited"),
    (errors.CapacityExceeded, 429, "rate_limited"),
    (errors.ClientQuotaExhausted, 429, "rate_limited"),
    (errors.UpstreamRejected, 400, "invalid_field_value"),
    (errors.UpstreamError, 500, "internal_error"),
    (errors.InternalError, 500, "internal_error"),
)
"""The first row that fits; an error without one keeps its own status and code."""


def render(error: GatewayError) -> tuple[int, bytes]:
    """Status and JSON body."""
    status, _ = _row(error)
    body = {
        "api_details": {"api_status": "error", "api_message": error.message},
        "data": {},
        "error": error_object(error),
        "detail": error.message,
    }
    return status, orjson.dumps(body)


def error_object(error: GatewayError) -> dict[str, Any]:
    """The value of `error`."""
    shown: dict[str, Any] = {
        "error_code": _row(error)[1],
        "message": error.message,
        "error_description": error.message,
    }
    if isinstance(error, UpstreamError) and error.upstream_status is not None:
        shown["upstream_status"] = error.upstream_status
    return shown


def _row(error: GatewayError) -> tuple[int, str]:
    for kind, status, code in _TABLE:
        if isinstance(error, kind):
            return status, code
    return error.status, error.code
