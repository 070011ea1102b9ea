"""What differs between Google's models, by the pattern of their names. An unknown name is taken for a newer model.

Source: https://ai.google.dev/gemini-api/docs/thinking, https://ai.google.dev/gemini-api/docs/thought-signatures,
https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/guides/gemini-3-5-flash
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, partial

MAX_KNOWN_NAMES = 1024
"""Model names whose traits are remembered."""


class Thinking(Enum):
    """How a model is told how hard to think."""

    LEVEL = "level"
    """`thinkingLevel`; it cannot be turned off."""
    BUDGET = "budget"
    """`thinkingBudget`, in tokens."""
    NONE = "none"
    """It does not think, or cannot be told how."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Defaults are those of the newest models."""

    thinking: Thinking = Thinking.LEVEL
    lowest_level: str = "LOW"
    middle_level: str = "MEDIUM"
    min_budget: int = 0
    """Tokens; 0: thinking can be turned off."""
    small_budget: int = 1
    """Tokens, for the effort `minimal`."""
    max_budget: int = 24_576
    needs_signatures: bool = True
    """A tool call that is sent back must carry the signature it came with, or the stand-in for one."""
    shows_in_results: bool = True
    """A tool's result may hold images."""
    takes_instructions: bool = True
    """Reads `systemInstruction`; else the first turn must say it."""


_older = partial(Traits, needs_signatures=False, shows_in_results=False)

_TRAITS: tuple[tuple[re.Pattern[str], Traits], ...] = tuple(
    (re.compile(pattern), traits)
    for pattern, traits in (
        (r"gemma-", _older(Thinking.NONE, takes_instructions=False)),
        (r"gemini-(?:1|2\.0|pro|ultra|exp)", _older(Thinking.NONE)),
        (r"gemini-2\.5.*-(?:image|tts|live|native-audio)", _older(Thinking.NONE)),
        (r"gemini-2\.5-pro", _older(Thinking.BUDGET, min_budget=128, small_budget=128, max_budget=32_768)),
        (r"gemini-2\.5-flash-lite", _older(Thinking.BUDGET, small_budget=512)),
        (r"gemini-(?:2\.5|robotics-er-1)", _older(Thinking.BUDGET)),
        (r"gemini-3-pro-image", Traits(Thinking.NONE)),
        (r"gemini-3-pro", Traits(middle_level="HIGH")),
        (r"gemini-3(?:\.[0-6])?-flash|gemini-\d+(?:\.\d+)?-flash-lite", Traits(lowest_level="MINIMAL")),
    )
)
"""The first that fits the beginning of the name."""
_NEWEST = Traits()


@lru_cache(maxsize=MAX_KNOWN_NAMES)
def traits_of(model: str) -> Traits:
    """Of the model that the provider calls `model`, with or without a path before it."""
    name = model.rpartition("/")[2].lower()
    return next((traits for pattern, traits in _TRAITS if pattern.match(name)), _NEWEST)
