"""How hard to think, in the words of each model on Bedrock.

Source: Amazon Bedrock user guide, "Extended thinking", "Adaptive thinking"; Amazon Bedrock Runtime API reference,
`OutputConfig`; Amazon Nova user guide, "Extended thinking".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.dialects.bedrock.traits import Thinking
from proxy.dialects.hub import effort_of
from proxy.dialects.reading import as_dict
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from proxy.dialects.bedrock.traits import Traits
    from proxy.dialects.dialect import Target

MIN_BUDGET_TOKENS = 1024
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
"""Tokens to think with, by effort, in ascending order."""
_LOWER = {"max": "xhigh", "xhigh": "high", "high": "medium", "medium": "low", "minimal": "low"}
"""The effort to take for one that a model does not know."""


@dataclass(slots=True)
class Thoughts:
    """What to send for them."""

    on: bool = False
    """Some parameters cannot go with it."""
    extra: dict[str, Any] = field(default_factory=dict)
    """For the model's own fields."""
    effort: str | None = None
    """For `outputConfig`."""


@dataclass(slots=True)
class _Wish:
    """What the client asks."""

    param: str
    effort: str | None
    tokens: int | None
    exclude: bool

    @property
    def budget(self) -> int:
        """Tokens to think with."""
        return self.tokens or BUDGETS[self.effort or "medium"]

    def level(self, traits: Traits) -> str | None:
        """The effort in words that the model knows; `None` leaves it to the model."""
        effort = self.effort
        if effort is None and self.tokens is not None:
            effort = next((name for name, budget in BUDGETS.items() if budget >= (self.tokens or 0)), "max")
        while effort is not None and effort not in traits.efforts:
            effort = _LOWER[effort]
        return effort


def read_thinking(
    doc: dict[str, Any], traits: Traits, target: Target, max_tokens: int | None, *, thoughtless: bool
) -> Thoughts:
    """`thoughtless`: the history calls tools with no thoughts before them, which a model on a budget refuses.

    Raises `BadRequest` for an effort nobody knows, `Unsupported` when the client wishes for thoughts and the model has
    none.
    """
    reasoning = as_dict(doc.get("reasoning"))
    effort, tokens = effort_of(doc), reasoning.get("max_tokens")
    param = "reasoning_effort" if "reasoning_effort" in doc else "reasoning"
    tokens = tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens > 0 else None
    if effort is not None and effort != "none" and effort not in BUDGETS:
        raise BadRequest(f"`{param}` must be none, {', '.join(BUDGETS)}.", param=param)
    if effort == "none" or reasoning.get("enabled") is False:
        return _off(param, traits, target)
    if effort is None and tokens is None and reasoning.get("enabled") is not True:
        return Thoughts()
    wish = _Wish(param, effort, tokens, reasoning.get("exclude") is True)
    if traits.thinking is Thinking.BUDGET:
        return _on_a_budget(wish, target, max_tokens, thoughtless=thoughtless)
    if (told := _TOLD.get(traits.thinking)) is None:
        target.refuse(param, "is not known to this model on Bedrock.")
        return Thoughts()
    return told(wish, traits)


def _off(param: str, traits: Traits, target: Target) -> Thoughts:
    if traits.thinking is Thinking.ADAPTIVE and traits.stops_thinking is None:
        target.note(param)  # it thinks all the same, as little as it can
        return Thoughts(effort="low")
    if traits.thinking is Thinking.ADAPTIVE and traits.thinks_unasked:
        return Thoughts(extra={"thinking": {"type": traits.stops_thinking}})
    if traits.thinking is Thinking.REASONING:
        return Thoughts(extra={"reasoning": {"effort": "none"}})
    return Thoughts()


def _on_a_budget(wish: _Wish, target: Target, max_tokens: int | None, *, thoughtless: bool) -> Thoughts:
    if thoughtless:
        target.note(wish.param)  # who began this with another model could never go on if it were refused
        return Thoughts()
    budget = max(wish.budget, MIN_BUDGET_TOKENS)
    if max_tokens is not None and budget >= max_tokens:
        budget = max_tokens - 1
    if budget < MIN_BUDGET_TOKENS:
        target.refuse(wish.param, f"needs more than {MIN_BUDGET_TOKENS} output tokens to think with.")
        return Thoughts()
    return Thoughts(on=True, extra={"thinking": {"type": "enabled", "budget_tokens": budget}})


def _adaptive(wish: _Wish, traits: Traits) -> Thoughts:
    display = "omitted" if wish.exclude else "summarized"
    return Thoughts(on=True, extra={"thinking": {"type": "adaptive", "display": display}}, effort=wish.level(traits))


def _by_effort(wish: _Wish, traits: Traits) -> Thoughts:
    level = wish.level(traits)
    return Thoughts() if level is None else Thoughts(extra={"reasoning_effort": level})


def _by_reasoning(wish: _Wish, traits: Traits) -> Thoughts:
    level = wish.level(traits)
    return Thoughts() if level is None else Thoughts(extra={"reasoning": {"effort": level}})


def _nova(wish: _Wish, traits: Traits) -> Thoughts:
    config = {"type": "enabled", "maxReasoningEffort": wish.level(traits) or "medium"}
    return Thoughts(extra={"reasoningConfig": config})


_TOLD: dict[Thinking, Callable[[_Wish, Traits], Thoughts]] = {
    Thinking.ADAPTIVE: _adaptive,
    Thinking.EFFORT: _by_effort,
    Thinking.REASONING: _by_reasoning,
    Thinking.NOVA: _nova,
}
