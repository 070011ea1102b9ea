"""What of a hub request a dialect need not say. All else is said or refused: nothing is lost without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.quirks import GATEWAY_FIELDS

if TYPE_CHECKING:
    from collections.abc import Collection

    from proxy.dialects.dialect import Target

HINTS = frozenset({
    *GATEWAY_FIELDS,
    "metadata", "prediction", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "provider",
    "safety_identifier", "service_tier", "session_id", "store", "stream_options", "user",
})  # fmt: skip
"""Fields that cannot change what is answered: identities, caches, tiers (the deployment's own is sent), routing."""
NOTED = frozenset({"parallel_tool_calls"})
"""Wishes about an answer's form that are left out, and told: whoever runs one call can run two, one after the other."""
_NEUTRAL: dict[str, Any] = {
    "n": 1,
    "logit_bias": {},
    "logprobs": False,
    "top_logprobs": 0,
    "modalities": ["text"],
    "parallel_tool_calls": True,
    "reasoning": {},
    "response_format": {"type": "text"},
    "tools": [],
    "functions": [],
    "stop": [],
    "verbosity": "medium",
    "top_k": 0,
    "frequency_penalty": 0,
    "presence_penalty": 0,
}
"""Values that ask for nothing: they are as good as absent."""
_ABSENT = object()


def refuse_leftovers(doc: dict[str, Any], said: Collection[str], target: Target, api: str) -> None:
    """Refuse every field of `doc` that is neither in `said` nor a hint. `api` is its name, e.g. `Cohere's API`.

    A value that asks for nothing may stand anywhere.
    """
    for name, value in doc.items():
        if value is None or name in said or name in HINTS or value == _NEUTRAL.get(name, _ABSENT):
            continue
        if name in NOTED:
            target.note(name)
            continue
        target.refuse(name, f"is not known to {api}.")


def first_number(doc: dict[str, Any], *names: str) -> int | float | None:
    """The first of `names` that has a number."""
    for name in names:
        value = doc.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
    return None
