"""Hashes of a prompt's beginning, for policies that send like prompts to one deployment and so to its prompt cache."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import orjson

PREFIX_BYTES = (1024, 4096, 16_384)
"""Of the encoded prompt. A shorter one has nothing worth a cache; a conversation that grows keeps its first ones."""
HASH_BYTES = 8
_PROMPT_FIELDS = ("messages", "input", "prompt")


def prefix_hashes(doc: dict[str, Any]) -> tuple[int, ...]:
    """One hash for each of `PREFIX_BYTES` the prompt reaches, shortest first; the same in every process."""
    prompt = next((doc[name] for name in _PROMPT_FIELDS if name in doc), None)
    if prompt is None:
        return ()
    try:
        text = orjson.dumps(prompt)
    except orjson.JSONEncodeError:  # nested more deeply than it writes
        return ()
    return tuple(
        int.from_bytes(blake2b(text[:size], digest_size=HASH_BYTES).digest(), "big")
        for size in PREFIX_BYTES
        if len(text) >= size
    )
