"""Cohere's whole answers as the hub's, and the pieces that streams share with them.

Source: https://docs.cohere.com/v2/reference/chat, "Response".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.counting import count_of, usage_document
from proxy.dialects.reading import as_dict, as_text
from proxy.usage import Usage

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

FINISHES = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}
FAILURES = frozenset({"ERROR", "TIMEOUT"})
"""Finish reasons of an answer that has not been finished."""
_THOUGHT_OF = frozenset({"THINKING_CONTENT", "PLAN"})
"""What a citation may lie in beside the answer's text: its places are none of the text's."""


def answer(doc: dict[str, Any], target: Target) -> dict[str, Any]:
    """A whole answer, or a whole error. Cohere does not name the model."""
    message = doc.get("message")
    reason = as_text(doc.get("finish_reason")) or ""
    if not isinstance(message, dict):
        return {"error": doc}
    if reason in FAILURES:
        return {"error": failure(reason, None)}
    choice: dict[str, Any] = {
        "index": 0,
        "message": _message(message),
        "finish_reason": FINISHES.get(reason, "stop"),
        "logprobs": {"content": tokens, "refusal": None} if (tokens := tokens_of(doc.get("logprobs"))) else None,
    }
    told: dict[str, Any] = {
        "id": as_text(doc.get("id")) or "",
        "object": "chat.completion",
        "created": 0,
        "model": target.model,
        "choices": [choice],
    }
    usage = usage_of(doc.get("usage"))
    if usage is not None:
        told["usage"] = usage_document(usage)
    return told


def failure(reason: str, words: str | None) -> dict[str, Any]:
    """What an answer that ends in `ERROR` or `TIMEOUT` says of it."""
    kind = "timeout" if reason == "TIMEOUT" else "server_error"
    return {"message": words or f"The provider ended the answer with `{reason}`.", "type": kind, "code": reason}


def usage_of(usage: Any) -> Usage | None:
    """`tokens` are what the model read and wrote, `billed_units` what is paid for: Cohere adds a long template.

    `None` if neither counts anything.
    """
    fields = as_dict(usage)
    tokens, billed = as_dict(fields.get("tokens")), as_dict(fields.get("billed_units"))
    paid = (count_of(billed.get("input_tokens")), count_of(billed.get("output_tokens")))
    seen = (count_of(tokens.get("input_tokens")), count_of(tokens.get("output_tokens")))
    if paid == seen == (None, None):
        return None
    read, wrote = seen if seen != (None, None) else paid
    cached = min(count_of(fields.get("cached_tokens")) or 0, read or 0)
    return Usage(
        input_tokens=(read or 0) - cached,
        output_tokens=wrote or 0,
        cache_read_tokens=cached,
        billed=None if paid == (None, None) else (paid[0] or 0, paid[1] or 0),
    )


def tokens_of(items: Any) -> list[dict[str, Any]]:
    """Log probabilities as the hub's `logprobs.content`; a piece of text counts as one token."""
    return [entry for item in items if (entry := _logprob(as_dict(item)))] if isinstance(items, list) else []


def _logprob(item: dict[str, Any]) -> dict[str, Any] | None:
    text, logprobs = item.get("text"), item.get("logprobs")
    if not isinstance(text, str) or not isinstance(logprobs, list):
        return None
    total = sum(value for value in logprobs if isinstance(value, int | float))
    return {"token": text, "logprob": total, "bytes": list(text.encode(errors="replace")), "top_logprobs": []}


def annotations_of(citation: Any) -> list[dict[str, Any]]:
    """One citation as the hub's annotations, one for each source. A source without an address has an empty one."""
    fields = as_dict(citation)
    if as_text(fields.get("type")) in _THOUGHT_OF:
        return []
    sources = fields.get("sources")
    return [
        {
            "type": "url_citation",
            "url_citation": {
                "start_index": fields.get("start"),
                "end_index": fields.get("end"),
                **_source(as_dict(source)),
            },
        }
        for source in (sources if isinstance(sources, list) else ())
    ]


def _source(source: dict[str, Any]) -> dict[str, Any]:
    held = as_dict(source.get("document")) or as_dict(source.get("tool_output"))
    name = as_text(source.get("id")) or ""
    return {"url": as_text(held.get("url")) or "", "title": as_text(held.get("title")) or name, "id": name}


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    parts = [as_dict(part) for part in content] if isinstance(content, list) else []
    text = "".join(as_text(part.get("text")) or "" for part in parts)
    plan = as_text(message.get("tool_plan")) or ""
    thoughts = "".join(as_text(part.get("thinking")) or "" for part in parts) + plan
    told: dict[str, Any] = {"role": "assistant", "content": text or None}
    if thoughts:
        told["reasoning_content"] = thoughts
    calls = message.get("tool_calls")
    if isinstance(calls, list) and calls:
        told["tool_calls"] = [_call(as_dict(call)) for call in calls]
    citations = message.get("citations")
    found = [one for citation in (citations if isinstance(citations, list) else ()) for one in annotations_of(citation)]
    if found:
        told["annotations"] = found
    if text == "" and "tool_calls" not in told:
        told["content"] = ""
    return told


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = as_dict(call.get("function"))
    return {
        "id": as_text(call.get("id")) or "",
        "type": "function",
        "function": {
            "name": as_text(function.get("name")) or "",
            "arguments": as_text(function.get("arguments")) or "{}",
        },
    }
