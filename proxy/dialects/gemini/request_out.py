"""A chat request of the hub as a body of `generateContent`. The model and the wish to stream are in the path.

Source: https://ai.google.dev/api/generate-content, https://ai.google.dev/gemini-api/docs/openai
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.gemini.contents_out import Contents
from proxy.dialects.gemini.schema import for_google
from proxy.dialects.gemini.thinking import thinking_out
from proxy.dialects.gemini.tools_out import tools_out
from proxy.dialects.hub import schema_of
from proxy.errors import WrongType

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.dialect import Target

Doc = dict[str, Any]

MAX_STOPS = 5
MAX_LABEL_CHARS = 63
_SAME = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_ZERO_IS_NONE = frozenset({"presence_penalty", "frequency_penalty"})
"""Models that know no penalties refuse even one of 0."""
_MODALITIES = {"text": "TEXT", "image": "IMAGE"}
_ELSEWHERE = frozenset({
    "messages", "model", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls",
    "web_search_options", "reasoning", "reasoning_effort", "service_tier", "metadata",
})  # fmt: skip
_HINTS = frozenset({
    "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "prompt_cache_options", "store",
    "prediction", "session_id", "provider", "endpoint_id", "target_namespace", "cache_control",
})  # fmt: skip
"""They cannot change the answer, or mean this gateway alone."""


def request_out(doc: Doc, target: Target) -> Doc:
    """The body. Raises `BadRequest` for what no one could understand, `Unsupported` for what Google cannot express."""
    contents = Contents(target)
    for place, message in enumerate(doc["messages"]):
        contents.add(message, f"messages[{place}]")
    body: Doc = {"contents": contents.end()}
    if contents.system:
        body["systemInstruction"] = {"parts": contents.system}
    tools_out(doc, target, body)
    config: Doc = {}
    for name, value in doc.items():
        if value is None or name in _ELSEWHERE:
            continue
        write = _WRITERS.get(name)
        if write is not None:
            write(config, name, value, target)
        elif name not in _HINTS:
            target.refuse(name, "is not known to Gemini's API.")
    _logprobs(config, doc)
    thinking_out(doc, target, config)
    if config:
        body["generationConfig"] = config
    if (tier := tier_of(doc, target)) is not None:
        body["serviceTier"] = tier
    if target.quirks.labels and (labels := _labels(doc.get("metadata"))):
        body["labels"] = labels
    return body


def tier_of(doc: Doc, target: Target) -> str | None:
    """The `serviceTier` of the body; `None` for none, or where headers tell it."""
    if target.quirks.tiers_in_headers:
        return None
    given = doc.get("service_tier")
    if target.tier == "flex":
        return target.quirks.tiers.get("flex")
    # asked for flex, answered by the default tier: it must not cost a second wait
    return target.quirks.tiers.get("default" if given == "flex" else given) if isinstance(given, str) else None


def _number(config: Doc, name: str, value: Any, target: Target) -> None:  # noqa: ARG001 - one signature for all
    _check_number(name, value)
    if value or name not in _ZERO_IS_NONE:
        config[_SAME[name]] = value


def _limit(config: Doc, name: str, value: Any, target: Target) -> None:
    _check_number(name, value)
    if name == "max_tokens" and "maxOutputTokens" in config:
        return
    most = target.max_output_tokens
    config["maxOutputTokens"] = value if most is None else min(value, most)


def _candidates(config: Doc, name: str, value: Any, target: Target) -> None:
    _check_number(name, value)
    if value == 1:
        return
    if target.quirks.fixed_n:
        target.refuse(name, "can only be 1 here.")
        return
    config["candidateCount"] = value


def _stop(config: Doc, name: str, value: Any, target: Target) -> None:
    stops = [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise WrongType(f"`{name}` must be a string or an array of strings.", param=name)
    stops = [stop for stop in stops if stop]
    if len(stops) > MAX_STOPS:
        target.refuse(name, f"may have {MAX_STOPS} sequences with Gemini.")
    if stops:
        config["stopSequences"] = stops[:MAX_STOPS]


def _format(config: Doc, name: str, value: Any, target: Target) -> None:
    kind, schema = schema_of(value)
    if kind == "text":
        return
    if kind not in ("json_object", "json_schema"):
        target.refuse(name, "must be of the type `text`, `json_object` or `json_schema` for Gemini.")
        return
    config["responseMimeType"] = "application/json"
    if schema is not None and (wanted := schema.get("schema")) is not None:
        config["responseJsonSchema"] = for_google(wanted)


def _modalities(config: Doc, name: str, value: Any, target: Target) -> None:
    if not isinstance(value, list):
        raise WrongType(f"`{name}` must be an array of strings.", param=name)
    known = [_MODALITIES[one] for one in value if isinstance(one, str) and one in _MODALITIES]
    if len(known) < len(value):
        target.refuse(name, "may be `text` and `image` with Gemini.")
    if known and known != ["TEXT"]:
        config["responseModalities"] = known


def _neutral(config: Doc, name: str, value: Any, target: Target) -> None:  # noqa: ARG001 - one signature for all
    """What has a value that asks for nothing."""
    if value != _NEUTRAL[name]:
        target.refuse(name, "is not known to Gemini's API.")


def _said_elsewhere(config: Doc, name: str, value: Any, target: Target) -> None:
    """Read together with another field."""


_NEUTRAL: Doc = {"logit_bias": {}, "functions": [], "function_call": "none"}
_WRITERS: dict[str, Callable[[Doc, str, Any, Target], None]] = {
    **dict.fromkeys(_SAME, _number),
    "max_completion_tokens": _limit,
    "max_tokens": _limit,
    "n": _candidates,
    "stop": _stop,
    "response_format": _format,
    "modalities": _modalities,
    "logprobs": _said_elsewhere,
    "top_logprobs": _said_elsewhere,
    **dict.fromkeys(_NEUTRAL, _neutral),
}


def _logprobs(config: Doc, doc: Doc) -> None:
    if doc.get("logprobs") is not True:
        return
    config["responseLogprobs"] = True
    if (most := doc.get("top_logprobs")) is not None:
        _check_number("top_logprobs", most)
        if most:
            config["logprobs"] = most


def _check_number(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongType(f"`{name}` must be a number.", param=name)


def _labels(metadata: Any) -> dict[str, str]:
    """What of `metadata` has the form of a label: lower-case letters, digits, `_` and `-`."""
    if not isinstance(metadata, dict):
        return {}
    return {
        name: value
        for name, value in metadata.items()
        if isinstance(value, str) and _is_label(name) and name[0].isalpha() and (not value or _is_label(value))
    }


def _is_label(text: str) -> bool:
    plain = text.replace("_", "a").replace("-", "a")
    return plain.isalnum() and text == text.lower() and len(text) <= MAX_LABEL_CHARS
