"""Reads OneInfer's chat request: the documented checks and defaults. A wrong JSON type is a 422, all else a 400.

Source: OneInfer Inference API reference, "Request Parameters" and "Error Status Codes".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from proxy.dialects.openai_chat import MAX_MODEL_CHARS, parse_object, request_of
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import BadRequest, InvalidJson, MissingField, NotOffered, WrongType

DEFAULTS: dict[str, Any] = {"temperature": 0.7, "max_tokens": 1000, "top_p": 1.0}
"""Always applied, as documented. Hand the dictionary out only as a copy."""

_MAX_TEMPERATURE = 2
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_TIERS = ("default", "flex")
_PASSED = (
    "messages", "temperature", "max_tokens", "top_p", "stop", "stream", "service_tier",
    "tools", "tool_choice", "parallel_tool_calls", "response_format", "frequency_penalty", "presence_penalty",
    "seed", "user", "reasoning_effort",
)  # fmt: skip
"""Known fields; any other is ignored, not sent on."""

_JSON_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "provider": ((str,), "a string"),
    "model": ((str,), "a string"),
    "temperature": ((int, float), "a number"),
    "max_tokens": ((int,), "an integer"),
    "max_completion_tokens": ((int,), "an integer"),
    "top_p": ((int, float), "a number"),
    "stop": ((str, list), "a string or an array of strings"),
    "stream": ((bool,), "a boolean"),
    "endpoint_id": ((str,), "a string"),
    "service_tier": ((str,), "a string"),
    "messages": ((list,), "an array of objects"),
    "tools": ((list,), "an array"),
    "tool_choice": ((str, dict), "a string or an object"),
    "response_format": ((dict,), "an object"),
    "stream_options": ((dict,), "an object"),
    "frequency_penalty": ((int, float), "a number"),
    "presence_penalty": ((int, float), "a number"),
    "seed": ((int,), "an integer"),
    "user": ((str,), "a string"),
    "parallel_tool_calls": ((bool,), "a boolean"),
    "reasoning_effort": ((str,), "a string"),
}
_RANGES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (lambda value: 0 <= value <= _MAX_TEMPERATURE, "from 0 to 2"),
    "max_tokens": (lambda value: value >= 1, "at least 1"),
    "max_completion_tokens": (lambda value: value >= 1, "at least 1"),
    "top_p": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
    "service_tier": (lambda value: value in _TIERS, "`default` or `flex`"),
    "model": (lambda value: len(value) <= MAX_MODEL_CHARS and value.isprintable(), "at most 256 printable characters"),
}


def decode(body: bytes) -> ModelRequest:
    """Raise `WrongType` (422), another `BadRequest` (400), or `NotOffered` for speech.

    `model` is empty when the client leaves it to the provider's default, `provider` is `None` when it leaves that too.
    """
    return _request(parse_object(body), len(body))


def form_document(fields: Mapping[str, str]) -> dict[str, Any]:
    """The body that form fields stand for; all but plain strings are JSON. Raises `InvalidJson`."""
    doc: dict[str, Any] = {}
    for name, text in fields.items():
        kinds = _JSON_TYPES.get(name, ((str,), ""))[0]
        doc[name] = text if kinds == (str,) else _form_value(name, text, kinds)
    return doc


def _form_value(name: str, text: str, kinds: tuple[type, ...]) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if str in kinds or kinds != (list,):
            # a bare word: a string, or a wrong type that is named as such later
            return text
        raise InvalidJson(f"The form field `{name}` must hold JSON.", param=name) from None


def _request(given: dict[str, Any], size: int) -> ModelRequest:
    doc = {name: value for name, value in given.items() if value is not None}
    if "messages" not in doc and "input" in doc:
        raise NotOffered("Speech is not served here: send `messages` for chat.", param="input")
    if doc.get("messages") in (None, []):
        raise MissingField("`messages` is required and must not be empty.", param="messages")
    for name in _JSON_TYPES.keys() & doc.keys():
        _check_type(name, doc[name])
    _check_messages(doc["messages"])
    for name in _RANGES.keys() & doc.keys():
        fits, wanted = _RANGES[name]
        if not fits(doc[name]):
            raise BadRequest(f"`{name}` must be {wanted}.", param=name)
    return _build(doc, size)


def _build(doc: dict[str, Any], size: int) -> ModelRequest:
    # the name OpenAI's newer clients give the same limit
    limit = {"max_tokens": doc["max_completion_tokens"]} if "max_completion_tokens" in doc else {}
    model = doc.get("model", "").strip()
    sent = {**DEFAULTS, **limit, **{name: doc[name] for name in _PASSED if name in doc}}
    if model:
        sent["model"] = model
    if sent.get("stream"):
        # the last chunk always tells the usage
        sent["stream_options"] = {"include_usage": True}
    request = request_of(Operation.CHAT, sent, None, model, size)
    request.filled_in = frozenset(DEFAULTS.keys() - doc.keys())
    request.provider = doc.get("provider", "").strip().lower() or None
    request.default_provider = request.provider is None
    request.endpoint_id = doc.get("endpoint_id") or None
    return request


def _check_type(name: str, value: Any) -> None:
    kinds, called = _JSON_TYPES[name]
    wrong = not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)
    if name == "stop" and isinstance(value, list):
        wrong = not all(isinstance(stop, str) for stop in value)
    if wrong:
        raise WrongType(f"`{name}` must be {called}.", param=name)


def _check_messages(messages: list[Any]) -> None:
    for place, message in enumerate(messages):
        at = f"messages[{place}]"
        if not isinstance(message, dict):
            raise WrongType(f"`{at}` must be an object.", param=at)
        role = message.get("role")
        if role is None:
            raise MissingField(f"`{at}.role` is required.", param=f"{at}.role")
        if not isinstance(role, str) or role not in _ROLES:
            raise WrongType(f"`{at}.role` must be one of `system`, `user`, `assistant`, `tool`.", param=f"{at}.role")
        content = message.get("content")
        if content is None and not message.get("tool_calls"):
            raise MissingField(f"`{at}.content` is required.", param=f"{at}.content")
        if content is not None and not isinstance(content, str | list):
            raise WrongType(f"`{at}.content` must be a string or an array of parts.", param=f"{at}.content")
