"""One answer of Converse, whole and as a stream, and the ways to read both."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any

import orjson

from fakes.eventstream import event
from proxy.dialects.bedrock.dialect import BedrockDialect
from proxy.dialects.dialect import Target

DIALECT = BedrockDialect()
TARGET = Target("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
USAGE = {"inputTokens": 30, "outputTokens": 12, "totalTokens": 42}
DONE = b"data: [DONE]\n\n"


def start(index: int, fields: dict[str, Any]) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": fields})


def delta(index: int, fields: dict[str, Any]) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": fields})


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


BEGIN = event("messageStart", {"role": "assistant"})


def end(reason: str = "end_turn", usage: Any = None, **fields: Any) -> list[bytes]:
    metadata = {"usage": USAGE if usage is None else usage, "metrics": {"latencyMs": 9}, **fields}
    return [event("messageStop", {"stopReason": reason}), event("metadata", metadata)]


def text(index: int, *pieces: str) -> list[bytes]:
    return [*(delta(index, {"text": piece}) for piece in pieces), stop(index)]


def call(index: int, call_id: str, name: str, *pieces: str) -> list[bytes]:
    opening = start(index, {"toolUse": {"toolUseId": call_id, "name": name}})
    return [opening, *(delta(index, {"toolUse": {"input": piece}}) for piece in pieces), stop(index)]


def whole(content: list[dict[str, Any]], reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    output = {"message": {"role": "assistant", "content": content}}
    return {"output": output, "stopReason": reason, "usage": USAGE, "metrics": {"latencyMs": 9}} | fields


def streamed(content: list[dict[str, Any]], reason: str, cut: int) -> list[bytes]:
    """The same as frames, its texts in pieces of `cut` characters."""
    frames = [BEGIN]
    for index, block in enumerate(content):
        [(kind, value)] = block.items()
        frames += _WRITERS[kind](index, value, cut)
    return frames + end(reason)


def _pieces(words: str, cut: int) -> list[str]:
    return [words[place : place + cut] for place in range(0, len(words), cut)]


def _call(index: int, use: dict[str, Any], cut: int) -> list[bytes]:
    pieces = _pieces(orjson.dumps(use["input"]).decode(), cut) if use["input"] else [""]
    return call(index, use["toolUseId"], use["name"], *pieces)


def _reasoning(index: int, value: dict[str, Any], cut: int) -> list[bytes]:
    told = value.get("reasoningText", {})
    parts = [{"text": piece} for piece in _pieces(told.get("text", ""), cut)]
    parts += [{"signature": piece} for piece in _pieces(told.get("signature", ""), cut)]
    data = b64decode(value.get("redactedContent", ""))
    parts += [{"redactedContent": b64encode(data[place : place + cut]).decode()} for place in range(0, len(data), cut)]
    return [*(delta(index, {"reasoningContent": part}) for part in parts), stop(index)]


def _image(index: int, value: dict[str, Any], cut: int) -> list[bytes]:
    data = b64decode(value["source"]["bytes"])
    pieces = [b64encode(data[place : place + cut]).decode() for place in range(0, len(data), cut)]
    parts = [delta(index, {"image": {"source": {"bytes": piece}}}) for piece in pieces]
    return [start(index, {"image": {"format": value["format"]}}), *parts, stop(index)]


def _cited(index: int, value: dict[str, Any], cut: int) -> list[bytes]:
    pieces = [{"text": piece} for part in value["content"] for piece in _pieces(part["text"], cut)]
    return [*(delta(index, part) for part in [*pieces, *({"citation": c} for c in value["citations"])]), stop(index)]


_WRITERS = {
    "text": lambda index, words, cut: text(index, *_pieces(words, cut)),
    "toolUse": _call,
    "reasoningContent": _reasoning,
    "image": _image,
    "citationsContent": _cited,
}


@dataclass
class Said:
    """What a client makes of a stream."""

    message: dict[str, Any]
    finish: str | None
    usage: dict[str, Any] | None
    tier: str | None
    errors: list[dict[str, Any]]
    is_done: bool
    opaque: dict[str, dict[str, Any]]


def decode(frames: list[bytes]) -> bytes:
    """The hub's events of a stream, its end told."""
    decoder = DIALECT.decoder(TARGET)
    return b"".join([*(decoder.feed(frame) for frame in frames), decoder.end()])


def said(frames: list[bytes]) -> Said:
    decoder = DIALECT.decoder(TARGET)
    events = b"".join([*(decoder.feed(frame) for frame in frames), decoder.end()])
    found = Said({"role": "assistant", "content": None}, None, None, None, [], False, decoder.opaque)
    for part in events.split(b"\n\n")[:-1]:
        assert not found.is_done
        assert part.startswith(b"data: ")
        if part == b"data: [DONE]":
            found.is_done = True
            continue
        doc = orjson.loads(part[6:])
        if "error" in doc:
            found.errors.append(doc["error"])
            continue
        found.usage = doc.get("usage") or found.usage
        found.tier = doc.get("service_tier") or found.tier
        for choice in doc["choices"]:
            found.finish = choice["finish_reason"] or found.finish
            _add(found.message, choice["delta"])
    return found


def _add(message: dict[str, Any], part: dict[str, Any]) -> None:
    for name, value in part.items():
        if name == "tool_calls":
            _add_calls(message.setdefault("tool_calls", []), value)
        elif name in ("content", "reasoning_content"):
            if value:
                message[name] = (message.get(name) or "") + value
        elif isinstance(value, list):
            message[name] = [*message.get(name, []), *value]


def _add_calls(calls: list[dict[str, Any]], entries: list[dict[str, Any]]) -> None:
    for entry in entries:
        if entry["index"] == len(calls):
            calls.append({key: entry[key] for key in ("id", "type", "function")})
        else:
            calls[entry["index"]]["function"]["arguments"] += entry["function"]["arguments"]
