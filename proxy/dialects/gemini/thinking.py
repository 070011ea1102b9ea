"""How hard to think: the hub's efforts and budgets as Google's `thinkingConfig`, and back.

Source: https://ai.google.dev/gemini-api/docs/thinking, https://ai.google.dev/gemini-api/docs/openai#thinking
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.gemini.traits import Thinking, Traits, traits_of
from proxy.dialects.hub import effort_of
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

_BUDGETS = {"low": 1024, "medium": 8192, "high": 24_576, "xhigh": 24_576, "max": 32_768}
"""Tokens."""
_LEVELS = {"low": "LOW", "high": "HIGH", "xhigh": "HIGH", "max": "HIGH"}
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
LOW_BUDGET, MIDDLE_BUDGET = 1024, 8192
"""Up to here a budget is a low level, and a middle one."""
_EFFORT_OF_LEVEL = {"MINIMAL": "minimal", "LOW": "low", "MEDIUM": "medium", "HIGH": "high", "XHIGH": "xhigh"}


def thinking_out(doc: dict[str, Any], target: Target, config: dict[str, Any]) -> None:
    """Add `thinkingConfig` to `config` if the request speaks of thinking.

    Thoughts are asked for whenever thinking is, unless `reasoning.exclude` says not to. Raises `BadRequest` for an
    effort that is none.
    """
    effort, reasoning = effort_of(doc), as_dict(doc.get("reasoning"))
    if effort is None and not reasoning:
        return
    if effort is not None and effort not in _EFFORTS:
        known = ", ".join(f"`{name}`" for name in sorted(_EFFORTS))
        raise BadRequest(f"`reasoning_effort` must be one of {known}.", param="reasoning_effort")
    budget = reasoning.get("max_tokens")
    if effort is None and reasoning.get("enabled") is False:
        effort = "none"
    traits = traits_of(target.model)
    if traits.thinking is Thinking.NONE:
        if effort not in (None, "none") or budget:
            target.refuse("reasoning_effort" if effort else "reasoning", "is nothing this model can be told.")
        return
    # an effort beside a budget is only its shadow, for who takes no budgets
    if effort is not None and (budget is None or doc.get("reasoning_effort")):
        found = _of_effort(effort, traits)
    else:
        found = _of_budget(budget, traits)
    if effort != "none" and budget != 0 and reasoning.get("exclude") is not True:
        found["includeThoughts"] = True
    if found:
        config["thinkingConfig"] = found


def thinking_in(given: Any) -> dict[str, Any]:
    """Google's `thinkingConfig` as fields of the hub's request."""
    told = as_dict(given)
    level = as_text(told.get("thinkingLevel"))
    budget = told.get("thinkingBudget")
    found: dict[str, Any] = {}
    if level is not None and (effort := _EFFORT_OF_LEVEL.get(level.upper())) is not None:
        found["reasoning_effort"] = effort
    elif budget == 0:
        found["reasoning_effort"] = "none"
    elif isinstance(budget, int) and budget > 0:
        found["reasoning"] = {"max_tokens": budget}
    elif budget == -1 or told.get("includeThoughts") is True:
        found["reasoning"] = {"enabled": True}
    if told.get("includeThoughts") is True and found.get("reasoning_effort") != "none":
        found.setdefault("reasoning", {})["summary"] = "auto"
    return found


def _of_effort(effort: str, traits: Traits) -> dict[str, Any]:
    if traits.thinking is Thinking.BUDGET:
        if effort == "none":
            return {"thinkingBudget": traits.min_budget}
        budget = _BUDGETS.get(effort, traits.small_budget)
        return {"thinkingBudget": min(budget, traits.max_budget)}
    if effort in ("none", "minimal"):
        return {"thinkingLevel": traits.lowest_level}
    return {"thinkingLevel": _LEVELS.get(effort, traits.middle_level)}


def _of_budget(budget: Any, traits: Traits) -> dict[str, Any]:
    if isinstance(budget, bool) or not isinstance(budget, int) or budget < 0:
        return {}
    if traits.thinking is Thinking.BUDGET:
        return {"thinkingBudget": min(max(budget, traits.min_budget), traits.max_budget)}
    if budget == 0:
        return {"thinkingLevel": traits.lowest_level}
    level = "LOW" if budget <= LOW_BUDGET else traits.middle_level if budget <= MIDDLE_BUDGET else "HIGH"
    return {"thinkingLevel": level}
