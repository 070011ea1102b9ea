"""The hub's tools and tool choice as Google's.

Source: https://ai.google.dev/gemini-api/docs/function-calling
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.gemini.schema import for_google
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest, WrongType

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "any": "ANY"}


def tools_out(doc: dict[str, Any], target: Target, body: dict[str, Any]) -> None:
    """Add `tools` and `toolConfig` to `body`. Raises as `target.refuse` does, and `BadRequest` for what is no tool."""
    declarations, is_strict = _declarations(doc.get("tools"), target)
    tools: list[dict[str, Any]] = [{"functionDeclarations": declarations}] if declarations else []
    if (search := doc.get("web_search_options")) is not None:
        if as_dict(search).get("user_location"):
            target.refuse("web_search_options.user_location", "is nothing Gemini's search can be told.")
        tools.append({"googleSearch": {}})
    if tools:
        body["tools"] = tools
    if not declarations:
        return
    if doc.get("parallel_tool_calls") is False:
        target.note("parallel_tool_calls")  # no answer is refused for a second call
    calling = _calling(doc.get("tool_choice"), target, is_strict=is_strict)
    if calling:
        body["toolConfig"] = {"functionCallingConfig": calling}


def _declarations(tools: Any, target: Target) -> tuple[list[dict[str, Any]], bool]:
    if tools is None:
        return [], False
    if not isinstance(tools, list):
        raise WrongType("`tools` must be an array of objects.", param="tools")
    found, is_strict = [], False
    for place, tool in enumerate(tools):
        at = f"tools[{place}]"
        if not isinstance(tool, dict):
            raise WrongType(f"`{at}` must be an object.", param=at)
        if tool.get("type", "function") != "function":
            target.refuse_tool(at, tool["type"], "is no function, and Gemini knows no other tool of this kind.")
            continue
        function = as_dict(tool.get("function"))
        found.append(_declaration(function, at))
        is_strict = is_strict or function.get("strict") is True
    return found, is_strict


def _declaration(function: dict[str, Any], at: str) -> dict[str, Any]:
    name = as_text(function.get("name"))
    if name is None:
        raise BadRequest(f"`{at}.function.name` is required.", param=f"{at}.function.name")
    declaration: dict[str, Any] = {"name": name}
    if (description := as_text(function.get("description"))) is not None:
        declaration["description"] = description
    if parameters := as_dict(function.get("parameters")):
        declaration["parametersJsonSchema"] = for_google(parameters)
    return declaration


def _calling(choice: Any, target: Target, *, is_strict: bool) -> dict[str, Any]:
    free = "VALIDATED" if is_strict else "AUTO"
    if choice is None or choice == "auto":
        return {"mode": free} if is_strict else {}
    if isinstance(choice, str) and choice in _MODES:
        return {"mode": _MODES[choice]}
    given = as_dict(choice)
    if given.get("type") == "function" and (name := as_text(as_dict(given.get("function")).get("name"))):
        return {"mode": "ANY", "allowedFunctionNames": [name]}
    if given.get("type") == "allowed_tools":
        allowed = as_dict(given.get("allowed_tools")) or given
        tools = allowed.get("tools")
        functions = [as_dict(as_dict(tool).get("function")) for tool in tools] if isinstance(tools, list) else []
        names = [name for function in functions if (name := as_text(function.get("name")))]
        return {"mode": "ANY" if allowed.get("mode") == "required" else "VALIDATED", "allowedFunctionNames": names}
    if given.get("type") == "custom":
        target.refuse("tool_choice", "names a custom tool, which Gemini does not know.")
        return {}
    raise BadRequest(
        "`tool_choice` must be `none`, `auto`, `required` or an object that names a function.", param="tool_choice"
    )
