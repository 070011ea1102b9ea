"""What a client has of an answer that broke off, read out of the very blocks that went to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from proxy.dialects.lanes import REASONING_FIELDS, Call, Calls, Unreadable, only_choice, parse, pieces_of
from proxy.dialects.reading import finish_reason_of, usage_object
from proxy.dialects.sse import data_of, events_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

IDENTITY = ("id", "object", "created", "model", "system_fingerprint")
"""By these a client knows that chunks belong to one answer."""

_UNITS = "utf-16-le"
TOKEN_LISTS = ("logprobs", "token_ids")
"""Fields of a choice that go with whole tokens."""


class NotSpliceable(Exception):
    """Nobody else can go on with what was delivered. The text says why, for the log."""


class Divergence(Exception):
    """The other answer does not go with what was delivered. The text says where, for the log, and quotes nothing."""


class Segment(NamedTuple):
    """Consecutive text of one lane, as UTF-16 code units: it may end between the halves of a surrogate pair."""

    lane: str
    units: bytes


@dataclass(frozen=True, slots=True)
class Delivered:
    """An answer as far as it went. O(its text) in memory."""

    segments: Sequence[Segment]
    calls: Sequence[Call]
    identity: Mapping[str, Any]
    """The first value of each `IDENTITY` field up to the first content; what the client did not get is absent."""
    reasoning_fields: tuple[str, ...]
    """The fields reasoning came in; empty if none came."""
    chunks: int
    """Chunks with content."""
    is_finished: bool
    """A finish reason, or `[DONE]`, was delivered."""
    has_usage: bool = False
    """A chunk with nothing but usage was delivered: a client takes one."""
    characters: int = field(init=False)
    """All text together, of every lane; for the log."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "characters", sum(len(text_of(segment.units)) for segment in self.segments))

    @classmethod
    def read(cls, blocks: Iterable[bytes]) -> Delivered:
        """Read whole events. O(their size).

        Raises `NotSpliceable` for several choices, log probabilities, content of a kind that cannot be compared, or
        none at all.
        """
        reader = _Reader()
        try:
            for block in blocks:
                for event in events_of(block):
                    reader.read(event)
        except Unreadable as error:
            raise NotSpliceable(f"the answer has {error}") from None
        if not reader.lanes:
            raise NotSpliceable("the answer has no content yet")
        return cls(
            segments=[Segment(lane, units_of("".join(texts))) for lane, texts in reader.lanes],
            calls=reader.calls.opened,
            identity=reader.identity,
            reasoning_fields=reader.reasoning_fields,
            chunks=reader.chunks,
            is_finished=reader.is_finished,
            has_usage=reader.has_usage,
        )

    @property
    def text(self) -> str | None:
        """The answer if it is nothing but `content`, else `None`: what a deployment may be asked to continue.

        Also `None` if it ends in half a character, which no request can hold.
        """
        if [segment.lane for segment in self.segments] != ["content"]:
            return None
        try:
            return self.segments[0].units.decode(_UNITS)
        except UnicodeDecodeError:
            return None


def units_of(text: str) -> bytes:
    """UTF-16 code units. Equal texts have equal ones wherever their surrogate pairs were cut."""
    return text.encode(_UNITS, "surrogatepass")


def text_of(units: bytes) -> str:
    """The reverse; half of a pair stays half."""
    return units.decode(_UNITS, "surrogatepass")


class _Reader:
    __slots__ = ("calls", "chunks", "has_usage", "identity", "is_finished", "lanes", "reasoning_fields")

    def __init__(self) -> None:
        self.lanes: list[tuple[str, list[str]]] = []
        self.calls = Calls()
        self.identity: dict[str, Any] = {}
        self.reasoning_fields: tuple[str, ...] = ()
        self.chunks = 0
        self.is_finished = False
        self.has_usage = False

    def read(self, event: bytes) -> None:
        data = (data_of(event) or b"").strip()
        if not data:
            return
        if data == b"[DONE]":
            self.is_finished = True
            return
        doc = parse(data)
        if not self.chunks:
            # Azure's first chunk has an empty id: the next has the answer's
            self.identity |= {name: doc[name] for name in IDENTITY if name not in self.identity and doc.get(name)}
        choice = only_choice(doc)
        if choice is not None:
            self._read_choice(choice)
        elif usage_object(doc):
            self.has_usage = True

    def _read_choice(self, choice: dict[str, Any]) -> None:
        for name in TOKEN_LISTS:
            if choice.get(name) is not None:
                raise Unreadable(f"`{name}`, which cannot be cut at a character")
        pieces = pieces_of(choice, self.calls.turns(choice))
        for piece in pieces:
            if not self.lanes or self.lanes[-1][0] != piece.lane:
                self.lanes.append((piece.lane, []))
            self.lanes[-1][1].append(piece.text)
            if piece.lane == "reasoning" and not self.reasoning_fields:
                self.reasoning_fields = tuple(name for _, name in piece.places if name in REASONING_FIELDS)
        self.chunks += bool(pieces)
        self.is_finished = self.is_finished or finish_reason_of(choice) is not None
