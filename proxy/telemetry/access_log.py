"""One JSON line a request: ids, figures and reasons. Never a prompt, an answer or a key."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from proxy.facts import Outcome
from proxy.telemetry.attempts import RESCUES, others, recovered
from proxy.telemetry.reasons import reason_of
from proxy.telemetry.redact import MAX_CHARS, redact

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.facts import AttemptFact, Finished
    from proxy.usage import Usage

OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z
NANO = 1e9
MAX_ATTEMPTS = 32
"""Shown of one request; the count is always whole."""
MAX_DETAIL_CHARS = 300
"""Of one attempt's detail."""
SHORTER = ((8, 100), (2, 100), (0, 50))
"""Attempts shown and characters of each text, one after the other until a line is short enough."""
SPLICED = "SP"
"""The flag of a complete answer of which another deployment wrote the end."""


class AccessLog:
    """A sink for facts that hands one line each to `write`, which must not block (`LineWriter.write`)."""

    name = "access_log"

    def __init__(self, write: Callable[[bytes], None], max_bytes: int | None = None) -> None:
        """`max_bytes` of a line: in a longer one less is shown. `None`: as long as it is."""
        self._write = write
        self._max_bytes = max_bytes

    def finished(self, fact: Finished) -> None:
        """Write one line."""
        data = line(fact)
        if self._max_bytes is not None and len(data) > self._max_bytes:
            data = _within(self._max_bytes, fact)
        self._write(data)


def _within(max_bytes: int, fact: Finished) -> bytes:
    data = b""
    for attempts, chars in SHORTER:
        data = line(fact, attempts, chars)
        if len(data) <= max_bytes:
            break
    return data


def line(fact: Finished, shown: int = MAX_ATTEMPTS, max_chars: int = MAX_CHARS) -> bytes:
    """The JSON line of one exchange. Times in milliseconds, money in USD, `null` where nothing is known.

    At most `shown` of its attempts, the last ones, and `max_chars` of each text.
    """
    usage, attempts = fact.usage, fact.attempts
    saved_by = recovered(fact) if len(attempts) > 1 else None
    return orjson.dumps(
        {
            "time": datetime.fromtimestamp(fact.started_at_s, UTC),
            "request_id": fact.exchange_id,
            "client_request_id": redact(fact.client_request_id, max_chars) if fact.client_request_id else None,
            "surface": fact.surface,
            "operation": fact.operation,
            "model": fact.route,
            "provider": fact.provider or None,
            "deployment": fact.deployment or None,
            "upstream_model": fact.upstream_model or None,
            "key": fact.key or None,
            "status": fact.status,
            "outcome": fact.outcome,
            "flags": flags(fact, saved_by),
            "stream": fact.stream,
            "tier": fact.tier or None,
            "lane": fact.lane,
            "tokens": None if usage is None else _tokens(usage),
            "cost_usd": None if fact.cost_nano_usd is None else fact.cost_nano_usd / NANO,
            "cost_other_usd": _cost_of_others(fact) if len(attempts) > 1 else None,
            "ttft_ms": None if fact.ttft_s is None else _ms(fact.ttft_s),
            "tpot_ms": None if fact.tpot_s is None else _ms(fact.tpot_s),
            "duration_ms": _ms(fact.duration_s),
            "overhead_ms": _ms(fact.overhead_s),
            "queue_ms": _ms(fact.queue_s),
            "bytes_in": fact.bytes_in,
            "bytes_out": fact.bytes_out,
            "finish_reason": fact.finish_reason,
            "error_code": fact.error_code,
            "error_detail": redact(fact.error_detail, max_chars) if fact.error_detail else None,
            "recovered": saved_by,
            "attempt_count": len(attempts),
            "attempts": [_attempt(attempt, min(max_chars, MAX_DETAIL_CHARS)) for attempt in attempts[-shown:]]
            if shown
            else [],
        },
        option=OPTIONS,
    )


def flags(fact: Finished, saved_by: str | None) -> str:
    """Two letters to grep for: why it did not end well, `-` when it did, `SP` when its end was spliced on."""
    if fact.outcome is Outcome.COMPLETED:
        return SPLICED if saved_by in RESCUES else "-"
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


def _cost_of_others(fact: Finished) -> float | None:
    known = [attempt.cost_nano_usd for attempt in others(fact) if attempt.cost_nano_usd is not None]
    return sum(known) / NANO if known else None


def _attempt(attempt: AttemptFact, max_chars: int) -> dict[str, Any]:
    usage = attempt.usage
    return {
        "deployment": attempt.deployment,
        "provider": attempt.provider,
        "part": attempt.part,
        "code": attempt.code,
        "detail": redact(attempt.detail, max_chars) if attempt.detail else None,
        "status": attempt.status,
        "duration_ms": _ms(attempt.duration_s),
        "ttft_ms": None if attempt.ttft_s is None else _ms(attempt.ttft_s),
        "tokens": None
        if usage is None
        else {"input": usage.prompt_tokens, "output": usage.output_tokens, "estimated": usage.estimated},
        "cost_usd": None if attempt.cost_nano_usd is None else attempt.cost_nano_usd / NANO,
        "upstream_request_id": attempt.upstream_request_id,
    }


def _ms(seconds: float) -> float:
    # whole microseconds: a third of the time `round(ms, 3)` takes, which goes by way of decimal text
    return round(seconds * 1e6) / 1e3
