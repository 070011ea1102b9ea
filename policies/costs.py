"""What a request is expected to cost at a deployment, before anybody has answered it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from policies.api import ASSUMED_OUTPUT_TOKENS, C, Candidate, Feedback, RoutingRequest
from policies.memory import remember

NANO_PER_USD = 1_000_000_000
LEARNING_RATE = 0.02
"""Weight of the newest answer once fifty have been seen; before that, the plain mean."""
MIN_ANSWERS = 20
"""Answers before a mean is trusted."""
TELLING_RATIO = 1.5
"""A deployment's own mean counts only when it differs from the route's by more than this factor: output lengths scatter
as widely as their mean, and noise in two means must not outweigh a real difference in price."""


@dataclass(slots=True)
class _Mean:
    tokens: float = 0.0
    answers: int = 0

    def add(self, tokens: int) -> None:
        self.answers += 1
        self.tokens += (tokens - self.tokens) * max(1 / self.answers, LEARNING_RATE)


@dataclass(eq=False)
class OutputEstimate:
    """How long answers are, of the route and of each deployment: some models say the same in twice the words."""

    _route: _Mean = field(default_factory=_Mean, init=False)
    _own: dict[str, _Mean] = field(default_factory=dict, init=False)

    def learn(self, feedback: Feedback) -> None:
        """Count a complete answer; one without usage says nothing."""
        if not feedback.ok or feedback.output_tokens <= 0:
            return
        self._route.add(feedback.output_tokens)
        own = self._own.get(feedback.candidate)
        if own is None:
            own = remember(self._own, feedback.candidate, _Mean())
        own.add(feedback.output_tokens)

    def tokens(self, request: RoutingRequest, candidate_id: str) -> int:
        """Expected output tokens, never more than the request allows."""
        mean: float = ASSUMED_OUTPUT_TOKENS
        if self._route.answers >= MIN_ANSWERS:
            mean = self._route.tokens
            own = self._own.get(candidate_id)
            if own is not None and own.answers >= MIN_ANSWERS:
                ratio = own.tokens / mean
                if ratio > TELLING_RATIO or ratio * TELLING_RATIO < 1:
                    mean = own.tokens
        tokens = round(mean)
        return tokens if request.max_output_tokens is None else min(tokens, request.max_output_tokens)

    def cost_nano_usd(self, request: RoutingRequest, candidate: Candidate) -> float:
        """Expected cost of the whole request; infinite when the price is not known, which is not the same as free."""
        price = candidate.price
        if price is None:
            return inf
        return price.cost_nano_usd(request.prompt_tokens, self.tokens(request, candidate.id))

    def costs_nano_usd(self, request: RoutingRequest, candidates: Sequence[Candidate]) -> list[float]:
        """The same of each candidate, in their order."""
        prompt_tokens = request.prompt_tokens
        return [
            inf if (price := c.price) is None else price.cost_nano_usd(prompt_tokens, self.tokens(request, c.id))
            for c in candidates
        ]

    def affordable(self, request: RoutingRequest, candidates: Sequence[C], limit_nano_usd: float | None) -> list[C]:
        """Those expected to cost at most the limit; all of them without one, none that is unpriced with one."""
        if limit_nano_usd is None:
            return list(candidates)
        costs = self.costs_nano_usd(request, candidates)
        return [candidate for candidate, cost in zip(candidates, costs, strict=True) if cost <= limit_nano_usd]


def dollars(nano_usd: float) -> str:
    """For people: `$0.000120`; `an unknown price` when infinite."""
    return "an unknown price" if nano_usd == inf else f"${nano_usd / NANO_PER_USD:.6f}"
