"""Anthropic's counts and the canonical ones. Never raises: what cannot be read counts as absent.

`input_tokens` has no cached tokens in it, and `output_tokens` has the thoughts. In a stream the counts of
`message_start` and of every `message_delta` are merged field by field; they are totals so far, never to be added up.
Source: Anthropic API reference, "Messages", `usage`; "Streaming messages"; "Compaction", "Advisor tool" (`iterations`).
"""

from __future__ import annotations

from typing import Any

from proxy.dialects.counting import MAX_COUNT, usage_document, usage_from_openai
from proxy.dialects.quirks import Quirks
from proxy.dialects.reading import as_dict, as_text
from proxy.usage import Usage

_APART = frozenset({"compaction", "advisor_message"})
"""Types of `iterations` which the totals leave out."""
_COUNTED = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_PLAIN = Quirks()


def merge(known: dict[str, Any], told: Any) -> None:
    """Put into `known` what a later event says: the later wins unless it is null."""
    known.update({name: value for name, value in as_dict(told).items() if value is not None})


def read_usage(usage: dict[str, Any]) -> Usage:
    """The canonical record of Anthropic's `usage`."""
    counts = {name: _count(usage.get(name)) for name in _COUNTED}
    hour = _count(as_dict(usage.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    iterations = usage.get("iterations")
    for iteration in iterations if isinstance(iterations, list) else ():
        apart = as_dict(iteration)
        if as_text(apart.get("type")) in _APART:
            for name in _COUNTED:
                counts[name] += _count(apart.get(name))
            hour += _count(as_dict(apart.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    fresh, output, read, write = counts.values()
    return Usage(
        fresh,
        output,
        read,
        max(write, hour),
        _count(as_dict(usage.get("output_tokens_details")).get("thinking_tokens")),
        tier_of(usage),
        cache_write_1h_tokens=hour,
    )


def tier_of(usage: dict[str, Any]) -> str | None:
    """What the answer is priced by: `fast`, or the service tier."""
    return "fast" if usage.get("speed") == "fast" else as_text(usage.get("service_tier"))


def hub_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """The hub's usage object, with what the provider's own tools were asked for beside the tokens."""
    document = usage_document(read_usage(usage))
    if tools := as_dict(usage.get("server_tool_use")):
        document["server_tool_use"] = tools
    return document


def anthropic_usage(usage: Usage | None) -> dict[str, Any]:
    """`usage` as an Anthropic client reads it; zeros when nothing is known."""
    if usage is None:
        usage = Usage()
    document: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning_tokens:
        document["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return document


def whole_usage(usage: Usage | None) -> dict[str, Any]:
    """The same with what only a whole answer has."""
    document = anthropic_usage(usage)
    if usage is not None and usage.cache_write_tokens:
        hour = usage.cache_write_1h_tokens
        document["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - hour,
            "ephemeral_1h_input_tokens": hour,
        }
    return document


def told_usage(settled: Usage | None, document: dict[str, Any] | None) -> Usage | None:
    """The settled record, else what the hub's usage object says."""
    if settled is not None or document is None:
        return settled
    return usage_from_openai(document, _PLAIN)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_COUNT:
        return 0
    return int(value)
