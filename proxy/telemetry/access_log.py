"""One JSON line a request: ids, figures and reasons. Never a prompt, an answer or a key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from proxy.facts import Outcome
from proxy.telemetry.reasons import reason_of
from proxy.telemetry.redact import redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.facts import AttemptFact, Finished
    from proxy.usage import Usage

OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
MAX_ATTEMPTS = 32
"""Shown of one request; the count is always whole."""


class AccessLog:
    """A sink for facts that hands one line each to `write`, which must not block (`LineWriter.write`)."""

    name = "access_log"

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def finished(self, fact: Finished) -> None:
        """Write one line."""
        self._write(line(fact))


def line(fact: Finished) -> bytes:
    """The JSON line of one exchange. Times in milliseconds, money in USD, `null` where nothing is known."""
    usage = fact.usage
    return orjson.dumps(
        {
            "time": datetime.fromtimestamp(fact.started_at_s, UTC),
            "request_id": fact.exchange_id,
            "client_request_id": redact(fact.client_request_id) if fact.client_request_id else None,
            "surface": fact.surface,
            "operation": fact.operation,
            "model": fact.route,
            "provider": fact.provider or None,
            "deployment": fact.deployment or None,
            "upstream_model": fact.upstream_model or None,
            "key": fact.key or None,
            "status": fact.status,
            "outcome": fact.outcome,
            "flags": flags(fact),
            "stream": fact.stream,
            "tier": fact.tier or None,
            "lane": fact.lane,
            "tokens": None if usage is None else _tokens(usage),
            "cost_usd": None if fact.cost_nano_usd is None else fact.cost_nano_usd / 1e9,
            "ttft_ms": _ms(fact.ttft_s),
            "tpot_ms": _ms(fact.tpot_s),
            "duration_ms": _ms(fact.duration_s),
            "overhead_ms": _ms(fact.overhead_s),
            "queue_ms": _ms(fact.queue_s),
            "bytes_in": fact.bytes_in,
            "bytes_out": fact.bytes_out,
            "finish_reason": fact.finish_reason,
            "error_code": fact.error_code,
            "error_detail": redact(fact.error_detail) if fact.error_detail else None,
            "attempt_count": len(fact.attempts),
            "attempts": [_attempt(attempt) for attempt in fact.attempts[-MAX_ATTEMPTS:]],
        },
        option=OPTIONS,
    )


def flags(fact: Finished) -> str:
    """Two letters to grep for: why it did not end well, `-` when it did."""
    if fact.outcome is Outcome.COMPLETED:
        return "-"
    return reason_of("client_disconnect" if fact.outcome is Outcome.ABANDONED else fact.error_code).flag


def _tokens(usage: Usage) -> dict[str, Any]:
    return {
        "input": usage.prompt_tokens,
        "input_cached": usage.cache_read_tokens,
        "input_cache_write": usage.cache_write_tokens,
        "output": usage.output_tokens,
        "output_reasoning": usage.reasoning_tokens,
        "estimated": usage.estimated,
    }


def _attempt(attempt: AttemptFact) -> dict[str, Any]:
    return {
        "deployment": attempt.deployment,
        "provider": attempt.provider,
        "code": attempt.code,
        "status": attempt.status,
        "duration_ms": _ms(attempt.duration_s),
        "ttft_ms": _ms(attempt.ttft_s),
        "upstream_request_id": attempt.upstream_request_id,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
