"""OpenAI chat answers as bytes, so that a test can say what a provider sends in one word."""

from __future__ import annotations

from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
ANSWER_ID = "chatcmpl-1"
MODEL = "upstream-model"


def event(document: dict[str, Any], *, name: str | None = None) -> bytes:
    """One server-sent event; `name` adds the `event:` line."""
    data = b"data: " + orjson.dumps(document) + b"\n\n"
    return data if name is None else b"event: " + name.encode() + b"\n" + data


def usage(prompt: int = 7, completion: int = 3, *, cached: int = 0, reasoning: int = 0) -> dict[str, Any]:
    """A usage object as OpenAI sends it: cached is part of the prompt, reasoning part of the completion."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def chunk(
    delta: dict[str, Any], *, index: int = 0, finish_reason: str | None = None, model: str = MODEL, **extra: Any
) -> bytes:
    """One chunk with any delta; `extra` are top-level fields such as `service_tier`."""
    choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
    return event(_head("chat.completion.chunk", model) | {"choices": [choice]} | extra)


def role_chunk(**options: Any) -> bytes:
    """What a provider sends before it has generated anything."""
    return chunk({"role": "assistant", "content": ""}, **options)


def chat_chunk(text: str, **options: Any) -> bytes:
    """A piece of text."""
    return chunk({"content": text}, **options)


def final_chunk(finish_reason: str = "stop", **options: Any) -> bytes:
    """The end of a choice."""
    return chunk({}, finish_reason=finish_reason, **options)


def usage_chunk(prompt: int = 7, completion: int = 3, *, model: str = MODEL, **details: int) -> bytes:
    """The extra chunk that `stream_options.include_usage` asks for; `details` as in `usage`."""
    return event(_head("chat.completion.chunk", model) | {"choices": [], "usage": usage(prompt, completion, **details)})


def error_event(message: str = "The server had an error", code: str | None = "server_error") -> bytes:
    """A failure reported inside a stream."""
    return event({"error": _error(message, code, "server_error")})


def chat_stream(*texts: str, counts: dict[str, Any] | None = None) -> tuple[bytes, ...]:
    """The events of a whole stream: role, texts, finish, usage if `counts` (the options of `usage`) is given, end."""
    counted = () if counts is None else (usage_chunk(**counts),)
    return (role_chunk(), *map(chat_chunk, texts), final_chunk(), *counted, DONE)


def chat_answer(
    text: str = "Hello.", counts: dict[str, Any] | None = None, *, finish_reason: str = "stop", **extra: Any
) -> bytes:
    """A whole answer; `counts` is a usage object, 7 and 3 tokens if `None`."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    body = {"choices": [choice], "usage": usage() if counts is None else counts}
    return orjson.dumps(_head("chat.completion", MODEL) | body | extra)


def error_body(message: str, code: str | None, kind: str = "invalid_request_error") -> bytes:
    """An OpenAI-shaped error."""
    return orjson.dumps({"error": _error(message, code, kind)})


def _error(message: str, code: str | None, kind: str) -> dict[str, Any]:
    return {"message": message, "type": kind, "param": None, "code": code}


def _head(kind: str, model: str) -> dict[str, Any]:
    return {"id": ANSWER_ID, "object": kind, "created": 1_750_000_000, "model": model}
