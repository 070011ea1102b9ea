"""A hub request written for a provider that speaks Anthropic's Messages API.

Source: Anthropic API reference, "Messages"; "Thinking"; "Effort".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.anthropic.thinking_out import write_thinking
from proxy.dialects.anthropic.tools_out import write_format, write_tools
from proxy.dialects.anthropic.traits import traits_of
from proxy.dialects.anthropic.turns_out import Turns, lacks_thoughts
from proxy.dialects.openai_chat import write_object
from proxy.dialects.quirks import GATEWAY_FIELDS
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import WrongType

if TYPE_CHECKING:
    from proxy.dialects.anthropic.traits import Traits
    from proxy.dialects.dialect import Target
    from proxy.dialects.request import ModelRequest

MAX_TEMPERATURE = 1
"""Of Claude's; OpenAI's goes up to 2."""
MAX_USER_ID_CHARS = 256

_WRITTEN = frozenset({
    "messages", "model", "stream", "stream_options", "max_tokens", "max_completion_tokens", "stop", "temperature",
    "top_p", "top_k", "tools", "tool_choice", "parallel_tool_calls", "response_format", "reasoning",
    "reasoning_effort", "user", "safety_identifier", "service_tier",
})  # fmt: skip
_HINTS = frozenset({
    *GATEWAY_FIELDS, "provider", "session_id", "prompt_cache_key", "prompt_cache_retention", "store", "metadata",
    "prediction",
})  # fmt: skip
"""What cannot change the answer."""
_OWN = frozenset({"container", "context_management", "inference_geo", "mcp_servers", "speed", "fallbacks"})
"""What only Anthropic's clients say, and Anthropic understands."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "modalities": (["text"],),
    "verbosity": ("medium",),
}
"""Values that ask for what Anthropic does anyway."""
_TIERS = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
"""Others are sold by OpenAI alone, and are about price and speed."""


def encode(request: ModelRequest, target: Target) -> bytes:
    """See `Dialect.encode`."""
    doc = request.doc
    traits = traits_of(target.model)
    _refuse_unknown(doc, target)
    body: dict[str, Any] = {} if target.quirks.model_in_path else {"model": target.model}
    body["max_tokens"] = _max_tokens(doc, traits, target)
    write_thinking(body, doc, traits, target)
    turns = _turns(body, doc, traits, target)
    if turns.system:
        body["system"] = turns.system
    body["messages"] = turns.turns
    write_tools(body, doc, turns.names, traits, target)
    write_format(body, doc, traits, target)
    _write_stop(body, doc, target)
    _write_sampling(body, doc, traits, target)
    _write_rest(body, doc, target)
    if request.stream:
        body["stream"] = True
    body.update(target.quirks.body_fields)
    return write_object(body)


def _refuse_unknown(doc: dict[str, Any], target: Target) -> None:
    for name in doc.keys() - _WRITTEN - _HINTS - _OWN:
        value = doc[name]
        if value is not None and value not in _NEUTRAL.get(name, ()):
            target.refuse(name, "is not known to Anthropic's API.")


def _max_tokens(doc: dict[str, Any], traits: Traits, target: Target) -> int:
    most = target.max_output_tokens
    for name in ("max_completion_tokens", "max_tokens"):
        limit = doc.get(name)
        if limit is not None:
            if isinstance(limit, bool) or not isinstance(limit, int):
                raise WrongType(f"`{name}` must be an integer.", param=name)
            # more than the model can write is refused, and means the same as all of it
            return limit if most is None else min(limit, most)
    return most or traits.max_output_tokens


def _turns(body: dict[str, Any], doc: dict[str, Any], traits: Traits, target: Target) -> Turns:
    kind = as_dict(body.get("thinking")).get("type")
    thinks = kind not in ("disabled", "between_tools") if kind else traits.thinks_unasked
    turns = Turns(target, traits, keeps_thoughts=thinks or not traits.is_claude)
    turns.read(doc["messages"])
    if kind == "enabled" and traits.is_claude and lacks_thoughts(turns.turns):
        # the thoughts of a turn that still waits for its tools are lost: the API would refuse to think on
        del body["thinking"]
        target.note("reasoning_effort")
    return turns


def _write_stop(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    stop = doc.get("stop")
    if stop is None:
        return
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(text, str) for text in stops):
        raise WrongType("`stop` must be a string or an array of strings.", param="stop")
    kept = [text for text in stops if text.strip()]
    if len(kept) < len(stops):
        target.refuse("stop", "has a sequence of nothing but blanks, which Anthropic's API does not take.")
    if kept:
        body["stop_sequences"] = kept


def _write_sampling(body: dict[str, Any], doc: dict[str, Any], traits: Traits, target: Target) -> None:
    given = _sampling(doc)
    if not traits.takes_sampling:
        for name in given:
            target.refuse(name, "is not taken by this model, which chooses its own.")
        return
    if as_dict(body.get("thinking")).get("type") in ("enabled", "adaptive") and traits.is_claude:
        for name in sorted(given.keys() & {"temperature", "top_k"}):
            target.refuse(name, "is not taken by this model while it thinks.")
            del given[name]
    if "temperature" in given and traits.is_claude:
        given["temperature"] = min(given["temperature"], MAX_TEMPERATURE)
    if not traits.takes_both and {"temperature", "top_p"} <= given.keys():
        target.refuse("top_p", "is not taken by this model together with `temperature`.")
        del given["top_p"]
    body.update(given)


def _sampling(doc: dict[str, Any]) -> dict[str, Any]:
    """What is not the default everywhere. Raises `WrongType`."""
    given = {}
    for name in ("temperature", "top_p", "top_k"):
        value = doc.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongType(f"`{name}` must be a number.", param=name)
        if value != 1 or name == "top_k":
            given[name] = value
    return given


def _write_rest(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    user = as_text(doc.get("safety_identifier")) or as_text(doc.get("user"))
    if user is not None and len(user) <= MAX_USER_ID_CHARS:
        body["metadata"] = {"user_id": user}
    tier = _TIERS.get(as_text(doc.get("service_tier")) or "")
    if tier is not None and target.tier != "flex":
        body["service_tier"] = tier
    for name in _OWN & doc.keys():
        body[name] = doc[name]
