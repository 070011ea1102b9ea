"""A client's `generateContent` request as the hub's.

What only Google could do is `Unsupported`: another deployment of the route may speak Google's dialect itself. Settings
of Google's own safety filters mean nothing elsewhere and are left out. Source: https://ai.google.dev/api/generate-content
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy.dialects.gemini.contents_in import messages_in
from proxy.dialects.gemini.naming import fields_of, list_of
from proxy.dialects.gemini.schema import from_google
from proxy.dialects.gemini.thinking import thinking_in
from proxy.dialects.gemini.tools_in import tools_in
from proxy.dialects.names import DialectName
from proxy.errors import Unsupported, WrongType

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.request import ModelRequest

Doc = dict[str, Any]

_SAME = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "seed": "seed",
    "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
    "candidateCount": "n",
    "maxOutputTokens": "max_completion_tokens",
}
_READ_APART = frozenset({
    "contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "serviceTier", "labels",
    "safetySettings", "model", "store",
})  # fmt: skip
_TIERS = {"standard": "default", "flex": "flex", "priority": "priority"}
_JSON = "application/json"
_FRACTIONS = frozenset({"temperature", "topP", "presencePenalty", "frequencyPenalty"})


def hub_request(request: ModelRequest) -> ModelRequest:
    """The same request in the hub's dialect. Raises a `BadRequest`."""
    doc = request_in(request.doc)
    doc["model"] = request.model
    if request.stream:
        doc["stream"] = True
        doc["stream_options"] = {"include_usage": True}
    return replace(
        request, doc=doc, raw=None, dialect=DialectName.OPENAI_CHAT, to_hub=None, wants_usage=True, _hub=None
    )


def request_in(given: Doc) -> Doc:
    """The hub's body, without `model` and `stream`."""
    told = fields_of(given, "body")
    for name in told:
        if name not in _READ_APART:
            raise Unsupported(f"`{name}` is known to Google's models only.", param=name)
    doc: Doc = {"messages": messages_in(told)}
    _config(doc, told.get("generationConfig"))
    tools_in(doc, told)
    if (tier := _TIERS.get(str(told.get("serviceTier")).lower())) is not None:
        doc["service_tier"] = tier
    if labels := fields_of(told.get("labels"), "labels"):
        doc["metadata"] = labels
    return doc


def _config(doc: Doc, given: Any) -> None:
    config = fields_of(given, "generationConfig")
    schema = from_google(config.pop("responseSchema", None))
    schema = config.pop("responseJsonSchema", schema)
    for name, value in config.items():
        write = _WRITERS.get(name)
        if write is None:
            at = f"generationConfig.{name}"
            raise Unsupported(f"`{at}` is known to Google's models only.", param=at)
        write(doc, name, value)
    if schema is not None:
        doc["response_format"] = {"type": "json_schema", "json_schema": {"name": "response", "schema": schema}}


def _number(doc: Doc, name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongType(f"`generationConfig.{name}` must be a number.", param=f"generationConfig.{name}")
    # Google's clients write whole numbers as doubles
    doc[_SAME[name]] = int(value) if isinstance(value, float) and name not in _FRACTIONS else value


def _stops(doc: Doc, name: str, value: Any) -> None:
    doc["stop"] = list_of(value, f"generationConfig.{name}")


def _mime(doc: Doc, name: str, value: Any) -> None:
    if value == _JSON:
        doc["response_format"] = {"type": "json_object"}
    elif value != "text/plain":
        raise Unsupported(
            f"`generationConfig.{name}` can be `text/plain` or `{_JSON}`.", param=f"generationConfig.{name}"
        )


def _thinking(doc: Doc, name: str, value: Any) -> None:
    doc |= thinking_in(fields_of(value, f"generationConfig.{name}"))


def _logprobs(doc: Doc, name: str, value: Any) -> None:  # noqa: ARG001 - one signature for all
    doc["top_logprobs"] = value


def _wants_logprobs(doc: Doc, name: str, value: Any) -> None:  # noqa: ARG001 - one signature for all
    doc["logprobs"] = value is True


def _modalities(doc: Doc, name: str, value: Any) -> None:
    wanted = [str(one).lower() for one in list_of(value, f"generationConfig.{name}")]
    if wanted != ["text"]:
        doc["modalities"] = wanted


_WRITERS: dict[str, Callable[[Doc, str, Any], None]] = {
    **dict.fromkeys(_SAME, _number),
    "stopSequences": _stops,
    "responseMimeType": _mime,
    "thinkingConfig": _thinking,
    "responseLogprobs": _wants_logprobs,
    "logprobs": _logprobs,
    "responseModalities": _modalities,
}
