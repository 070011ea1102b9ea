"""`usageMetadata` and the canonical record of usage.

Source: https://ai.google.dev/api/generate-content#UsageMetadata,
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse#UsageMetadata
"""

from __future__ import annotations

from typing import Any

from proxy.dialects.counting import MAX_COUNT
from proxy.dialects.reading import as_dict, as_text
from proxy.usage import Usage

_TIERS = {
    "standard": "default",
    "flex": "flex",
    "priority": "priority",
    "ON_DEMAND": "default",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
_SERVED_AS = {"default": "standard", "flex": "flex", "priority": "priority"}


def usage_in(meta: dict[str, Any]) -> Usage:
    """What `usageMetadata` counts. Never raises: what cannot be read counts as absent.

    The prompt includes what was read from a cache, not what tools fed back to the model; the candidates do not
    include thoughts, except where the total says they do.
    """
    tools = _count(meta.get("toolUsePromptTokenCount"))
    cached = _count(meta.get("cachedContentTokenCount"))
    prompt = _count(meta.get("promptTokenCount")) + tools
    candidates, thoughts = _count(meta.get("candidatesTokenCount")), _count(meta.get("thoughtsTokenCount"))
    total = _count(meta.get("totalTokenCount"))
    output = candidates if total == prompt + candidates else candidates + thoughts
    return Usage(
        input_tokens=max(0, prompt - cached),
        # some servers name an answer only in the total
        output_tokens=max(output, total - prompt),
        cache_read_tokens=min(cached, prompt),
        reasoning_tokens=thoughts,
        tier=tier_in(meta),
        input_audio_tokens=_of_sound(meta.get("promptTokensDetails")),
        output_audio_tokens=_of_sound(meta.get("candidatesTokensDetails")),
    )


def tier_in(meta: dict[str, Any]) -> str | None:
    """The tier that served, as OpenAI names it where it can; `None` when nothing tells."""
    told = as_text(meta.get("serviceTier")) or as_text(meta.get("trafficType"))
    return _TIERS.get(told) if told is not None else None


def usage_out(usage: Usage) -> dict[str, Any]:
    """`usage` as `usageMetadata`."""
    found: dict[str, Any] = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": max(0, usage.output_tokens - usage.reasoning_tokens),
        "totalTokenCount": usage.total_tokens,
    }
    if usage.reasoning_tokens:
        found["thoughtsTokenCount"] = usage.reasoning_tokens
    if usage.cache_read_tokens:
        found["cachedContentTokenCount"] = usage.cache_read_tokens
    if (tier := _SERVED_AS.get(usage.tier or "")) is not None:
        found["serviceTier"] = tier
    return found


def _count(value: Any) -> int:
    """A token count; 0 for what cannot be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNT:
        return 0
    return int(value)


def _of_sound(details: Any) -> int:
    entries = [as_dict(entry) for entry in details] if isinstance(details, list) else []
    return sum(_count(entry.get("tokenCount")) for entry in entries if entry.get("modality") == "AUDIO")
