"""Oxen's two error formats. The short one is for "which model, what messages"; the long one for everything else.

Source: Oxen Inference API, "Error Format".
"""

from __future__ import annotations

from typing import Any

import orjson

from proxy import errors
from proxy.errors import GatewayError, MissingField, ModelNotFound

_INVALID = "Invalid parameters supplied, please check your request and try again."
_SLOW_DOWN = "Too many requests, please slow down and try again."
_UNKNOWN = "An unknown error occurred, please try again later."
_UPSTREAM = "The model provider returned an error."

_TABLE: tuple[tuple[type[GatewayError], int, str, str], ...] = (
    (errors.Unauthenticated, 401, "unauthenticated", "You must be authenticated to perform this action."),
    (errors.ClientCredentialRejected, 401, "unauthenticated", "You must be authenticated to perform this action."),
    (errors.Forbidden, 403, "unauthorized", "You are not allowed to perform this action."),
    (errors.InsufficientCredits, 402, "insufficient_credits", "Insufficient credits"),
    (errors.NotFound, 404, "resource_not_found", "The requested resource could not be found"),
    (errors.RateLimited, 429, "rate_limited", _SLOW_DOWN),
    (errors.PolicyRefused, 429, "rate_limited", _SLOW_DOWN),
    (errors.UpstreamRateLimited, 429, "rate_limited", _SLOW_DOWN),
    (errors.CapacityExceeded, 429, "rate_limited", _SLOW_DOWN),
    (errors.ClientQuotaExhausted, 429, "rate_limited", _SLOW_DOWN),
    (errors.BadRequest, 400, "invalid_params", _INVALID),
    (errors.UpstreamRejected, 400, "invalid_params", _INVALID),
    (errors.UpstreamError, 502, "upstream", _UPSTREAM),
    (errors.BodyTooLarge, 413, "invalid_params", _INVALID),
    (errors.UnsupportedMediaType, 415, "invalid_params", _INVALID),
    (errors.MethodNotAllowed, 405, "invalid_params", _INVALID),
    (errors.SlowBody, 408, "invalid_params", _INVALID),
)
"""The first row that fits; an error without one is an `unknown_error` with its own status."""

_SHORT_FIELDS = frozenset({"model", "messages"})


def render(error: GatewayError) -> tuple[int, bytes]:
    """Status and JSON body."""
    short = _short(error)
    if short is not None:
        return error.status, orjson.dumps({"error": {"message": short}})
    status, kind, title = _row(error)
    inner = _long(error, kind, title)
    return status, orjson.dumps({"error": inner, "status": "error", "status_message": kind})


def stream_object(error: GatewayError) -> dict[str, Any]:
    """The value of `error` in a stream; with `message`, which OpenAI's clients show."""
    _, kind, title = _row(error)
    return {"message": _short(error) or error.message, **_long(error, kind, title)}


def _short(error: GatewayError) -> str | None:
    """The message of the short format; `None` when the long one is due."""
    if isinstance(error, ModelNotFound):
        return f"Model not found: {error.model}" if error.model is not None else error.message
    if isinstance(error, errors.UpstreamModelMissing):
        return error.message
    if isinstance(error, MissingField) and error.param in _SHORT_FIELDS:
        return error.message
    return None


def _long(error: GatewayError, kind: str, title: str) -> dict[str, Any]:
    inner = {"type": kind, "title": title}
    if kind != "resource_not_found":
        inner["detail"] = error.message
    return inner


def _row(error: GatewayError) -> tuple[int, str, str]:
    for kind, status, name, title in _TABLE:
        if isinstance(error, kind):
            return status, name, title
    return error.status, "unknown_error", _UNKNOWN
