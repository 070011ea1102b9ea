"""Goes on with a stream that broke off in another deployment's: it decides what of that stream the client gets.

A `Splicer` proves that the other answer begins with what the client has, and lets the rest through. A `Continuer`
serves a deployment that was given what the client has and sends only the rest. The client sees one answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.delivered import TOKEN_LISTS, Delivered, Divergence, NotSpliceable, text_of, units_of
from proxy.dialects.lanes import Unreadable, only_choice, parse, pieces_of, tidy
from proxy.dialects.reading import as_dict, finish_reason_of, usage_object
from proxy.dialects.sse import data_of, events_of
from proxy.dialects.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.dialects.lanes import Piece, Turn

__all__ = ["Continuer", "Delivered", "Divergence", "NotSpliceable", "Splicer"]

SHORT_CHARS = 16
"""A text below this may well occur twice in an answer: its repetition does not show that the answer began anew."""

_DONE = b"[DONE]"
_TEXT = ("role", "content")


class Splicer:
    """Compares another deployment's stream with what was delivered, then lets through what follows."""

    __slots__ = ("_at", "_has_usage", "_offset", "_segments", "_voice", "is_joined")

    def __init__(self, delivered: Delivered) -> None:
        """Raise `NotSpliceable` if the answer has ended already."""
        self.is_joined = False
        """All that was delivered has been reproduced: what follows is new."""
        self._voice = Voice(delivered)
        self._segments = delivered.segments
        self._has_usage = delivered.has_usage
        self._at = -1
        self._offset = 0

    def feed(self, block: bytes) -> bytes:
        """Whole events in; out those the client has not had, nothing while comparing. O(len(block)).

        Raises `Divergence`; what the block held before that place is lost.
        """
        try:
            return b"".join([self._follow(event) for event in events_of(block)])
        except Unreadable as error:
            raise Divergence(f"the new answer has {error}") from None

    def _follow(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None:
            return event if self.is_joined else b""
        data = data.strip()
        if not data:
            return b""
        if data == _DONE:
            self._check_end()
            return event
        doc = parse(data)
        choice = only_choice(doc) or {}
        if not choice and self._has_usage and usage_object(doc):
            return b""
        turns = self._voice.turns(choice)
        return self._voice.chunk(doc, choice, turns) if self.is_joined else self._compare(doc, choice, turns)

    def _compare(self, doc: dict[str, Any], choice: dict[str, Any], turns: list[Turn]) -> bytes:
        left = self._advance(pieces_of(choice, turns))
        is_last = finish_reason_of(choice) is not None
        if is_last:
            self._check_end()
        if not left and not is_last:
            return b""
        tidy(as_dict(choice.get("delta")), left)
        for name in TOKEN_LISTS:
            choice.pop(name, None)
        return self._voice.chunk(doc, choice, turns)

    def _advance(self, pieces: list[Piece]) -> list[Piece]:
        """Take what was delivered out of a chunk; the pieces that are left."""
        for place, piece in enumerate(pieces):
            if self.is_joined:
                return pieces[place:]
            rest = self._match(piece)
            if rest:
                piece.put(rest)
                return pieces[place:]
            piece.remove()
        return []

    def _match(self, piece: Piece) -> str:
        """Compare one piece with what is next; what it has beyond all that was delivered."""
        if self._is_through and (self._at < 0 or piece.lane != self._segments[self._at].lane):
            self._at += 1
            self._offset = 0
        segment = self._segments[self._at]
        if piece.lane != segment.lane:
            raise Divergence(f"the new answer goes on with {piece.lane} {self._place()}")
        units = units_of(piece.text)
        wanted = segment.units[self._offset : self._offset + len(units)]
        if not units.startswith(wanted):
            self._offset += _agreement(units, wanted)
            raise Divergence(f"the new answer differs {self._place()}")
        self._offset += len(wanted)
        is_last = self._at == len(self._segments) - 1
        if len(units) > len(wanted) and not is_last:
            raise Divergence(f"the new answer goes on {self._place()}")
        self.is_joined = is_last and self._is_through
        return text_of(units[len(wanted) :])

    def _check_end(self) -> None:
        if not self.is_joined:
            raise Divergence(f"the new answer ends {self._place()}")

    @property
    def _is_through(self) -> bool:
        return self._at < 0 or self._offset == len(self._segments[self._at].units)

    def _place(self) -> str:
        segment = self._segments[max(0, self._at)]
        return f"at character {len(text_of(segment.units[: self._offset]))} of {segment.lane}"


class Continuer:
    """Passes the stream of a deployment that was given the delivered text as the beginning of its answer ("prefill").

    All it sends is new, unless it began anew, which shows in its repeating the whole text.
    """

    __slots__ = ("_chunks", "_has_begun", "_held", "_offset", "_suspected", "_voice")

    def __init__(self, delivered: Delivered) -> None:
        """Raise `NotSpliceable` if the answer has ended already or is more than text."""
        if delivered.text is None:
            raise NotSpliceable("only plain text can be continued")
        self._voice = Voice(delivered)
        self._chunks = delivered.chunks
        self._has_begun = False
        self._suspected = delivered.segments[0].units if delivered.characters >= SHORT_CHARS else b""
        self._offset = 0
        self._held: list[bytes] = []

    def feed(self, block: bytes) -> bytes:
        """Whole events in and out; nothing, not even a comment, while it may still have begun anew. O(len(block)).

        Holds at most one event for each character delivered. Raises `Divergence`.
        """
        try:
            return b"".join([self._follow(event) for event in events_of(block)])
        except Unreadable as error:
            raise Divergence(f"the continuation has {error}") from None

    def _follow(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None:
            return event if self._has_begun and not self._suspected else b""
        data = data.strip()
        if not data:
            return b""
        if data == _DONE:
            return self._release() + event
        doc = parse(data)
        choice = only_choice(doc) or {}
        usages = list(_usages(doc, choice))
        if not usages and not _says_something(choice) and (self._suspected or not self._has_begun):
            return b""
        self._has_begun = True
        self._judge(choice)
        for usage in usages:
            _count_as_one(usage, self._chunks)
        # Perplexity repeats all so far here, which is not all
        choice.pop("message", None)
        passed = self._voice.chunk(doc, choice, self._voice.turns(choice))
        if not self._suspected:
            return self._release() + passed
        self._held.append(passed)
        return b""

    def _judge(self, choice: dict[str, Any]) -> None:
        """Drop the suspicion when the text differs from the beginning of the answer, or something else comes."""
        if not self._suspected:
            return
        delta = as_dict(choice.get("delta"))
        text = delta.get("content")
        units = units_of(text) if isinstance(text, str) else b""
        wanted = self._suspected[self._offset : self._offset + len(units)]
        self._offset += len(wanted)
        if units.startswith(wanted) and self._offset == len(self._suspected):
            raise Divergence("the continuation begins the answer anew")
        is_only_text = finish_reason_of(choice) is None and not any(delta[name] for name in delta if name not in _TEXT)
        if not units or not units.startswith(wanted) or not is_only_text:
            self._suspected = b""

    def _release(self) -> bytes:
        self._suspected = b""
        held = b"".join(self._held)
        self._held.clear()
        return held


def _agreement(one: bytes, other: bytes) -> int:
    """How many bytes two texts have in common at their beginning, in whole code units."""
    size = next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(other))
    return size - size % 2


def _says_something(choice: dict[str, Any]) -> bool:
    delta = as_dict(choice.get("delta"))
    return finish_reason_of(choice) is not None or any(delta[name] for name in delta if name != "role")


def _usages(doc: dict[str, Any], choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every usage object of a chunk: Groq sends two, older Moonshot puts it into the choice."""
    for holder in (doc, as_dict(doc.get("x_groq")), choice):
        if usage := usage_object({"usage": holder.get("usage")}):
            yield usage


def _count_as_one(usage: dict[str, Any], chunks: int) -> None:
    """Move the tokens of the delivered part from the prompt, where the deployment read them, to the output.

    An estimate: about one token came in each chunk. The total stays as it is.
    """
    prompt, output = usage.get("prompt_tokens"), usage.get("completion_tokens")
    if isinstance(prompt, int) and isinstance(output, int):
        moved = max(0, min(chunks, prompt))
        usage["prompt_tokens"] = prompt - moved
        usage["completion_tokens"] = output + moved
