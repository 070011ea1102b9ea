"""The usage of a Responses answer as the hub's. Source: OpenAI API reference, "Response", `usage`."""

from __future__ import annotations

from typing import Any

from proxy.dialects.counting import usage_document, usage_from_openai
from proxy.dialects.quirks import Quirks
from proxy.dialects.reading import as_dict

_QUIRKS = Quirks()
_COUNTS = frozenset({"input_tokens", "input_tokens_details", "output_tokens", "output_tokens_details", "total_tokens"})


def hub_usage(usage: dict[str, Any]) -> dict[str, Any]:
    """The hub's usage object. What else the provider says of it, its own cost above all, stays beside the counts."""
    read = usage_from_openai(usage, _QUIRKS)
    # the longer of two lifetimes of a cache: kept apart from the shorter one, as it has another price
    written = as_dict(as_dict(usage.get("input_tokens_details")).get("cache_write_tokens_details"))
    long = written.get("ttl_12h_tokens")
    if isinstance(long, int) and 0 < long <= read.cache_write_tokens:
        read = read._replace(cache_write_1h_tokens=long)
    others = {name: value for name, value in usage.items() if name not in _COUNTS}
    return others | usage_document(read)
