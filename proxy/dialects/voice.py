"""Makes chunks of another deployment look as if the first had sent them, so that the client sees one answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.delivered import IDENTITY, Delivered, NotSpliceable
from proxy.dialects.lanes import REASONING_FIELDS, Calls, event_of
from proxy.dialects.reading import as_dict

if TYPE_CHECKING:
    from proxy.dialects.lanes import Turn


class Voice:
    """Speaks for the deployment that broke off. Changes the documents it is given."""

    __slots__ = ("_calls", "_given", "_identity", "_indexes", "_next_index", "_reasoning_fields")

    def __init__(self, delivered: Delivered) -> None:
        """Raise `NotSpliceable` if the answer has ended already."""
        if delivered.is_finished:
            raise NotSpliceable("the answer has ended already")
        self._identity = delivered.identity
        self._reasoning_fields = delivered.reasoning_fields
        self._given = delivered.calls
        self._indexes = [place if call.index is None else call.index for place, call in enumerate(delivered.calls)]
        self._next_index = 1 + max(self._indexes, default=-1)
        self._calls = Calls()

    def turns(self, choice: dict[str, Any]) -> list[Turn]:
        """Whose the chunk's tool calls are; once for every chunk of the stream. Raises `Unreadable`."""
        return self._calls.turns(choice)

    def chunk(self, doc: dict[str, Any], choice: dict[str, Any], turns: list[Turn]) -> bytes:
        """Write a chunk under the first one's identity. A field of it that the client never got is left out."""
        for name in IDENTITY:
            if name in self._identity:
                doc[name] = self._identity[name]
            else:
                doc.pop(name, None)
        delta = as_dict(choice.get("delta"))
        delta.pop("role", None)
        if self._reasoning_fields:
            self._rename_reasoning(delta)
        for turn in turns:
            self._renumber(turn)
        return event_of(doc)

    def _rename_reasoning(self, delta: dict[str, Any]) -> None:
        """A client that has read one field so far would miss what came in the other."""
        values = [value for name in REASONING_FIELDS if (value := delta.pop(name, None))]
        for name in self._reasoning_fields if values else ():
            delta[name] = values[0]

    def _renumber(self, turn: Turn) -> None:
        """Continue a delivered call under its own index and id, and number new ones after the delivered."""
        entry, number, _ = turn
        if number >= len(self._given):
            entry["index"] = self._next_index + number - len(self._given)
            return
        entry["index"] = self._indexes[number]
        name = self._given[number].id
        if name and entry.get("id"):
            entry["id"] = name
