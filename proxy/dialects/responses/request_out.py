"""The hub's chat request as a Responses request, for an endpoint that has nothing else. Nothing is stored there.

Source: OpenAI API reference, "Create a model response"; "Migrate to the Responses API".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import nearest_effort, schema_of
from proxy.dialects.openai_chat import SAMPLING, write_object
from proxy.dialects.openai_models import reasons
from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.responses.items_out import items_of
from proxy.dialects.responses.request_in import LOGPROBS, STATE

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target
    from proxy.dialects.request import ModelRequest

_SAME = (
    "temperature",
    "top_p",
    "parallel_tool_calls",
    "metadata",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "moderation",
)
UNSHOWN = "reasoning.summary"
"""In `Quirks.dropped`: for organizations that OpenAI has not verified, which may not ask for it."""
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "n": (1,),
    "stop": ([], ""),
    "seed": (),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "top_k": (0, -1),
    "min_p": (0,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "web_search_options": (),
    "functions": ([],),
    "function_call": ("none",),
}
"""Fields of chat that the Responses API does not know, with the values that mean nothing."""


def encode(request: ModelRequest, target: Target) -> bytes:
    """The body. Raises `Unsupported` for what the Responses API cannot express, or another `BadRequest`."""
    doc = request.doc
    body: dict[str, Any] = {"model": target.model, "input": items_of(doc.get("messages"), target), "store": False}
    for name, neutral in _NEUTRAL.items():
        if doc.get(name) is not None and doc[name] not in neutral:
            target.refuse(name, "is not known to the Responses API.")
    for name in _SAME:
        if doc.get(name) is not None:
            body[name] = doc[name]
    if request.stream:
        body["stream"] = True
    limit = doc.get("max_completion_tokens", doc.get("max_tokens"))
    if limit is not None:
        body["max_output_tokens"] = limit
    _add_tier(body, doc, target)
    _add_tools(body, doc, target)
    _add_text(body, doc)
    _add_reasoning(body, doc, target)
    for name in target.quirks.dropped:
        body.pop(name, None)
    for name in target.quirks.unsupported.intersection(body):
        target.refuse(name, "is not known to this provider.")
        del body[name]
    return write_object(body)


def _add_tier(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    """As the provider names it; a request for flex that the default tier answers must not wait a second time."""
    tiers = target.quirks.tiers
    given = doc.get("service_tier")
    if target.tier == "flex":
        tier = tiers.get("flex")
    elif not isinstance(given, str):
        return
    elif given == "flex":
        tier = tiers.get("default")
    else:
        tier = given if given in tiers.values() else tiers.get(given)
    if tier is not None:
        body["service_tier"] = tier


def _add_tools(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    tools = doc.get("tools")
    if not isinstance(tools, list) or not tools:
        return
    flat = []
    for place, entry in enumerate(tools):
        tool = as_dict(entry)
        kind = as_text(tool.get("type")) or "function"
        made = _flat_custom(as_dict(tool.get("custom"))) if kind == "custom" else None
        if kind == "function":
            made = _flat_function(as_dict(tool.get("function")))
        if made is None:
            target.refuse_tool(f"tools[{place}].type", kind, f"is `{kind}`, which chat requests do not have.")
        else:
            flat.append(made)
    body["tools"] = flat
    if (choice := doc.get("tool_choice")) is not None:
        body["tool_choice"] = _flat_choice(choice)


def _flat_function(function: dict[str, Any]) -> dict[str, Any]:
    """`strict` is the rule here and the exception in chat: it is always said."""
    made = {"type": "function", "name": function.get("name"), "parameters": function.get("parameters")}
    if function.get("description") is not None:
        made["description"] = function["description"]
    if made["parameters"] is None:
        made["parameters"] = {"type": "object", "properties": {}}
    return made | {"strict": function.get("strict") is True}


def _flat_custom(custom: dict[str, Any]) -> dict[str, Any]:
    """A grammar stands one level higher here."""
    made = {name: custom[name] for name in ("name", "description") if custom.get(name) is not None}
    given = as_dict(custom.get("format"))
    if given.get("type") == "grammar":
        made["format"] = {"type": "grammar", **as_dict(given.get("grammar"))}
    elif given:
        made["format"] = given
    return {"type": "custom", **made}


def _flat_choice(choice: Any) -> Any:
    given = as_dict(choice)
    if not given:
        return choice
    kind = as_text(given.get("type")) or "function"
    inner = as_dict(given.get(kind))
    if kind == "allowed_tools":
        tools = inner.get("tools")
        named = [_flat_choice(tool) for tool in tools] if isinstance(tools, list) else []
        return {"type": kind, "mode": inner.get("mode"), "tools": named}
    return {"type": kind, "name": inner.get("name")}


def _add_text(body: dict[str, Any], doc: dict[str, Any]) -> None:
    text: dict[str, Any] = {}
    kind, schema = schema_of(doc.get("response_format"))
    if schema is not None:
        text["format"] = {"type": kind, "name": "answer", **schema}
    elif kind != "text":
        text["format"] = {"type": kind}
    if doc.get("verbosity") is not None:
        text["verbosity"] = doc["verbosity"]
    if text:
        body["text"] = text


def _add_reasoning(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    reasoning = _reasoning(doc)
    if UNSHOWN in target.quirks.dropped:
        reasoning.pop("summary", None)
    if reasoning:
        body["reasoning"] = reasoning
    if reasons(target.model):
        thinks = reasoning.get("effort", "none") != "none"
        for name in SAMPLING.intersection(body) if thinks else target.filled_in.intersection(SAMPLING, body):
            if body.pop(name) != 1:
                target.refuse(name, "is not taken by this model while it reasons.")
    include = [STATE] if reasons(target.model) else []
    if doc.get("logprobs") or doc.get("top_logprobs"):
        include.append(LOGPROBS)
        if doc.get("top_logprobs") is not None:
            body["top_logprobs"] = doc["top_logprobs"]
    if include:
        body["include"] = include


def _reasoning(doc: dict[str, Any]) -> dict[str, Any]:
    """A summary of the thoughts is asked for only on the client's wish: OpenAI gives it to verified accounts alone."""
    given = as_dict(doc.get("reasoning"))
    effort = nearest_effort(doc) or ("none" if given.get("enabled") is False else None)
    found: dict[str, Any] = {} if effort is None else {"effort": effort}
    if (summary := as_text(given.get("summary"))) and effort != "none":
        found["summary"] = summary
    return found
