"""The tools of a Responses request as the hub's functions, and how each call is named on either side.

A custom tool takes free text: to a chat model it is a function with the one argument `input`. The shells and the patch
tool of coding assistants run at the client, so a function can stand for them too. What OpenAI runs itself has no
counterpart. Source: OpenAI API reference, "Create a model response", `tools`.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.responses.checks import dict_at, list_at, text_at
from proxy.errors import BadRequest, Unsupported, WrongType

MAX_NAME_CHARS = 64
"""Of a function. Source: OpenAI API reference, `tools[].function.name`."""
_HASH_CHARS = 8
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}


class Tool(NamedTuple):
    """How the client knows a tool: the `type` it was declared with, its name, its namespace."""

    type: str
    name: str
    namespace: str | None = None


def _schema(required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


_INPUT_SCHEMA = _schema("input", input=_TEXT)
_AT_THE_CLIENT: dict[str, tuple[str, dict[str, Any]]] = {
    "local_shell": (
        "Runs a command on the user's machine and returns its output.",
        _schema(
            "command",
            command={"type": "array", "items": _TEXT, "description": "The program and its arguments."},
            working_directory=_TEXT,
            env={"type": "object", "additionalProperties": _TEXT},
            timeout_ms=_NUMBER,
        ),
    ),
    "shell": (
        "Runs shell commands on the user's machine and returns the output of each.",
        _schema("commands", commands={"type": "array", "items": _TEXT}, timeout_ms=_NUMBER, max_output_length=_NUMBER),
    ),
    "apply_patch": (
        "Creates, changes or deletes one file of the user's.",
        _schema(
            "type path",
            type={"type": "string", "enum": ["create_file", "update_file", "delete_file"]},
            path=_TEXT,
            diff={"type": "string", "description": "A V4A diff; not needed to delete a file."},
        ),
    ),
}
"""Tools with a `type` of their own that the client runs: what a chat model is told of them."""


class Toolbox:
    """The tools of one request: `functions` for the hub, and whose call a function's name stands for."""

    __slots__ = ("_by_name", "functions")

    def __init__(self, tools: Any) -> None:
        """Raise `MissingField`, `WrongType`, or `BadRequest` for two tools of one name."""
        self.functions: list[dict[str, Any]] = []
        """Tools that OpenAI would run itself stand among them as they came."""
        self._by_name: dict[str, Tool] = {}
        for place, entry in enumerate(list_at(tools, "tools")):
            self._add(dict_at(entry, f"tools[{place}]"), f"tools[{place}]", None)

    def tool(self, name: str) -> Tool:
        """Whom the function `name` stands for; a function of that name if nobody declared it."""
        return self._by_name.get(name) or Tool("function", name)

    def _add(self, entry: dict[str, Any], at: str, namespace: str | None) -> None:
        kind = text_at(entry.get("type"), f"{at}.type")
        if kind == "namespace" and namespace is None:
            inner = text_at(entry.get("name"), f"{at}.name")
            for place, tool in enumerate(list_at(entry.get("tools"), f"{at}.tools")):
                self._add(dict_at(tool, f"{at}.tools[{place}]"), f"{at}.tools[{place}]", inner)
        elif kind == "function":
            self._add_function(entry, at, namespace)
        elif kind == "custom":
            name = text_at(entry.get("name"), f"{at}.name")
            self._put(Tool(kind, name, namespace), _custom_description(entry), _INPUT_SCHEMA, at)
        elif kind in _AT_THE_CLIENT and as_dict(entry.get("environment")).get("type") in (None, "local"):
            description, schema = _AT_THE_CLIENT[kind]
            self._put(Tool(kind, kind), description, schema, at)
        else:
            self.functions.append(entry)  # whoever is asked refuses it, or leaves it out if the client is lenient

    def _add_function(self, entry: dict[str, Any], at: str, namespace: str | None) -> None:
        name = text_at(entry.get("name"), f"{at}.name")
        parameters = entry.get("parameters")
        if parameters is not None and not isinstance(parameters, dict):
            raise WrongType(f"`{at}.parameters` must be an object.", param=f"{at}.parameters")
        function = self._put(Tool("function", name, namespace), as_text(entry.get("description")), parameters, at)
        if isinstance(entry.get("strict"), bool):
            function["strict"] = entry["strict"]

    def _put(self, tool: Tool, description: str | None, schema: dict[str, Any] | None, at: str) -> dict[str, Any]:
        name = flat_name(tool.name, tool.namespace)
        if name in self._by_name:
            raise BadRequest(f"`{at}.name`: there are two tools of the name `{name}`.", param=f"{at}.name")
        self._by_name[name] = tool
        function: dict[str, Any] = {"name": name}
        if description:
            function["description"] = description
        if schema is not None:
            function["parameters"] = schema
        self.functions.append({"type": "function", "function": function})
        return function


def flat_name(name: str, namespace: str | None) -> str:
    """The function that stands for `name` of a namespace; always the same one, cut to `MAX_NAME_CHARS` by a hash."""
    if namespace is None:
        return name
    flat = f"{namespace}__{name}"
    if len(flat) <= MAX_NAME_CHARS:
        return flat
    digest = hashlib.blake2s(flat.encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{flat[: MAX_NAME_CHARS - _HASH_CHARS - 1]}_{digest}"


def hub_choice(choice: Any) -> Any:
    """`tool_choice` as the hub says it. Raises `WrongType` or `Unsupported`."""
    if isinstance(choice, str):
        return choice
    fields = dict_at(choice, "tool_choice")
    kind = text_at(fields.get("type"), "tool_choice.type")
    if kind == "allowed_tools":
        tools = list_at(fields.get("tools"), "tool_choice.tools")
        named = [
            _named(dict_at(tool, f"tool_choice.tools[{place}]"), f"tool_choice.tools[{place}]")
            for place, tool in enumerate(tools)
        ]
        mode = text_at(fields.get("mode"), "tool_choice.mode")
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}
    return _named(fields, "tool_choice")


def _named(fields: dict[str, Any], at: str) -> dict[str, Any]:
    kind = text_at(fields.get("type"), f"{at}.type")
    if kind in _AT_THE_CLIENT:
        name = kind
    elif kind in ("function", "custom"):
        name = flat_name(text_at(fields.get("name"), f"{at}.name"), as_text(fields.get("namespace")))
    else:
        raise Unsupported(f"`{at}.type`: only `function` and `custom` tools can be chosen here.", param=f"{at}.type")
    return {"type": "function", "function": {"name": name}}


def _custom_description(entry: dict[str, Any]) -> str:
    """What a chat model must know of it, the grammar too: it is not held to it, so it has to be told."""
    lines = [as_text(entry.get("description")) or ""]
    given = as_dict(entry.get("format"))
    if definition := as_text(given.get("definition")):
        lines.append(f"`input` must match this {as_text(given.get('syntax')) or 'formal'} grammar:\n{definition}")
    return "\n\n".join(line for line in lines if line)
