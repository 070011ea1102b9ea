"""A whole answer of Google's as the hub's; what its candidates say is read as in a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.counting import usage_document
from proxy.dialects.deltas import Delta, Kind
from proxy.dialects.gemini.candidates import Candidates
from proxy.dialects.gemini.decoder import created_s
from proxy.dialects.gemini.usage import usage_in
from proxy.dialects.reading import as_dict, as_text, error_object

if TYPE_CHECKING:
    from collections.abc import Callable

_LISTS = {Kind.DETAILS: "reasoning_details", Kind.IMAGES: "images", Kind.ANNOTATIONS: "annotations"}
_TEXTS = {Kind.TEXT: "content", Kind.REASONING: "reasoning_content", Kind.REFUSAL: "refusal"}

Choice = dict[str, Any]


def answer_in(doc: Any) -> dict[str, Any]:
    """The hub's answer or error. Raises `Undecodable` for a function call that cannot be put together."""
    if isinstance(doc, list):
        doc = doc[0] if doc else {}
    doc = as_dict(doc)
    if (error := error_object(doc.get("error"))) is not None:
        return {"error": error}
    candidates = Candidates()
    candidates.id = as_text(doc.get("responseId")) or ""
    given = doc.get("candidates")
    choices: dict[int, Choice] = {}
    for candidate in given if isinstance(given, list) else ():
        for delta in candidates.read(as_dict(candidate)):
            _WRITERS[delta.kind](_choice(choices, delta.choice), delta)
    for delta in candidates.block(as_dict(doc.get("promptFeedback"))):
        _WRITERS[delta.kind](_choice(choices, delta.choice), delta)
    if candidates.failure is not None:
        return {"error": candidates.failure}
    answer = {
        "id": candidates.id,
        "object": "chat.completion",
        "created": created_s(doc),
        "model": as_text(doc.get("modelVersion")) or "",
        "choices": [choices[index] for index in sorted(choices)],
    }
    if isinstance(meta := doc.get("usageMetadata"), dict):
        usage = usage_in(meta)
        answer["usage"] = usage_document(usage)
        if usage.tier is not None:
            answer["service_tier"] = usage.tier
    return answer


def opaque_of(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Tool call id -> the state that goes with it, of what `answer_in` returned."""
    return {
        call["id"]: {"extra_content": call["extra_content"]}
        for choice in answer.get("choices", ())
        for call in choice["message"].get("tool_calls", ())
        if "extra_content" in call
    }


def _choice(choices: dict[int, Choice], index: int) -> Choice:
    if (known := choices.get(index)) is not None:
        return known
    message = {"role": "assistant", "content": None}
    choices[index] = {"index": index, "message": message, "logprobs": None, "finish_reason": None}
    return choices[index]


def _text(choice: Choice, delta: Delta) -> None:
    message, name = choice["message"], _TEXTS[delta.kind]
    message[name] = (message.get(name) or "") + delta.text


def _list(choice: Choice, delta: Delta) -> None:
    choice["message"].setdefault(_LISTS[delta.kind], []).extend(delta.value)


def _call(choice: Choice, delta: Delta) -> None:
    function = {"name": delta.name, "arguments": delta.text}
    call = {"id": delta.call_id, "type": "function", "function": function, **(delta.value or {})}
    choice["message"].setdefault("tool_calls", []).append(call)


def _logprobs(choice: Choice, delta: Delta) -> None:
    known = choice["logprobs"] = choice["logprobs"] or {"content": [], "refusal": None}
    known["content"] += delta.value


def _finish(choice: Choice, delta: Delta) -> None:
    choice["finish_reason"] = delta.text


_WRITERS: dict[Kind, Callable[[Choice, Delta], None]] = {
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_LISTS, _list),
    Kind.CALL: _call,
    Kind.LOGPROBS: _logprobs,
    Kind.FINISH: _finish,
}
