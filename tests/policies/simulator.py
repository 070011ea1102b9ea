"""A discrete-event simulation of a route: deployments that change over time, each with a breaker, and retries.

Virtual time only. It bills by the price of the deployment that answered, and nothing for an attempt that failed.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from policies.api import Feedback, Policy, Price, Refused, RoutingRequest

FAILURE_S = 0.05
"""How long a failing deployment takes to say so."""
LOAD_CODES = ("upstream_capacity_exceeded", "upstream_rate_limited")
"""Say that it is busy, not that it is sick."""


def price(input_usd: float, output_usd: float, **more: object) -> Price:
    """USD per million tokens."""
    return Price(round(input_usd * 1e9), round(output_usd * 1e9), **more)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Behaviour:
    """How a deployment acts from some moment on. `spread` is relative: 0.2 means plus or minus 20 %."""

    ttft_s: float = 0.5
    tpot_s: float = 0.01
    spread: float = 0.2
    capacity: int | None = None
    fails_with: str | None = None
    retry_after_s: float | None = None


@dataclass
class Breaker:
    """Opens after `failures` in a row; after `open_s`, doubling, admits exactly one probe."""

    failures: int = 5
    open_s: float = 10.0
    row: int = 0
    times_opened: int = 0
    opened_until_s: float | None = None
    probing: bool = False

    def is_usable(self, now_s: float) -> bool:
        if self.opened_until_s is None:
            return True
        return now_s >= self.opened_until_s and not self.probing

    def begin(self) -> None:
        self.probing = self.opened_until_s is not None

    def end(self, now_s: float, *, ok: bool, busy: bool) -> None:
        self.probing = False
        if ok:
            self.row, self.times_opened, self.opened_until_s = 0, 0, None
        elif not busy:
            self.row += 1
            if self.row >= self.failures or self.opened_until_s is not None:
                self.opened_until_s = now_s + min(300.0, self.open_s * 2**self.times_opened)
                self.times_opened += 1


@dataclass
class Deployment:
    """A candidate, and what stands behind it."""

    id: str
    provider: str = "engine"
    weight: float = 1.0
    priority: int = 0
    tier: str = "default"
    price: Price | None = None
    inflight_requests: int = 0
    inflight_tokens: int = 0
    ttft_s: float | None = None
    tpot_s: float | None = None
    error_rate: float = 0.0
    rate_limit_remaining: float | None = None
    timeline: Sequence[tuple[float, Behaviour]] = ((0.0, Behaviour()),)
    breaker: Breaker = field(default_factory=Breaker)

    def behaviour(self, now_s: float) -> Behaviour:
        return [behaviour for since_s, behaviour in self.timeline if since_s <= now_s][-1]


@dataclass(frozen=True)
class Ask:
    """One request. `output_tokens` is what the model will say, which no policy can know."""

    at_s: float
    prompt_tokens: int = 1000
    output_tokens: int = 100
    max_output_tokens: int | None = None
    service_tier: str = "default"
    session: str | None = None
    max_price_nano_usd: int | None = None


@dataclass
class Served:
    """How a request ended. `by` is `None` when nobody answered; `refusal` says why if the policy did."""

    ask: Ask
    by: Deployment | None = None
    cost_nano_usd: int = 0
    refusal: str | None = None
    paused_s: float = 0.0
    """Spent in waits the policy asked for."""
    asked: list[tuple[float, str]] = field(default_factory=list)
    """When each attempt began, and at whom."""
    offered: list[Deployment] = field(default_factory=list)
    """Whom the policy could choose among, the last time it was asked."""

    @property
    def chosen(self) -> str:
        """Whom the policy sent it to first."""
        return self.asked[0][1]


class Simulation:
    """One route under one policy."""

    def __init__(self, policy: Policy, deployments: Sequence[Deployment], seed: int = 0) -> None:
        self.policy = policy
        self.deployments = deployments
        self._rng = random.Random(seed)
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._now_s = 0.0

    def run(self, asks: Iterable[Ask]) -> list[Served]:
        """Serve all, in order of arrival."""
        served = [Served(ask) for ask in asks]
        for one in served:
            self._at(one.ask.at_s, lambda one=one: self._offer(one, set()))
        while self._events:
            self._now_s, _, act = heapq.heappop(self._events)
            act()
        assert all(d.inflight_requests == 0 and d.inflight_tokens == 0 for d in self.deployments)
        return served

    def _at(self, when_s: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (when_s, self._count, act))

    def _usable(self, tried: set[str]) -> list[Deployment]:
        return [d for d in self.deployments if d.id not in tried and d.breaker.is_usable(self._now_s)]

    def _offer(self, one: Served, tried: set[str]) -> None:
        usable = self._usable(tried)
        if not usable:
            return
        one.offered = usable
        request = self._request(one)
        try:
            chosen = self.policy.choose(request, usable)
        except Refused as refusal:
            one.refusal = str(refusal)
            return
        assert any(chosen is candidate for candidate in usable)
        why = self.policy.why(request, usable, chosen)
        assert why.isascii()
        assert not {";", '"', "\n"} & set(why)
        self._begin(one, chosen, tried)

    def _begin(self, one: Served, chosen: Deployment, tried: set[str]) -> None:
        act = chosen.behaviour(self._now_s)
        full = act.capacity is not None and chosen.inflight_requests >= act.capacity
        code = act.fails_with or ("upstream_capacity_exceeded" if full else "ok")
        scale = 1 + act.spread * (2 * self._rng.random() - 1)
        ttft_s = act.ttft_s * scale
        duration_s = FAILURE_S if code != "ok" else ttft_s + one.ask.output_tokens * act.tpot_s * scale
        tokens = one.ask.prompt_tokens + one.ask.output_tokens
        chosen.inflight_requests += 1
        chosen.inflight_tokens += tokens
        chosen.breaker.begin()
        one.asked.append((self._now_s, chosen.id))
        self._at(self._now_s + duration_s, lambda: self._end(one, chosen, tried, code, (ttft_s, duration_s, tokens)))

    def _end(self, one: Served, chosen: Deployment, tried: set[str], code: str, cost: tuple[float, float, int]) -> None:
        ttft_s, duration_s, tokens = cost
        ok = code == "ok"
        chosen.inflight_requests -= 1
        chosen.inflight_tokens -= tokens
        chosen.breaker.end(self._now_s, ok=ok, busy=code in LOAD_CODES)
        feedback = Feedback(
            candidate=chosen.id,
            now_s=self._now_s,
            ok=ok,
            prompt_tokens=one.ask.prompt_tokens if ok else 0,
            output_tokens=one.ask.output_tokens if ok else 0,
            ttft_s=ttft_s if ok else None,
            duration_s=duration_s,
            code=code,
            retry_after_s=None if ok else chosen.behaviour(self._now_s).retry_after_s,
        )
        self.policy.observe(feedback)
        if ok:
            one.by = chosen
            if chosen.price is not None:
                one.cost_nano_usd = chosen.price.cost_nano_usd(one.ask.prompt_tokens, one.ask.output_tokens)
            return
        untried = tuple(self._usable(tried | {chosen.id}))
        pause_s = self.policy.wait_s(replace(self._request(one), untried=untried), chosen, feedback)
        if pause_s is None:
            self._offer(one, tried | {chosen.id})
            return
        one.paused_s += pause_s
        self._at(self._now_s + pause_s, lambda: self._begin(one, chosen, tried))

    def _request(self, one: Served) -> RoutingRequest:
        return RoutingRequest(
            model="m",
            now_s=self._now_s,
            prompt_tokens=one.ask.prompt_tokens,
            max_output_tokens=one.ask.max_output_tokens,
            service_tier=one.ask.service_tier,
            session=one.ask.session,
            attempt=len(one.asked) + 1,
            waited_s=self._now_s - one.ask.at_s,
            max_price_nano_usd=one.ask.max_price_nano_usd,
        )


def poisson(count: int, rate_per_s: float, rng: random.Random, ask: Ask = Ask(0.0)) -> list[Ask]:
    """`count` copies of `ask` at random moments."""
    at_s = 0.0
    asks = []
    for _ in range(count):
        at_s += rng.expovariate(rate_per_s)
        asks.append(replace(ask, at_s=at_s))
    return asks


def share(served: Sequence[Served], deployment: str) -> float:
    """Of the first choices, how many went to `deployment`."""
    return sum(one.chosen == deployment for one in served) / len(served)
