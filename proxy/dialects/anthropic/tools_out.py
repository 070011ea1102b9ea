"""The hub's tools, the choice among them and structured output, written as Anthropic's.

Source: Anthropic API reference, "Messages", `tools` and `tool_choice`; "Structured outputs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.anthropic.blocks_out import mark
from proxy.dialects.anthropic.words import JSON_TOOL, SERVER_TOOL
from proxy.dialects.hub import schema_of
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest, WrongType

if TYPE_CHECKING:
    from proxy.dialects.anthropic.traits import Traits
    from proxy.dialects.dialect import Target

_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_FORCED = frozenset({"any", "tool"})
_OWN_FIELDS = ("defer_loading", "eager_input_streaming", "input_examples", "allowed_callers")
"""What Anthropic's own clients say of a tool beside the hub's."""
JSON_INSTRUCTION = "Answer with one valid JSON object and nothing else: no words around it and no code fence."


def tools_of(doc: dict[str, Any], traits: Traits, target: Target) -> list[dict[str, Any]]:
    """`tools`; empty when there are none. Raises `BadRequest` for what is no tool."""
    tools = doc.get("tools")
    if tools is not None and not isinstance(tools, list):
        raise WrongType("`tools` must be an array of objects.", param="tools")
    found = []
    for place, tool in enumerate(tools or ()):
        written = _tool(as_dict(tool), f"tools[{place}]", traits, target)
        if written is not None:
            found.append(written)
    return found


def _tool(tool: dict[str, Any], at: str, traits: Traits, target: Target) -> dict[str, Any] | None:
    kind = as_text(tool.get("type")) or "function"
    if SERVER_TOOL.fullmatch(kind):
        return tool
    if kind != "function":
        target.refuse_tool(at, kind, f"is of type `{kind}`, which Anthropic's API does not know.")
        return None
    function = as_dict(tool.get("function"))
    name = as_text(function.get("name"))
    if name is None:
        raise BadRequest(f"`{at}.function.name` is required.", param=at)
    written: dict[str, Any] = {"name": name}
    if (description := as_text(function.get("description"))) is not None:
        written["description"] = description
    written["input_schema"] = {"type": "object", **(as_dict(function.get("parameters")) or {"properties": {}})}
    if function.get("strict") is True:
        if traits.formats:
            written["strict"] = True
        else:
            target.note(f"{at}.function.strict")
    written.update({field: tool[field] for field in _OWN_FIELDS if field in tool})
    mark(written, tool)
    return written


def write_tools(body: dict[str, Any], doc: dict[str, Any], called: list[str], traits: Traits, target: Target) -> None:
    """Put `tools` and `tool_choice` into `body`. `called`: the names of tools in the history."""
    tools = tools_of(doc, traits, target)
    if not tools:
        if called:
            # a history with calls needs tools, and nobody may call these
            body["tools"] = [{"name": name, "input_schema": {"type": "object"}} for name in dict.fromkeys(called)]
            body["tool_choice"] = {"type": "none"}
        return
    choice, names = _choice(doc.get("tool_choice"), target)
    if names is not None:
        tools = [tool for tool in tools if tool.get("name") in names]
    if choice is not None and choice["type"] in _FORCED and not _may_force(body, traits, target):
        choice = None
    if doc.get("parallel_tool_calls") is False and (choice is None or choice["type"] != "none"):
        choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
    body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = choice


def _choice(given: Any, target: Target) -> tuple[dict[str, Any] | None, set[str] | None]:
    """`tool_choice`, and the names it leaves if not all."""
    if given is None:
        return None, None
    if isinstance(given, str) and given in _CHOICES:
        return {"type": _CHOICES[given]}, None
    choice = as_dict(given)
    kind = choice.get("type")
    name = as_text(as_dict(choice.get("function")).get("name")) or as_text(choice.get("name"))
    if kind == "function" and name is not None:
        return {"type": "tool", "name": name}, None
    if kind == "allowed_tools":
        allowed = as_dict(choice.get("allowed_tools")) or choice
        tools = allowed.get("tools")
        named = [as_dict(tool) for tool in tools] if isinstance(tools, list) else []
        names = {as_text(as_dict(tool.get("function")).get("name") or tool.get("name")) or "" for tool in named}
        return {"type": _CHOICES.get(str(allowed.get("mode")), "auto")}, names
    if kind == "custom":
        target.refuse("tool_choice", "names a custom tool, which Anthropic's API does not know.")
        return None, None
    raise BadRequest(
        "`tool_choice` must be `auto`, `none`, `required`, or an object that names a function.", param="tool_choice"
    )


def _may_force(body: dict[str, Any], traits: Traits, target: Target) -> bool:
    if not traits.forces_tools:
        target.refuse("tool_choice", "cannot force a call with this model, which always thinks first.")
        return False
    if as_dict(body.get("thinking")).get("type") == "enabled":
        target.refuse("tool_choice", "cannot force a call while the model thinks by a budget.")
        return False
    if as_dict(body.get("thinking")).get("type") == "adaptive":
        del body["thinking"]  # the effort still says how hard to work
    return True


def write_format(body: dict[str, Any], doc: dict[str, Any], traits: Traits, target: Target) -> None:
    """Put `response_format` into `body`: a format, a tool that must be called, or an instruction."""
    kind, given = schema_of(doc.get("response_format"))
    if kind == "json_object":
        body.setdefault("system", []).append({"type": "text", "text": JSON_INSTRUCTION})
        return
    if kind == "text":
        return
    if given is None:
        target.refuse("response_format", f"is of type `{kind}`, which Anthropic's API does not know.")
        return
    schema = given.get("schema")
    if not isinstance(schema, dict):
        raise BadRequest("`response_format.json_schema.schema` must be an object.", param="response_format")
    if traits.formats:
        body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}
        return
    if as_dict(body.get("thinking")).get("type") == "enabled":
        target.refuse("response_format", "cannot be kept by this model while it thinks.")
        return
    tool: dict[str, Any] = {"name": JSON_TOOL, "input_schema": {"type": "object", **schema}}
    tool["description"] = as_text(given.get("description")) or "Gives the answer. Call it once, with the whole answer."
    if as_dict(body.get("tool_choice")).get("type") == "none":
        body["tools"] = []
    body["tools"] = [*body.get("tools", ()), tool]
    is_alone = len(body["tools"]) == 1
    body["tool_choice"] = {"type": "tool", "name": JSON_TOOL} if is_alone else {"type": "any"}
