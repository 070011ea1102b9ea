"""The hub: OpenAI's requests read into `ModelRequest`, and written for a provider. What need not change stays as is.

Source: OpenAI API reference; each provider's differences are its `Quirks`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.names import DialectName
from proxy.dialects.openai_models import reasons
from proxy.dialects.quirks import GATEWAY_FIELDS, MaxTokens, StreamOptions
from proxy.dialects.request import ModelRequest, Operation
from proxy.dialects.simplify import plain
from proxy.errors import BadRequest, InvalidJson, MissingField, WrongType

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target
    from proxy.dialects.quirks import Quirks
    from proxy.dialects.splice import Delivered

MAX_MODEL_CHARS = 256
MAX_SESSION_CHARS = 256
SAMPLING = frozenset({"temperature", "top_p"})
BYTES_PER_TOKEN = 4
"""Of a request body; a rough figure for routing and reservations."""

_REQUIRED = {
    Operation.CHAT: "messages",
    Operation.TEXT_COMPLETION: "prompt",
    Operation.EMBEDDINGS: "input",
    Operation.RESPONSES: None,
    Operation.COUNT_TOKENS: None,
}
_TYPED: tuple[tuple[str, type, str], ...] = (
    ("stream", bool, "a boolean"),
    ("stream_options", dict, "an object"),
    ("service_tier", str, "a string"),
)
_OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_SESSION_FIELDS = ("prompt_cache_key", "session_id", "safety_identifier", "user")
_ROUTING_FIELDS = frozenset({name for name, _, _ in _TYPED} | {*_OUTPUT_LIMITS, *_SESSION_FIELDS})
"""What routing reads beside the model; a request need have none of it."""
_STREAMS_USAGE_ON_REQUEST = frozenset({Operation.CHAT, Operation.TEXT_COMPLETION})
_ASKING_FOR_USAGE = b',"stream_options":{"include_usage":true}}'
"""The end of an object that had something in it."""
_JUST_OBJECTS = {dict}
_NEUTRAL: tuple[Any, ...] = (None, False, 0, [], {})
"""Values that ask for nothing."""


def decode(operation: Operation, body: bytes) -> ModelRequest:
    """Read a request. Unknown fields pass.

    Raises `InvalidJson`, `WrongType`, `MissingField`, or `BadRequest` for a model name that cannot be one.
    """
    return decode_object(operation, parse_object(body), body)


def decode_object(operation: Operation, doc: dict[str, Any], body: bytes) -> ModelRequest:
    """The same for a body that is parsed already."""
    model = model_of(doc)
    wanted = _REQUIRED[operation]
    if wanted is not None and doc.get(wanted) in (None, [], ""):
        raise MissingField(f"`{wanted}` is required and must not be empty.", param=wanted)
    if operation is Operation.CHAT:
        check_messages(doc["messages"])
    return request_of(operation, doc, body, model, len(body))


def parse_object(body: bytes) -> dict[str, Any]:
    """Raise `InvalidJson` unless `body` is a JSON object."""
    doc: Any
    try:
        doc = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(f"The request body is not valid JSON: {error.msg}.") from None
    if not isinstance(doc, dict):
        raise InvalidJson("The request body must be a JSON object.")
    return doc


def write_object(doc: Any) -> bytes:
    """Raise `BadRequest` for what can be read but not written: `orjson` writes fewer levels than it reads."""
    try:
        return orjson.dumps(doc)
    except orjson.JSONEncodeError:
        raise BadRequest("The request body is nested too deeply.") from None


def model_of(doc: dict[str, Any]) -> str:
    """The model name: 1 to 256 printable characters. Raises `MissingField`, `WrongType` or `BadRequest`."""
    model = doc.get("model")
    if model is None or model == "":
        raise MissingField("`model` is required: the name of a model, as `GET /v1/models` lists it.", param="model")
    if not isinstance(model, str):
        raise WrongType("`model` must be a string.", param="model")
    if len(model) > MAX_MODEL_CHARS or not model.isprintable():
        raise BadRequest(f"`model` must have at most {MAX_MODEL_CHARS} printable characters.", param="model")
    return model


def check_messages(messages: Any) -> None:
    """Raise `WrongType` unless `messages` is a list of objects."""
    if not isinstance(messages, list):
        raise WrongType("`messages` must be an array of objects.", param="messages")
    if set(map(type, messages)) == _JUST_OBJECTS:
        return  # told without a step in Python for each of thousands
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise WrongType(f"`messages[{place}]` must be an object.", param=f"messages[{place}]")


def request_of(operation: Operation, doc: dict[str, Any], raw: bytes | None, model: str, size: int) -> ModelRequest:
    """Read out of `doc` what routing needs; `size` is that of the body in bytes. Raises `WrongType`."""
    request = ModelRequest(operation, doc, raw, model, prompt_tokens=size // BYTES_PER_TOKEN)
    if not _ROUTING_FIELDS.isdisjoint(doc):
        _read_routing_fields(request, doc)
    return request


def _read_routing_fields(request: ModelRequest, doc: dict[str, Any]) -> None:
    for name, kind, called in _TYPED:
        value = doc.get(name)
        if value is not None and not isinstance(value, kind):
            raise WrongType(f"`{name}` must be {called}.", param=name)
    request.stream = bool(doc.get("stream"))
    request.wants_usage = (doc.get("stream_options") or {}).get("include_usage") is True
    if doc.get("service_tier") == "flex":
        request.service_tier = "flex"
    for name in _OUTPUT_LIMITS:
        limit = doc.get(name)
        if limit is not None:
            if isinstance(limit, bool) or not isinstance(limit, int):
                raise WrongType(f"`{name}` must be an integer.", param=name)
            request.max_output_tokens = limit if limit > 0 else None
            break
    for name in _SESSION_FIELDS:
        key = doc.get(name)
        if key and isinstance(key, str):
            request.session = key[:MAX_SESSION_CHARS]
            break


def injects_usage(request: ModelRequest, quirks: Quirks) -> bool:
    """Whether usage must be asked for on the client's behalf; its usage chunk is then kept from the client."""
    return (
        request.stream
        and not request.wants_usage
        and quirks.stream_options is StreamOptions.INJECT
        and request.operation in _STREAMS_USAGE_ON_REQUEST
    )


def encode(request: ModelRequest, target: Target) -> bytes:
    """The body for one deployment: the client's own bytes unless a field must change.

    Never changes `request.doc`. Raises `Unsupported` for what the provider cannot do, `BadRequest` for a document
    nested too deeply to be written anew.
    """
    doc, raw, quirks = request.doc, request.raw, target.quirks
    inject_usage = request.stream and injects_usage(request, quirks)
    has_options = inject_usage and ("stream_options" in doc or quirks.stream_options is StreamOptions.REFUSE)
    if raw is None or has_options or target.tier == "flex" or not quirks.edited.isdisjoint(doc):
        return _edited(request, target, inject_usage=inject_usage)
    if doc.get("model") != target.model:
        raw = write_object({**doc, "model": target.model})
    return raw[: raw.rindex(b"}")] + _ASKING_FOR_USAGE if inject_usage else raw


def _edited(request: ModelRequest, target: Target, *, inject_usage: bool) -> bytes:
    """The same for a request with fields other than `model` that may have to change."""
    quirks = target.quirks
    doc = plain(request.doc, target) if request.origin is not DialectName.OPENAI_CHAT else request.doc
    edited = _Edited(doc)
    if doc.get("model") != target.model:
        edited.set("model", target.model)
    for name in GATEWAY_FIELDS:
        edited.remove(name)
    if isinstance(doc.get("provider"), str):
        # an object is OpenRouter's own routing preference
        edited.remove("provider")
    for name in quirks.unsupported:
        if doc.get(name) not in _NEUTRAL:
            target.refuse(name, "is not known to this provider.")
        edited.remove(name)
    _encode_tier(edited, target.tier, quirks)
    _encode_limits(edited, request.operation, quirks)
    if quirks.strict_thinkers and request.raw is None and reasons(target.model):
        _encode_for_reasoning(edited, request.filled_in)
    _encode_names(edited, quirks)
    _encode_stream_options(edited, quirks, inject_usage=inject_usage)
    if edited.copy is None and request.raw is not None:
        return request.raw
    return write_object(edited.doc)


def continued(request: ModelRequest, delivered: Delivered, quirks: Quirks) -> ModelRequest:
    """The chat request to go on from `delivered.text`, for a server that continues a trailing assistant message.

    A limit of the output is lowered by about as many tokens as were delivered.
    """
    message = {"role": "assistant", "content": delivered.text, **quirks.prefill_message_fields}
    doc = {**request.doc, "messages": [*request.doc["messages"], message], **quirks.prefill_fields}
    for name in _OUTPUT_LIMITS:
        if isinstance(limit := doc.get(name), int):
            doc[name] = max(1, limit - delivered.chunks)
    return replace(request, doc=doc, raw=None)


class _Edited:
    """A document that is copied at the first change."""

    __slots__ = ("copy", "doc")

    def __init__(self, doc: dict[str, Any]) -> None:
        self.doc = doc
        self.copy: dict[str, Any] | None = None

    def set(self, name: str, value: Any) -> None:
        self._open()[name] = value

    def remove(self, name: str) -> None:
        if name in self.doc:
            del self._open()[name]

    def rename(self, name: str, new: str) -> None:
        """A value already under the new name wins."""
        if name in self.doc:
            doc = self._open()
            value = doc.pop(name)
            doc.setdefault(new, value)

    def _open(self) -> dict[str, Any]:
        if self.copy is None:
            self.doc = self.copy = dict(self.doc)
        return self.copy


def _encode_tier(edited: _Edited, tier: str, quirks: Quirks) -> None:
    given = edited.doc.get("service_tier")
    if tier == "flex":
        value = quirks.tiers.get("flex")
    elif not isinstance(given, str):
        return
    elif given == "flex":
        # asked for flex, answered by the default tier: it must not cost a second wait
        value = quirks.tiers.get("default")
    else:
        value = given if given in quirks.tiers.values() else quirks.tiers.get(given)
    if value is None:
        edited.remove("service_tier")
    elif value != given:
        edited.set("service_tier", value)


def _encode_limits(edited: _Edited, operation: Operation, quirks: Quirks) -> None:
    if operation is not Operation.CHAT or quirks.max_tokens is MaxTokens.EITHER:
        return
    if quirks.max_tokens is MaxTokens.LEGACY:
        edited.rename("max_completion_tokens", "max_tokens")
    else:
        edited.rename("max_tokens", "max_completion_tokens")


def _encode_for_reasoning(edited: _Edited, filled_in: frozenset[str]) -> None:
    """OpenAI's reasoning models take no sampling and no `max_tokens`. What a client sent itself is its own affair."""
    edited.rename("max_tokens", "max_completion_tokens")
    for name in SAMPLING & filled_in:
        edited.remove(name)


def _encode_names(edited: _Edited, quirks: Quirks) -> None:
    for name, new in quirks.renamed.items():
        edited.rename(name, new)
    for name in quirks.dropped:
        edited.remove(name)
    unwanted = quirks.dropped_message_fields
    messages = edited.doc.get("messages")
    if unwanted and isinstance(messages, list) and not all(unwanted.isdisjoint(message) for message in messages):
        kept = [{name: value for name, value in message.items() if name not in unwanted} for message in messages]
        edited.set("messages", kept)


def _encode_stream_options(edited: _Edited, quirks: Quirks, *, inject_usage: bool) -> None:
    if quirks.stream_options is StreamOptions.REFUSE:
        edited.remove("stream_options")
    elif inject_usage:
        options = edited.doc.get("stream_options")
        edited.set("stream_options", {**(options or {}), "include_usage": True})
