"""Reads a chat or text-completion chunk as pieces of lanes, so that two streams can be compared however each is cut.

A lane is one strand of an answer: `content`, `reasoning`, `tool call 0 arguments`. An answer is the sequence of its
lanes' texts. What might be content and is not understood is refused: nobody can say whether two of it are the same.

Source: OpenAI API reference, chat completion chunk; each provider's way of sending tool calls.
"""

from __future__ import annotations

import json  # noqa: TID251 - orjson knows no half of a surrogate pair, which a provider may send as `\ud83d`
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from proxy.dialects.reading import as_dict, as_text, choices_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REASONING_FIELDS = ("reasoning_content", "reasoning")
"""Providers choose one; some send the same text in both."""

MAX_CALLS = 1024
"""Tool calls in one answer."""

_TEXT_LANES = ("content", "refusal")
_UNDERSTOOD = frozenset({*_TEXT_LANES, *REASONING_FIELDS, "role", "tool_calls", "function_call", "channel"})
"""`channel` (Groq) names the kind of text beside it."""
_CALL_BODIES = (("function", ("name", "arguments")), ("custom", ("name", "input")))
_CALL_FRAME = frozenset({"index", "function", "custom"})
"""What a chunk that continues a call has; everything else belongs to its opening."""
_LONGEST_NAME = 32


class Unreadable(Exception):
    """A chunk holds what cannot be compared. The text says what, never with words of the answer."""


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call as its stream names it; both may be missing."""

    index: int | None
    id: str | None


class Turn(NamedTuple):
    """One entry of `delta.tool_calls` and the call it belongs to, counted from 0 in the order of opening."""

    entry: dict[str, Any]
    number: int
    opens: bool


class Piece(NamedTuple):
    """The text one chunk adds to one lane; empty only where it opens a tool call."""

    lane: str
    text: str
    places: tuple[tuple[dict[str, Any], str], ...]
    """Where in the chunk it stands: the same text may stand in two fields."""
    entry: dict[str, Any] | None = None
    """The entry of `delta.tool_calls` it stands in."""

    def put(self, text: str) -> None:
        """Put `text` in its place."""
        for holder, name in self.places:
            holder[name] = text

    def remove(self) -> None:
        """Take it out of the chunk."""
        for holder, name in self.places:
            if name == "text":
                # required in a text completion
                holder[name] = ""
            else:
                holder.pop(name, None)


class Calls:
    """The tool calls of one stream."""

    __slots__ = ("_by_id", "_by_index", "opened")

    def __init__(self) -> None:
        self.opened: list[Call] = []
        """In the order of opening."""
        self._by_index: dict[int, int] = {}
        self._by_id: dict[str, int] = {}

    def turns(self, choice: dict[str, Any]) -> list[Turn]:
        """Tell which call each entry belongs to. Once for each chunk: an entry without `index` opens a call.

        Raises `Unreadable` for entries that are no objects, or over `MAX_CALLS`.
        """
        entries = as_dict(choice.get("delta")).get("tool_calls")
        if not entries:
            return []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise Unreadable("tool calls that are no list of objects")
        return [self._turn(entry) for entry in entries]

    def _turn(self, entry: dict[str, Any]) -> Turn:
        index = entry.get("index")
        if not isinstance(index, int):
            index = None
        name = as_text(entry.get("id"))
        number = self._find(index, name, is_named=_is_named(entry))
        if number is not None:
            call = self.opened[number]
            if name and call.id is None:
                self.opened[number] = Call(call.index, name)
            return Turn(entry, number, opens=False)
        number = len(self.opened)
        if number >= MAX_CALLS:
            raise Unreadable(f"over {MAX_CALLS} tool calls")
        self.opened.append(Call(index, name))
        if index is not None:
            self._by_index[index] = number
        if name:
            self._by_id[name] = number
        return Turn(entry, number, opens=True)

    def _find(self, index: int | None, name: str | None, *, is_named: bool) -> int | None:
        if index is not None:
            number = self._by_index.get(index)
            if number is not None and is_named and name and (self.opened[number].id or name) != name:
                # Gemini's compatible endpoint gives every call the index 0
                return None
            return number
        if name:
            return self._by_id.get(name)
        return len(self.opened) - 1 if self.opened and not is_named else None


def parse(data: bytes) -> dict[str, Any]:
    """Read the data of one event. Raises `Unreadable` if it is no JSON object."""
    try:
        doc = orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            doc = json.loads(data, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise Unreadable("an event that is not JSON") from None
    if not isinstance(doc, dict):
        raise Unreadable("an event that is no object")
    return doc


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def event_of(doc: dict[str, Any]) -> bytes:
    """Write one event."""
    try:
        return b"data: " + orjson.dumps(doc) + b"\n\n"
    except TypeError:
        # half of a surrogate pair: ASCII escapes can say it
        return b"data: " + json.dumps(doc, separators=(",", ":")).encode() + b"\n\n"


def only_choice(doc: dict[str, Any]) -> dict[str, Any] | None:
    """The chunk's choice; `None` if it has none, as a usage chunk. Raises `Unreadable` for a second choice."""
    choices = choices_of(doc)
    if not choices:
        return None
    if len(choices) > 1 or choices[0].get("index") not in (0, None):
        raise Unreadable("several choices")
    return choices[0]


def pieces_of(choice: dict[str, Any], turns: list[Turn]) -> list[Piece]:
    """What the chunk adds to the answer, in the order of its lanes. Raises `Unreadable`."""
    delta = as_dict(choice.get("delta"))
    text = delta.get("content")
    if text and isinstance(text, str) and len(delta) == 1 and not choice.get("text"):
        # nearly every chunk
        return [Piece("content", text, ((delta, "content"),))]
    pieces: list[Piece] = []
    for name, value in delta.items():
        if value and name not in _UNDERSTOOD and isinstance(value, str | list | dict):
            raise Unreadable(f"the field {name[:_LONGEST_NAME]!r}")
    _add(pieces, "reasoning", delta, REASONING_FIELDS)
    for lane in _TEXT_LANES:
        _add(pieces, lane, delta, (lane,))
    call = delta.get("function_call")
    if call:
        for name in ("name", "arguments"):
            _add(pieces, f"function call {name}", as_dict(call), (name,))
    for turn in turns:
        pieces.extend(_pieces_of_turn(turn))
    if choice.get("text"):
        _add_text(pieces, choice, delta)
    return pieces


def tidy(delta: dict[str, Any], left: list[Piece]) -> None:
    """Remove tool calls of which no piece is left."""
    if delta.get("tool_calls"):
        entries = {id(piece.entry) for piece in left}
        delta["tool_calls"] = [entry for entry in delta["tool_calls"] if id(entry) in entries]
        if not delta["tool_calls"]:
            del delta["tool_calls"]
    if "function_call" in delta and not any(as_dict(delta["function_call"]).values()):
        del delta["function_call"]


def _add(pieces: list[Piece], lane: str, holder: dict[str, Any], names: tuple[str, ...]) -> None:
    text = ""
    places: tuple[tuple[dict[str, Any], str], ...] = ()
    for name in names:
        value = holder.get(name)
        if not value:
            continue
        if not isinstance(value, str):
            raise Unreadable(f"{lane} that is no text")
        if text and value != text:
            raise Unreadable(f"two texts for {lane}")
        text = value
        places = (*places, (holder, name))
    if text:
        pieces.append(Piece(lane, text, places))


def _add_text(pieces: list[Piece], choice: dict[str, Any], delta: dict[str, Any]) -> None:
    """The text of a text completion. Together sends that of a chat a second time here."""
    _add(pieces, "text", choice, ("text",))
    for place, piece in enumerate(pieces):
        if piece.lane == "content":
            if piece.text != choice["text"]:
                raise Unreadable("two texts for content")
            pieces[place] = piece._replace(places=((delta, "content"), (choice, "text")))
            pieces.pop()
            return


def _pieces_of_turn(turn: Turn) -> Iterator[Piece]:
    entry, lane = turn.entry, f"tool call {turn.number}"
    if turn.opens:
        frame = tuple((entry, name) for name in entry if name not in _CALL_FRAME)
        yield Piece(lane, "", frame, entry)
    for kind, names in _CALL_BODIES:
        body = as_dict(entry.get(kind))
        for name in names:
            value = body.get(name)
            if not value:
                continue
            if not isinstance(value, str):
                raise Unreadable(f"{lane} {name} that is no text")
            yield Piece(f"{lane} {name}", value, ((body, name),), entry)


def _is_named(entry: dict[str, Any]) -> bool:
    return any(as_dict(entry.get(kind)).get("name") for kind, _ in _CALL_BODIES)
