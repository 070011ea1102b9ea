"""Requests a minute for each key, by the generic cell rate algorithm (GCRA).

One number a key: the theoretical arrival time (TAT), when its allowance would be whole again. No windows, hence no
double allowance where two windows meet. Source: ATM Forum, Traffic Management Specification 4.0 (af-tm-0056.000),
4.4.2, in its virtual scheduling form; ITU-T I.371, annex A.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

MINUTE_NS = 60_000_000_000
S_TO_NS = 1_000_000_000
MAX_KEYS = 100_000
"""Keys remembered; beyond it the one not seen for longest is forgotten, which gives it a whole allowance."""


class Decision(NamedTuple):
    """Whether a request may pass, and what the client is told of its limit."""

    allowed: bool
    limit: int
    """Requests a minute."""
    remaining: int
    """Requests that may follow at once."""
    reset_s: float
    """Until the allowance is whole again."""
    retry_after_s: float
    """Until one more would pass; 0 when this one does."""


class RequestLimits:
    """The limits of all keys.

    A key may use a whole minute's allowance at once, then earns it back evenly: in any span of `t` seconds at most
    `rpm * (1 + t / 60)` requests pass. Whole nanoseconds, so that nothing drifts.
    """

    __slots__ = ("_max_keys", "_tats_ns")

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._tats_ns: OrderedDict[str, int] = OrderedDict()

    def take(self, key: str, rpm: int, now_s: float) -> Decision:
        """Take one request of `rpm` a minute from `key`. A refused one takes nothing."""
        tat_ns, decision = decide(self._tats_ns.get(key, 0), rpm, int(now_s * S_TO_NS))
        self._remember(key, tat_ns)
        return decision

    def __len__(self) -> int:
        return len(self._tats_ns)

    def _remember(self, key: str, tat_ns: int) -> None:
        self._tats_ns[key] = tat_ns
        self._tats_ns.move_to_end(key)
        if len(self._tats_ns) > self._max_keys:
            self._tats_ns.popitem(last=False)


def decide(tat_ns: int, rpm: int, now_ns: int) -> tuple[int, Decision]:
    """One request of `rpm` a minute, of a key whose arrival time is `tat_ns`: the time from now on, and the verdict."""
    interval_ns = max(1, MINUTE_NS // rpm)
    whole_ns = interval_ns * rpm
    # A key whose rpm was lowered by a reload owes no more than one whole new allowance.
    tat_ns = min(max(now_ns, tat_ns), now_ns + whole_ns)
    early_ns = tat_ns + interval_ns - whole_ns - now_ns
    if early_ns > 0:
        return tat_ns, Decision(False, rpm, 0, (tat_ns - now_ns) / S_TO_NS, early_ns / S_TO_NS)
    tat_ns += interval_ns
    used_ns = tat_ns - now_ns
    return tat_ns, Decision(True, rpm, (whole_ns - used_ns) // interval_ns, used_ns / S_TO_NS, 0.0)


def limit_headers(decision: Decision) -> dict[str, str]:
    """The headers OpenAI's clients read. Source: OpenAI, "Rate limits", headers."""
    return {
        "x-ratelimit-limit-requests": str(decision.limit),
        "x-ratelimit-remaining-requests": str(decision.remaining),
        "x-ratelimit-reset-requests": go_duration(decision.reset_s),
    }


def go_duration(seconds: float) -> str:
    """As Go prints a `time.Duration`: `0s`, `20ms`, `1.5s`, `6m0s`, `1h0m2s`; whole milliseconds, rounded up.

    Source: Go, package time, `Duration.String`.
    """
    millis = max(0, -int(-seconds * 1000 // 1))
    if 0 < millis < 1000:  # noqa: PLR2004 - a second
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    whole, fraction = divmod(rest, 1000)
    tail = f"{whole}.{fraction:03d}".rstrip("0").rstrip(".") if fraction else str(whole)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{tail}s"
    return f"{minutes}m{tail}s" if minutes else f"{tail}s"
