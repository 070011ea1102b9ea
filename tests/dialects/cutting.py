"""One answer told as many streams: cut into chunks at will, framed as each server likes, and read as a client does."""

from __future__ import annotations

import json  # noqa: TID251 - writes and reads half of a surrogate pair
import random
import re
from dataclasses import dataclass, field
from typing import Any

from proxy.dialects.splice import Delivered, Splicer

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}


@dataclass
class Answer:
    """What a model says, in the order it says it."""

    reasoning: str = ""
    content: str = ""
    refusal: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Names and arguments."""


@dataclass
class Server:
    """How one deployment tells an answer. `seed` decides where it is cut."""

    name: str
    seed: random.Random
    reasoning_field: str = "reasoning_content"
    whole_calls: bool = False
    """Calls come whole and without an index, as from Mistral."""
    merges: bool = False
    """Deltas of different kinds may share a chunk."""
    line_end: bytes = b"\n"

    def cut(self, text: str) -> list[str]:
        """Pieces of UTF-16 code units: also between the halves of a surrogate pair."""
        units = text.encode("utf-16-le", "surrogatepass")
        pieces = []
        while units:
            size = 2 * self.seed.choice((1, 1, 2, 3, 5, 8, 40))
            pieces.append(units[:size].decode("utf-16-le", "surrogatepass"))
            units = units[size:]
        return pieces

    def deltas(self, answer: Answer) -> list[dict[str, Any]]:
        texts = ((self.reasoning_field, answer.reasoning), ("content", answer.content), ("refusal", answer.refusal))
        deltas: list[dict[str, Any]] = [{name: piece} for name, text in texts for piece in self.cut(text)]
        for place, (name, arguments) in enumerate(answer.calls):
            call = {"id": f"{self.name}-{place}", "type": "function"}
            if self.whole_calls:
                deltas.append({"tool_calls": [{**call, "function": {"name": name, "arguments": arguments}}]})
                continue
            call["index"] = place
            deltas.append({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]})
            deltas += [
                {"tool_calls": [{"index": place, "function": {"arguments": piece}}]} for piece in self.cut(arguments)
            ]
        return self._merged(deltas) if self.merges else deltas

    def _merged(self, deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
        merged = deltas[:1]
        for delta in deltas[1:]:
            if merged[-1].keys().isdisjoint(delta) and self.seed.random() < 0.7:
                merged[-1] = merged[-1] | delta
            elif "tool_calls" in delta and "tool_calls" in merged[-1] and self.seed.random() < 0.3:
                both = merged[-1]["tool_calls"] + delta["tool_calls"]
                merged[-1] = merged[-1] | {"tool_calls": both}
            else:
                merged.append(delta)
        return merged

    def chunk(self, delta: dict[str, Any], *, finish: str | None = None, **extra: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return self.event({"choices": [choice]} | extra)

    def event(self, rest: dict[str, Any]) -> bytes:
        head = {
            "id": f"id-{self.name}", "object": "chat.completion.chunk", "created": len(self.name),
            "model": f"model-{self.name}", "system_fingerprint": f"fp-{self.name}",
        }  # fmt: skip
        end = self.line_end
        return b"data: " + json.dumps(head | rest).encode() + end + end

    def start(self) -> bytes:
        return self.chunk({"role": "assistant", "content": ""})

    def content(self, answer: Answer) -> list[bytes]:
        """The chunks with content, each alone in its event."""
        return [self.chunk(delta) for delta in self.deltas(answer)]

    def end(self) -> list[bytes]:
        return [self.chunk({}, finish="stop"), self.event({"choices": [], "usage": USAGE}), DONE]

    def stream(self, answer: Answer) -> list[bytes]:
        """All events, a comment among them, a few of them together in one block."""
        return self.blocks([self.start(), b": ping\n\n", *self.content(answer), *self.end()])

    def blocks(self, events: list[bytes]) -> list[bytes]:
        blocks = []
        while events:
            size = self.seed.choice((1, 1, 2, 5))
            blocks.append(b"".join(events[:size]))
            events = events[size:]
        return blocks


@dataclass
class Heard:
    """What a client makes of a stream."""

    answer: Answer
    call_ids: list[str]
    identities: set[tuple[Any, ...]]
    roles: int
    finishes: list[str]
    usages: list[dict[str, Any]]
    is_done: bool
    chunks: list[dict[str, Any]]


def hear(blocks: list[bytes]) -> Heard:
    """Read a stream as clients do: texts are joined, tool calls are told apart by `index`."""
    heard = Heard(Answer(), [], set(), 0, [], [], False, [])
    texts: dict[str, str] = {"reasoning": "", "content": "", "refusal": ""}
    calls: dict[int, dict[str, str]] = {}
    for line in re.split(rb"\r\n|\r|\n", b"".join(blocks)):
        if not line.startswith(b"data: "):
            continue
        assert not heard.is_done
        if line == b"data: [DONE]":
            heard.is_done = True
            continue
        doc = json.loads(line[6:])
        heard.chunks.append(doc)
        names = ("id", "object", "created", "model", "system_fingerprint")
        heard.identities.add(tuple(doc.get(name) for name in names))
        if usage := doc.get("usage"):
            heard.usages.append(usage)
        for choice in doc["choices"]:
            delta = choice["delta"]
            heard.roles += "role" in delta
            if choice["finish_reason"]:
                heard.finishes.append(choice["finish_reason"])
            texts["reasoning"] += delta.get("reasoning_content") or delta.get("reasoning") or ""
            texts["content"] += delta.get("content") or ""
            texts["refusal"] += delta.get("refusal") or ""
            for entry in delta.get("tool_calls") or ():
                call = calls.setdefault(entry.get("index", len(calls)), {"id": "", "name": "", "arguments": ""})
                call["id"] += entry.get("id") or ""
                for name, value in entry.get("function", {}).items():
                    call[name] += value
    heard.answer = Answer(**{name: joined(text) for name, text in texts.items()})
    heard.answer.calls = [(joined(calls[index]["name"]), joined(calls[index]["arguments"])) for index in sorted(calls)]
    heard.call_ids = [calls[index]["id"] for index in sorted(calls)]
    return heard


def joined(text: str) -> str:
    """Halves of surrogate pairs put together, as they are in a browser."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def splice(blocks: list[bytes], stream: list[bytes]) -> list[bytes]:
    """What passes of `stream` to a client that has `blocks`."""
    splicer = Splicer(Delivered.read(blocks))
    passed = [splicer.feed(block) for block in stream]
    assert splicer.is_joined
    return passed
