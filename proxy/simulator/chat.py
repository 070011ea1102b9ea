"""Writes answers as OpenAI chat completions and legacy completions, whole and as streams."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from proxy.simulator.answer import Answer
    from proxy.simulator.ask import Ask

DONE = b"data: [DONE]\n\n"


class Event(NamedTuple):
    """One server-sent event."""

    data: bytes
    tokens: int
    """Generated for it; 0 for events that cost no time."""


@dataclass(frozen=True, slots=True)
class Label:
    """What every object of one answer carries."""

    id: str
    """Without its prefix."""
    created_s: int
    tier: str


def chat_usage(ask: Ask, answers: Sequence[Answer]) -> dict[str, Any]:
    """Tokens as the chat and completion endpoints count them."""
    completion = sum(len(answer.pieces) for answer in answers)
    return {
        "prompt_tokens": ask.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": ask.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def whole_chat(ask: Ask, answers: Sequence[Answer], label: Label) -> dict[str, Any]:
    """`chat.completion`."""
    choices = [
        {
            "index": index,
            "message": _message(answer, label, index),
            "logprobs": None,
            "finish_reason": answer.finish_reason,
        }
        for index, answer in enumerate(answers)
    ]
    return _chat_head("chat.completion", ask, label) | {"choices": choices, "usage": chat_usage(ask, answers)}


def chat_events(ask: Ask, answers: Sequence[Answer], label: Label) -> Iterator[Event]:
    """`chat.completion.chunk`s. The choices take turns; usage comes in its own chunk, and only if it was asked for."""
    head = _chat_head("chat.completion.chunk", ask, label)
    blank: dict[str, Any] = {"usage": None} if ask.include_usage else {}

    def chunk(index: int, delta: dict[str, Any], tokens: int, finish: str | None = None) -> Event:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return _event(head | {"choices": [choice]} | blank, tokens)

    for index, answer in enumerate(answers):
        yield chunk(index, _opening(answer, label, index), 0)
    for turn in zip_longest(*(answer.pieces for answer in answers)):
        for index, piece in enumerate(turn):
            if piece is not None:
                yield chunk(index, _delta(answers[index], piece), 1)
    for index, answer in enumerate(answers):
        yield chunk(index, {}, 0, answer.finish_reason)
    if ask.include_usage:
        yield _event(head | {"choices": [], "usage": chat_usage(ask, answers)}, 0)
    yield Event(DONE, 0)


def whole_completion(ask: Ask, answers: Sequence[Answer], label: Label) -> dict[str, Any]:
    """`text_completion`."""
    choices = [_text_choice(index, answer.text, answer.finish_reason) for index, answer in enumerate(answers)]
    return _text_head(ask, label) | {"choices": choices, "usage": chat_usage(ask, answers)}


def completion_events(ask: Ask, answers: Sequence[Answer], label: Label) -> Iterator[Event]:
    """The legacy stream: pieces of `text_completion`."""
    head = _text_head(ask, label)
    blank: dict[str, Any] = {"usage": None} if ask.include_usage else {}
    for turn in zip_longest(*(answer.pieces for answer in answers)):
        for index, piece in enumerate(turn):
            if piece is not None:
                yield _event(head | {"choices": [_text_choice(index, piece, None)]} | blank, 1)
    for index, answer in enumerate(answers):
        yield _event(head | {"choices": [_text_choice(index, "", answer.finish_reason)]} | blank, 0)
    if ask.include_usage:
        yield _event(head | {"choices": [], "usage": chat_usage(ask, answers)}, 0)
    yield Event(DONE, 0)


def _event(document: dict[str, Any], tokens: int) -> Event:
    return Event(b"data: " + orjson.dumps(document) + b"\n\n", tokens)


def _chat_head(kind: str, ask: Ask, label: Label) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{label.id}",
        "object": kind,
        "created": label.created_s,
        "model": ask.model,
        "service_tier": label.tier,
        "system_fingerprint": "fp_simulated",
    }


def _text_head(ask: Ask, label: Label) -> dict[str, Any]:
    return {"id": f"cmpl-{label.id}", "object": "text_completion", "created": label.created_s, "model": ask.model}


def _text_choice(index: int, text: str, finish: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _message(answer: Answer, label: Label, index: int) -> dict[str, Any]:
    if answer.tool is None:
        return {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    function = {"name": answer.tool, "arguments": answer.text}
    call = {"id": _call_id(label, index), "type": "function", "function": function}
    return {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [call]}


def _opening(answer: Answer, label: Label, index: int) -> dict[str, Any]:
    """The first delta of a choice: its role, and for a tool call all but the arguments."""
    if answer.tool is None:
        return {"role": "assistant", "content": "", "refusal": None}
    function = {"name": answer.tool, "arguments": ""}
    call = {"index": 0, "id": _call_id(label, index), "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}


def _delta(answer: Answer, piece: str) -> dict[str, Any]:
    if answer.tool is None:
        return {"content": piece}
    return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _call_id(label: Label, index: int) -> str:
    return f"call_{label.id}{index}"
