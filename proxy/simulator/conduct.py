"""How a provider behaves beside what it says: limits, faults, delays and counters. No sockets; time is passed in."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from proxy.simulator.ask import Refusal
from proxy.simulator.text import source

if TYPE_CHECKING:
    from proxy.simulator.ask import Ask
    from proxy.simulator.spec import SimulatedProvider

FLEX = "flex"


@dataclass(slots=True)
class Stats:
    """Counted since the start, except `in_flight`."""

    requests: int = 0
    in_flight: int = 0
    answered: int = 0
    """In full, streams included."""
    streams: int = 0
    """Begun."""
    refused: int = 0
    """With a status of 400 or above."""
    broken: int = 0
    """Streams we cut off, as `break_rate` says."""
    cancelled: int = 0
    """Given up by the client before the end."""

    def as_dict(self) -> dict[str, int]:
        """For JSON."""
        return asdict(self)


class Budget:
    """Requests a minute as a token bucket that starts full."""

    def __init__(self, rpm: int, now_s: float) -> None:
        self._rpm = rpm
        self._left = float(rpm)
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Use one request up: 0, or the seconds until there is one."""
        self._left = min(float(self._rpm), self._left + (now_s - self._at_s) * self._rpm / 60)
        self._at_s = now_s
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) * 60 / self._rpm

    def headers(self) -> dict[str, str]:
        """As OpenAI sends them; the reset is a duration such as `1.5s`."""
        return {
            "x-ratelimit-limit-requests": str(self._rpm),
            "x-ratelimit-remaining-requests": str(int(self._left)),
            "x-ratelimit-reset-requests": f"{(self._rpm - self._left) * 60 / self._rpm:.3g}s",
        }


class Conduct:
    """Decides the fate of each request, in the order of their arrival."""

    def __init__(self, spec: SimulatedProvider, now_s: float) -> None:
        self.stats = Stats()
        self._spec = spec
        self._rng = source(spec.seed, "conduct")
        self._budget = Budget(spec.rpm, now_s) if spec.rpm else None
        self._failures_left = spec.fail_first

    def new_id(self) -> str:
        """24 hexadecimal digits."""
        return f"{self._rng.getrandbits(96):024x}"

    def headers(self) -> dict[str, str]:
        """What every answer tells of the limits."""
        return self._budget.headers() if self._budget else {}

    def admit(self, now_s: float) -> None:
        """Raise `Refusal` if this request is over the limit or due to fail."""
        if self._budget and (wait_s := self._budget.take(now_s)):
            retry = {"retry-after": str(math.ceil(wait_s)), "retry-after-ms": str(math.ceil(wait_s * 1000))}
            message = f"Rate limit reached on requests per min (RPM): Limit {self._spec.rpm}."
            raise Refusal(429, message, code="rate_limit_exceeded", kind="requests", headers=retry)
        if self._failures_left:
            self._failures_left -= 1
            raise Refusal(503, "The engine is currently overloaded, please try again later.", kind="server_error")
        if self._rng.random() < self._spec.error_rate:
            message = "The server had an error while processing your request. Sorry about that!"
            raise Refusal(500, message, kind="server_error")

    def tier(self, ask: Ask) -> str:
        """The tier that serves `ask`. Raises `Refusal` when flex has no room."""
        if ask.tier != FLEX or not self._spec.flex:
            return "default"
        if self._rng.random() < self._spec.flex_unavailable:
            raise Refusal(429, "Resource Unavailable", code="resource_unavailable", kind="resource_unavailable")
        return FLEX

    def first_delay_s(self) -> float:
        """Until the first token."""
        return self._spec.ttft_s * self._spread()

    def token_delay_s(self) -> float:
        """From one token to the next; 0 when unpaced."""
        return self._spread() / self._spec.tokens_per_second if self._spec.tokens_per_second else 0.0

    def break_after(self, tokens: int) -> int | None:
        """After how many of `tokens` the stream is cut, `None` for not at all."""
        if tokens and self._rng.random() < self._spec.break_rate:
            return self._rng.randint(1, tokens)
        return None

    def _spread(self) -> float:
        return 1 + self._spec.jitter * self._rng.uniform(-1, 1)
