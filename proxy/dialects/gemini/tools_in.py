"""Google's tools and tool configuration as the hub's.

Source: https://ai.google.dev/api/caching#Tool, https://ai.google.dev/api/caching#FunctionCallingConfig
"""

from __future__ import annotations

from typing import Any

from proxy.dialects.gemini.naming import fields_of, list_of, text_at
from proxy.dialects.gemini.schema import from_google
from proxy.errors import Unsupported

_CHOICES = {"ANY": "required", "NONE": "none"}
_SEARCHES = frozenset({"googleSearch", "googleSearchRetrieval"})
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


def tools_in(doc: dict[str, Any], told: dict[str, Any]) -> None:
    """Add `tools`, `tool_choice` and `web_search_options` to `doc`. Raises `Unsupported` for tools of Google's own."""
    tools: list[dict[str, Any]] = []
    for place, tool in enumerate(list_of(told.get("tools"), "tools")):
        at = f"tools[{place}]"
        for name, value in fields_of(tool, at).items():
            if name == "functionDeclarations":
                tools += _functions(value, f"{at}.{name}")
            elif name in _SEARCHES:
                doc["web_search_options"] = {}
            else:
                raise Unsupported(f"`{at}.{name}` is a tool of Google's own.", param=f"{at}.{name}")
    if not tools:
        return
    config = fields_of(told.get("toolConfig"), "toolConfig")
    if config.get("retrievalConfig"):
        raise Unsupported(
            "`toolConfig.retrievalConfig` is known to Google's models only.", param="toolConfig.retrievalConfig"
        )
    at = "toolConfig.functionCallingConfig"
    calling = fields_of(config.get("functionCallingConfig"), at)
    names = [text_at(name, f"{at}.allowedFunctionNames") for name in list_of(calling.get("allowedFunctionNames"), at)]
    mode = str(calling.get("mode", "AUTO")).upper()
    if mode in _CHOICES:
        doc["tool_choice"] = _CHOICES[mode]
    if names and mode == "ANY" and len(names) == 1:
        doc["tool_choice"] = {"type": "function", "function": {"name": names[0]}}
    elif names:
        # to know of the allowed ones alone comes to the same, and every provider can be told so
        tools = [tool for tool in tools if tool["function"]["name"] in names]
    doc["tools"] = tools


def _functions(declarations: Any, at: str) -> list[dict[str, Any]]:
    found = []
    for place, declaration in enumerate(list_of(declarations, at)):
        where = f"{at}[{place}]"
        told = fields_of(declaration, where)
        function: dict[str, Any] = {"name": text_at(told.get("name"), f"{where}.name")}
        if "description" in told:
            function["description"] = text_at(told["description"], f"{where}.description")
        schema = told.get("parametersJsonSchema")
        function["parameters"] = (from_google(told.get("parameters")) if schema is None else schema) or _NO_PARAMETERS
        found.append({"type": "function", "function": function})
    return found
