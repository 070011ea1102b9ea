"""Anthropic's turns as the hub's messages.

Results of tools become messages of their own, before what else the user says in that turn; thoughts go with the
assistant's message, their state in `reasoning_details`.
Source: Anthropic API reference, "Messages", `messages` and `system`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.dialects.anthropic.dressing import OF_CALL, entry_of
from proxy.dialects.hub import data_url
from proxy.dialects.openai_chat import write_object
from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest, WrongType

if TYPE_CHECKING:
    from collections.abc import Iterator

Part = dict[str, Any]

_OF_DOCUMENTS = ("citations", "context")
_OWN_RECORDS = frozenset({
    "server_tool_use", "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result",
    "bash_code_execution_tool_result", "text_editor_code_execution_tool_result", "tool_search_tool_result",
    "mcp_tool_use", "mcp_tool_result", "compaction", "fallback",
})  # fmt: skip
"""What Anthropic's own tools did in an earlier answer: encrypted for Claude, and said in the text beside it."""

_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
_APART = _OWN_RECORDS | _THOUGHTS | {"tool_use"}


def hub_messages(doc: dict[str, Any]) -> list[dict[str, Any]]:
    """All messages, the system prompt first. Raises `BadRequest` naming what cannot be read."""
    found: list[dict[str, Any]] = []
    if (system := doc.get("system")) is not None:
        parts = _parts(_blocks(system, "system"), "system")
        if parts:
            found.append({"role": "system", "content": _plain(parts)})
    for place, message in enumerate(doc["messages"]):
        at = f"messages[{place}]"
        blocks = list(_blocks(message.get("content"), f"{at}.content"))
        if message["role"] == "assistant":
            found.append(_assistant(blocks, f"{at}.content"))
        else:
            found += _user(message["role"], blocks, f"{at}.content")
    return found


def _blocks(content: Any, at: str) -> Iterator[dict[str, Any]]:
    if isinstance(content, str):
        if content:
            yield {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        raise WrongType(f"`{at}` must be a string or an array of blocks.", param=at)
    for place, block in enumerate(content):
        if not isinstance(block, dict):
            raise WrongType(f"`{at}[{place}]` must be an object.", param=at)
        yield block


def _plain(parts: list[Part]) -> Any:
    """One unmarked piece of text as a string, which every server takes."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def _user(role: str, blocks: list[dict[str, Any]], at: str) -> list[dict[str, Any]]:
    results = [_result(block, at) for block in blocks if block.get("type") == "tool_result"]
    parts = _parts((block for block in blocks if block.get("type") != "tool_result"), at)
    if parts:
        results.append({"role": role, "content": _plain(parts)})
    if not results:
        raise BadRequest(f"`{at}` must not be empty.", param=at)
    return results


def _result(block: dict[str, Any], at: str) -> dict[str, Any]:
    call_id = as_text(block.get("tool_use_id"))
    if call_id is None:
        raise BadRequest(f"A `tool_result` in `{at}` lacks its `tool_use_id`.", param=at)
    content = block.get("content")
    parts = [] if content is None else _parts(_blocks(content, at), at)
    message: dict[str, Any] = {"role": "tool", "tool_call_id": call_id, "content": _plain(parts) if parts else ""}
    if block.get("is_error") is True:
        message["is_error"] = True
    _mark(message, block)
    return message


def _assistant(blocks: list[dict[str, Any]], at: str) -> dict[str, Any]:
    thoughts = _Thoughts([block for block in blocks if as_text(block.get("type")) in _THOUGHTS])
    calls = [_call(block, at) for block in blocks if block.get("type") == "tool_use"]
    parts = _parts((block for block in blocks if as_text(block.get("type")) not in _APART), at)
    message: dict[str, Any] = {"role": "assistant", "content": _plain(parts) if parts else None}
    if thoughts.texts:
        message["reasoning_content"] = "".join(thoughts.texts)
    if thoughts.details:
        message["reasoning_details"] = thoughts.details
    for call in calls:
        if call["id"] in thoughts.extras:
            call["extra_content"] = thoughts.extras[call["id"]]
    if calls:
        message["tool_calls"] = calls
    elif message["content"] is None:
        message["content"] = ""
    return message


class _Thoughts:
    """What the blocks of thoughts of one turn hold."""

    __slots__ = ("details", "extras", "texts")

    def __init__(self, blocks: list[dict[str, Any]]) -> None:
        self.texts = [text for block in blocks if (text := as_text(block.get("thinking"))) is not None]
        self.details: list[dict[str, Any]] = []
        self.extras: dict[str, Any] = {}
        """Tool call id -> what its provider wants back with it."""
        for found in map(entry_of, blocks):
            if found is None:
                continue
            kind, entry = found
            if kind == OF_CALL:
                self.extras[str(entry.get("id"))] = entry.get("extra_content")
            else:
                self.details.append(entry)


def _call(block: dict[str, Any], at: str) -> dict[str, Any]:
    name, call_id = as_text(block.get("name")), as_text(block.get("id"))
    if name is None or call_id is None:
        raise BadRequest(f"A `tool_use` in `{at}` lacks its `id` or `name`.", param=at)
    arguments = write_object(as_dict(block.get("input"))).decode()
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    _mark(call, block)
    return call


def _parts(blocks: Any, at: str) -> list[Part]:
    found = []
    for block in blocks:
        kind = block.get("type")
        write = _WRITERS.get(kind) if isinstance(kind, str) else None
        if write is None:
            raise BadRequest(f"`{at}` has a block of type `{str(kind)[:64]}`, which is not known.", param=at)
        part = write(block, at)
        if part is not None:
            _mark(part, block)
            found.append(part)
    return found


def _mark(part: dict[str, Any], block: dict[str, Any]) -> None:
    if isinstance(cache := block.get("cache_control"), dict):
        part["cache_control"] = cache


def _text(block: dict[str, Any], _: str) -> Part | None:
    text = as_text(block.get("text"))
    return None if text is None else {"type": "text", "text": text}


def _image(block: dict[str, Any], at: str) -> Part:
    source = as_dict(block.get("source"))
    url, data = as_text(source.get("url")), as_text(source.get("data"))
    if data is not None:
        url = data_url(as_text(source.get("media_type")) or "image/png", data)
    if url is None:
        if (file_id := as_text(source.get("file_id"))) is not None:
            return {"type": "file", "file": {"file_id": file_id}}
        raise BadRequest(f"An `image` in `{at}` lacks its `source`.", param=at)
    return {"type": "image_url", "image_url": {"url": url}}


def _document(block: dict[str, Any], at: str) -> Part:
    source = as_dict(block.get("source"))
    kind = source.get("type")
    title = as_text(block.get("title"))
    data = as_text(source.get("data")) or ""
    if kind == "base64":
        file = {"file_data": data_url(as_text(source.get("media_type")) or "application/pdf", data)}
    elif kind == "text":
        # a text is a text to every model; as a file only some would read it
        return {"type": "text", "text": f"{title}\n\n{data}" if title else data}
    elif kind == "url":
        file = {"file_url": as_text(source.get("url")) or ""}
    elif kind == "file":
        file = {"file_id": as_text(source.get("file_id")) or ""}
    elif kind == "content":
        return {"type": "text", "text": _text_of(source.get("content"), at)}
    else:
        raise BadRequest(f"A `document` in `{at}` lacks its `source`.", param=at)
    part: Part = {"type": "file", "file": {"filename": title or "document.pdf", **file}}
    part.update({name: block[name] for name in _OF_DOCUMENTS if block.get(name) is not None})
    return part


def _search_result(block: dict[str, Any], at: str) -> Part:
    title, source = as_text(block.get("title")) or "", as_text(block.get("source")) or ""
    return {"type": "text", "text": f"{title}\n{source}\n\n{_text_of(block.get('content'), at)}"}


def _text_of(content: Any, at: str) -> str:
    return "\n".join(as_text(block.get("text")) or "" for block in _blocks(content, at))


def _own(block: dict[str, Any], _: str) -> Part:
    return dict(block)


def _tool_reference(block: dict[str, Any], _: str) -> Part:
    return {"type": "text", "text": as_text(block.get("tool_name")) or ""}


_WRITERS: dict[str, Callable[[dict[str, Any], str], Part | None]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
    "container_upload": _own,
}
