"""Reads the three text endpoints' requests into one record, and refuses what OpenAI would refuse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from proxy.simulator.text import count

MAX_CHOICES = 128
"""OpenAI's limit of `n`."""
MAX_PROMPTS = 128
"""Of one legacy completion request."""
IMAGE_TOKENS = 85
"""OpenAI's figure for a low-detail image."""


class Refusal(Exception):
    """An OpenAI-shaped error to send."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = orjson.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}})


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call."""

    name: str
    parameters: Any


@dataclass(frozen=True, slots=True)
class Ask:
    """What is wanted, whatever the endpoint."""

    model: str
    prompt: str
    """The last thing the user said: it decides the text."""
    prompt_tokens: int
    prefix: str = ""
    """A trailing assistant message: an answer that begins with it is continued."""
    stream: bool = False
    include_usage: bool = False
    n: int = 1
    max_tokens: int | None = None
    stops: tuple[str, ...] = ()
    tier: str | None = None
    tool: Tool | None = None
    """The tool that will be called; `None`: text is answered."""
    schema: Any = None
    """Of the JSON object to answer; `None`: prose."""
    prompts: tuple[str, ...] = field(default=())
    """Of a legacy completion: one set of choices each."""


def read_chat(doc: dict[str, Any]) -> Ask:
    """`POST /v1/chat/completions`."""
    messages = doc.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(each, dict) for each in messages):
        raise _missing("messages")
    prompt, tokens, prefix = _conversation(messages)
    tools = tuple(
        Tool(str(function.get("name")), function.get("parameters"))
        for each in _objects(doc.get("tools"))
        if isinstance(function := each.get("function"), dict)
    )
    answered = messages[-1].get("role") == "tool"
    shape = doc.get("response_format")
    return Ask(
        **_common(doc),
        prompt=prompt,
        prompt_tokens=tokens,
        prefix=prefix,
        n=_whole(doc, "n", most=MAX_CHOICES) or 1,
        max_tokens=_whole(doc, "max_completion_tokens") or _whole(doc, "max_tokens"),
        stops=_stops(doc),
        tool=_chosen(tools, doc.get("tool_choice"), "" if answered else prompt),
        schema=_schema(shape, shape.get("json_schema") if isinstance(shape, dict) else None),
    )


def read_completion(doc: dict[str, Any]) -> Ask:
    """`POST /v1/completions`. Prompts may be texts or token numbers."""
    prompt = doc.get("prompt")
    prompts = tuple(map(_as_text, prompt if isinstance(prompt, list) and not _is_tokens(prompt) else [prompt]))
    if prompt is None or not prompts:
        raise _missing("prompt")
    if len(prompts) > MAX_PROMPTS:
        raise Refusal(400, f"At most {MAX_PROMPTS} prompts are allowed.", param="prompt")
    return Ask(
        **_common(doc),
        prompt=prompts[0],
        prompt_tokens=sum(map(count, prompts)),
        n=_whole(doc, "n", most=MAX_CHOICES) or 1,
        max_tokens=_whole(doc, "max_tokens") or 16,
        stops=_stops(doc),
        prompts=prompts,
    )


def read_response(doc: dict[str, Any]) -> Ask:
    """`POST /v1/responses`."""
    given = doc.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) else _objects(given)
    if not items:
        raise _missing("input")
    prompt, tokens, prefix = _conversation(items)
    tools = tuple(
        Tool(str(each.get("name")), each.get("parameters"))
        for each in _objects(doc.get("tools"))
        if each.get("type") == "function"
    )
    answered = items[-1].get("type") == "function_call_output"
    text = doc.get("text")
    shape = text.get("format") if isinstance(text, dict) else None
    return Ask(
        **_common(doc),
        prompt=prompt,
        prompt_tokens=tokens + count(_as_text(doc.get("instructions"))),
        prefix=prefix,
        max_tokens=_whole(doc, "max_output_tokens"),
        tool=_chosen(tools, doc.get("tool_choice"), "" if answered else prompt),
        schema=_schema(shape, shape),
    )


def _common(doc: dict[str, Any]) -> dict[str, Any]:
    model = doc.get("model")
    if not isinstance(model, str) or not model:
        raise _missing("model")
    options = doc.get("stream_options")
    tier = doc.get("service_tier")
    return {
        "model": model,
        "stream": doc.get("stream") is True,
        "include_usage": isinstance(options, dict) and options.get("include_usage") is True,
        "tier": tier if isinstance(tier, str) else None,
    }


def _conversation(messages: list[dict[str, Any]]) -> tuple[str, int, str]:
    """The last user text, the tokens of everything, and a trailing assistant text."""
    texts = [(str(each.get("role")), _as_text(each.get("content", each.get("output")))) for each in messages]
    prompt = next((text for role, text in reversed(texts) if role == "user"), texts[-1][1])
    role, last = texts[-1]
    return prompt, sum(count(text) for _, text in texts), last if role == "assistant" else ""


def _as_text(content: Any) -> str:
    """Text of a string, of content parts, or one word for each token number."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    if _is_tokens(content):
        return " ".join(map(str, content))
    words = []
    for part in _objects(content):
        if isinstance(text := part.get("text"), str):
            words.append(text)
        elif "image" in str(part.get("type")):
            words.append("image " * IMAGE_TOKENS)
    return " ".join(words)


def _is_tokens(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], int)


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _whole(doc: dict[str, Any], name: str, *, most: int | None = None) -> int | None:
    value = doc.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or (most is not None and value > most):
        limit = "" if most is None else f" and at most {most}"
        raise Refusal(400, f"`{name}` must be an integer of at least 1{limit}.", param=name, code="invalid_value")
    return value


def _stops(doc: dict[str, Any]) -> tuple[str, ...]:
    stop = doc.get("stop")
    stops = [stop] if isinstance(stop, str) else stop if isinstance(stop, list) else []
    return tuple(each for each in stops if isinstance(each, str) and each)


def _chosen(tools: tuple[Tool, ...], choice: Any, prompt: str) -> Tool | None:
    """The tool to call: the one that is forced, the first if some is required, else one the prompt speaks of."""
    if not tools or choice == "none":
        return None
    if isinstance(choice, dict):
        wanted = choice.get("name") or _name_within(choice.get("function"))
        return next((tool for tool in tools if tool.name == wanted), tools[0])
    if choice == "required":
        return tools[0]
    said = prompt.lower().replace("_", " ")
    asked = "call the tool" in said or "use the tool" in said or "use a tool" in said
    return next((tool for tool in tools if tool.name.lower().replace("_", " ") in said), tools[0] if asked else None)


def _name_within(value: Any) -> Any:
    return value.get("name") if isinstance(value, dict) else None


def _schema(shape: Any, holder: Any) -> Any:
    kind = shape.get("type") if isinstance(shape, dict) else None
    if kind == "json_schema":
        return holder.get("schema") or {"type": "object"} if isinstance(holder, dict) else {"type": "object"}
    if kind == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}, "platform": {"type": "integer"}}}
    return None


def _missing(name: str) -> Refusal:
    return Refusal(400, f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter")
