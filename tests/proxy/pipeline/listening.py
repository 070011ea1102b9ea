"""Hears a stream as a strict client does, sharing no code with the gateway: what is no event stream is refused.

Sources: WHATWG HTML, "Interpreting an event stream"; OpenAI API reference, "The chat completion chunk object"; OneInfer
Inference API reference, "Streaming".
"""

from __future__ import annotations

import json  # noqa: TID251 - the gateway reads with `orjson`; and halves of surrogate pairs are joined by clients
import re
from dataclasses import dataclass, field
from typing import Any

DONE = "[DONE]"
_LINE_END = re.compile(r"\r\n|\r|\n")
_LANES = (
    ("reasoning", ("reasoning_content", "reasoning")),
    ("content", ("content",)),
    ("refusal", ("refusal",)),
)


@dataclass(frozen=True)
class Heard:
    """One answer, whole or as far as it went."""

    lanes: list[tuple[str, str]] = field(default_factory=list)
    """Kinds of text in their order, neighbours of one kind joined."""
    call_ids: list[str] = field(default_factory=list)
    """Of tool calls, in the order of opening."""
    ids: set[str | None] = field(default_factory=set)
    models: set[str | None] = field(default_factory=set)
    roles: int = 0
    usages: list[Any] = field(default_factory=list)
    bare_usages: int = 0
    """Of these, in chunks without a choice."""
    is_done: bool = False
    error: Any = None

    def text(self, kind: str) -> str:
        """All of one kind."""
        return "".join(text for lane, text in self.lanes if lane == kind)

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Names and arguments of the tool calls."""
        return [
            (self.text(f"call {number} name"), self.text(f"call {number} arguments"))
            for number in range(len(self.call_ids))
        ]

    def begins(self, whole: Heard) -> bool:
        """Whether `whole` may have been cut off to this."""
        if not self.lanes:
            return True
        at = len(self.lanes) - 1
        if self.lanes[:at] != whole.lanes[:at] or len(whole.lanes) <= at:
            return False
        (lane, text), (wanted_lane, wanted) = self.lanes[at], whole.lanes[at]
        return lane == wanted_lane and _units(wanted).startswith(_units(text))


def payloads(stream: bytes) -> list[str]:
    """The data of each event. Asserts that nothing is left over: a client would never see it."""
    *lines, rest = _LINE_END.split(stream.decode("utf-8").removeprefix("\ufeff"))
    assert not rest, f"a line without an end: {rest!r}"
    found: list[str] = []
    data: list[str] = []
    for line in lines:
        name, _, value = line.partition(":")
        if not line:
            found += ["\n".join(data)] if any(data) else []
            data = []
        elif name == "data":
            data.append(value.removeprefix(" "))
    assert not data, f"an event without an end: {data!r}"
    return found


def documents(stream: bytes) -> tuple[list[Any], bool]:
    """Every event's JSON value, and whether `[DONE]` ended them. Asserts that nothing comes behind it."""
    found = payloads(stream)
    is_done = found[-1:] == [DONE]
    return [json.loads(data, parse_constant=_refuse) for data in (found[:-1] if is_done else found)], is_done


def _refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


def hear_chunks(stream: bytes) -> Heard:
    """What a client of OpenAI's dialect makes of a stream."""
    docs, is_done = documents(stream)
    hearing = _Hearing()
    for place, doc in enumerate(docs):
        if isinstance(doc, dict) and doc.get("error"):
            assert place == len(docs) - 1, "an event behind the error"
            hearing.error = doc["error"]
        elif isinstance(doc, dict):
            hearing.chunk(doc)
    return hearing.heard(is_done=is_done)


def hear_oneinfer(stream: bytes) -> Heard:
    """What a client of OneInfer's dialect makes of a stream."""
    docs, is_done = documents(stream)
    hearing = _Hearing()
    for place, doc in enumerate(docs):
        is_last = place == len(docs) - 1
        assert doc["text"] == doc["delta"]
        assert (doc["finish_reason"] is not None) == is_last, "it ends where it ends"
        hearing.say("content", doc["text"])
        hearing.error = doc.get("error")
        for call in doc.get("tool_calls", ()):
            assert is_last
            hearing.call(call)
        hearing.usages += [doc["usage"]] if "usage" in doc else []
    return hearing.heard(is_done=is_done)


class _Hearing:
    def __init__(self) -> None:
        self.error: Any = None
        self.usages: list[Any] = []
        self._lanes: list[tuple[str, list[str]]] = []
        self._call_ids: list[str] = []
        self._by_index: dict[int, int] = {}
        self._ids: set[str | None] = set()
        self._models: set[str | None] = set()
        self._roles = 0
        self._bare_usages = 0

    def heard(self, *, is_done: bool) -> Heard:
        return Heard(
            lanes=[(lane, _joined("".join(texts))) for lane, texts in self._lanes],
            call_ids=self._call_ids,
            ids=self._ids,
            models=self._models,
            roles=self._roles,
            usages=self.usages,
            bare_usages=self._bare_usages,
            is_done=is_done,
            error=self.error,
        )

    def say(self, lane: str, text: str) -> None:
        if not text:
            return
        if not self._lanes or self._lanes[-1][0] != lane:
            self._lanes.append((lane, []))
        self._lanes[-1][1].append(text)

    def chunk(self, doc: dict[str, Any]) -> None:
        choices = doc.get("choices")
        if choices is None:
            return
        self._ids.add(doc.get("id"))
        self._models.add(doc.get("model"))
        if doc.get("usage"):
            self.usages.append(doc["usage"])
            self._bare_usages += not choices
        for choice in choices:
            delta = choice["delta"]
            self._roles += "role" in delta
            for lane, names in _LANES:
                text = next((delta[name] for name in names if delta.get(name)), "")
                if isinstance(text, str):
                    self.say(lane, text)
                else:
                    self.say(f"{lane} parts", json.dumps(text))
            for call in delta.get("tool_calls") or ():
                self.call(call)

    def call(self, entry: dict[str, Any]) -> None:
        function = entry.get("function") or {}
        number = self._number(entry.get("index"), entry.get("id"), function.get("name"))
        self.say(f"call {number} name", function.get("name") or "")
        self.say(f"call {number} arguments", function.get("arguments") or "")

    def _number(self, index: int | None, call_id: str | None, name: str | None) -> int:
        """Which call an entry belongs to.

        Without an index it is a call of its own, and so is one that names another id under an old index. The place of a
        call that came without an index stands for it.
        """
        number = None if index is None else self._by_index.get(index)
        if number is not None and (not call_id or call_id == self._call_ids[number]):
            return number
        assert call_id, "a call begins without an id"
        assert name, "a call begins without a name"
        assert call_id not in self._call_ids, "a call begins twice"
        number = len(self._call_ids)
        self._call_ids.append(call_id)
        self._by_index[number if index is None else index] = number
        return number


def _units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def _joined(text: str) -> str:
    """Halves of surrogate pairs put together, as they are in a browser."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
