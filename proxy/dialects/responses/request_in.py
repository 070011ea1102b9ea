"""A Responses request as the hub's chat request. Nothing is kept between requests, so what refers to one is refused.

Source: OpenAI API reference, "Create a model response".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from proxy.dialects.names import DialectName
from proxy.dialects.reading import as_text
from proxy.dialects.request import Operation
from proxy.dialects.responses.checks import dict_at, list_at, text_at
from proxy.dialects.responses.items_in import messages_of
from proxy.dialects.responses.tools import Toolbox, hub_choice
from proxy.errors import Unsupported, WrongType

if TYPE_CHECKING:
    from proxy.dialects.request import ModelRequest

STATE = "reasoning.encrypted_content"
LOGPROBS = "message.output_text.logprobs"
"""Values of `include` that say something of an answer without hosted tools."""

_KEPT_AT_OPENAI = (
    "This gateway keeps no state when it asks a model in another dialect: send the whole input instead of `{}`."
)
_REFUSED = {
    "previous_response_id": _KEPT_AT_OPENAI,
    "conversation": _KEPT_AT_OPENAI,
    "prompt": "`{}` is a template kept at OpenAI, which the model that was chosen cannot read.",
    "background": "`{}` answers are not made here: leave it out and read the answer, or its stream.",
    "context_management": "`{}` is done by OpenAI, and the model that was chosen is not asked through it.",
}
"""Fields that only OpenAI's own API can honour, and why, if they say anything."""
_SAME = (
    "temperature",
    "top_p",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "moderation",
)
"""Fields that the hub has too.

`metadata`, `store` and `truncation` change no answer, and the response tells of them; `max_tool_calls` counts only
calls of tools that OpenAI runs; how long OpenAI should cache (`prompt_cache_options`) is nobody else's business.
"""
_USUAL_VERBOSITY = "medium"


def to_hub(request: ModelRequest) -> ModelRequest:
    """The same as a hub request. Raises `MissingField`, `WrongType`, `BadRequest`, `Unsupported`."""
    return replace(
        request,
        operation=Operation.CHAT,
        doc=hub_document(request.doc),
        raw=None,
        wants_usage=True,
        dialect=DialectName.OPENAI_CHAT,
        to_hub=None,
        _hub=None,
    )


def hub_document(doc: dict[str, Any]) -> dict[str, Any]:
    """The body of the hub's request."""
    for name, why in _REFUSED.items():
        if doc.get(name):
            raise Unsupported(why.format(name), param=name)
    instructions = doc.get("instructions")
    if instructions is not None:
        instructions = text_at(instructions, "instructions")
    hub: dict[str, Any] = {"model": doc.get("model"), "messages": messages_of(doc.get("input"), instructions)}
    for name in _SAME:
        if doc.get(name) is not None:
            hub[name] = doc[name]
    if (limit := doc.get("max_output_tokens")) is not None:
        hub["max_completion_tokens"] = limit
    if doc.get("stream"):
        hub |= {"stream": True, "stream_options": {"include_usage": True}}
    _add_tools(hub, doc)
    _add_text(hub, doc)
    _add_reasoning(hub, doc)
    _add_logprobs(hub, doc)
    return hub


def _add_tools(hub: dict[str, Any], doc: dict[str, Any]) -> None:
    functions = Toolbox(doc.get("tools")).functions
    choice = doc.get("tool_choice")
    if functions:
        hub["tools"] = functions
        if choice is not None:
            hub["tool_choice"] = hub_choice(choice)
        if doc.get("parallel_tool_calls") is False:
            hub["parallel_tool_calls"] = False  # the other is what every model does anyway
        return
    if choice not in (None, "auto", "none"):
        raise Unsupported("`tool_choice` asks for a tool, and `tools` has none.", param="tool_choice")


def _add_text(hub: dict[str, Any], doc: dict[str, Any]) -> None:
    if doc.get("text") is None:
        return
    text = dict_at(doc["text"], "text")
    if (verbosity := text.get("verbosity")) not in (None, _USUAL_VERBOSITY):
        hub["verbosity"] = verbosity
    if text.get("format") is None:
        return
    given = dict_at(text["format"], "text.format")
    kind = text_at(given.get("type"), "text.format.type")
    if kind == "json_schema":
        names = ("name", "description", "schema", "strict")
        schema = {name: given[name] for name in names if given.get(name) is not None}
        hub["response_format"] = {"type": kind, "json_schema": schema}
    elif kind != "text":
        hub["response_format"] = {"type": kind}


def _add_reasoning(hub: dict[str, Any], doc: dict[str, Any]) -> None:
    """`summary` only says how thoughts are shown: what a model shows of them is passed on in any case."""
    if doc.get("reasoning") is None:
        return
    effort = dict_at(doc["reasoning"], "reasoning").get("effort")
    if effort is not None:
        hub["reasoning_effort"] = text_at(effort, "reasoning.effort")


def _add_logprobs(hub: dict[str, Any], doc: dict[str, Any]) -> None:
    top = doc.get("top_logprobs")
    if top is not None and (isinstance(top, bool) or not isinstance(top, int)):
        raise WrongType("`top_logprobs` must be an integer.", param="top_logprobs")
    if wants(doc, LOGPROBS) or top:
        hub["logprobs"] = True
        if top:
            hub["top_logprobs"] = top


def wants(doc: dict[str, Any], what: str) -> bool:
    """Whether `include` asks for it. Raises `WrongType`."""
    return any(as_text(name) == what for name in list_at(doc.get("include"), "include"))
