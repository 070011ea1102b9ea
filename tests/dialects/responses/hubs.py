"""Answers in the hub's dialect, whole and streamed, to be told as Responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.counting import usage_document
from proxy.usage import Usage

USAGE = Usage(20, 9, 4, 2, 3)


def stream(*pieces: tuple[str, Any], finish: str = "stop") -> bytes:
    """A hub stream: each piece is a method of `Chunks` and what it is given."""
    chunks = Chunks()
    chunks.identify("chatcmpl-1", "up-model", 1_700_000_000)
    said = [chunks.begin()]
    for name, given in pieces:
        made = getattr(chunks, name)(*given if isinstance(given, tuple) else (given,))
        said.append(made)
    return b"".join([*said, chunks.finish(finish), chunks.usage(usage_document(USAGE)), DONE])


def answer(finish: str = "stop", **message: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "up-model",
        "choices": [choice],
        "usage": usage_document(USAGE),
    }


def events_in(data: bytes) -> Iterator[dict[str, Any]]:
    """The events of a Responses stream; each is named as its data says."""
    for block in data.split(b"\n\n")[:-1]:
        name, text = block.split(b"\n")
        doc = orjson.loads(text.removeprefix(b"data: "))
        assert name == b"event: " + doc["type"].encode()
        yield doc
