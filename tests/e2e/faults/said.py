"""What a caller was told, read as strictly as the strictest client reads it, on each surface."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from e2e.dialects import ONEINFER, OPENAI, Surface
from e2e.faults.voice import TEXT

DONE = "[DONE]"
TOLD_AS = {"openai": None, "oneinfer": "internal_error", "oxen": "upstream"}
"""What a surface calls a provider's failure in a stream; `None`: by the gateway's own code."""
_FIELDS = {b"", b"data", b"event", b"id", b"retry"}
"""Of an event stream; a comment has an empty name."""
_HEARD = (b"", b"message", b"error")
_BLANK = re.compile(rb"\n\n+")


def events_of(body: bytes) -> list[Any]:
    """The data of each event, decoded, `[DONE]` as that text. Raises on data that is neither.

    Events of a name that nobody listens to (`ping`) are passed over, as the standard has it.
    """
    blocks = _BLANK.split(body.replace(b"\r\n", b"\n").replace(b"\r", b"\n"))
    found = []
    for block in blocks:
        fields = [line.partition(b":")[::2] for line in block.split(b"\n") if line]
        unknown = {name for name, _ in fields} - _FIELDS
        assert not unknown, f"these are no fields of an event: {unknown}"
        names = [value.strip() for name, value in fields if name == b"event"]
        data = [value.removeprefix(b" ") for name, value in fields if name == b"data"]
        if data and not (names and names[-1] not in _HEARD):
            text = b"\n".join(data)
            found.append(DONE if text == DONE.encode() else orjson.loads(text))
    return found


@dataclass(frozen=True, slots=True)
class Said:
    """One answer as it came."""

    surface: Surface
    stream: bool
    status: int
    headers: dict[str, str]
    """By lower-case name."""
    body: bytes
    cut: bool
    """The connection ended before the framing said so."""
    seconds: float

    @property
    def request_id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def events(self) -> list[Any]:
        return events_of(self.body)

    @property
    def is_whole(self) -> bool:
        """Ended as only a complete answer may end. Says nothing of what is in it."""
        return self.status == 200 and not self.cut and (not self.stream or DONE in self.events)

    def whole(self, text: str = TEXT) -> None:
        """The exact text, once, and a proper end; all that must be said once is said once."""
        assert (200, False) == (self.status, self.cut), self.body[-500:]
        if not self.stream:
            assert "application/json" == self.headers["content-type"].partition(";")[0]
            _same(text, self._whole_text())
            return
        assert self.headers["content-type"].startswith("text/event-stream")
        *chunks, last = self.events
        assert last == DONE, last
        assert DONE not in chunks
        assert not [chunk for chunk in chunks if chunk.get("error")]
        if self.surface is ONEINFER:
            _whole_oneinfer(chunks, text)
        else:
            _whole_openai(chunks, text)

    def told(self, code: str, text: str = TEXT) -> None:
        """A part of the answer, then the failure in the surface's own shape, and nothing like a good end."""
        assert (200, False, True) == (self.status, self.cut, self.stream), self.body[-500:]
        *chunks, last = self.events
        assert DONE not in [*chunks, last]
        assert not [chunk for chunk in chunks if chunk.get("error")]
        self._check_error_event(last, code)
        part = "".join(map(_piece, chunks))
        assert part, "no content came before the failure"
        _same(text[: len(part)], part)

    def _check_error_event(self, last: Any, code: str) -> None:
        error = last["error"]
        assert error["message"]
        if self.surface is OPENAI:
            assert {"error"} == set(last)
            assert {"message", "type", "param", "code"} == set(error)
            assert code == error["code"]
        elif self.surface is ONEINFER:
            assert ("chunk_error", "", "error") == (last["id"], last["text"], last["finish_reason"])
            assert TOLD_AS["oneinfer"] == error["error_code"]
            assert error["error_description"] == error["message"]
        else:
            assert {"error"} == set(last)
            assert TOLD_AS["oxen"] == error["type"]
            assert error["title"]

    def refused(self, status: int, words: str = "") -> str | None:
        """An error answer in the surface's own shape that carries `words`; its code."""
        assert (status, False) == (self.status, self.cut), self.body[:500]
        assert words in self.body.decode(), self.body[:500]
        return self.surface.code(orjson.loads(self.body))

    def _whole_text(self) -> str:
        doc = orjson.loads(self.body)
        if self.surface is ONEINFER:
            assert ("success", {}) == (doc["api_details"]["api_status"], doc["error"])
            assert "stop" == doc["data"]["finish_reason"]
            return str(doc["data"]["text"])
        (choice,) = doc["choices"]
        assert "stop" == choice["finish_reason"]
        return str(choice["message"]["content"])


def _same(expected: str, got: str) -> None:
    """Without pytest's own comparison, which takes minutes for megabytes."""
    if expected != got:
        pairs = zip(expected, got, strict=False)
        place = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(got)))
        near = slice(max(0, place - 30), place + 30)
        raise AssertionError(
            f"texts of {len(expected)} and {len(got)} characters differ from {place} on: "
            f"expected {expected[near]!r}, got {got[near]!r}"
        )


def _piece(chunk: dict[str, Any]) -> str:
    if "choices" not in chunk:
        return str(chunk.get("text") or "")
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


def _whole_openai(chunks: list[dict[str, Any]], text: str) -> None:
    for field in ("id", "created", "model", "object"):
        assert 1 == len({chunk[field] for chunk in chunks}), field
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    assert {0} == {choice["index"] for choice in choices}
    assert 1 == sum("role" in choice["delta"] for choice in choices)
    assert ["stop"] == [choice["finish_reason"] for choice in choices if choice["finish_reason"]]
    assert "stop" == choices[-1]["finish_reason"]
    assert sum(chunk.get("usage") is not None for chunk in chunks) <= 1
    _same(text, "".join(map(_piece, chunks)))


def _whole_oneinfer(chunks: list[dict[str, Any]], text: str) -> None:
    *pieces, last = chunks
    assert [f"chunk_{number}" for number in range(1, len(pieces) + 1)] == [chunk["id"] for chunk in pieces]
    assert ("chunk_final", "", "stop") == (last["id"], last["text"], last["finish_reason"])
    assert {None} == {chunk["finish_reason"] for chunk in pieces}
    assert not [chunk for chunk in pieces if "usage" in chunk]
    assert last["usage"]["total_tokens"] > 0
    _same(text, "".join(chunk["text"] for chunk in pieces))
