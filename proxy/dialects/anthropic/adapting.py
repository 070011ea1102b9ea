"""Passes an Anthropic client's request on to a provider that speaks the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import FOREIGN_STATE
from proxy.dialects.openai_chat import write_object
from proxy.dialects.quirks import GATEWAY_FIELDS
from proxy.dialects.reading import as_dict

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target
    from proxy.dialects.request import ModelRequest

_FOREIGN_STATE = FOREIGN_STATE.encode()
_STATES = {"thinking": "signature", "redacted_thinking": "data"}
"""Where a block of thoughts holds what its model wants back."""


def adapt(request: ModelRequest, target: Target) -> bytes:
    """See `Dialect.adapt`. Thoughts of another dialect's model, which a client was given dressed, are left out."""
    doc, quirks = request.doc, target.quirks
    changes: dict[str, Any] = dict(quirks.body_fields)
    if not quirks.model_in_path and doc.get("model") != target.model:
        changes["model"] = target.model
    unwanted = {name for name in GATEWAY_FIELDS if name in doc}
    if quirks.model_in_path:
        unwanted.add("model")
    if isinstance(doc.get("provider"), str):
        unwanted.add("provider")
    if request.raw is None or _FOREIGN_STATE in request.raw:
        messages = doc.get("messages")
        kept = _without_foreign(messages) if isinstance(messages, list) else messages
        if kept is not messages:
            changes["messages"] = kept
    if not changes and not unwanted and request.raw is not None:
        return request.raw
    return write_object({name: value for name, value in {**doc, **changes}.items() if name not in unwanted})


def _without_foreign(messages: list[Any]) -> list[Any]:
    """The very list if nothing is to go."""
    found = [_message(message) for message in messages]
    if all(new is old for new, old in zip(found, messages, strict=True)):
        return messages
    return [message for message in found if message is not None]


def _message(message: Any) -> Any:
    """The very message, one with fewer blocks, or `None` when none is left."""
    content = as_dict(message).get("content")
    if not isinstance(content, list):
        return message
    kept = [block for block in content if not _is_foreign(block)]
    if len(kept) == len(content):
        return message
    return {**message, "content": kept} if kept else None


def _is_foreign(block: Any) -> bool:
    name = _STATES.get(str(as_dict(block).get("type")))
    state = block.get(name) if name is not None else None
    return isinstance(state, str) and state.startswith(FOREIGN_STATE)
