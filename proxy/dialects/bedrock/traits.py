"""What one model on Bedrock takes beyond Converse's common fields, by its name.

A name may have a region before it (`us.anthropic.claude-...`); an ARN that names no model gets the common fields only.
Source: Amazon Bedrock user guide, "Inference request parameters and response fields", "Prompt caching", "Extended
thinking", "Adaptive thinking"; Amazon Nova user guide, "Extended thinking"; Anthropic, "Building with extended
thinking", "Effort".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from proxy.dialects.anthropic.traits import traits_of as claude_traits_of

KNOWN_MODELS = 512
"""Names whose traits are remembered."""


class Thinking(Enum):
    """How a model is told to think."""

    NEVER = "never"
    """Not at all: it does not think, or never otherwise."""
    BUDGET = "budget"
    """`thinking.budget_tokens`."""
    ADAPTIVE = "adaptive"
    """`thinking.type: adaptive` and `outputConfig.effort`."""
    EFFORT = "effort"
    """`reasoning_effort`, as OpenAI calls it."""
    REASONING = "reasoning"
    """`reasoning.effort`, as in OpenAI's Responses."""
    NOVA = "nova"
    """`reasoningConfig.maxReasoningEffort`."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Of one model."""

    is_claude: bool = False
    """It signs its thoughts and wants them back."""
    thinking: Thinking = Thinking.NEVER
    thinks_unasked: bool = False
    """Claude: thinking is on unless it is turned off."""
    stops_thinking: str | None = "disabled"
    """Claude: the `thinking.type` that turns it off; `None`: nothing does."""
    efforts: frozenset[str] = frozenset({"low", "medium", "high"})
    """It knows, `low` always among them; another is told as the next lower one."""
    samples: bool = True
    """It takes `temperature`, `topP` and `top_k`."""
    takes_both: bool = True
    """`temperature` and `topP` together."""
    forces_tools: bool = True
    """A call may be forced."""
    formats: bool = True
    """It can be held to a schema, in its answer and in its calls."""
    caches: bool = False
    """It takes cache points; others refuse the request for one."""
    caches_for_an_hour: bool = False
    top_k: tuple[str, ...] = ()
    """Where it is in `additionalModelRequestFields`; empty if nowhere."""
    one_call: bool = False
    """It takes `tool_choice.disable_parallel_tool_use` there."""


_TOP_K = ("top_k",)
_NOVA_TOP_K = ("inferenceConfig", "topK")
_UP_TO_XHIGH = frozenset({"low", "medium", "high", "xhigh"})
_OTHERS: tuple[tuple[re.Pattern[str], Traits], ...] = tuple(
    (re.compile(pattern), traits)
    for pattern, traits in (
        (r"nova-2", Traits(thinking=Thinking.NOVA, caches=True, top_k=_NOVA_TOP_K)),
        (r"amazon\.nova", Traits(caches=True, top_k=_NOVA_TOP_K)),
        (r"gpt-oss|deepseek\.v", Traits(thinking=Thinking.EFFORT)),
        (r"openai\.gpt-[5-9]", Traits(thinking=Thinking.REASONING, efforts=_UP_TO_XHIGH, samples=False)),
        (r"mistral|qwen", Traits(top_k=_TOP_K)),
        (r"cohere\.", Traits(top_k=("k",))),
    )
)
"""The first that is found in the name."""
_COMMON = Traits()
_UNCACHED = re.compile(r"claude-(?:v?2|instant|3-(?:haiku|sonnet|opus|5-sonnet-20240620))")
_FOUR_FIVE = re.compile(r"-4-5(?!\d)")


@lru_cache(KNOWN_MODELS)
def traits_of(model: str) -> Traits:
    """Never fails: a model nobody knows has the common ones."""
    if "claude" in model:
        return _of_claude(model)
    return next((traits for pattern, traits in _OTHERS if pattern.search(model)), _COMMON)


def _of_claude(model: str) -> Traits:
    """What Anthropic says of the model, and what Bedrock makes of it."""
    known = claude_traits_of(model)
    thinking = Thinking.BUDGET if known.thinks else Thinking.NEVER
    is_late = known.adaptive or _FOUR_FIVE.search(model) is not None
    return Traits(
        is_claude=True,
        thinking=Thinking.ADAPTIVE if known.adaptive else thinking,
        thinks_unasked=known.thinks_unasked,
        stops_thinking=known.stops_thinking,
        efforts=frozenset(known.efforts) or _COMMON.efforts,
        samples=known.takes_sampling,
        takes_both=known.takes_both,
        forces_tools=known.forces_tools,
        formats=known.formats,
        caches=_UNCACHED.search(model) is None,
        caches_for_an_hour=is_late,
        top_k=_TOP_K if known.takes_sampling else (),
        one_call=is_late,
    )
