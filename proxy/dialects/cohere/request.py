"""A hub request as Cohere's body. Source: https://docs.cohere.com/v2/reference/chat.

Thoughts go back as `tool_plan` beside tool calls and as a `thinking` part elsewhere, to models that think.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from proxy.dialects.chunks import dumps
from proxy.dialects.hub import calls_of, effort_of, parts_of, schema_of, text_of
from proxy.dialects.leftovers import first_number, refuse_leftovers
from proxy.dialects.openai_chat import write_object
from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.simplify import TOOL_FAILED
from proxy.errors import BadRequest

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target
    from proxy.dialects.request import ModelRequest

API = "Cohere's API"
MAX_STOPS = 5
MAX_TOP_K = 500
LEAST_TOP_P, MOST_TOP_P = 0.01, 0.99

_NO_THOUGHTS = re.compile(r"(?:^|/)(?:command-(?:r|light|a-03|a-vision|a-translate|nightly)|command$|c4ai-|tiny-aya)")
"""Models that cannot think. Newer ones can, and do unless told otherwise.

Source: https://docs.cohere.com/docs/reasoning
"""
_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048}
"""Tokens of thought; any greater effort is not limited."""
_NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}
_OWN = ("documents", "citation_options", "safety_mode", "thinking")
"""Cohere's own fields, which a client of the hub may send as they are."""
_AS_THEY_ARE = ("temperature", "seed", "logprobs")
_SAID = frozenset({
    *_OWN, *_AS_THEY_ARE,
    "model", "messages", "stream", "max_tokens", "max_completion_tokens", "top_p", "top_k", "stop", "response_format",
    "frequency_penalty", "presence_penalty", "tools", "tool_choice", "reasoning", "reasoning_effort", "top_logprobs",
})  # fmt: skip


def encode(request: ModelRequest, target: Target) -> bytes:
    """The body for `target`. Raises `Unsupported` and `BadRequest`."""
    doc = request.doc
    body: dict[str, Any] = {
        "model": target.model,
        "messages": [_message(message, place, target) for place, message in enumerate(doc["messages"])],
    }
    if request.stream:
        body["stream"] = True
    limit = first_number(doc, "max_completion_tokens", "max_tokens")
    if limit is not None:
        body["max_tokens"] = limit
    for name in (*_AS_THEY_ARE, *_OWN):
        if (value := doc.get(name)) is not None:
            body[name] = value
    if doc.get("top_logprobs"):
        target.refuse("top_logprobs", f"is not known to {API}.")
    _sample(body, doc, target)
    _think(body, doc, target)
    _offer_tools(body, doc, target)
    _shape(body, doc, target)
    refuse_leftovers(doc, _SAID, target, API)
    return write_object(body)


def _sample(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    if (top_p := first_number(doc, "top_p")) is not None:
        # Its limits lie just within OpenAI's: the nearest value means the same. Left out, it would be 0.75.
        body["p"] = min(max(top_p, LEAST_TOP_P), MOST_TOP_P)
    if (top_k := first_number(doc, "top_k")) is not None:
        if top_k > MAX_TOP_K:
            target.refuse("top_k", f"must be at most {MAX_TOP_K} for {API}.")
        body["k"] = min(max(top_k, 0), MAX_TOP_K)
    for name in ("frequency_penalty", "presence_penalty"):
        if (penalty := first_number(doc, name)) is not None:
            if not 0 <= penalty <= 1:
                target.refuse(name, f"must be from 0 to 1 for {API}.")
            body[name] = min(max(penalty, 0), 1)
    stop = doc.get("stop")
    if stop:
        stops = [stop] if isinstance(stop, str) else stop
        if isinstance(stops, list) and len(stops) > MAX_STOPS:
            target.refuse("stop", f"can have at most {MAX_STOPS} sequences for {API}.")
            stops = stops[:MAX_STOPS]
        body["stop_sequences"] = stops


def _think(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    """`reasoning_effort` and `reasoning` as `thinking`, unless the client said `thinking` itself."""
    reasoning, effort = as_dict(doc.get("reasoning")), effort_of(doc)
    if reasoning.get("exclude") is True:
        target.refuse("reasoning.exclude", f"is not known to {API}.")
    budget = first_number(reasoning, "max_tokens")
    if "thinking" in body or (effort is None and budget is None and not isinstance(reasoning.get("enabled"), bool)):
        return
    is_off = effort == "none" or (effort is None and reasoning.get("enabled") is False)
    if not _can_think(target.model):
        if not is_off:
            name = "reasoning_effort" if doc.get("reasoning_effort") else "reasoning"
            target.refuse(name, f"is not known to `{target.model}`, which does not think.")
        return
    thinking: dict[str, Any] = {"type": "disabled" if is_off else "enabled"}
    if budget is None:
        budget = _BUDGETS.get(effort or "")
    if budget is not None and not is_off:
        thinking["token_budget"] = budget
    body["thinking"] = thinking


def _can_think(model: str) -> bool:
    return _NO_THOUGHTS.search(model) is None


def _offer_tools(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    given = doc.get("tools")
    tools = [_tool(tool, place, target) for place, tool in enumerate(given)] if isinstance(given, list) else []
    tools = [tool for tool in tools if tool]
    choice = doc.get("tool_choice")
    if isinstance(choice, dict):
        tools = _allowed(tools, choice)
        is_required = (
            choice.get("type") != "allowed_tools" or as_dict(choice.get("allowed_tools")).get("mode") == "required"
        )
        choice = "required" if is_required else "auto"
    if tools:
        body["tools"] = tools
        if any(as_dict(as_dict(tool).get("function")).get("strict") is True for tool in given or ()):
            body["strict_tools"] = True
    if choice in ("required", "any"):
        body["tool_choice"] = "REQUIRED"
    elif choice == "none" and tools:
        body["tool_choice"] = "NONE"


def _tool(tool: Any, place: int, target: Target) -> dict[str, Any]:
    function = as_dict(as_dict(tool).get("function"))
    if not function:
        target.refuse_tool(f"tools[{place}]", as_dict(tool).get("type"), f"must be a function for {API}.")
        return {}
    kept = {name: function[name] for name in ("name", "description") if function.get(name) is not None}
    return {"type": "function", "function": {**kept, "parameters": function.get("parameters") or _NO_PARAMETERS}}


def _allowed(tools: list[dict[str, Any]], choice: dict[str, Any]) -> list[dict[str, Any]]:
    """The tools that `choice` names: there is no other way to tell Cohere. Raises `BadRequest` if there are none."""
    named = as_dict(choice.get("allowed_tools")).get("tools") if choice.get("type") == "allowed_tools" else [choice]
    told = named if isinstance(named, list) else []
    names = {as_text(as_dict(as_dict(one).get("function")).get("name")) for one in told}
    found = [tool for tool in tools if as_text(tool["function"].get("name")) in names]
    if not found:
        raise BadRequest("`tool_choice` names no tool of `tools`.", param="tool_choice")
    return found


def _shape(body: dict[str, Any], doc: dict[str, Any], target: Target) -> None:
    kind, schema = schema_of(doc.get("response_format"))
    if kind == "text":
        return
    if "tools" in body:
        target.refuse("response_format", f"cannot be used with tools in {API}.")
        return
    shape: dict[str, Any] = {"type": "json_object"}
    if schema is not None and isinstance(schema.get("schema"), dict):
        shape["json_schema"] = schema["schema"]
    body["response_format"] = shape


def _message(message: dict[str, Any], place: int, target: Target) -> dict[str, Any]:
    role = message.get("role")
    at = f"messages[{place}]"
    if role in ("system", "developer"):
        return {"role": "system", "content": _plain(message, at, target)}
    if role == "tool":
        return {
            "role": "tool",
            "tool_call_id": message.get("tool_call_id"),
            "content": (TOOL_FAILED if message.get("is_error") else "") + _plain(message, at, target),
        }
    if message.get("name") is not None:
        target.refuse(f"{at}.name", f"is not known to {API}.")
    if role == "user":
        content = message.get("content")
        return {"role": "user", "content": content if isinstance(content, str) else _parts(content, at, target)}
    if role == "assistant":
        return _assistant(message, at, target)
    raise BadRequest(f"`{at}.role` must be `system`, `developer`, `user`, `assistant` or `tool`.", param=f"{at}.role")


def _plain(message: dict[str, Any], at: str, target: Target) -> str:
    """Text only."""
    content = message.get("content")
    if not isinstance(content, str) and any(part.get("type") != "text" for part in parts_of(content)):
        target.refuse(f"{at}.content", f"must be text for {API}.")
    return text_of(content)


def _parts(content: Any, at: str, target: Target) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for place, part in enumerate(parts_of(content)):
        if part.get("type") == "text":
            parts.append({"type": "text", "text": part.get("text")})
        elif part.get("type") == "image_url":
            held = part.get("image_url")
            image = {"url": held} if isinstance(held, str) else as_dict(held)
            kept = {name: image[name] for name in ("url", "detail") if image.get(name) is not None}
            parts.append({"type": "image_url", "image_url": kept})
        else:
            target.refuse(f"{at}.content[{place}]", f"must be text or an image for {API}.")
    return parts


def _assistant(message: dict[str, Any], at: str, target: Target) -> dict[str, Any]:
    text = "".join(
        as_text(part.get("text")) or as_text(part.get("refusal")) or "" for part in parts_of(message.get("content"))
    )
    text = text or as_text(message.get("refusal")) or ""
    written: dict[str, Any] = {"role": "assistant"}
    thoughts = as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    calls = calls_of(message)
    if calls:
        written["tool_calls"] = [_call(call) for call in calls]
        if thoughts:
            written["tool_plan"] = thoughts
    elif thoughts and _can_think(target.model):
        parts = [{"type": "thinking", "thinking": thoughts}]
        written["content"] = [*parts, {"type": "text", "text": text}] if text else parts
        return written
    if text or not calls:
        written["content"] = text
    if message.get("audio"):
        target.refuse(f"{at}.audio", f"is not known to {API}.")
    return written


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = as_dict(call.get("function"))
    arguments = function.get("arguments")
    if isinstance(arguments, dict):
        arguments = dumps(arguments).decode()
    return {
        "id": call.get("id"),
        "type": "function",
        "function": {"name": function.get("name"), "arguments": arguments or "{}"},
    }
