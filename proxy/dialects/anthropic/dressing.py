"""Reasoning state of other models in the blocks of Anthropic's clients, which send them back untouched.

A block whose signature begins with `hub.FOREIGN_STATE` holds one whole entry of `reasoning_details`, or what goes with
a tool call (`extra_content`), in base64.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import orjson

from proxy.dialects.anthropic.words import OWN
from proxy.dialects.chunks import dumps
from proxy.dialects.hub import foreign_state, own_state
from proxy.dialects.reading import as_dict, as_text

OF_CALL = "call"
"""The kind of what goes with one tool call."""
_SHOWN = ("text", "summary")
"""Fields of an entry that the block shows itself."""


def block_of(entry: dict[str, Any], text: str = "") -> dict[str, Any] | None:
    """The block that carries the state of `entry` and shows `text`; `None` if it has none."""
    signature, data = as_text(entry.get("signature")), as_text(entry.get("data"))
    if entry.get("format") == OWN:
        if data is not None:
            return {"type": "redacted_thinking", "data": data}
        return None if signature is None else {"type": "thinking", "thinking": text, "signature": signature}
    if signature is None and data is None:
        return None
    state = _packed(str(entry.get("format")), {name: value for name, value in entry.items() if name not in _SHOWN})
    if text:
        return {"type": "thinking", "thinking": text, "signature": state}
    return {"type": "redacted_thinking", "data": state}


def block_of_call(call_id: str, extra: dict[str, Any]) -> dict[str, Any]:
    """The block that carries what a provider wants back with a call."""
    return {"type": "redacted_thinking", "data": _packed(OF_CALL, {"id": call_id, "extra_content": extra})}


def entry_of(block: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The kind and the entry that a client's block of thoughts stands for; `None` if it holds no state."""
    text, signature = as_text(block.get("thinking")), as_text(block.get("signature"))
    state = signature or as_text(block.get("data"))
    if state is None:
        return None
    if (found := own_state(state)) is None:
        if signature is not None:
            return OWN, {"type": "reasoning.text", "text": text or "", "signature": signature, "format": OWN}
        return OWN, {"type": "reasoning.encrypted", "data": state, "format": OWN}
    kind, packed = found
    entry = _unpacked(packed)
    if entry is None:
        return None
    if entry.get("type") == "reasoning.text" and text is not None:
        entry["text"] = text
    return kind, entry


def _packed(kind: str, entry: dict[str, Any]) -> str:
    return foreign_state(kind, urlsafe_b64encode(dumps(entry)).decode())


def _unpacked(packed: str) -> dict[str, Any] | None:
    try:
        return as_dict(orjson.loads(urlsafe_b64decode(packed))) or None
    except (binascii.Error, ValueError):
        return None
