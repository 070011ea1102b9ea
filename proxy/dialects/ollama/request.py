"""A hub request as Ollama's body. Source: https://docs.ollama.com/api/chat; the options of a Modelfile.

Not to be said there: a tool that must be called, several answers, images by address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import arguments_of, calls_of, data_of_url, nearest_effort, parts_of, schema_of
from proxy.dialects.leftovers import first_number, refuse_leftovers
from proxy.dialects.openai_chat import write_object
from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.simplify import TOOL_FAILED
from proxy.errors import BadRequest, WrongType

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target
    from proxy.dialects.request import ModelRequest

API = "Ollama's API"
_OPTIONS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "stop": "stop",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "repetition_penalty": "repeat_penalty",
}
"""Fields of the hub, some of them vLLM's, and the options that say the same."""
_AS_THEY_ARE = ("logprobs", "top_logprobs", "keep_alive", "think")
_EFFORTS: dict[str, bool | str] = {
    "none": False,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
"""Models that know no levels take any of them as `true`."""
_SAID = frozenset({
    *_OPTIONS, *_AS_THEY_ARE,
    "model", "messages", "stream", "max_tokens", "max_completion_tokens", "options", "tools", "tool_choice",
    "response_format", "reasoning", "reasoning_effort",
})  # fmt: skip


def encode(request: ModelRequest, target: Target) -> bytes:
    """The body for `target`. Raises `Unsupported` and `BadRequest`."""
    doc = request.doc
    body: dict[str, Any] = {
        "model": target.model,
        "messages": _messages(doc["messages"], target),
        "stream": request.stream,  # it streams unless told not to
    }
    for name in _AS_THEY_ARE:
        if (value := doc.get(name)) is not None:
            body[name] = value
    if options := _options(doc):
        body["options"] = options
    _think(body, doc, target)
    _offer_tools(body, doc, target)
    kind, schema = schema_of(doc.get("response_format"))
    if kind != "text":
        body["format"] = schema["schema"] if schema and isinstance(schema.get("schema"), dict) else "json"
    refuse_leftovers(doc, _SAID, target, API)
    return write_object(body)


def _options(doc: dict[str, Any]) -> dict[str, Any]:
    """`options` of the client's own, e.g. `num_ctx`, and what the hub's fields say; these win."""
    given = doc.get("options")
    if given is not None and not isinstance(given, dict):
        raise WrongType("`options` must be an object.", param="options")
    options = dict(given or {})
    for name, option in _OPTIONS.items():
        if (value := doc.get(name)) is not None:
            options[option] = [value] if option == "stop" and isinstance(value, str) else value
    limit = first_number(doc, "max_completion_tokens", "max_tokens")
    if limit is not None:
        options["num_predict"] = limit
    return options


def _think(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    reasoning, effort = as_dict(doc.get("reasoning")), nearest_effort(doc)
    if reasoning.get("exclude"):
        target.refuse("reasoning.exclude", f"is not known to {API}.")
    if "think" in body:
        return
    if effort is not None:
        if effort not in _EFFORTS:
            raise BadRequest(f"`reasoning_effort` must be one of {', '.join(_EFFORTS)}.", param="reasoning_effort")
        body["think"] = _EFFORTS[effort]
    elif isinstance(enabled := reasoning.get("enabled"), bool):
        body["think"] = enabled


def _offer_tools(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    given, choice = doc.get("tools"), doc.get("tool_choice")
    if not isinstance(given, list) or not given:
        return
    if choice == "none":
        return  # a tool it does not know of is never called
    if choice not in (None, "auto"):
        target.refuse("tool_choice", f"can only be `auto` or `none` for {API}.")
    tools = []
    for place, tool in enumerate(given):
        function = as_dict(as_dict(tool).get("function"))
        if not function:
            target.refuse_tool(f"tools[{place}]", as_dict(tool).get("type"), f"must be a function for {API}.")
            continue
        names = ("name", "description", "parameters")
        kept = {name: function[name] for name in names if function.get(name) is not None}
        tools.append({"type": "function", "function": kept})
    body["tools"] = tools


def _messages(messages: list[dict[str, Any]], target: Target) -> list[dict[str, Any]]:
    names: dict[str, str] = {}
    """Tool call id -> the tool's name, which results must tell."""
    written = []
    for place, message in enumerate(messages):
        at = f"messages[{place}]"
        role = as_text(message.get("role")) or ""
        if role not in _WRITERS:
            known = "`system`, `developer`, `user`, `assistant` or `tool`"
            raise BadRequest(f"`{at}.role` must be {known}.", param=f"{at}.role")
        if message.get("name") is not None and role != "tool":
            target.refuse(f"{at}.name", f"is not known to {API}.")
        if message.get("audio"):
            target.refuse(f"{at}.audio", f"is not known to {API}.")
        out = {"role": _WRITERS[role], **_content(message, at, target)}
        if role == "assistant":
            _add_turn(out, message, at, names)
        elif role == "tool":
            call_id = as_text(message.get("tool_call_id")) or ""
            out["tool_call_id"] = call_id
            if message.get("is_error"):
                out["content"] = TOOL_FAILED + out["content"]
            if name := names.get(call_id) or as_text(message.get("name")):
                out["tool_name"] = name
        written.append(out)
    return written


_WRITERS = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
"""Roles as Ollama calls them."""


def _content(message: dict[str, Any], at: str, target: Target) -> dict[str, Any]:
    """`content`, always text, and `images` beside it."""
    content = message.get("content")
    if isinstance(content, str):
        return {"content": content}
    texts, images = [], []
    for place, part in enumerate(parts_of(content)):
        kind = part.get("type")
        if kind in ("text", "refusal"):
            texts.append(as_text(part.get(kind)) or "")
        elif kind == "image_url":
            held = part.get("image_url")
            data = data_of_url(as_text(held) or as_text(as_dict(held).get("url")) or "")
            if data is None:
                target.refuse(f"{at}.content[{place}]", f"must hold its data itself for {API}: it fetches no image.")
            else:
                images.append(data[1])
        else:
            target.refuse(f"{at}.content[{place}]", f"must be text or an image for {API}.")
    text = "".join(texts) or as_text(message.get("refusal")) or ""
    return {"content": text, "images": images} if images else {"content": text}


def _add_turn(out: dict[str, Any], message: dict[str, Any], at: str, names: dict[str, str]) -> None:
    """What else an assistant's message has: thoughts and tool calls."""
    if thoughts := as_text(message.get("reasoning_content")) or as_text(message.get("reasoning")):
        out["thinking"] = thoughts
    calls = []
    for place, call in enumerate(calls_of(message)):
        arguments = arguments_of(call, f"{at}.tool_calls[{place}]")
        name = as_text(as_dict(call.get("function")).get("name")) or ""
        if call_id := as_text(call.get("id")):
            names[call_id] = name
        calls.append({"id": call_id or "", "function": {"name": name, "arguments": arguments}})
    if calls:
        out["tool_calls"] = calls
