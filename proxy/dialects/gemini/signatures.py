"""Thought signatures: Google's own, and other providers' reasoning state in the form of one.

The field is bytes in base64, and Google's own client decodes it: what is dressed as one must be base64 too.
Source: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from proxy.dialects.chunks import dumps
from proxy.dialects.hub import FOREIGN_STATE, ReasoningFormat, foreign_state, own_state
from proxy.dialects.reading import as_dict, as_text

STAND_IN = "skip_thought_signature_validator"
"""Documented for tool calls whose signature nobody has."""

_DRESSED = base64.b64encode(FOREIGN_STATE.encode()[: len(FOREIGN_STATE) // 3 * 3]).decode()
"""How foreign state begins, in base64."""
_URL_SAFE = str.maketrans("-_", "+/")


def dressed(entry: dict[str, Any]) -> str:
    """An entry of `reasoning_details` that is not Google's, as a signature. Its text stands beside it, not in it."""
    state = {name: value for name, value in entry.items() if name not in ("text", "index")}
    kind = as_text(entry.get("format")) or ReasoningFormat.UNKNOWN
    return base64.b64encode(foreign_state(kind, dumps(state).decode()).encode()).decode()


def undressed(signature: str) -> dict[str, Any] | None:
    """The entry that `dressed` was given, without its text; `None` for a signature of Google's."""
    if not signature.startswith(_DRESSED):
        return None
    try:
        # clients write either alphabet of base64, and some leave the padding out
        text = base64.b64decode(signature.translate(_URL_SAFE) + "=" * (-len(signature) % 4)).decode()
        own = own_state(text)
        entry = as_dict(orjson.loads(own[1])) if own is not None else {}
    except (binascii.Error, ValueError):
        return {}
    return entry


def detail(signature: str) -> dict[str, Any]:
    """Google's `signature` of a part that is no tool call, as an entry of `reasoning_details`."""
    return {"type": "reasoning.encrypted", "data": signature, "format": ReasoningFormat.GEMINI.value}


def of_details(details: Any) -> str | None:
    """The last signature of Google's in `reasoning_details`."""
    for entry in reversed(details) if isinstance(details, list) else ():
        fields = as_dict(entry)
        if fields.get("format") == ReasoningFormat.GEMINI:
            found = as_text(fields.get("data")) or as_text(fields.get("signature"))
            if found:
                return found
    return None


def extra(signature: str) -> dict[str, Any]:
    """The field by which a tool call of the hub carries Google's `signature`."""
    return {"extra_content": {"google": {"thought_signature": signature}}}


def of_extra(holder: Any) -> str | None:
    """The reverse; `None` if `holder` carries none."""
    google = as_dict(as_dict(as_dict(holder).get("extra_content")).get("google"))
    return as_text(google.get("thought_signature"))
