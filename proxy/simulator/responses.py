"""Writes answers as OpenAI Responses objects and their event stream, which has names, numbers and no `[DONE]`."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import orjson

from proxy.simulator.chat import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proxy.simulator.answer import Answer
    from proxy.simulator.ask import Ask
    from proxy.simulator.chat import Label


def whole_response(ask: Ask, answer: Answer, label: Label, doc: dict[str, Any]) -> dict[str, Any]:
    """The finished `response`. `doc` is the request: its options are echoed."""
    complete = answer.finish_reason != "length"
    status = "completed" if complete else "incomplete"
    tokens = len(answer.pieces)
    return _response(ask, label, doc, status) | {
        "incomplete_details": None if complete else {"reason": "max_output_tokens"},
        "output": [_item(answer, label, status, answer.text)],
        "usage": {
            "input_tokens": ask.prompt_tokens,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": ask.prompt_tokens + tokens,
        },
    }


def response_events(ask: Ask, answer: Answer, label: Label, doc: dict[str, Any]) -> Iterator[Event]:
    """From `response.created` to `response.completed`, or `response.incomplete` at the token limit."""
    numbers = count()

    def event(kind: str, tokens: int = 0, **fields: Any) -> Event:
        body = orjson.dumps({"type": kind, "sequence_number": next(numbers), **fields})
        return Event(b"event: %b\ndata: %b\n\n" % (kind.encode(), body), tokens)

    begun = _response(ask, label, doc, "in_progress")
    yield event("response.created", response=begun)
    yield event("response.in_progress", response=begun)
    yield event("response.output_item.added", output_index=0, item=_item(answer, label, "in_progress", None))
    final = whole_response(ask, answer, label, doc)
    item = final["output"][0]
    place: dict[str, Any] = {"item_id": item["id"], "output_index": 0}
    if answer.tool is None:
        place["content_index"] = 0
        yield event("response.content_part.added", **place, part=_part(""))
        for piece in answer.pieces:
            yield event("response.output_text.delta", 1, **place, delta=piece, logprobs=[])
        yield event("response.output_text.done", **place, text=answer.text, logprobs=[])
        yield event("response.content_part.done", **place, part=_part(answer.text))
    else:
        for piece in answer.pieces:
            yield event("response.function_call_arguments.delta", 1, **place, delta=piece)
        yield event("response.function_call_arguments.done", **place, name=answer.tool, arguments=answer.text)
    yield event("response.output_item.done", output_index=0, item=item)
    yield event(f"response.{final['status']}", response=final)


def _response(ask: Ask, label: Label, doc: dict[str, Any], status: str) -> dict[str, Any]:
    text = doc.get("text")
    return {
        "id": f"resp_{label.id}",
        "object": "response",
        "created_at": label.created_s,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": doc.get("instructions"),
        "max_output_tokens": ask.max_tokens,
        "metadata": doc.get("metadata") or {},
        "model": ask.model,
        "output": [],
        "parallel_tool_calls": doc.get("parallel_tool_calls", True),
        "previous_response_id": doc.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "service_tier": label.tier,
        "store": doc.get("store", True),
        "temperature": doc.get("temperature", 1.0),
        "text": text if isinstance(text, dict) and "format" in text else {"format": {"type": "text"}},
        "tool_choice": doc.get("tool_choice", "auto"),
        "tools": doc.get("tools") or [],
        "top_p": doc.get("top_p", 1.0),
        "truncation": "disabled",
        "usage": None,
        "user": None,
    }


def _item(answer: Answer, label: Label, status: str, text: str | None) -> dict[str, Any]:
    """The output item; `text` is `None` before there is any."""
    if answer.tool is not None:
        call = {"type": "function_call", "call_id": f"call_{label.id}", "name": answer.tool}
        return {"id": f"fc_{label.id}", "status": status, **call, "arguments": text or ""}
    content = [] if text is None else [_part(text)]
    return {"id": f"msg_{label.id}", "type": "message", "status": status, "role": "assistant", "content": content}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
