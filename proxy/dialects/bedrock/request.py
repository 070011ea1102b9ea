"""A hub request as the body of Converse and ConverseStream, which is the same; the model's name is in the path.

Source: Amazon Bedrock Runtime API reference, `Converse`, `InferenceConfiguration`, `OutputConfig`, `ServiceTier`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from proxy.dialects.bedrock.blocks import Parts
from proxy.dialects.bedrock.thinking import Thoughts, read_thinking
from proxy.dialects.bedrock.tools import read_tools
from proxy.dialects.bedrock.traits import Traits, traits_of
from proxy.dialects.bedrock.turns import Turns
from proxy.dialects.hub import schema_of
from proxy.dialects.openai_chat import write_object
from proxy.dialects.quirks import GATEWAY_FIELDS
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import WrongType

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

TIERS = frozenset({"priority", "flex", "reserved", "default"})
"""Of `serviceTier.type`; another name, `auto` among them, leaves it to Bedrock."""
JSON_ONLY = "Answer with one JSON object and nothing else."
OWN_FIELDS = ("guardrailConfig", "performanceConfig", "promptVariables")
"""Converse's own, which a client may send along as they are."""
_OBJECTS = ("response_format", "reasoning", "metadata", "additionalModelRequestFields", *OWN_FIELDS)
MAX_METADATA = 16
_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{0,256}")

_READ = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "temperature", "top_p",
    "top_k", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning",
    "service_tier", "metadata", "additionalModelRequestFields", *OWN_FIELDS,
})  # fmt: skip
_HINTS = frozenset({
    "user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "store", "session_id", "provider",
    *GATEWAY_FIELDS,
})  # fmt: skip
"""What cannot change the answer, or is meant for the gateway."""
_DEFAULTS: dict[str, Any] = {
    "n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {}, "modalities": ["text"],
    "top_logprobs": 0,
}  # fmt: skip
"""What says the same as nothing."""


def write(doc: dict[str, Any], target: Target) -> dict[str, Any]:
    """The body; `doc` is not changed. Raises a `BadRequest`."""
    traits = traits_of(target.model)
    _check_objects(doc)
    _refuse_unknown(doc, target)
    parts = Parts(target, traits)
    turns = Turns(target, parts)
    turns.read(doc["messages"])
    config = _inference(doc, target)
    thoughts = read_thinking(doc, traits, target, config.get("maxTokens"), thoughtless=turns.thoughtless)
    extra = _sampling(doc, config, traits, target, thoughts)
    tools = read_tools(doc, turns.names, target, parts, thoughts)
    output, instruction = _output(doc, thoughts, traits, target)
    system = turns.system + [{"text": text} for text in (tools.instruction, instruction) if text is not None]
    fields = {**extra, **thoughts.extra, **tools.extra, **as_dict(doc.get("additionalModelRequestFields"))}
    body = {
        "messages": turns.messages,
        "system": system,
        "inferenceConfig": config,
        "toolConfig": tools.config,
        "outputConfig": output,
        "additionalModelRequestFields": fields,
        "serviceTier": _tier(doc, target),
        "requestMetadata": _metadata(doc.get("metadata")),
        **{name: doc.get(name) for name in OWN_FIELDS},
    }
    return {name: value for name, value in body.items() if value}


def _check_objects(doc: dict[str, Any]) -> None:
    for name in _OBJECTS:
        if doc.get(name) is not None and not isinstance(doc[name], dict):
            raise WrongType(f"`{name}` must be an object.", param=name)


def _refuse_unknown(doc: dict[str, Any], target: Target) -> None:
    for name, value in doc.items():
        if name in _READ or name in _HINTS or value is None or value == _DEFAULTS.get(name):
            continue
        target.refuse(name, "is not known to Bedrock's Converse API.")


def _inference(doc: dict[str, Any], target: Target) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for name in ("max_completion_tokens", "max_tokens"):
        limit = doc.get(name)
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise WrongType(f"`{name}` must be an integer above 0.", param=name)
        config["maxTokens"] = min(limit, target.max_output_tokens or limit)
        break
    stop = doc.get("stop")
    if stop is not None:
        sequences = [stop] if isinstance(stop, str) else stop
        if not isinstance(sequences, list) or not all(isinstance(sequence, str) for sequence in sequences):
            raise WrongType("`stop` must be a string or an array of strings.", param="stop")
        # blank ones are refused, and no answer is told apart by one
        if legal := [sequence for sequence in sequences if sequence.strip()]:
            config["stopSequences"] = legal
    return config


def _sampling(
    doc: dict[str, Any], config: dict[str, Any], traits: Traits, target: Target, thoughts: Thoughts
) -> dict[str, Any]:
    """Write `temperature` and `topP` into `config`; return what goes into the model's own fields.

    Converse ends the temperature at 1, where OpenAI's goes on to 2: what is hotter is as hot as can be. Claude's own
    defaults are 1, and its newer models refuse both fields together, or at all.
    """
    extra: dict[str, Any] = {}
    given = {name: value for name in ("temperature", "top_p", "top_k") if (value := doc.get(name)) is not None}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or (name == "top_k" and value != int(value)):
            raise WrongType(f"`{name}` must be a number.", param=name)
        plain = value == 1 and name != "top_k"  # says the same as nothing
        if not traits.samples and not plain:
            target.refuse(name, "is not known to this model on Bedrock.")
        elif thoughts.on and not plain and not (name == "top_p" and value >= _MIN_TOP_P_THINKING):
            target.refuse(name, "cannot be set while the model thinks.")
        elif name == "top_k":
            extra = _top_k(int(value), traits, target)
        elif traits.is_claude and plain:
            continue
        elif name == "top_p" and "temperature" in config and not traits.takes_both:
            target.refuse(name, "is not taken by this model together with `temperature`.")
        else:
            config["topP" if name == "top_p" else name] = min(value, 1)
    return extra


_MIN_TOP_P_THINKING = 0.95
"""Claude takes 0.95 to 1 while it thinks."""


def _top_k(value: int, traits: Traits, target: Target) -> dict[str, Any]:
    if not traits.top_k:
        target.refuse("top_k", "is not known to this model on Bedrock.")
        return {}
    found: Any = value
    for name in reversed(traits.top_k):
        found = {name: found}
    return dict(found)


def _output(
    doc: dict[str, Any], thoughts: Thoughts, traits: Traits, target: Target
) -> tuple[dict[str, Any], str | None]:
    """`outputConfig`, and what the model must be told instead."""
    output: dict[str, Any] = {} if thoughts.effort is None else {"effort": thoughts.effort}
    kind, schema = schema_of(doc.get("response_format"))
    if kind == "json_object":
        return output, JSON_ONLY
    if kind == "text":
        return output, None
    if schema is None:
        target.refuse("response_format", f"is of a type (`{kind}`) that Bedrock's Converse API does not know.")
        return output, None
    inner = schema.get("schema")
    if not isinstance(inner, dict):
        at = "response_format.json_schema.schema"
        raise WrongType(f"`{at}` must be an object.", param=at)
    if not traits.formats:
        target.refuse("response_format", "of the type `json_schema` is not known to this model on Bedrock.")
        return output, JSON_ONLY
    definition = {"schema": write_object(inner).decode(), "name": as_text(schema.get("name")) or "answer"}
    if (description := as_text(schema.get("description"))) is not None:
        definition["description"] = description
    output["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": definition}}
    return output, None


def _tier(doc: dict[str, Any], target: Target) -> dict[str, str] | None:
    """The deployment's; asked for flex and answered by the default tier, it must not wait a second time."""
    given = "flex" if target.tier == "flex" else doc.get("service_tier")
    if given not in TIERS or (given == "flex" and target.tier != "flex"):
        return None
    return {"type": given}


def _metadata(given: Any) -> dict[str, str]:
    """For invocation logs: what of it is legal there. It is a hint, and never a reason to refuse."""
    legal = [
        (name, value)
        for name, value in as_dict(given).items()
        if name and isinstance(value, str) and _METADATA.fullmatch(name) and _METADATA.fullmatch(value)
    ]
    return dict(legal[:MAX_METADATA])
