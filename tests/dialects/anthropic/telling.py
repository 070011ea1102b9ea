"""Streams as Anthropic's servers tell them. Source: Anthropic, "Streaming messages"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def stream(events: Iterable[bytes]) -> bytes:
    return b"".join(events)


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[bytes]:
    return [
        event("content_block_start", index=index, content_block=content),
        *(event("content_block_delta", index=index, delta=delta) for delta in deltas),
        event("content_block_stop", index=index),
    ]


def piece(text: str) -> dict[str, Any]:
    return {"type": "input_json_delta", "partial_json": text}


USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 2,
    "cache_read_input_tokens": 3,
    "output_tokens": 1,
    "service_tier": "standard",
}
EVENTS = {
    "start": event(
        "message_start",
        message={
            "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5", "content": [],
            "stop_reason": None, "stop_sequence": None, "usage": USAGE,
        },
    ),
    "ping": event("ping"),
    "stop": event("message_stop"),
}  # fmt: skip


def end(reason: str, **usage: Any) -> list[bytes]:
    delta = {"stop_reason": reason, "stop_sequence": None}
    return [event("message_delta", delta=delta, usage={"output_tokens": 7, **usage}), EVENTS["stop"]]


TEXT = stream(
    [
        EVENTS["start"],
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        EVENTS["ping"],
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello, "}),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "wörld"}),
        event("content_block_stop", index=0),
        *end("end_turn"),
    ]
)
TOOLS = stream(
    [
        EVENTS["start"],
        *block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Let me see."}),
        *block(
            1,
            {"type": "tool_use", "id": "toolu_1", "name": "w", "caller": {"type": "direct"}, "input": {}},
            piece(""),
            piece('{"c": "Pa'),
            piece('ris"}'),
        ),
        *block(2, {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}}, piece("")),
        *block(3, {"type": "tool_use", "id": "toolu_3", "name": "given", "input": {"a": 1}}),
        *end("tool_use"),
    ]
)
THINKING = stream(
    [
        EVENTS["start"],
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Step "},
            {"type": "thinking_delta", "thinking": "one."},
            {"type": "signature_delta", "signature": "sig=="},
        ),
        *block(1, {"type": "redacted_thinking", "data": "enc=="}),
        *block(2, {"type": "tool_use", "id": "toolu_9", "name": "w", "input": {}}, piece("{}")),
        *end("tool_use", output_tokens_details={"thinking_tokens": 9}),
    ]
)
ERROR = stream(
    [
        EVENTS["start"],
        event("error", error={"type": "overloaded_error", "message": "Overloaded"}),
    ]
)
