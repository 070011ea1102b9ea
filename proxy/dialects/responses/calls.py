"""Tool calls between the hub's functions and the items of the Responses API. Source: OpenAI API reference."""

from __future__ import annotations

import json  # noqa: TID251 - models write line breaks into JSON strings, which `orjson` refuses
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.chunks import dumps
from proxy.dialects.openai_chat import write_object
from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.responses.checks import dict_at, text_at
from proxy.dialects.responses.tools import flat_name

if TYPE_CHECKING:
    from proxy.dialects.responses.tools import Tool

_HEAD = re.compile(r'\s*\{\s*"input"\s*:\s*"')
_WHOLE = re.compile(r'(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*')
"""Characters of a JSON string that can be read by themselves."""
_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")
"""The first half of a surrogate pair."""
_NONE = ("", "{}")
_MAX_HEAD_CHARS = 64
"""Of arguments in which no `input` has begun: they are another thing, and told when they are whole."""


class InputReader:
    """Reads the free text of a custom tool out of a function's arguments while they come."""

    __slots__ = ("_is_lost", "_rest", "_within", "sent")

    def __init__(self) -> None:
        self.sent: list[str] = []
        """What was read so far, in pieces."""
        self._rest = ""
        self._within = False
        self._is_lost = False

    def feed(self, piece: str) -> str:
        """The text that `piece` adds; may be empty. Holds back at most an unfinished escape or the head."""
        if self._is_lost:
            return ""
        self._rest += piece
        if not self._within:
            head = _HEAD.match(self._rest)
            if head is None:
                self._is_lost = len(self._rest) > _MAX_HEAD_CHARS
                return ""
            self._within, self._rest = True, self._rest[head.end() :]
        match = _WHOLE.match(self._rest)
        end = match.end() if match else 0
        half = _HALF.search(self._rest, max(0, end - len("\\ud83d")), end)
        if half is not None:
            end = half.start()
        text = _unescaped(self._rest[:end])
        self._rest = self._rest[end:]
        self._is_lost = self._rest.startswith('"')  # the string has ended
        if text:
            self.sent.append(text)
        return text

    def finish(self, arguments: str) -> str:
        """The text still to be sent now that all `arguments` are known; empty if what was sent cannot be continued."""
        text, sent = input_of(arguments), "".join(self.sent)
        return text[len(sent) :] if text.startswith(sent) else ""


def _unescaped(text: str) -> str:
    return str(json.loads(f'"{text}"', strict=False)) if "\\" in text else text


def object_of(arguments: str) -> dict[str, Any]:
    """A function's arguments; an empty object if they are none."""
    try:
        return as_dict(orjson.loads(arguments))
    except orjson.JSONDecodeError:
        pass
    try:
        return as_dict(json.loads(arguments, strict=False))
    except (ValueError, RecursionError):
        return {}


def input_of(arguments: str) -> str:
    """The free text in a function's arguments; the arguments themselves if a model wrote something else."""
    if arguments.strip() in _NONE:
        return ""
    text = object_of(arguments).get("input")
    return text if isinstance(text, str) else arguments


def arguments_of_input(text: str) -> str:
    """The reverse."""
    return dumps({"input": text}).decode()


def prefix_of(tool: Tool) -> str:
    """How the ids of its calls' items begin."""
    return _PREFIXES.get(tool.type, "fc")


def call_item(tool: Tool, call_id: str, item_id: str, arguments: str, status: str) -> dict[str, Any]:
    """The item of a call; `arguments` may be unfinished while `status` is `in_progress`."""
    head = {"id": item_id, "type": _ITEM_TYPES.get(tool.type, "function_call"), "status": status, "call_id": call_id}
    return head | _BODIES.get(tool.type, _function_body)(tool, arguments)


def _function_body(tool: Tool, arguments: str) -> dict[str, Any]:
    return _names(tool) | {"arguments": arguments}


def _custom_body(tool: Tool, arguments: str) -> dict[str, Any]:
    return _names(tool) | {"input": input_of(arguments)}


def _names(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name} if tool.namespace is None else {"name": tool.name, "namespace": tool.namespace}


def _local_shell_body(_: Tool, arguments: str) -> dict[str, Any]:
    given = object_of(arguments)
    env = {name: value for name, value in as_dict(given.get("env")).items() if isinstance(value, str)}
    return {"action": {**given, "type": "exec", "command": _words(given.get("command")), "env": env}}


def _shell_body(_: Tool, arguments: str) -> dict[str, Any]:
    given = object_of(arguments)
    numbers = {name: given.get(name) for name in ("timeout_ms", "max_output_length")}
    action = {"commands": _words(given.get("commands")), **numbers}
    return {"action": action, "environment": {"type": "local"}}


def _patch_body(_: Tool, arguments: str) -> dict[str, Any]:
    given = object_of(arguments)
    operation = {"type": as_text(given.get("type")) or "update_file", "path": as_text(given.get("path")) or ""}
    if operation["type"] != "delete_file":
        operation["diff"] = as_text(given.get("diff")) or ""
    return {"operation": operation}


def _words(value: Any) -> list[str]:
    """A list of strings; one string is a list of it."""
    if isinstance(value, str):
        return [value]
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


_ITEM_TYPES = {
    "custom": "custom_tool_call",
    "local_shell": "local_shell_call",
    "shell": "shell_call",
    "apply_patch": "apply_patch_call",
}
_PREFIXES = {"custom": "ctc", "local_shell": "lsh", "shell": "sh", "apply_patch": "apc"}
_BODIES: dict[str, Callable[[Tool, str], dict[str, Any]]] = {
    "custom": _custom_body,
    "local_shell": _local_shell_body,
    "shell": _shell_body,
    "apply_patch": _patch_body,
}


def _read_function(item: dict[str, Any], at: str) -> tuple[str, str]:
    name = flat_name(text_at(item.get("name"), f"{at}.name"), as_text(item.get("namespace")))
    return name, text_at(item.get("arguments"), f"{at}.arguments")


def _read_custom(item: dict[str, Any], at: str) -> tuple[str, str]:
    name = flat_name(text_at(item.get("name"), f"{at}.name"), as_text(item.get("namespace")))
    return name, arguments_of_input(text_at(item.get("input"), f"{at}.input"))


def _read_local_shell(item: dict[str, Any], at: str) -> tuple[str, str]:
    return "local_shell", _action(item, at, {"type", "user"})


def _read_shell(item: dict[str, Any], at: str) -> tuple[str, str]:
    return "shell", _action(item, at, {"type"})


def _action(item: dict[str, Any], at: str, left_out: set[str]) -> str:
    action = dict_at(item.get("action"), f"{at}.action")
    return write_object({name: value for name, value in action.items() if value and name not in left_out}).decode()


def _read_patch(item: dict[str, Any], at: str) -> tuple[str, str]:
    return "apply_patch", write_object(dict_at(item.get("operation"), f"{at}.operation")).decode()


CALLS: dict[str, Callable[[dict[str, Any], str], tuple[str, str]]] = {
    "function_call": _read_function,
    "custom_tool_call": _read_custom,
    "local_shell_call": _read_local_shell,
    "shell_call": _read_shell,
    "apply_patch_call": _read_patch,
}
"""Item type -> the function's name and arguments. Raise `MissingField` or `WrongType`."""


def hub_call(item: dict[str, Any], at: str) -> dict[str, Any]:
    """The hub's tool call of an item whose type is in `CALLS`. Raises `MissingField` or `WrongType`."""
    name, arguments = CALLS[item["type"]](item, at)
    call_id = text_at(item.get("call_id"), f"{at}.call_id")
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
