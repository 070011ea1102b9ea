"""A provider's stream in another dialect, cut at will, and what a client of the hub makes of it."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Target
from proxy.dialects.openai_chat import decode
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.dialects.sse import data_of, events_of

if TYPE_CHECKING:
    from proxy.dialects.dialect import Dialect
    from proxy.usage import Usage

LIMIT = 1 << 16
ALL_PAIRS = 300
"""Bytes of a stream that is cut at every pair of them; of a longer one a sample of so many pairs is taken."""


@dataclass
class Heard:
    """An answer, put together."""

    id: str = ""
    model: str = ""
    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    """Id, name, arguments."""
    annotations: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    finish: str | None = None
    usage: Usage | None = None
    error: dict[str, Any] | None = None
    done: bool = False


def hub_of(dialect: Dialect, data: bytes, cuts: tuple[int, ...] = ()) -> bytes:
    """The hub's stream, of `data` that comes cut at `cuts`."""
    framer, decoder = dialect.framer(LIMIT), dialect.decoder(Target("m"))
    places = [0, *cuts, len(data)]
    told = b"".join([decoder.feed(framer.feed(data[start:end])) for start, end in itertools.pairwise(places)])
    return told + decoder.feed(framer.take()) + decoder.end()


def cuttings(data: bytes) -> list[tuple[int, ...]]:
    """Every pair of places of a short stream, some of a long one."""
    if len(data) <= ALL_PAIRS:
        return list(itertools.combinations(range(len(data) + 1), 2))
    seed = random.Random(len(data))
    return [tuple(sorted(seed.sample(range(len(data)), 2))) for _ in range(ALL_PAIRS)]


def hear(stream: bytes, quirks: Quirks | None = None) -> Heard:
    """Read the hub's stream as a client does."""
    heard = Heard()
    calls: dict[int, list[str]] = {}
    for event in events_of(stream):
        data = data_of(event)
        assert data is not None
        assert not heard.done
        if data == b"[DONE]":
            heard.done = True
            continue
        doc = orjson.loads(data)
        heard.error = doc.get("error") or heard.error
        if doc.get("usage"):
            heard.usage = usage_from_openai(doc["usage"], quirks or Quirks())
        if "choices" not in doc:
            continue
        heard.id, heard.model = doc["id"], doc["model"]
        for choice in doc["choices"]:
            delta = choice["delta"]
            heard.text += delta.get("content") or ""
            heard.reasoning += delta.get("reasoning_content") or ""
            heard.annotations += delta.get("annotations") or []
            heard.logprobs += (choice.get("logprobs") or {}).get("content") or []
            heard.finish = choice["finish_reason"] or heard.finish
            for entry in delta.get("tool_calls") or ():
                call = calls.setdefault(entry["index"], ["", "", ""])
                function = entry["function"]
                for place, value in enumerate((entry.get("id"), function.get("name"), function.get("arguments"))):
                    call[place] += value or ""
    heard.calls = [(one[0], one[1], one[2]) for _, one in sorted(calls.items())]
    return heard


def hear_whole(doc: dict[str, Any], quirks: Quirks | None = None) -> Heard:
    """The same of a whole answer."""
    heard = Heard(error=doc.get("error"))
    if "choices" not in doc:
        return heard
    heard.id, heard.model = doc["id"], doc["model"]
    choice = doc["choices"][0]
    message = choice["message"]
    heard.text, heard.reasoning = message.get("content") or "", message.get("reasoning_content") or ""
    heard.annotations = message.get("annotations") or []
    heard.logprobs = (choice.get("logprobs") or {}).get("content") or []
    heard.calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or ()
    ]
    heard.finish, heard.done = choice["finish_reason"], True
    if doc.get("usage"):
        heard.usage = usage_from_openai(doc["usage"], quirks or Quirks())
    return heard


def written(dialect: Dialect, doc: dict[str, Any], *, target: Target | None = None, model: str = "m") -> dict[str, Any]:
    """The body `dialect` writes of the hub's `doc`; `model` and a message are added where they are missing."""
    full = {"model": "alias", "messages": [{"role": "user", "content": "hi"}], **doc}
    before = orjson.dumps(full)
    request = decode(Operation.CHAT, before)
    body = orjson.loads(dialect.encode(request, target or Target(model)))
    assert orjson.loads(before) == request.doc
    return dict(body)
