"""Reasoning items and the hub's `reasoning_details`.

OpenAI's own state is the item's `encrypted_content` as it is. State of another model goes to a client dressed: whatever
the item stands for, packed into one string, so that it comes back whole. Source: OpenAI API reference, "Reasoning".
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from proxy.dialects.chunks import dumps
from proxy.dialects.hub import ReasoningFormat, foreign_state, own_state
from proxy.dialects.reading import as_dict, as_text

MAX_STATE_CHARS = 1 << 22
"""Of state that a client sends back."""
_GROWING = ("text", "summary", "data")
"""Fields of an entry that may come in pieces."""


class Details:
    """Gathers the entries of `reasoning_details` of one reasoning item; a stream may send them in pieces."""

    __slots__ = ("calls", "entries")

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.calls: dict[str, Any] = {}
        """Tool call id -> its `extra_content`, opaque state of the call itself."""

    @property
    def is_sealed(self) -> bool:
        """State has come: further thoughts are another item's."""
        return bool(self.entries) and _is_state(self.entries[-1])

    def add(self, details: Any) -> None:
        """Take over what is new. What is no list of objects says nothing."""
        for entry in details if isinstance(details, list) else ():
            if isinstance(entry, dict):
                self._add(entry)

    def _add(self, entry: dict[str, Any]) -> None:
        last = self.entries[-1] if self.entries else {}
        if not _continues(last, entry):
            self.entries.append(dict(entry))
            return
        for name, value in entry.items():
            if value is None:
                continue
            last[name] = f"{last.get(name) or ''}{value}" if name in _GROWING and isinstance(value, str) else value

    def encrypted(self, text: str) -> str | None:
        """The item's `encrypted_content`, where `text` is its summary; `None` if there is no state."""
        entries = [entry for entry in self.entries if _is_state(entry)]
        if not entries and not self.calls:
            return None
        if [entry.get("format") for entry in entries] == [ReasoningFormat.OPENAI] and not self.calls:
            return as_text(entries[0].get("data"))
        kind = next((kind for entry in entries if (kind := as_text(entry.get("format")))), ReasoningFormat.UNKNOWN)
        packed: dict[str, Any] = {"details": [_without(entry, text) for entry in entries]}
        if self.calls:
            packed["calls"] = self.calls
        return foreign_state(kind, base64.b64encode(dumps(packed)).decode())

    def item_id(self) -> str | None:
        """The id the item had at OpenAI, if it comes from there."""
        return next((as_text(e.get("id")) for e in self.entries if e.get("format") == ReasoningFormat.OPENAI), None)


def _continues(last: dict[str, Any], entry: dict[str, Any]) -> bool:
    """Whether `entry` is a further piece of `last`: the same type and index, and `last` is not sealed."""
    same = all(last.get(name) == entry.get(name) for name in ("type", "index"))
    return same and entry.get("type") != "reasoning.encrypted" and not last.get("signature")


def _is_state(entry: dict[str, Any]) -> bool:
    """Whether the entry holds what a model wants back, not just text."""
    return bool(entry.get("signature") or entry.get("data"))


def _without(entry: dict[str, Any], text: str) -> dict[str, Any]:
    """The text stands in the summary already."""
    return {name: value for name, value in entry.items() if name != "text"} if entry.get("text") == text else entry


def item_of(item_id: str, text: str, details: Details, *, with_state: bool) -> dict[str, Any]:
    """The reasoning item. `with_state`: the client wants `encrypted_content`."""
    item: dict[str, Any] = {"id": item_id, "type": "reasoning", "summary": summary_of(text)}
    if with_state and (state := details.encrypted(text)):
        item["encrypted_content"] = state
    return item


def summary_of(text: str) -> list[dict[str, str]]:
    """As an item has it."""
    return [{"type": "summary_text", "text": text}] if text else []


def read_item(item: dict[str, Any]) -> tuple[str, list[dict[str, Any]], dict[str, Any]]:
    """A reasoning item's text, its `reasoning_details`, and state of calls by their ids.

    Wrong types read as absent: the item is the server's, and the client only keeps it.
    """
    summary = _texts(item.get("summary"))
    text = "\n\n".join(summary or _texts(item.get("content")))
    state = as_text(item.get("encrypted_content"))
    if state is None or len(state) > MAX_STATE_CHARS:
        return text, [], {}
    dressed = own_state(state)
    if dressed is not None:
        return text, *_unpacked(dressed[1], text)
    return text, own_details(item, summary, state), {}


def own_details(item: dict[str, Any], summary: list[str], state: str) -> list[dict[str, Any]]:
    """The details of an item of OpenAI's own, from which `items_of_details` makes it again."""
    mark = {"format": ReasoningFormat.OPENAI.value}
    if item_id := as_text(item.get("id")):
        mark["id"] = item_id
    told = [{"type": "reasoning.summary", "summary": text, **mark} for text in summary]
    return [*told, {"type": "reasoning.encrypted", "data": state, **mark}]


def items_of_details(details: Any) -> list[dict[str, Any]]:
    """The reasoning items that OpenAI's own entries among `details` stand for; others' state is left out."""
    items: list[dict[str, Any]] = []
    summary: list[dict[str, str]] = []
    for entry in details if isinstance(details, list) else ():
        fields = as_dict(entry)
        if fields.get("format") != ReasoningFormat.OPENAI:
            continue
        if text := as_text(fields.get("summary")):
            summary.append({"type": "summary_text", "text": text})
        elif data := as_text(fields.get("data")):
            item = {"type": "reasoning", "summary": summary, "encrypted_content": data}
            if item_id := as_text(fields.get("id")):
                item["id"] = item_id
            items.append(item)
            summary = []
    return items


def texts_of_item(item: dict[str, Any]) -> list[str]:
    """What an item of the provider lets the client read: its summary, else its text."""
    return _texts(item.get("summary")) or _texts(item.get("content"))


def _texts(parts: Any) -> list[str]:
    found = [as_text(as_dict(part).get("text")) for part in parts] if isinstance(parts, list) else []
    return [text for text in found if text]


def _unpacked(state: str, text: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    try:
        packed = as_dict(orjson.loads(base64.b64decode(state, validate=True)))
    except (binascii.Error, orjson.JSONDecodeError):
        return [], {}
    details = packed.get("details")
    entries = [entry for entry in details if isinstance(entry, dict)] if isinstance(details, list) else []
    for entry in entries:
        if entry.get("type") == "reasoning.text" and "text" not in entry:
            entry["text"] = text
    return entries, as_dict(packed.get("calls"))
