"""What one Claude model takes and another refuses, by its name; other models behind this API take what is oldest.

Source: Anthropic, "Troubleshooting thinking", "Effort", "Structured outputs", "Mid-conversation system messages",
"Models overview" and the migration guides of Opus 4.7, Fable 5, Fable 5.1, Opus 5.5, Sonnet 5.5 and Haiku 5.5.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

MAX_KNOWN_NAMES = 512
"""Of models whose traits are kept at hand."""


class Traits(NamedTuple):
    """Defaults are those of the newest models: a name that nobody knows yet is most likely one of them."""

    is_claude: bool = True
    adaptive: bool = True
    """Thinks by `adaptive` and an effort; else by a budget."""
    thinks: bool = True
    thinks_unasked: bool = True
    """Thinking is on unless it is turned off."""
    stops_thinking: str | None = None
    """The `thinking.type` that turns it off; `None`: nothing does."""
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")
    takes_sampling: bool = False
    """`temperature`, `top_p` and `top_k` other than their defaults."""
    takes_both: bool = False
    """`temperature` and `top_p` together."""
    forces_tools: bool = False
    """A call may be forced by `tool_choice`."""
    formats: bool = True
    """`output_config.format` and strict tools."""
    system_turns: bool = True
    """The role `system` within `messages`."""
    prefill: bool = False
    """Goes on from an assistant message at the end."""
    max_output_tokens: int = 128_000


_NEWEST = Traits()
_FIVE = Traits(stops_thinking="disabled", forces_tools=True)
_FOUR_EIGHT = _FIVE._replace(thinks_unasked=False)
_FOUR_SEVEN = _FOUR_EIGHT._replace(system_turns=False)
_FOUR_SIX = _FOUR_SEVEN._replace(efforts=("low", "medium", "high", "max"), takes_sampling=True)
_FOUR_FIVE = _FOUR_SIX._replace(adaptive=False, efforts=(), prefill=True, max_output_tokens=64_000)
_FOUR = _FOUR_FIVE._replace(formats=False)
_THREE_SEVEN = _FOUR._replace(takes_both=True)
_THREE_FIVE = _THREE_SEVEN._replace(thinks=False, max_output_tokens=8_192)
OTHERS = _THREE_SEVEN._replace(is_claude=False, max_output_tokens=8_192)
"""DeepSeek, Kimi, MiniMax and whatever vLLM or llama.cpp serve: most ignore what they do not know."""

_TABLE: tuple[tuple[re.Pattern[str], Traits], ...] = tuple(
    (re.compile(pattern), traits)
    for pattern, traits in (
        (r"(fable|mythos)-5(?![-.]\d(?!\d))|mythos-preview", _NEWEST._replace(forces_tools=True)),
        (r"sonnet-5[-.]5(?!\d)", _NEWEST._replace(stops_thinking="between_tools")),
        (r"haiku-5[-.]5(?!\d)", _FIVE),
        (r"(opus|sonnet)-5(?![-.]\d(?!\d))", _FIVE),
        (r"opus-4[-.]8", _FOUR_EIGHT),
        (r"opus-4[-.]7", _FOUR_SEVEN),
        (r"(opus|sonnet)-4[-.]6", _FOUR_SIX),
        (r"(opus|sonnet|haiku)-4[-.]5(?!\d)", _FOUR_FIVE),
        (r"opus-4[-.]1(?!\d)", _FOUR._replace(max_output_tokens=32_000)),
        (r"opus-4", _FOUR._replace(takes_both=True, max_output_tokens=32_000)),
        (r"sonnet-4", _FOUR._replace(takes_both=True)),
        (r"3[-.]7-sonnet|sonnet-3[-.]7", _THREE_SEVEN),
        (r"3[-.]5-(sonnet|haiku)|(sonnet|haiku)-3[-.]5", _THREE_FIVE),
        (r"claude-(3|2|instant)", _THREE_FIVE._replace(max_output_tokens=4_096)),
        (r"claude", _NEWEST),
    )
)
"""The first row that is found in the name; hosts put a region, a vendor or a version around it."""


@lru_cache(maxsize=MAX_KNOWN_NAMES)
def traits_of(model: str) -> Traits:
    """The traits of `model`, as any host names it."""
    name = model.lower()
    if "claude" not in name:
        return OTHERS
    return next((traits for pattern, traits in _TABLE if pattern.search(name)), _NEWEST)
