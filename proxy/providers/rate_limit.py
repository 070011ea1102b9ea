"""What a provider's headers say of its rate limit: the share that is left, and when it is whole again. Pure.

Sources: OpenAI, "Rate limits" (durations as Go writes them: `1s`, `6m0s`, `20ms`); Cerebras, "Rate limits" (seconds);
Anthropic, "Rate limits" (RFC 3339); OpenRouter, "Limits" (Unix time in milliseconds).
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.providers.profile import RateLimitHeaders

DEFAULT_RESET_S = 60.0
"""When a header says nothing of it: most limits are by the minute."""
MAX_RESET_S = 300.0
"""A share is not believed for longer: whoever avoids a deployment for it would never hear of a new one."""
MAX_CHARS = 64
"""Of a header value that is read at all."""

_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ms|us|\u00b5s|ns|h|m|s|d)", re.ASCII)
_SECONDS = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "ns": 1e-9}
_UNITS = ("s", "m", "h", "d")
_UNIX_S = 1e9
"""A number above this is a date, not a wait."""
_UNIX_MS = 1e12


class RateLimit(NamedTuple):
    """The scarcest of a provider's limits."""

    remaining: float
    """Share left, 0..1."""
    resets_in_s: float


def read_rate_limit(
    names: RateLimitHeaders, headers: Mapping[str, str], wall_clock: Callable[[], float]
) -> RateLimit | None:
    """The scarcer of requests and tokens; `None` when the headers (lower-case names) say nothing that can be read.

    `wall_clock` (Unix time) is only asked when a header gives a date.
    """
    requests = _share(names.remaining_requests, names.limit_requests, headers)
    tokens = _share(names.remaining_tokens, names.limit_tokens, headers)
    if requests is not None and (tokens is None or requests <= tokens):
        return RateLimit(requests, _reset(names.reset_requests, headers, wall_clock))
    if tokens is not None:
        return RateLimit(tokens, _reset(names.reset_tokens, headers, wall_clock))
    return None


def _share(remaining: tuple[str, ...], limit: tuple[str, ...], headers: Mapping[str, str]) -> float | None:
    left = _number(_first(remaining, headers))
    if left is None:
        return None
    if left <= 0:
        return 0.0
    whole = _number(_first(limit, headers))
    return None if whole is None or whole <= 0 else min(1.0, left / whole)


def _reset(names: tuple[str, ...], headers: Mapping[str, str], wall_clock: Callable[[], float]) -> float:
    text = _first(names, headers)
    seconds = None if text is None else reset_s(text, wall_clock)
    return DEFAULT_RESET_S if seconds is None else min(MAX_RESET_S, max(0.0, seconds))


def reset_s(text: str, wall_clock: Callable[[], float]) -> float | None:
    """Seconds until `text`: a Go duration, seconds, Unix time or RFC 3339; `None` if it is none of them."""
    if len(text) > MAX_CHARS:
        return None
    if text.endswith(_UNITS):
        parts = _PART.findall(text)
        whole = sum(len(amount) + len(unit) for amount, unit in parts) == len(text)
        return sum(float(amount) * _SECONDS[unit] for amount, unit in parts) if whole else None
    number = _number(text)
    if number is not None:
        if number < _UNIX_S:
            return number
        return number / (1000.0 if number >= _UNIX_MS else 1.0) - wall_clock()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - wall_clock()


def _first(names: tuple[str, ...], headers: Mapping[str, str]) -> str | None:
    for name in names:
        if (value := headers.get(name)) is not None:
            return value
    return None


def _number(text: str | None) -> float | None:
    if text is None or len(text) > MAX_CHARS:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
