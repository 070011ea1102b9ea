"""Ollama's whole answers as the hub's, and the pieces that streams share with them.

Source: https://docs.ollama.com/api/chat, "Response".
"""

from __future__ import annotations

from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from proxy.dialects.chunks import dumps
from proxy.dialects.counting import count_of, usage_document
from proxy.dialects.reading import as_dict, as_text
from proxy.usage import Usage

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

ID_BYTES = 12
"""Of a made-up id."""


def answer(doc: dict[str, Any], target: Target) -> dict[str, Any]:
    """A whole answer, or a whole error: `{"error": "text"}`."""
    message = doc.get("message")
    if not isinstance(message, dict):
        return doc if doc.get("error") else {"error": doc}
    told: dict[str, Any] = {"role": "assistant", "content": as_text(message.get("content"))}
    if thoughts := as_text(message.get("thinking")):
        told["reasoning_content"] = thoughts
    if calls := calls_in(message, doc, 0):
        told["tool_calls"] = calls
    elif told["content"] is None:
        told["content"] = ""
    choice = {
        "index": 0,
        "message": told,
        "finish_reason": finish_of(doc, has_calls=bool(calls)),
        "logprobs": {"content": tokens, "refusal": None} if (tokens := tokens_of(doc.get("logprobs"))) else None,
    }
    response_id, created_s = identity_of(doc)
    hub: dict[str, Any] = {
        "id": response_id,
        "object": "chat.completion",
        "created": created_s,
        "model": as_text(doc.get("model")) or target.model,
        "choices": [choice],
    }
    usage = usage_of(doc)
    if usage is not None:
        hub["usage"] = usage_document(usage)
    return hub


def identity_of(doc: dict[str, Any]) -> tuple[str, int]:
    """An id, which Ollama gives none, and the time in seconds."""
    created = as_text(doc.get("created_at")) or ""
    return f"chatcmpl-{_digest(created, as_text(doc.get('model')) or '')}", _unix_s(created)


def calls_in(message: dict[str, Any], doc: dict[str, Any], first: int) -> list[dict[str, Any]]:
    """The tool calls as the hub's, counted from `first`; an id that is missing is made of the call itself.

    It is the same each time the same answer is read, and another one in another answer: `created_at` is part of it.
    """
    found = []
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else (), first):
        function = as_dict(as_dict(call).get("function"))
        name, arguments = as_text(function.get("name")) or "", function.get("arguments")
        text = arguments if isinstance(arguments, str) else dumps(as_dict(arguments)).decode()
        call_id = as_text(as_dict(call).get("id"))
        if call_id is None:
            call_id = f"call_{_digest(as_text(doc.get('created_at')) or '', str(number), name, text)}"
        found.append({"id": call_id, "type": "function", "function": {"name": name, "arguments": text or "{}"}})
    return found


def finish_of(doc: dict[str, Any], *, has_calls: bool) -> str:
    """`done_reason` as the hub's: `length` stays, a call is told by being there."""
    if doc.get("done_reason") == "length":
        return "length"
    return "tool_calls" if has_calls else "stop"


def usage_of(doc: dict[str, Any]) -> Usage | None:
    """`None` if nothing was counted. A prompt that was still in the server's cache may have no count."""
    read, wrote = count_of(doc.get("prompt_eval_count")), count_of(doc.get("eval_count"))
    return None if read is None and wrote is None else Usage(read or 0, wrote or 0)


def tokens_of(items: Any) -> list[dict[str, Any]]:
    """Log probabilities as the hub's `logprobs.content`: the same fields in another place."""
    return [_scored(as_dict(item)) for item in items] if isinstance(items, list) else []


def _scored(item: dict[str, Any]) -> dict[str, Any]:
    others = item.get("top_logprobs")
    token = as_text(item.get("token")) or ""
    given = item.get("bytes")
    return {
        "token": token,
        "logprob": item.get("logprob"),
        "bytes": given if isinstance(given, list) else list(token.encode(errors="replace")),
        "top_logprobs": [_scored(as_dict(other)) for other in others] if isinstance(others, list) else [],
    }


def _digest(*parts: str) -> str:
    return blake2b("\x00".join(parts).encode(errors="replace"), digest_size=ID_BYTES).hexdigest()


def _unix_s(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        return 0
