"""A hub request for Mistral, which refuses fields it does not know. Source: https://docs.mistral.ai/api/."""

from __future__ import annotations

from dataclasses import replace
from hashlib import blake2b
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any

from proxy.dialects import openai_chat
from proxy.dialects.hub import calls_of, effort_of, nearest_effort, parts_of, text_of
from proxy.dialects.leftovers import refuse_leftovers
from proxy.dialects.names import DialectName
from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.request import ModelRequest, Operation
from proxy.dialects.simplify import TOOL_FAILED

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

API = "Mistral's API"
CALL_ID_CHARS = 9
_ALPHABET = ascii_letters + digits
_FIELDS = {
    "system": frozenset({"role", "content"}),
    "user": frozenset({"role", "content"}),
    "assistant": frozenset({"role", "content", "tool_calls", "prefix"}),
    "tool": frozenset({"role", "content", "tool_call_id", "name"}),
}
"""Roles, and the fields their messages may have."""
_SAID = frozenset({
    "model", "messages", "stream", "temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed",
    "random_seed", "response_format", "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n",
    "prediction", "parallel_tool_calls", "reasoning_effort", "reasoning", "prompt_mode", "safe_prompt", "guardrails",
    "top_k", "min_tokens", "repetition_penalty", "logprobs", "top_logprobs",
})  # fmt: skip


def encode(request: ModelRequest, target: Target) -> bytes:
    """The body for `target`: the client's own bytes unless something must change. Raises `Unsupported`."""
    if request.operation is Operation.CHAT:
        request = _translated(request, target)
    return openai_chat.encode(request, target)


def _translated(request: ModelRequest, target: Target) -> ModelRequest:
    doc, quirks = request.doc, target.quirks
    refuse_leftovers(doc, _SAID - quirks.dropped - quirks.unsupported, target, API)
    changed: dict[str, Any] = {}
    messages = _messages(doc["messages"], target, thinks=_thinks(target.model, effort_of(doc)))
    if messages is not doc["messages"]:
        changed["messages"] = messages
    tools = doc.get("tools")
    if isinstance(tools, list) and any("cache_control" in as_dict(tool) for tool in tools):
        changed["tools"] = [_unmarked(as_dict(tool)) for tool in tools]
    if "reasoning_effort" not in doc and (effort := _effort(doc, target)):
        changed["reasoning_effort"] = effort
    left_out = {"reasoning", *target.dropped}
    if not changed and left_out.isdisjoint(doc):
        return replace(request, origin=DialectName.OPENAI_CHAT)
    kept = {name: value for name, value in doc.items() if name not in left_out}
    return replace(request, doc={**kept, **changed}, raw=None, origin=DialectName.OPENAI_CHAT)


def _effort(doc: dict[str, Any], target: Target) -> str | None:
    reasoning = as_dict(doc.get("reasoning"))
    if reasoning.get("exclude"):
        target.refuse("reasoning.exclude", f"is not known to {API}.")
    return nearest_effort(doc) or ("high" if reasoning.get("enabled") is True else None)


def _thinks(model: str, effort: str | None) -> bool:
    """Whether it takes thoughts back: Magistral always, others when they are asked to think."""
    return "magistral" in model or effort not in (None, "none")


def _messages(messages: list[dict[str, Any]], target: Target, *, thinks: bool) -> list[dict[str, Any]]:
    """The very list, if it is fit to be sent."""
    if all(_is_clean(message) for message in messages):
        written = messages
    else:
        written = [_message(message, f"messages[{place}]", target, thinks=thinks)
                   for place, message in enumerate(messages)]  # fmt: skip
    last = messages[-1]
    if last.get("role") == "assistant" and not last.get("prefix"):
        target.refuse("messages", f"must not end with the assistant's turn for {API}.")
        written = [*written[:-1], {**written[-1], "prefix": True}]
    return written


def _is_clean(message: dict[str, Any]) -> bool:
    allowed = _FIELDS.get(as_text(message.get("role")) or "")
    if allowed is None or not allowed.issuperset(message):
        return False
    content = message.get("content")
    if isinstance(content, list):
        return False
    if message.get("tool_calls"):
        return False
    call_id = message.get("tool_call_id")
    return call_id is None or _is_own(call_id)


def _message(message: dict[str, Any], at: str, target: Target, *, thinks: bool) -> dict[str, Any]:
    role = "system" if message.get("role") == "developer" else message.get("role")
    if role == "user" and message.get("name") is not None:
        target.refuse(f"{at}.name", f"is not known to {API}.")
    if message.get("audio"):
        target.refuse(f"{at}.audio", f"is not known to {API}.")
    allowed = _FIELDS.get(as_text(role) or "", frozenset())
    written: dict[str, Any] = {name: value for name, value in message.items() if name in allowed}
    written["role"] = role
    content = message.get("content")
    if isinstance(content, list):
        parts = [_part(part, f"{at}.content[{place}]", target) for place, part in enumerate(parts_of(content))]
        written["content"] = [part for part in parts if part]
    if role == "assistant":
        _write_turn(written, message, thinks=thinks)
    elif role == "tool" and isinstance(call_id := message.get("tool_call_id"), str):
        written["tool_call_id"] = call_id_of(call_id)
        if message.get("is_error"):
            written["content"] = TOOL_FAILED + text_of(content)
    return written


def _write_turn(written: dict[str, Any], message: dict[str, Any], *, thinks: bool) -> None:
    """The assistant's: thoughts go into the content, ids become Mistral's."""
    if not written.get("content") and (refusal := as_text(message.get("refusal"))):
        written["content"] = refusal
    thoughts = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    if thoughts and thinks:
        said = written.get("content")
        parts = said if isinstance(said, list) else [{"type": "text", "text": said}] if said else []
        written["content"] = [{"type": "thinking", "thinking": [{"type": "text", "text": thoughts}]}, *parts]
    calls = calls_of(message)
    if calls:
        written["tool_calls"] = [_call(call) for call in calls]
    elif "tool_calls" in written:
        del written["tool_calls"]


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = as_dict(call.get("function"))
    return {
        "id": call_id_of(as_text(call.get("id")) or ""),
        "type": "function",
        "function": {"name": function.get("name"), "arguments": function.get("arguments") or "{}"},
    }


def _part(part: dict[str, Any], at: str, target: Target) -> dict[str, Any]:
    """One part; those of Mistral's own kinds pass."""
    kind = part.get("type")
    if kind == "refusal":
        return {"type": "text", "text": as_text(part.get("refusal")) or ""}
    if kind == "input_audio":
        audio = part.get("input_audio")
        return {"type": "input_audio", "input_audio": audio.get("data") if isinstance(audio, dict) else audio}
    if kind == "file":
        return _document(part, at, target)
    return _unmarked(part)


def _unmarked(holder: dict[str, Any]) -> dict[str, Any]:
    """Without a cache mark, which is no field of Mistral's."""
    return {name: value for name, value in holder.items() if name != "cache_control"}


def _document(part: dict[str, Any], at: str, target: Target) -> dict[str, Any]:
    file = as_dict(part.get("file"))
    url = as_text(file.get("file_url")) or as_text(file.get("file_data"))
    if url is None:
        target.refuse(at, f"must hold its data or an address for {API}.")
        return {}
    name = as_text(file.get("filename"))
    return {"type": "document_url", "document_url": url, **({"document_name": name} if name else {})}


def call_id_of(call_id: str) -> str:
    """`call_id` if it is one of Mistral's, nine letters and digits; else nine that are always the same for it."""
    if _is_own(call_id):
        return call_id
    digest = blake2b(call_id.encode(errors="replace"), digest_size=CALL_ID_CHARS).digest()
    return "".join([_ALPHABET[byte % len(_ALPHABET)] for byte in digest])


def _is_own(call_id: Any) -> bool:
    return isinstance(call_id, str) and len(call_id) == CALL_ID_CHARS and call_id.isascii() and call_id.isalnum()
