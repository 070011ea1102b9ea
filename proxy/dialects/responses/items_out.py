"""The hub's messages as the `input` of a Responses request. Source: OpenAI API reference, "Create a model response"."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import calls_of, parts_of
from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.responses.reasoning import items_of_details
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

CHAT_CALLS = ("function_call", "custom_tool_call")
"""Items of calls that chat has too."""
_INPUT_ROLES = frozenset({"system", "developer", "user"})


def items_of(messages: Any, target: Target) -> list[dict[str, Any]]:
    """The items. Raises `BadRequest`, or `Unsupported` for content the Responses API does not take."""
    items: list[dict[str, Any]] = []
    custom: set[str] = set()
    """Ids of calls whose outputs are items of another type."""
    for place, entry in enumerate(messages if isinstance(messages, list) else ()):
        message, at = as_dict(entry), f"messages[{place}]"
        role = as_text(message.get("role")) or ""
        if role in _INPUT_ROLES:
            content = _content(message.get("content"), f"{at}.content", target)
            items.append({"type": "message", "role": role, "content": content})
        elif role == "assistant":
            items += _answer(message, at, target, custom)
        elif role == "tool":
            items.append(_output(message, at, target, custom))
        else:
            raise BadRequest(f"`{at}.role` must be `system`, `developer`, `user`, `assistant` or `tool`.", param=at)
    return items


def call_item_of(call: dict[str, Any]) -> dict[str, Any]:
    """The item of a hub tool call."""
    call_id = as_text(call.get("id")) or ""
    if call.get("type") == "custom":
        custom = as_dict(call.get("custom"))
        names = {"name": custom.get("name"), "input": custom.get("input") or ""}
        return {"type": "custom_tool_call", "call_id": call_id, **names}
    function = as_dict(call.get("function"))
    names = {"name": function.get("name"), "arguments": function.get("arguments") or "{}"}
    return {"type": "function_call", "call_id": call_id, **names}


def hub_call_of(item: dict[str, Any]) -> dict[str, Any]:
    """The reverse, for a type in `CHAT_CALLS`."""
    call_id = as_text(item.get("call_id")) or as_text(item.get("id")) or ""
    if item.get("type") == "custom_tool_call":
        body = {"name": as_text(item.get("name")) or "", "input": as_text(item.get("input")) or ""}
        return {"id": call_id, "type": "custom", "custom": body}
    body = {"name": as_text(item.get("name")) or "", "arguments": as_text(item.get("arguments")) or ""}
    return {"id": call_id, "type": "function", "function": body}


def _answer(message: dict[str, Any], at: str, target: Target, custom: set[str]) -> list[dict[str, Any]]:
    calls = calls_of(message)
    details = message.get("reasoning_details")
    if not details and calls:
        recalled = target.recall(as_text(calls[0].get("id")) or "")
        details = recalled.get("reasoning_details") if recalled else None
    items = items_of_details(details)
    content = [part for entry in parts_of(message.get("content")) if (part := _said(entry, at, target)) is not None]
    if refusal := as_text(message.get("refusal")):
        content.append({"type": "refusal", "refusal": refusal})
    if content:
        items.append({"type": "message", "role": "assistant", "content": content})
    for call in calls:
        if call.get("type") == "custom":
            custom.add(as_text(call.get("id")) or "")
        items.append(call_item_of(call))
    return items


def _said(part: dict[str, Any], at: str, target: Target) -> dict[str, Any] | None:
    kind = part.get("type")
    if kind == "refusal":
        return {"type": "refusal", "refusal": as_text(part.get("refusal")) or ""}
    if kind == "text":
        return {"type": "output_text", "text": as_text(part.get("text")) or ""}
    target.refuse(f"{at}.content", f"has a part of the type `{kind}`, which an assistant message cannot hold.")
    return None


def _output(message: dict[str, Any], at: str, target: Target, custom: set[str]) -> dict[str, Any]:
    call_id = as_text(message.get("tool_call_id"))
    if call_id is None:
        raise BadRequest(f"`{at}.tool_call_id` is required.", param=f"{at}.tool_call_id")
    kind = "custom_tool_call_output" if call_id in custom else "function_call_output"
    output = _content(message.get("content"), f"{at}.content", target)
    item = {"type": kind, "call_id": call_id, "output": output}
    if message.get("is_error") is True:
        item["status"] = "incomplete"
    return item


def _content(content: Any, at: str, target: Target) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    found = []
    for part in parts_of(content):
        write = _PARTS.get(as_text(part.get("type")) or "")
        made = write(part) if write is not None else None
        if made is None:
            target.refuse(at, f"has a part of the type `{part.get('type')}` that the Responses API does not take.")
        else:
            found.append(made)
    return found


def _text(part: dict[str, Any]) -> dict[str, Any] | None:
    made: dict[str, Any] = {"type": "input_text", "text": part.get("text")}
    if isinstance(part.get("prompt_cache_breakpoint"), dict):
        made["prompt_cache_breakpoint"] = part["prompt_cache_breakpoint"]
    return made


def _image(part: dict[str, Any]) -> dict[str, Any] | None:
    image = part.get("image_url")
    fields = {"url": image} if isinstance(image, str) else as_dict(image)
    url = as_text(fields.get("url"))
    if url is None:
        return None
    return {"type": "input_image", "image_url": url, "detail": as_text(fields.get("detail")) or "auto"}


def _file(part: dict[str, Any]) -> dict[str, Any] | None:
    file = as_dict(part.get("file"))
    names = ("file_data", "file_url", "file_id", "filename")
    found = {name: file[name] for name in names if as_text(file.get(name))}
    return {"type": "input_file", **found} if found.keys() - {"filename"} else None


def _audio(part: dict[str, Any]) -> dict[str, Any] | None:
    audio = as_dict(part.get("input_audio"))
    return {"type": "input_audio", "input_audio": {"data": audio.get("data"), "format": audio.get("format")}}


_PARTS: dict[Any, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "text": _text,
    "image_url": _image,
    "file": _file,
    "input_audio": _audio,
}
"""`None`: nothing the Responses API could take."""
