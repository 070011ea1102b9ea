"""The tools of a hub request as Converse's `toolConfig`.

There is no `none` among its choices, and a history with calls is refused without tools: then the tools are named all
the same, and the model is told not to use them.
Source: Amazon Bedrock Runtime API reference, `ToolConfiguration`, `ToolChoice`; Anthropic, "Tool use".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.dialects.bedrock.traits import Thinking
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest, WrongType

if TYPE_CHECKING:
    from proxy.dialects.bedrock.blocks import Block, Parts
    from proxy.dialects.bedrock.thinking import Thoughts
    from proxy.dialects.bedrock.traits import Traits
    from proxy.dialects.dialect import Target

NO_TOOLS = "Answer without calling a tool."
_ANYTHING: dict[str, Any] = {"type": "object", "properties": {}}


@dataclass(slots=True)
class Tools:
    """What became of them."""

    config: dict[str, Any] | None = None
    instruction: str | None = None
    """For the system prompt."""
    extra: dict[str, Any] = field(default_factory=dict)
    """For the model's own fields."""


@dataclass(slots=True)
class _Choice:
    """Whether and which; `kind` as Converse calls it, or `none`."""

    kind: str = "auto"
    name: str | None = None
    allowed: frozenset[str] | None = None


def read_tools(doc: dict[str, Any], called: list[str], target: Target, parts: Parts, thoughts: Thoughts) -> Tools:
    """`called`: names of the tools in the history. A forced call may take something from `thoughts`.

    Raises `WrongType`, `BadRequest` or `Unsupported`.
    """
    choice = _choice_of(doc.get("tool_choice"), target)
    specs = _specs_of(doc.get("tools"), choice, target, parts)
    if not specs or choice.kind == "none":
        if not called:
            return Tools()
        known = {block["toolSpec"]["name"] for block in specs if "toolSpec" in block}
        specs += [_spec(name, {}) for name in called if name not in known]
        return Tools({"tools": specs}, NO_TOOLS)
    if choice.kind != "auto" and not _may_force(parts.traits, thoughts, target):
        choice = _Choice()
    if doc.get("parallel_tool_calls") is False:
        if parts.traits.one_call:
            return Tools({"tools": specs}, extra={"tool_choice": _one_call(choice)})
        target.note("parallel_tool_calls")  # no answer is refused for a second call
    asked = doc.get("tool_choice") is not None
    return Tools({"tools": specs, "toolChoice": _told(choice)} if asked else {"tools": specs})


def _may_force(traits: Traits, thoughts: Thoughts, target: Target) -> bool:
    if not traits.forces_tools:
        target.refuse("tool_choice", "cannot force a call with this model, which always thinks first.")
        return False
    if thoughts.on and traits.thinking is Thinking.BUDGET:
        target.refuse("tool_choice", "cannot force a call while the model thinks by a budget.")
        return False
    if thoughts.on:
        del thoughts.extra["thinking"]  # the effort still says how hard to work
    return True


def _choice_of(given: Any, target: Target) -> _Choice:
    if given is None or given == "auto":
        return _Choice()
    if given == "none":
        return _Choice("none")
    if given == "required":
        return _Choice("any")
    if not isinstance(given, dict):
        raise WrongType("`tool_choice` must be none, auto, required or an object.", param="tool_choice")
    if given.get("type") == "allowed_tools":
        allowed = as_dict(given.get("allowed_tools")) or given
        tools = allowed.get("tools")
        names = {_name_of(tool) for tool in (tools if isinstance(tools, list) else ())}
        return _Choice("any" if allowed.get("mode") == "required" else "auto", None, frozenset(names - {None}))  # type: ignore[arg-type]
    name = _name_of(given)
    if name is None:
        target.refuse("tool_choice", "must name a function: Bedrock's Converse API has no other tools.")
        return _Choice()
    return _Choice("tool", name)


def _name_of(tool: Any) -> str | None:
    given = as_dict(tool)
    return as_text(as_dict(given.get("function")).get("name")) or as_text(given.get("name"))


def _specs_of(tools: Any, choice: _Choice, target: Target, parts: Parts) -> list[Block]:
    if tools is None:
        return []
    if not isinstance(tools, list):
        raise WrongType("`tools` must be an array of objects.", param="tools")
    found: list[Block] = []
    for place, tool in enumerate(tools):
        at = f"tools[{place}]"
        given = as_dict(tool)
        if given.get("type", "function") != "function":
            target.refuse_tool(
                at, given["type"], "is no function: Bedrock's Converse API takes no other tools of the client's."
            )
            continue
        function = as_dict(given.get("function"))
        name = as_text(function.get("name"))
        if name is None:
            raise BadRequest(f"`{at}.function.name` is required.", param=f"{at}.function.name")
        if choice.allowed is None or name in choice.allowed:
            is_strict = function.get("strict") is True
            if is_strict and not parts.traits.formats:
                target.note(f"{at}.function.strict")
            found.append(_spec(name, function, is_strict=is_strict and parts.traits.formats))
            found += parts.cache_points(given) or parts.cache_points(function)
    return found


def _spec(name: str, function: dict[str, Any], *, is_strict: bool = False) -> Block:
    parameters = as_dict(function.get("parameters"))
    # Claude refuses a schema that is of no type
    schema = parameters if "type" in parameters else {**_ANYTHING, **parameters}
    spec: Block = {"name": name, "inputSchema": {"json": schema}}
    description = as_text(function.get("description"))
    if description is not None and description.strip():
        spec["description"] = description
    if is_strict:
        spec["strict"] = True
    return {"toolSpec": spec}


def _told(choice: _Choice) -> dict[str, Any]:
    return {"tool": {"name": choice.name}} if choice.kind == "tool" else {choice.kind: {}}


def _one_call(choice: _Choice) -> dict[str, Any]:
    """The choice in Claude's own words, which Converse passes on, and with which it takes none of its own."""
    named = {"name": choice.name} if choice.kind == "tool" else {}
    return {"type": choice.kind, **named, "disable_parallel_tool_use": True}
