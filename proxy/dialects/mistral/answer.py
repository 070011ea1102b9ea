"""Mistral's answers as the hub's: thoughts come out of the content, calls get their type. Any other passes as it is.

Source: https://docs.mistral.ai/capabilities/reasoning/, "What's in a response".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from proxy.dialects.chunks import dumps
from proxy.dialects.dialect import Undecodable, told
from proxy.dialects.reading import as_dict, as_text, choices_of, parse
from proxy.dialects.sse import data_of, events_of

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

_HAS_LISTS = re.compile(rb'"(?:content|tool_calls)"\s*:\s*\[')
_TOO_LONG = b'"model_length"'
"""A finish reason of Mistral's own: the context is full."""


def answer(doc: dict[str, Any], target: Target) -> dict[str, Any]:  # noqa: ARG001 - it reads alike for all
    """A whole answer; the same object if it is the hub's already."""
    if all(_is_plain(choice, "message") for choice in choices_of(doc)):
        return doc
    return {**doc, "choices": [_choice(choice, "message") for choice in choices_of(doc)]}


class MistralDecoder:
    """Of one stream."""

    __slots__ = ("opaque",)

    def __init__(self) -> None:
        self.opaque: dict[str, dict[str, Any]] = {}

    def feed(self, block: bytes) -> bytes:
        """See `StreamDecoder.feed`: the very bytes, but for events with lists in them."""
        if _HAS_LISTS.search(block) is None and _TOO_LONG not in block:
            return block
        return told(map(_event, events_of(block)))

    def counted(self) -> None:
        """See `StreamDecoder.counted`: nothing is told before the end."""

    def end(self) -> bytes:
        """Nothing: what ends without `[DONE]` is broken."""
        return b""


def _event(event: bytes) -> bytes:
    data = data_of(event)
    if data is None or (_HAS_LISTS.search(data) is None and _TOO_LONG not in data):
        return event
    try:
        doc = parse(data)
    except ValueError:
        raise Undecodable("an event is no JSON") from None
    if not isinstance(doc, dict) or all(_is_plain(choice, "delta") for choice in choices_of(doc)):
        return event
    return b"data: %b\n\n" % dumps({**doc, "choices": [_choice(choice, "delta") for choice in choices_of(doc)]})


def _is_plain(choice: dict[str, Any], field: str) -> bool:
    said = as_dict(choice.get(field))
    has_lists = isinstance(said.get("content"), list) or isinstance(said.get("tool_calls"), list)
    return not has_lists and choice.get("finish_reason") != "model_length"


def _choice(choice: dict[str, Any], field: str) -> dict[str, Any]:
    if choice.get("finish_reason") == "model_length":
        choice = {**choice, "finish_reason": "length"}
    said = as_dict(choice.get(field))
    if isinstance(calls := said.get("tool_calls"), list):
        said = {**said, "tool_calls": [_typed(call, place) for place, call in enumerate(calls)]}
        choice = {**choice, field: said}
    content = said.get("content")
    if not isinstance(content, list):
        return choice
    text, thoughts = _apart(content)
    # a chunk of thoughts alone says nothing of the content
    told = {**said, "content": text if text or field == "message" else None}
    if thoughts:
        told["reasoning_content"] = thoughts
    return {**choice, field: told}


def _typed(call: Any, place: int) -> Any:
    """With the `type` and `index` that OpenAI's clients check. Of a call in pieces the first one has the id."""
    if not isinstance(call, dict) or not call.get("id"):
        return call
    return {**call, "index": call.get("index", place), "type": call.get("type") or "function"}


def _apart(content: list[Any]) -> tuple[str, str]:
    """Text and thoughts of a list of parts."""
    text, thoughts = [], []
    for part in content:
        fields = as_dict(part)
        text.append(as_text(fields.get("text")) or "")
        thinking = fields.get("thinking")
        if isinstance(thinking, list):
            thoughts += [as_text(as_dict(inner).get("text")) or "" for inner in thinking]
        else:
            thoughts.append(as_text(thinking) or "")
    return "".join(text), "".join(thoughts)
