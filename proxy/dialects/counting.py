"""From every provider's usage object to the one canonical record. Never raises: what cannot be read counts as absent.

Source: the usage sections of the providers' API references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.reading import as_dict, as_text
from proxy.usage import Usage

if TYPE_CHECKING:
    from proxy.dialects.quirks import Quirks

BYTES_PER_TOKEN = 4
"""A rough figure for English and code, used only when a provider sends no usage."""

MAX_COUNT = 1 << 40
"""A count beyond this is garbage: it must not reach a bill."""

_OPENAI = frozenset(
    {"prompt_tokens", "completion_tokens", "total_tokens", "prompt_tokens_details", "completion_tokens_details"}
)
_CACHE_WRITES = frozenset({"cache_write_tokens", "cache_creation_input_tokens"})
_NO_DETAILS: dict[str, Any] = {}


def usage_from_openai(usage: dict[str, Any], quirks: Quirks, service_tier: str | None = None) -> Usage:
    """Read the `usage` of a chat, completions, embeddings or Responses answer.

    Tokens in the total that neither prompt nor completion names are output (Gemini's hidden thoughts). The tier is
    the one that served: the answer's own field, or `usage.service_tier` (Mistral).
    """
    if quirks.cost_field is None and _OPENAI.issuperset(usage):
        read = plain_usage(usage, quirks, service_tier)
        if read is not None:
            return read
    return any_usage(usage, quirks, service_tier)


def plain_usage(usage: dict[str, Any], quirks: Quirks, service_tier: str | None) -> Usage | None:
    """Read a usage of nothing but OpenAI's own fields, all of them sound; `None` if one is not.

    Nearly every answer has such a one. What this reads, `any_usage` reads alike.
    """
    prompt: Any = usage.get("prompt_tokens")
    output: Any = usage.get("completion_tokens")
    total: Any = usage.get("total_tokens")
    inputs = usage.get("prompt_tokens_details") or _NO_DETAILS
    outputs = usage.get("completion_tokens_details") or _NO_DETAILS
    if not (type(inputs) is type(outputs) is dict and _CACHE_WRITES.isdisjoint(inputs)):
        return None
    cached, reasoning = inputs.get("cached_tokens") or 0, outputs.get("reasoning_tokens") or 0
    for count in (prompt, output, total, cached, reasoning):
        if type(count) is not int or not 0 <= count <= MAX_COUNT:
            return None
    if quirks.reasoning_outside_completion:
        output += reasoning
    if total > prompt + output:
        output = total - prompt
    fresh = prompt - cached if prompt > cached else 0
    return Usage(fresh, output, cached, 0, reasoning, service_tier or None)


def any_usage(usage: dict[str, Any], quirks: Quirks, service_tier: str | None) -> Usage:
    """Read whatever a provider may send, field by field."""
    prompt, output = _prompt_and_output(usage)
    details = _details(usage, "prompt_tokens_details", "input_tokens_details")
    read = _first(
        details.get("cached_tokens"),
        usage.get("cached_tokens"),  # Together, Moonshot
        usage.get("prompt_cache_hit_tokens"),  # DeepSeek
    )
    write = _first(
        details.get("cache_write_tokens"),
        usage.get("cache_write_tokens"),  # Moonshot
        details.get("cache_creation_input_tokens"),  # DashScope
    )
    reasoning = _first(
        _details(usage, "completion_tokens_details", "output_tokens_details").get("reasoning_tokens"),
        usage.get("reasoning_tokens"),  # SGLang, Azure's DeepSeek, Perplexity
    )
    if quirks.reasoning_outside_completion:
        output += reasoning
    total = _count(usage.get("total_tokens")) or 0
    hidden = max(0, total - prompt - output)
    return Usage(
        # Perplexity charges for the citations it read, apart from the prompt and the total.
        input_tokens=max(0, prompt - read - write) + (_count(usage.get("citation_tokens")) or 0),
        output_tokens=output + hidden,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        tier=service_tier or as_text(usage.get("service_tier")),
        cost_nano_usd=_cost_nano_usd(usage, quirks),
    )


def estimate(prompt_tokens: int, text_bytes: int) -> Usage:
    """Reckon the usage of an answer that came without one, from the size of its text; rounded up."""
    return Usage(max(0, prompt_tokens), max(0, -(-text_bytes // BYTES_PER_TOKEN)), estimated=True)


def _prompt_and_output(usage: dict[str, Any]) -> tuple[int, int]:
    prompt = _count(usage.get("prompt_tokens", usage.get("input_tokens")))
    output = _count(usage.get("completion_tokens", usage.get("output_tokens")))
    if prompt is None:
        # A total without its parts is taken for input, the cheaper of the two.
        prompt = max(0, (_count(usage.get("total_tokens")) or 0) - (output or 0))
    return prompt, output or 0


def _details(usage: dict[str, Any], chat: str, responses: str) -> dict[str, Any]:
    return as_dict(usage.get(chat)) or as_dict(usage.get(responses))


def _first(*values: Any) -> int:
    for value in values:
        if value is not None and (count := _count(value)):
            return count
    return 0


def _count(value: Any) -> int | None:
    """A token count, or `None` if it cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNT:
        return None
    return int(value)


def _cost_nano_usd(usage: dict[str, Any], quirks: Quirks) -> int | None:
    if quirks.cost_field is None:
        return None
    value: Any = usage
    for name in quirks.cost_field.split("."):
        value = as_dict(value).get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNT:
        return None
    if isinstance(value, int):
        # integers stay exact; halves go up
        return (2 * value * quirks.cost_unit_nano_usd + quirks.cost_divisor) // (2 * quirks.cost_divisor)
    return int(value * quirks.cost_unit_nano_usd / quirks.cost_divisor + 0.5)
