"""A whole answer of a provider that speaks Anthropic's Messages API, as the hub's.

Source: Anthropic API reference, "Messages", the response; "Errors".
"""

from __future__ import annotations

from typing import Any

from proxy.dialects.anthropic.usage import hub_usage, tier_of
from proxy.dialects.anthropic.words import JSON_TOOL, OWN, finish_reason
from proxy.dialects.chunks import dumps
from proxy.dialects.reading import as_dict, as_text


def answer(doc: dict[str, Any]) -> dict[str, Any]:
    """See `Dialect.answer`."""
    if doc.get("type") == "error" or (doc.get("content") is None and "error" in doc):
        return {"error": doc.get("error") or {"message": "The provider reported an error."}}
    reader = _Reader()
    content = doc.get("content")
    for block in content if isinstance(content, list) else ():
        reader.read(as_dict(block))
    message = reader.message(doc)
    reason = finish_reason(doc.get("stop_reason"), unwrapped=reader.unwrapped and not reader.calls)
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    if (stop := as_text(doc.get("stop_sequence"))) is not None:
        choice["stop_reason"] = stop
    usage = as_dict(doc.get("usage"))
    found = {
        "id": as_text(doc.get("id")) or "",
        "object": "chat.completion",
        "created": 0,
        "model": as_text(doc.get("model")) or "",
        "choices": [choice],
        "usage": hub_usage(usage),
    }
    if (tier := tier_of(usage)) is not None:
        found["service_tier"] = tier
    return found


def opaque(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """See `Dialect.opaque`."""
    choices = found.get("choices")
    message = as_dict(as_dict(choices[0]).get("message")) if isinstance(choices, list) and choices else {}
    details, calls = message.get("reasoning_details"), message.get("tool_calls")
    if not details or not isinstance(calls, list):
        return {}
    return {call["id"]: {"reasoning_details": details} for call in calls}


def explanation(details: Any) -> str | None:
    """Why the model refused, if it says: `stop_details.explanation`."""
    return as_text(as_dict(details).get("explanation"))


def thought(text: str, signature: str) -> dict[str, Any]:
    """An entry of `reasoning_details` for a signed thought."""
    return {"type": "reasoning.text", "text": text, "signature": signature, "format": OWN}


def hidden_thought(data: str) -> dict[str, Any]:
    """The same for one that only its model can read."""
    return {"type": "reasoning.encrypted", "data": data, "format": OWN}


def source(citation: dict[str, Any], start: int, end: int) -> dict[str, Any] | None:
    """A citation of a page as OpenAI's annotation of characters `start` to `end`; `None` for one of a document."""
    url = as_text(citation.get("url"))
    if url is None:
        return None
    found = {"start_index": start, "end_index": end, "url": url, "title": as_text(citation.get("title")) or url}
    return {"type": "url_citation", "url_citation": found}


class _Reader:
    """Gathers the blocks of one message."""

    __slots__ = ("annotations", "calls", "details", "size", "texts", "thoughts", "unwrapped")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.size = 0
        self.thoughts: list[str] = []
        self.details: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.unwrapped = False

    def read(self, block: dict[str, Any]) -> None:
        """Kinds of blocks that are not known say nothing."""
        kind = block.get("type")
        if kind == "text":
            self._text(block)
        elif kind == "thinking":
            self._thinking(block)
        elif kind == "redacted_thinking" and (data := as_text(block.get("data"))) is not None:
            self.details.append(hidden_thought(data))
        elif kind == "tool_use":
            self._call(block)

    def message(self, doc: dict[str, Any]) -> dict[str, Any]:
        """The hub's message."""
        text = "".join(self.texts)
        message: dict[str, Any] = {"role": "assistant", "content": text or None}
        message["refusal"] = explanation(doc.get("stop_details"))
        if self.thoughts:
            message["reasoning_content"] = "".join(self.thoughts)
        if self.details:
            message["reasoning_details"] = self.details
        if self.calls:
            message["tool_calls"] = self.calls
        if self.annotations:
            message["annotations"] = self.annotations
        return message

    def _text(self, block: dict[str, Any]) -> None:
        text = as_text(block.get("text")) or ""
        start, end = self.size, self.size + len(text)
        self.texts.append(text)
        self.size = end
        citations = block.get("citations")
        for citation in citations if isinstance(citations, list) else ():
            if (found := source(as_dict(citation), start, end)) is not None:
                self.annotations.append(found)

    def _thinking(self, block: dict[str, Any]) -> None:
        text = as_text(block.get("thinking")) or ""
        if text:
            self.thoughts.append(text)
        if (signature := as_text(block.get("signature"))) is not None:
            self.details.append(thought(text, signature))

    def _call(self, block: dict[str, Any]) -> None:
        arguments = dumps(as_dict(block.get("input"))).decode()
        if block.get("name") == JSON_TOOL:
            self.unwrapped = True
            self._text({"text": arguments})
            return
        function = {"name": as_text(block.get("name")) or "", "arguments": arguments}
        self.calls.append({"id": as_text(block.get("id")) or "", "type": "function", "function": function})
