"""Reading OpenAI-shaped answers and chunks whose types nobody vouches for: a wrong type reads as absent."""

from __future__ import annotations

import json  # noqa: TID251 - for lone surrogates, which `orjson` refuses
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

if TYPE_CHECKING:
    from collections.abc import Collection

FAILURES = frozenset({"error", "insufficient_system_resource", "network_error", "abort"})
"""Finish reasons of an answer that has not been finished: OpenRouter, Mistral and Cohere, DeepSeek, Z.ai, SGLang."""
COUNTS = frozenset({"prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"})
"""A usage object has at least one of them."""

_HIGH_FIRST, _HIGH_LAST = "\ud800", "\udbff"
"""The first halves of surrogate pairs."""


def parse(data: bytes) -> Any:
    """The JSON value in `data`. Raises `ValueError`.

    Half of a surrogate pair is taken: some servers cut an emoji in two, and clients' own parsers join it again.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        try:
            return json.loads(data, parse_constant=_refuse)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _refuse(name: str) -> NoReturn:
    """`NaN` and its kin, which the standard library takes and other clients' parsers do not."""
    raise ValueError(name)


def joined(text: str) -> str:
    """`text` with halves of surrogate pairs joined where both are there; a lone one becomes U+FFFD."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class Halves:
    """Text in pieces, where some servers cut an emoji in two: each piece leaves with whole characters only.

    Python's own clients would not join them.
    """

    __slots__ = ("_half",)

    def __init__(self) -> None:
        self._half = ""

    def add(self, text: str) -> str:
        """What of it may be sent now; may be empty."""
        if text.isascii() and not self._half:
            return text
        text, self._half = self._half + text, ""
        if text and _HIGH_FIRST <= text[-1] <= _HIGH_LAST:
            text, self._half = text[:-1], text[-1]
        return joined(text)

    def end(self) -> str:
        """What stands for a half whose other never came; empty if there is none."""
        half, self._half = self._half, ""
        return "\ufffd" if half else ""


def as_dict(value: Any) -> dict[str, Any]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_text(value: Any) -> str | None:
    """`value` if it is a string with something in it."""
    return value if isinstance(value, str) and value else None


def choices_of(doc: dict[str, Any]) -> list[dict[str, Any]]:
    """The choices that are objects."""
    choices = doc.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def usage_object(doc: dict[str, Any]) -> dict[str, Any] | None:
    """The usage object wherever providers put it; `None` if there is none that counts anything.

    Top level (most), `x_groq.usage` (Groq), `response.usage` (Responses API), `choices[0].usage` (older Moonshot).
    """
    usage = doc.get("usage")
    if isinstance(usage, dict) and not COUNTS.isdisjoint(usage):
        return usage
    for holder in (doc.get("x_groq"), doc.get("response"), *choices_of(doc)[:1]):
        if isinstance(holder, dict):
            usage = holder.get("usage")
            if isinstance(usage, dict) and not COUNTS.isdisjoint(usage):
                return usage
    return None


def finish_reason_of(choice: dict[str, Any]) -> str | None:
    """Why the choice ended; `None` while it runs (xAI also says an empty string)."""
    return as_text(choice.get("finish_reason"))


def error_object(value: Any) -> dict[str, Any] | None:
    """An `error` value as an object; `None` if it says nothing. xAI and the Hugging Face router send a string."""
    if isinstance(value, dict):
        return value or None
    return {"message": value} if as_text(value) else None


def error_in(doc: dict[str, Any], name: str | None, errors_in_body: str | None) -> dict[str, Any] | None:
    """The failure reported by an answer or by one event called `name`; `None` if it reports none."""
    found = error_object(doc.get("error")) or error_object(as_dict(doc.get("response")).get("error"))
    if found is None and "error" in (name, doc.get("type"), doc.get("object")):
        return doc
    if found is None:
        found = _error_of_choices(doc)
    if found is None and errors_in_body is not None:
        inner = as_dict(doc.get(errors_in_body))
        if inner.get("status_code") not in (None, 0, "0"):
            return {errors_in_body: inner}
    return found


def _error_of_choices(doc: dict[str, Any]) -> dict[str, Any] | None:
    for choice in choices_of(doc):
        if (finish_reason_of(choice) or "").lower() in FAILURES:
            return error_object(choice.get("error")) or {"message": "The provider ended the answer with an error."}
    return None


def text_size(value: Any) -> int:
    """Bytes of text in a string, or in a list of content parts (Mistral's thinking lists are nested)."""
    if isinstance(value, str):
        return len(value.encode(errors="surrogatepass"))
    if isinstance(value, list):
        return sum(text_size(part) for part in value)
    if isinstance(value, dict):
        return sum(text_size(value.get(key)) for key in ("text", "thinking", "refusal"))
    return 0


def message_size(message: dict[str, Any], reasoning_fields: Collection[str]) -> int:
    """Bytes of content in a delta or a message; 0 for a role alone or empty strings."""
    size = 0
    for name, value in message.items():
        if not value:
            continue
        if name in ("content", "refusal") or name in reasoning_fields:
            size += text_size(value)
        elif name == "tool_calls":
            size += _calls_size(value)
        elif name == "function_call":
            size += sum(text_size(as_dict(value).get(key)) for key in ("name", "arguments"))
        elif name == "audio":
            size += text_size(as_dict(value).get("data"))
    return size


def _calls_size(calls: Any) -> int:
    size = 0
    for call in calls if isinstance(calls, list) else ():
        function = as_dict(as_dict(call).get("function") or as_dict(call).get("custom"))
        # a call without arguments is content too
        size += max(1, sum(text_size(function.get(key)) for key in ("name", "arguments", "input")))
    return size


def content_size(doc: dict[str, Any], field: str, reasoning_fields: Collection[str]) -> int:
    """Bytes of content in all choices, read from `field`: `delta` in a chunk, `message` in an answer."""
    return sum(
        message_size(as_dict(choice.get(field)), reasoning_fields) + text_size(choice.get("text"))
        for choice in choices_of(doc)
    )
