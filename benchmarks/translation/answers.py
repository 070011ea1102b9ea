"""One answer as each provider dialect sends it: whole, and as a stream of `EVENTS` pieces of text."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import orjson

EVENTS = 256
WORDS = ("The ", "next ", "train ", "leaves ", "at ", "17:30 ", "from ", "platform 12, ")
TEXT = "".join(WORDS[number % len(WORDS)] for number in range(EVENTS))
PROMPT_TOKENS = 120
STRING = 7
"""The type of a header's value in AWS's event streams."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The same in both forms."""

    whole: bytes
    events: tuple[bytes, ...]
    """The first `EVENTS` after the opening are pieces of text."""
    stream_type: str = "text/event-stream"


def _pieces() -> list[str]:
    return [WORDS[number % len(WORDS)] for number in range(EVENTS)]


def _event(document: Any, name: str | None = None) -> bytes:
    data = b"data: " + orjson.dumps(document) + b"\n\n"
    return data if name is None else b"event: " + name.encode() + b"\n" + data


def _chat() -> Answer:
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": EVENTS, "total_tokens": PROMPT_TOKENS + EVENTS}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_750_000_000, "model": "m"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return _event({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    ending = [chunk({}, "stop"), _event({**head, "choices": [], "usage": usage}), b"data: [DONE]\n\n"]
    opening = chunk({"role": "assistant", "content": ""})
    return Answer(orjson.dumps(whole), (opening, *(chunk({"content": piece}) for piece in _pieces()), *ending))


def _responses() -> Answer:
    usage = {
        "input_tokens": PROMPT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": EVENTS,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": PROMPT_TOKENS + EVENTS,
    }
    part = {"type": "output_text", "text": TEXT, "annotations": []}
    item = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    base = {"id": "resp_1", "object": "response", "created_at": 1_750_000_000, "model": "m", "error": None}
    whole = {**base, "status": "completed", "output": [item], "usage": usage}
    begun = {**base, "status": "in_progress", "output": [], "usage": None}
    at = {"item_id": "msg_1", "output_index": 0}
    documents: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "content": []}},
        {"type": "response.content_part.added", **at, "content_index": 0, "part": {**part, "text": ""}},
    ]
    delta = {"type": "response.output_text.delta", **at, "content_index": 0}
    documents += [{**delta, "delta": piece} for piece in _pieces()]
    documents += [
        {"type": "response.output_text.done", **at, "content_index": 0, "text": TEXT},
        {"type": "response.content_part.done", **at, "content_index": 0, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    events = [_event({**each, "sequence_number": number}, each["type"]) for number, each in enumerate(documents)]
    return Answer(orjson.dumps(whole), tuple(events))


def _anthropic() -> Answer:
    usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": EVENTS}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
    block = {"type": "text", "text": ""}
    whole = {**message, "content": [{**block, "text": TEXT}], "stop_reason": "end_turn", "usage": usage}
    begun = {**message, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    documents: list[dict[str, Any]] = [
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": block},
    ]
    delta = {"type": "content_block_delta", "index": 0}
    documents += [{**delta, "delta": {"type": "text_delta", "text": piece}} for piece in _pieces()]
    documents += [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": EVENTS}},
        {"type": "message_stop"},
    ]
    return Answer(orjson.dumps(whole), tuple(_event(each, each["type"]) for each in documents))


def _gemini() -> Answer:
    def response(text: str, finish: str | None = None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
        if finish:
            candidate["finishReason"] = finish
        usage = {"promptTokenCount": PROMPT_TOKENS, "candidatesTokenCount": EVENTS}
        usage["totalTokenCount"] = PROMPT_TOKENS + EVENTS
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "r"}

    events = [_event(response(piece)) for piece in _pieces()]
    return Answer(orjson.dumps(response(TEXT, "STOP")), (*events, _event(response("", "STOP"))))


def _bedrock() -> Answer:
    def frame(kind: str, payload: dict[str, Any]) -> bytes:
        named = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
        headers = b"".join(
            bytes([len(name)]) + name.encode() + struct.pack(">BH", STRING, len(value)) + value.encode()
            for name, value in named.items()
        )
        body = orjson.dumps(payload)
        prelude = struct.pack(">II", 16 + len(headers) + len(body), len(headers))
        whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + body
        return whole + struct.pack(">I", zlib.crc32(whole))

    usage = {"inputTokens": PROMPT_TOKENS, "outputTokens": EVENTS, "totalTokens": PROMPT_TOKENS + EVENTS}
    message = {"role": "assistant", "content": [{"text": TEXT}]}
    whole = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 9}}
    deltas = [
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": piece}, "p": "abcdefgh"})
        for piece in _pieces()
    ]
    ending = [
        frame("contentBlockStop", {"contentBlockIndex": 0}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": usage, "metrics": {"latencyMs": 9}}),
    ]
    events = (frame("messageStart", {"role": "assistant"}), *deltas, *ending)
    return Answer(orjson.dumps(whole), events, "application/vnd.amazon.eventstream")


def _cohere() -> Answer:
    units = {"input_tokens": PROMPT_TOKENS, "output_tokens": EVENTS}
    usage = {"billed_units": units, "tokens": units}
    content = [{"type": "text", "text": TEXT}]
    whole = {
        "id": "c",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": content},
        "usage": usage,
    }
    documents: list[dict[str, Any]] = [
        {"type": "message-start", "id": "c", "delta": {"message": {"role": "assistant"}}},
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    ]
    documents += [
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": piece}}}} for piece in _pieces()
    ]
    documents += [
        {"type": "content-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": usage}},
    ]
    return Answer(orjson.dumps(whole), tuple(_event(each, each["type"]) for each in documents))


def _ollama() -> Answer:
    def line(text: str, **fields: Any) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        return {"model": "m", "created_at": "2026-01-02T03:04:05Z", "message": message, "done": False, **fields}

    end = {"done": True, "done_reason": "stop", "prompt_eval_count": PROMPT_TOKENS, "eval_count": EVENTS}
    lines = [*(line(piece) for piece in _pieces()), line("", **end)]
    events = tuple(orjson.dumps(each) + b"\n" for each in lines)
    return Answer(orjson.dumps(line(TEXT, **end)), events, "application/x-ndjson")


ANSWERS: dict[str, Answer] = {
    "openai_chat": _chat(),
    "openai_responses": _responses(),
    "anthropic_messages": _anthropic(),
    "gemini": _gemini(),
    "bedrock_converse": _bedrock(),
    "cohere": _cohere(),
    "ollama": _ollama(),
    "mistral": _chat(),
}
"""By the provider's dialect."""
