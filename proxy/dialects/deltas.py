"""Reads the hub's stream for a client of another dialect: what each chunk adds to the answer, one `Delta` each.

Whatever form a provider gives its tool calls, here they are counted from 0 and each opens once, with its name.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from proxy.dialects.lanes import Calls, Unreadable
from proxy.dialects.reading import as_dict, as_text, choices_of, finish_reason_of, parse, usage_object
from proxy.dialects.sse import data_of, events_of
from proxy.errors import ErrorInStream

REASONING_FIELDS = ("reasoning_content", "reasoning")


class Kind(Enum):
    """What a chunk adds."""

    TEXT = "text"
    """`value`: the choice's `logprobs`, if it has any."""
    REASONING = "reasoning"
    REFUSAL = "refusal"
    DETAILS = "details"
    """`value`: the list of `reasoning_details`."""
    CALL = "call"
    """A tool call opens: `number`, `call_id`, `name`; `value` is its entry, with any `extra_content`."""
    ARGUMENTS = "arguments"
    """A piece of call `number`'s arguments."""
    IMAGES = "images"
    ANNOTATIONS = "annotations"
    LOGPROBS = "logprobs"
    """`value`: the list of tokens under `logprobs.content`."""
    FINISH = "finish"
    """`text` is the reason; `value` the choice, with `stop_reason`."""
    USAGE = "usage"
    """`value`: the usage object."""


class Delta(NamedTuple):
    """One thing that is new."""

    kind: Kind
    text: str = ""
    choice: int = 0
    number: int = 0
    call_id: str = ""
    name: str = ""
    value: Any = None


class DeltaReader:
    """Of one stream."""

    __slots__ = ("_calls", "model", "response_id")

    def __init__(self) -> None:
        self.response_id: str | None = None
        self.model: str | None = None
        """As the provider names it."""
        self._calls: dict[int, Calls] = {}

    def read(self, block: bytes) -> list[Delta]:
        """What whole events add, in order. Raises `ErrorInStream` for a tool call that cannot be read."""
        found: list[Delta] = []
        for event in events_of(block):
            data = data_of(event)
            if data is None:
                continue
            try:
                doc = parse(data)
            except ValueError:
                continue  # `[DONE]`
            if isinstance(doc, dict):
                self._read_chunk(found, doc)
        return found

    def _read_chunk(self, found: list[Delta], doc: dict[str, Any]) -> None:
        self.response_id = self.response_id or as_text(doc.get("id"))
        self.model = self.model or as_text(doc.get("model"))
        for choice in choices_of(doc):
            index = choice.get("index")
            index = index if isinstance(index, int) else 0
            delta = choice.get("delta")
            if isinstance(delta, dict):
                self._read_delta(found, index, delta, choice)
            if logprobs := as_dict(choice.get("logprobs")).get("content"):
                found.append(Delta(Kind.LOGPROBS, choice=index, value=logprobs))
            if (reason := finish_reason_of(choice)) is not None:
                found.append(Delta(Kind.FINISH, reason, index, value=choice))
        if (usage := usage_object(doc)) is not None:
            found.append(Delta(Kind.USAGE, value=usage))

    def _read_delta(self, found: list[Delta], index: int, delta: dict[str, Any], choice: dict[str, Any]) -> None:
        for name in REASONING_FIELDS:
            if text := as_text(delta.get(name)):
                found.append(Delta(Kind.REASONING, text, index))
                break  # some send the same text in both
        if details := delta.get("reasoning_details"):
            found.append(Delta(Kind.DETAILS, choice=index, value=details))
        content = delta.get("content")
        if content:
            _read_content(found, index, content, choice.get("logprobs"))
        if text := as_text(delta.get("refusal")):
            found.append(Delta(Kind.REFUSAL, text, index))
        if value := delta.get("images"):
            found.append(Delta(Kind.IMAGES, choice=index, value=value))
        if value := delta.get("annotations"):
            found.append(Delta(Kind.ANNOTATIONS, choice=index, value=value))
        if delta.get("tool_calls"):
            self._read_calls(found, index, choice)

    def _read_calls(self, found: list[Delta], index: int, choice: dict[str, Any]) -> None:
        calls = self._calls.setdefault(index, Calls())
        try:
            turns = calls.turns(choice)
        except Unreadable as error:
            raise ErrorInStream("A tool call of the provider cannot be read.", detail=str(error)) from None
        for entry, number, opens in turns:
            function = as_dict(entry.get("function")) or as_dict(entry.get("custom"))
            if opens:
                name, call_id = as_text(function.get("name")) or "", as_text(entry.get("id")) or ""
                found.append(Delta(Kind.CALL, "", index, number, call_id, name, entry))
            if arguments := as_text(function.get("arguments")) or as_text(function.get("input")):
                found.append(Delta(Kind.ARGUMENTS, arguments, index, number))


def _read_content(found: list[Delta], index: int, content: Any, logprobs: Any) -> None:
    """Text, or Mistral's list of parts with thoughts among them."""
    if isinstance(content, str):
        found.append(Delta(Kind.TEXT, content, index, value=logprobs))
        return
    for part in content if isinstance(content, list) else ():
        fields = as_dict(part)
        if text := as_text(fields.get("text")):
            found.append(Delta(Kind.TEXT, text, index))
        thinking = fields.get("thinking")
        thoughts = [as_text(as_dict(inner).get("text")) for inner in thinking] if isinstance(thinking, list) else []
        found.extend([Delta(Kind.REASONING, text, index) for text in thoughts if text])
