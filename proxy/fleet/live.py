"""What is known of a deployment just now: load, latency, errors, and whether it may be asked."""

from __future__ import annotations

from collections import deque
from math import inf
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakSet

from proxy.errors import Health
from proxy.fleet.breaker import Breaker, State
from proxy.fleet.decay import DecayedMean

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from proxy.config import HealthConfig

MAX_COOL_DOWN_S = 300.0
"""A longer `Retry-After` is not waited out: asking once in five minutes does no harm.

The ceiling Linkerd's load biaser sets to a `Retry-After`.
"""
TTFT_WINDOW = 128
"""Times to first token kept for their p95, the latest ones."""
MIN_TTFTS = 20
"""With fewer there is no p95: the slowest of twenty is the first sample beyond it."""
DOUBTED = -inf
"""For `Live.clear_until_s`: there may be trouble."""


class Credential:
    """A provider's key, shared by all its deployments: if it is refused, all of them stand aside."""

    __slots__ = ("_users", "refused_until_s")

    def __init__(self) -> None:
        self.refused_until_s = 0.0
        """Monotonic; in the past when all is well."""
        self._users: WeakSet[Live] = WeakSet()
        """Weak: the fleet may forget a deployment."""

    def serve(self, live: Live) -> None:
        """Tell this deployment too when the key is refused."""
        self._users.add(live)

    def refuse(self, until_s: float) -> None:
        """Set aside until then; never shortens."""
        self.refused_until_s = max(self.refused_until_s, until_s)
        for live in self._users:
            live.doubt()

    def lift(self) -> None:
        """Usable at once: for a reload that brought another key."""
        self.refused_until_s = 0.0


class Reading(NamedTuple):
    """One deployment as the gauges show it."""

    upstream: str
    inflight: int
    up: bool
    """Whether an attempt would be admitted now."""
    state: State
    ttft_s: float | None
    remaining: float | None
    """Share of the provider's rate limit, 0..1."""
    ejections: int
    """Times its breaker has opened."""


class Live:
    """The live half of a deployment. The public attributes are a policy's `Candidate` figures: read them, no more.

    One attempt: `era = begin(...)`, perhaps `answering(...)`, then one `end(...)` and one of `succeed(...)`,
    `fail(...)` and `abandon(...)`, in any order.

    Trouble is kept, not asked for: before `clear_until_s` nothing speaks against the deployment, and no question is
    needed. Whatever goes wrong takes the date back, and `unusable` gives a new one once all is well again.
    """

    __slots__ = (
        "__weakref__",
        "_breaker",
        "_credential",
        "_errors",
        "_health",
        "_remaining_until_s",
        "_tpot",
        "_ttft",
        "_ttfts",
        "clear_until_s",
        "error_rate",
        "id",
        "inflight_requests",
        "inflight_tokens",
        "rate_limit_remaining",
        "tpot_s",
        "ttft_s",
    )

    def __init__(self, deployment_id: str, credential: Credential, health: HealthConfig) -> None:
        self.id = deployment_id
        self.inflight_requests = 0
        self.inflight_tokens = 0
        self.ttft_s: float | None = None
        self.tpot_s: float | None = None
        self.error_rate = 0.0
        self.rate_limit_remaining: float | None = None
        self.clear_until_s = DOUBTED
        """Until then it may be asked, and no figure of it grows stale; after that only `unusable` knows."""
        self._remaining_until_s = 0.0
        self._ttft = DecayedMean()
        self._ttfts: deque[float] = deque(maxlen=TTFT_WINDOW)
        self._tpot = DecayedMean()
        self._errors = DecayedMean(prior_weight=1.0)
        self._breaker = Breaker()
        self._credential = credential
        self._health = health
        credential.serve(self)

    def unusable(self, now_s: float) -> str | None:
        """Why it may not be asked now, in words for an operator; `None` if it may.

        Also forgets a rate limit that has been renewed since, so that no policy sees a stale one.
        """
        if self.rate_limit_remaining is not None and now_s >= self._remaining_until_s:
            self.rate_limit_remaining = None
        refused_for_s = self._credential.refused_until_s - now_s
        if refused_for_s > 0:
            return f"credential set aside for {refused_for_s:.0f} s"
        reason = self._breaker.unusable(now_s)
        if reason is None and self._breaker.is_spotless:
            self.clear_until_s = inf if self.rate_limit_remaining is None else self._remaining_until_s
        return reason

    def doubt(self) -> None:
        """Something may speak against it: have `unusable` asked before it is used again."""
        self.clear_until_s = DOUBTED

    def begin(self, now_s: float, tokens: int) -> int:
        """Count an attempt of about `tokens` tokens in; claims the probe if one is due. Answers its era."""
        self.inflight_requests += 1
        self.inflight_tokens += tokens
        return self._breaker.era if now_s < self.clear_until_s else self._breaker.enter(now_s)

    def end(self, tokens: int) -> None:
        """Count it out, with what `begin` was given."""
        self.inflight_requests -= 1
        self.inflight_tokens -= tokens

    def answering(self, now_s: float, era: int, ttft_s: float) -> None:
        """The first content has come. Ends a probe: others need not wait for a long stream to finish."""
        self.ttft_s = self._ttft.add(now_s, ttft_s)
        self._ttfts.append(ttft_s)
        if now_s >= self.clear_until_s:  # else there is no probe to end
            self._breaker.answering(era)

    def overtaken(self, now_s: float, waited_s: float) -> None:
        """Another attempt has answered first; this one would have taken longer than the `waited_s` it had.

        Taken for its time to first token if it is beyond the usual one, else for nothing. Without it a window of
        those that came in time would forget the slow ones, and each hedge would bring the next one forward.
        """
        if self.ttft_s is None or waited_s > self.ttft_s:
            self.ttft_s = self._ttft.add(now_s, waited_s)
            self._ttfts.append(waited_s)

    @property
    def ttft_p95_s(self) -> float | None:
        """95 % of the latest first tokens came within it (nearest rank); `None` before there are enough of them.

        Sorts the window: for who waits on a first token, not for every choice.
        """
        count = len(self._ttfts)
        return sorted(self._ttfts)[-(-95 * count // 100) - 1] if count >= MIN_TTFTS else None

    def succeed(self, now_s: float, era: int, ttft_s: float | None = None, tpot_s: float | None = None) -> None:
        """The attempt ended well. `None`: not measured (`ttft_s` also if `answering` had it)."""
        if ttft_s is not None:
            self.ttft_s = self._ttft.add(now_s, ttft_s)
            self._ttfts.append(ttft_s)
        if tpot_s is not None:
            self.tpot_s = self._tpot.add(now_s, tpot_s)
        self.error_rate = self._errors.add(now_s, 0.0)
        if now_s >= self.clear_until_s:  # else there is nothing to forgive
            self._breaker.succeed(era)

    def fail(self, now_s: float, era: int, health: Health, retry_after_s: float | None = None) -> None:
        """The attempt failed. Only `SICK` is a verdict of the breaker; `FINE` says nothing at all."""
        self.clear_until_s = DOUBTED
        if health is Health.SICK:
            self._breaker.fail(now_s, era, self._health)
        else:
            self._breaker.leave(era)
        if health is Health.FINE:
            return
        self.error_rate = self._errors.add(now_s, 1.0)
        if health is Health.BUSY:
            pause_s = self._health.rate_limited_s if retry_after_s is None else retry_after_s
            self._breaker.set_aside(now_s + min(pause_s, MAX_COOL_DOWN_S), "rate limited")
        elif health is Health.LOCKED_OUT:
            self._credential.refuse(now_s + self._health.lockout_s)

    def abandon(self, era: int) -> None:
        """The attempt was never sent, or the client left: no verdict. If it was the probe, the next one may go."""
        self._breaker.leave(era)

    def told_rate_limit(self, remaining: float, until_s: float) -> None:
        """What the provider's headers say: the share left (clamped to 0..1), and when it is whole again."""
        self.rate_limit_remaining = min(1.0, max(0.0, remaining))
        self._remaining_until_s = until_s
        self.clear_until_s = min(self.clear_until_s, until_s)

    def adopt(self, credential: Credential, health: HealthConfig) -> None:
        """Take over what a reload changed."""
        self._credential = credential
        self._health = health
        credential.serve(self)
        self.doubt()

    def reading(self, now_s: float) -> Reading:
        """For the gauges."""
        up = self.unusable(now_s) is None
        state = self._breaker.state(now_s)
        return Reading(
            self.id, self.inflight_requests, up, state, self.ttft_s, self.rate_limit_remaining, self._breaker.ejections
        )


class Fleet:
    """Every deployment's live state, by deployment id. Bounded by the configuration: `keep` forgets the rest."""

    __slots__ = ("_credentials", "_health", "_lives")

    def __init__(self, health: HealthConfig) -> None:
        self._health = health
        self._lives: dict[str, Live] = {}
        self._credentials: dict[str, Credential] = {}

    def live(self, deployment_id: str, provider_name: str) -> Live:
        """The state of this deployment: the same object as long as the configuration names it."""
        credential = self.credential(provider_name)
        found = self._lives.get(deployment_id)
        if found is None:
            found = self._lives[deployment_id] = Live(deployment_id, credential, self._health)
        else:
            found.adopt(credential, self._health)
        return found

    def credential(self, provider_name: str) -> Credential:
        """The state of this provider's key."""
        found = self._credentials.get(provider_name)
        if found is None:
            found = self._credentials[provider_name] = Credential()
        return found

    def adopt(self, health: HealthConfig) -> None:
        """Limits of a new configuration, for every deployment asked for from now on by `live`."""
        self._health = health

    def keep(self, deployment_ids: Collection[str], provider_names: Collection[str]) -> None:
        """Forget what the configuration no longer names, except what still has requests in flight."""
        self._lives = {
            name: live for name, live in self._lives.items() if name in deployment_ids or live.inflight_requests > 0
        }
        self._credentials = {name: key for name, key in self._credentials.items() if name in provider_names}

    def readings(self, now_s: float) -> Iterator[Reading]:
        """For the gauges."""
        return (live.reading(now_s) for live in self._lives.values())

    def __len__(self) -> int:
        return len(self._lives)
