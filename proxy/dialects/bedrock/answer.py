"""A whole answer of Converse as the hub's, and what is read alike in answers and in streams.

Source: Amazon Bedrock Runtime API reference, `Converse`, `ContentBlock`, `TokenUsage`.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from proxy.dialects.bedrock.traits import traits_of
from proxy.dialects.chunks import dumps
from proxy.dialects.counting import MAX_COUNT, usage_document
from proxy.dialects.hub import ReasoningFormat, data_url
from proxy.dialects.reading import as_dict, as_text
from proxy.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
"""Of `stopReason`; one that is not known is a plain stop."""

FAILURES: dict[str, dict[str, Any]] = {
    "malformed_tool_use": {
        "message": "The model wrote a tool call that cannot be read.",
        "type": "malformed_tool_use",
        "code": "tool_use_failed",
    },
    "malformed_model_output": {
        "message": "The model wrote an answer that cannot be read.",
        "type": "malformed_model_output",
        "code": "server_error",
    },
}
"""A `stopReason` that is none: the answer has failed, by chance. Told in the words of the hub's errors."""

SERVER_TOOL = "server_tool_use"
"""`type` of a tool use that Bedrock itself carries out: no call of the client's tools."""


def response_id() -> str:
    """Converse names its answers in a header only, and clients want an id in each."""
    return f"chatcmpl-{secrets.token_hex(12)}"


def finish_reason_of(stop: str, *, has_calls: bool) -> str:
    """The hub's; some models call tools and still say `end_turn`."""
    reason = FINISH_REASONS.get(stop, "stop")
    return "tool_calls" if has_calls and reason == "stop" else reason


def usage_of(usage: Any, tier: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hub's usage object, and the fields that stand beside it: the tier that served."""
    given = as_dict(usage)
    write = _count(given.get("cacheWriteInputTokens"))
    details = given.get("cacheDetails")
    hour = sum(
        _count(as_dict(detail).get("inputTokens"))
        for detail in (details if isinstance(details, list) else ())
        if as_dict(detail).get("ttl") == "1h"
    )
    found = Usage(
        input_tokens=_count(given.get("inputTokens")),
        output_tokens=_count(given.get("outputTokens")),
        cache_read_tokens=_count(given.get("cacheReadInputTokens")),
        cache_write_tokens=write,
        cache_write_1h_tokens=min(hour, write),
    )
    served = as_text(as_dict(tier).get("type"))
    return usage_document(found), {} if served is None else {"service_tier": served}


def format_of(model: str) -> str:
    """Who can read the state that `model` sends beside its thoughts."""
    return (ReasoningFormat.ANTHROPIC if traits_of(model).is_claude else ReasoningFormat.UNKNOWN).value


def thought(text: str, signature: str, kind: str) -> dict[str, Any]:
    """One signed block of thoughts, as an entry of `reasoning_details`; `kind` is its format."""
    return {"type": "reasoning.text", "text": text, "signature": signature, "format": kind}


def redacted(data: str, kind: str) -> dict[str, Any]:
    """A block of thoughts that only the model can read; `data` is base64."""
    return {"type": "reasoning.encrypted", "data": data, "format": kind}


def image(kind: str, data: str) -> dict[str, Any]:
    """An image the model made; `kind` is `png` and its like, `data` base64."""
    return {"type": "image_url", "image_url": {"url": data_url(f"image/{kind}", data)}}


def annotation(citation: Any) -> dict[str, Any] | None:
    """A citation of a web page; `None` for one of a document, for which the hub has no word."""
    given = as_dict(citation)
    url = as_text(as_dict(as_dict(given.get("location")).get("web")).get("url"))
    if url is None:
        return None
    return {"type": "url_citation", "url_citation": {"url": url, "title": as_text(given.get("title")) or ""}}


def failure(doc: dict[str, Any], kind: str) -> dict[str, Any]:
    """The error in `doc`, an exception of the type `kind`."""
    error: dict[str, Any] = {"message": as_text(doc.get("message")) or as_text(doc.get("Message")) or "", "type": kind}
    for name in ("originalStatusCode", "originalMessage", "resourceName"):
        if name in doc:
            error[name] = doc[name]
    return error


def read(doc: dict[str, Any], model: str) -> dict[str, Any]:
    """The hub's answer of `model`, or its error if `doc` is one."""
    message = as_dict(as_dict(doc.get("output")).get("message"))
    stop = as_text(doc.get("stopReason")) or ""
    if not message and not stop:
        kind = (as_text(doc.get("__type")) or "").rpartition("#")[2]
        return {"error": failure(doc, kind)} if kind or "message" in doc or "Message" in doc else {"choices": []}
    found = _Message(format_of(model))
    content = message.get("content")
    for block in content if isinstance(content, list) else ():
        for name, value in as_dict(block).items():
            if (reader := _BLOCKS.get(name)) is not None:
                reader(found, value)
    choice = {"index": 0, "message": found.document(), "finish_reason": found.finish(stop)}
    if stop in FAILURES:
        choice |= {"finish_reason": "error", "error": FAILURES[stop]}
    usage, beside = usage_of(doc.get("usage"), doc.get("serviceTier"))
    head = {"id": response_id(), "object": "chat.completion", "created": 0, "model": model}
    return {**head, "choices": [choice], **({"usage": usage} if "usage" in doc else {}), **beside}


def opaque(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Of an answer that `read` returned: what goes with each of its calls."""
    choices = answer.get("choices") or [{}]
    message = as_dict(choices[0].get("message"))
    details = message.get("reasoning_details")
    return {call["id"]: {"reasoning_details": details} for call in message.get("tool_calls", ())} if details else {}


class _Message:
    """One message as it is read."""

    __slots__ = ("annotations", "calls", "details", "format", "images", "reasoning", "text")

    def __init__(self, kind: str) -> None:
        self.format = kind
        self.text: list[str] = []
        self.reasoning: list[str] = []
        self.details: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []

    def finish(self, stop: str) -> str:
        return finish_reason_of(stop, has_calls=bool(self.calls))

    def document(self) -> dict[str, Any]:
        return {"role": "assistant", "content": "".join(self.text) or None, **dict(self._rest())}

    def _rest(self) -> Iterator[tuple[str, Any]]:
        if self.reasoning:
            yield "reasoning_content", "".join(self.reasoning)
        for name, value in (
            ("reasoning_details", self.details),
            ("tool_calls", self.calls),
            ("images", self.images),
            ("annotations", self.annotations),
        ):
            if value:
                yield name, value


def _read_text(found: _Message, value: Any) -> None:
    if text := as_text(value):
        found.text.append(text)


def _read_call(found: _Message, value: Any) -> None:
    use = as_dict(value)
    if use.get("type") == SERVER_TOOL:
        return
    arguments = dumps(use.get("input") or {}).decode()
    function = {"name": as_text(use.get("name")) or "", "arguments": arguments}
    found.calls.append({"id": as_text(use.get("toolUseId")) or "", "type": "function", "function": function})


def _read_reasoning(found: _Message, value: Any) -> None:
    given = as_dict(value)
    told = as_dict(given.get("reasoningText"))
    text = as_text(told.get("text"))
    if text is not None:
        found.reasoning.append(text)
    if (signature := as_text(told.get("signature"))) is not None:
        found.details.append(thought(text or "", signature, found.format))
    if (data := as_text(given.get("redactedContent"))) is not None:
        found.details.append(redacted(data, found.format))


def _read_cited(found: _Message, value: Any) -> None:
    given = as_dict(value)
    content, citations = given.get("content"), given.get("citations")
    for piece in content if isinstance(content, list) else ():
        _read_text(found, as_dict(piece).get("text"))
    for citation in citations if isinstance(citations, list) else ():
        if (note := annotation(citation)) is not None:
            found.annotations.append(note)


def _read_image(found: _Message, value: Any) -> None:
    given = as_dict(value)
    if (data := as_text(as_dict(given.get("source")).get("bytes"))) is not None:
        found.images.append(image(as_text(given.get("format")) or "png", data))


_BLOCKS: dict[str, Callable[[_Message, Any], None]] = {
    "text": _read_text,
    "toolUse": _read_call,
    "reasoningContent": _read_reasoning,
    "citationsContent": _read_cited,
    "image": _read_image,
}


def _count(value: Any) -> int:
    """A token count; 0 for what cannot be one."""
    return value if type(value) is int and 0 <= value <= MAX_COUNT else 0
