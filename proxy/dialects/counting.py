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
NANO_USD_PER_USD = 1_000_000_000
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
    if not type(inputs) is type(outputs) is dict:
        return None
    if inputs.get("cache_write_tokens") or inputs.get("cache_creation_input_tokens"):
        return None
    if inputs.get("audio_tokens") or outputs.get("audio_tokens"):
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
    inputs = _details(usage, "prompt_tokens_details", "input_tokens_details")
    outputs = _details(usage, "completion_tokens_details", "output_tokens_details")
    read = _first(
        inputs.get("cached_tokens"),
        usage.get("cached_tokens"),  # Together, Moonshot
        usage.get("prompt_cache_hit_tokens"),  # DeepSeek
    )
    write = _first(
        inputs.get("cache_write_tokens"),
        usage.get("cache_write_tokens"),  # Moonshot
        inputs.get("cache_creation_input_tokens"),  # DashScope
    )
    reasoning = _first(
        outputs.get("reasoning_tokens"),
        usage.get("reasoning_tokens"),  # SGLang, Azure's DeepSeek, Perplexity
    )
    if quirks.reasoning_outside_completion and "output_tokens" not in usage:
        output += reasoning  # in the Responses API xAI counts as OpenAI does
    total = count_of(usage.get("total_tokens")) or 0
    hidden = max(0, total - prompt - output)
    return Usage(
        # Perplexity charges for the citations it read, apart from the prompt and the total.
        input_tokens=max(0, prompt - read - write) + (count_of(usage.get("citation_tokens")) or 0),
        output_tokens=output + hidden,
        cache_read_tokens=read,
        cache_write_tokens=write,
        reasoning_tokens=reasoning,
        tier=service_tier or as_text(usage.get("service_tier")),
        cost_nano_usd=_cost_nano_usd(usage, quirks),
        cache_write_1h_tokens=min(write, _long_writes(usage, inputs)),
        input_audio_tokens=min(prompt, _first(inputs.get("audio_tokens"))),
        output_audio_tokens=min(output, _first(outputs.get("audio_tokens"))),
        billed=_billed(usage),
    )


def usage_document(usage: Usage) -> dict[str, Any]:
    """The reverse: `usage` as a chunk or an answer of the hub says it. `usage_from_openai` reads it alike.

    A cost is told in USD as `cost`, which is read where the provider's quirks name that field.
    """
    read, write = usage.cache_read_tokens, usage.cache_write_tokens
    document: dict[str, Any] = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {"cached_tokens": read},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
    if write:
        document["prompt_tokens_details"]["cache_write_tokens"] = write
    if usage.cache_write_1h_tokens:
        document["cache_creation"] = {
            "ephemeral_5m_input_tokens": write - usage.cache_write_1h_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        }
    if usage.input_audio_tokens:
        document["prompt_tokens_details"]["audio_tokens"] = usage.input_audio_tokens
    if usage.output_audio_tokens:
        document["completion_tokens_details"]["audio_tokens"] = usage.output_audio_tokens
    if usage.billed is not None:
        document["billed_units"] = {"input_tokens": usage.billed[0], "output_tokens": usage.billed[1]}
    if usage.tier is not None:
        document["service_tier"] = usage.tier
    if usage.cost_nano_usd is not None:
        document["cost"] = usage.cost_nano_usd / NANO_USD_PER_USD
    return document


def estimate(prompt_tokens: int, text_bytes: int) -> Usage:
    """Reckon the usage of an answer that came without one, from the size of its text; rounded up."""
    return Usage(max(0, prompt_tokens), max(0, -(-text_bytes // BYTES_PER_TOKEN)), estimated=True)


def _prompt_and_output(usage: dict[str, Any]) -> tuple[int, int]:
    prompt = count_of(usage.get("prompt_tokens", usage.get("input_tokens")))
    output = count_of(usage.get("completion_tokens", usage.get("output_tokens")))
    if prompt is None:
        # A total without its parts is taken for input, the cheaper of the two.
        prompt = max(0, (count_of(usage.get("total_tokens")) or 0) - (output or 0))
    return prompt, output or 0


def _details(usage: dict[str, Any], chat: str, responses: str) -> dict[str, Any]:
    return as_dict(usage.get(chat)) or as_dict(usage.get(responses))


def _long_writes(usage: dict[str, Any], inputs: dict[str, Any]) -> int:
    """Cache writes that are kept for long: Anthropic's for an hour, in the Responses API those for twelve."""
    return _first(
        as_dict(usage.get("cache_creation")).get("ephemeral_1h_input_tokens"),
        as_dict(inputs.get("cache_write_tokens_details")).get("ttl_12h_tokens"),
    )


def _billed(usage: dict[str, Any]) -> tuple[int, int] | None:
    """Cohere's `billed_units`; `None` where everything is charged."""
    units = as_dict(usage.get("billed_units"))
    read, wrote = count_of(units.get("input_tokens")), count_of(units.get("output_tokens"))
    return None if read is None and wrote is None else (read or 0, wrote or 0)


def _first(*values: Any) -> int:
    for value in values:
        if value is not None and (count := count_of(value)):
            return count
    return 0


def count_of(value: Any) -> int | None:
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
