"""How hard to think, in the words each model takes: an effort, or a budget of tokens.

Source: Anthropic, "Thinking", "Effort", "Extended thinking". The budgets are those that LiteLLM documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import effort_of
from proxy.dialects.reading import as_dict

if TYPE_CHECKING:
    from proxy.dialects.anthropic.traits import Traits
    from proxy.dialects.dialect import Target

MIN_BUDGET = 1024
"""Anthropic takes none below."""
BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
"""Tokens of thought an effort stands for."""
DEFAULT_EFFORT = "medium"


def write_thinking(body: dict[str, Any], doc: dict[str, Any], traits: Traits, target: Target) -> None:
    """Put `thinking` and `output_config.effort` into `body`, whose `max_tokens` is known."""
    reasoning = as_dict(doc.get("reasoning"))
    effort, budget = effort_of(doc), reasoning.get("max_tokens")
    budget = budget if isinstance(budget, int) and not isinstance(budget, bool) and budget > 0 else None
    if effort == "none":
        _stop(body, traits, target)
        return
    if effort is not None and effort not in BUDGETS:
        target.refuse("reasoning_effort", f"must be `none` or one of {', '.join(f'`{name}`' for name in BUDGETS)}.")
        return
    if effort is None and budget is None and reasoning.get("enabled") is not True:
        return
    if not traits.thinks:
        target.refuse("reasoning_effort", "is not taken by this model, which does not think.")
        return
    shown = "omitted" if reasoning.get("exclude") is True else "summarized"
    if not traits.adaptive:
        _write_budget(body, budget or BUDGETS[effort or DEFAULT_EFFORT], target)
        return
    body["thinking"] = {"type": "adaptive", "display": shown}
    # an effort beside a budget is only its shadow, for who takes no budgets
    wanted = effort if budget is None or doc.get("reasoning_effort") else effort_for(budget)
    if wanted is not None:
        body["output_config"] = {"effort": _nearest(wanted, traits)}


def effort_for(budget: int) -> str:
    """The effort that thinks about as much as `budget` tokens."""
    return next((name for name, tokens in BUDGETS.items() if name != "minimal" and budget <= tokens), "max")


def _nearest(effort: str, traits: Traits) -> str:
    """The same effort, or the next lower one the model knows."""
    if effort in traits.efforts:
        return effort
    return "low" if effort == "minimal" else "high"


def _stop(body: dict[str, Any], traits: Traits, target: Target) -> None:
    if traits.stops_thinking is not None:
        if traits.thinks_unasked or not traits.is_claude:
            body["thinking"] = {"type": traits.stops_thinking}
        return
    body["output_config"] = {"effort": "low"}
    target.note("reasoning_effort")  # it thinks all the same, as little as it can


def _write_budget(body: dict[str, Any], budget: int, target: Target) -> None:
    """A budget must leave room for an answer within `max_tokens`."""
    budget = min(max(budget, MIN_BUDGET), body["max_tokens"] - 1)
    if budget < MIN_BUDGET:
        target.note("reasoning_effort")
        return
    body["thinking"] = {"type": "enabled", "budget_tokens": budget}
