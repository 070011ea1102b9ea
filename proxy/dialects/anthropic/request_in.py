"""An Anthropic client's request: what routing needs of it, and the same as the hub's.

Source: Anthropic API reference, "Messages", "Count tokens in a message".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proxy.dialects.anthropic.turns_in import hub_messages
from proxy.dialects.anthropic.words import SERVER_TOOL
from proxy.dialects.names import DialectName
from proxy.dialects.openai_chat import BYTES_PER_TOKEN, MAX_SESSION_CHARS, check_messages, model_of, parse_object
from proxy.dialects.reading import as_dict, as_text
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import BadRequest, MissingField, Unsupported, WrongType

ROLES = frozenset({"user", "assistant", "system"})
SCHEMA_NAME = "answer"
"""OpenAI's schemas have names; Anthropic's have none."""

NO_HINTS: frozenset[str] = frozenset()
THINKING_HINTS = frozenset({"reasoning", "reasoning_effort"})
"""`adaptive` thinking and an effort leave it to the model whether to think. Sources: Anthropic, "Adaptive thinking",
"Effort"."""
_THINKING = frozenset({"enabled", "adaptive", "disabled", "between_tools"})
_CHOICES = {"auto": "auto", "none": "none", "any": "required"}
_EFFORTS = ((1024, "low"), (4096, "medium"))
"""A budget of at most so many tokens -> effort."""
_TIERS = {"auto": "auto", "standard_only": "default"}
_WRITTEN = frozenset({
    "model", "messages", "system", "max_tokens", "stream", "stop_sequences", "temperature", "top_p", "top_k", "tools",
    "tool_choice", "thinking", "output_config", "output_format", "metadata", "service_tier", "speed", "cache_control",
    "context_management", "diagnostics", "betas", "user_profile_id", "workspace_id",
})  # fmt: skip
"""What is translated, and hints that cannot change what another provider answers. All else goes on under its name."""
_TYPED: tuple[tuple[str, type, str], ...] = (
    ("stream", bool, "a boolean"),
    ("stop_sequences", list, "an array of strings"),
    ("tools", list, "an array of objects"),
    ("tool_choice", dict, "an object"),
    ("thinking", dict, "an object"),
    ("output_config", dict, "an object"),
    ("metadata", dict, "an object"),
    ("service_tier", str, "a string"),
)


def decode(operation: Operation, body: bytes) -> ModelRequest:
    """Read a request. Unknown fields pass. Raises what `openai_chat.decode` does."""
    doc = parse_object(body)
    model = model_of(doc)
    if not doc.get("messages"):
        raise MissingField("`messages` is required and must not be empty.", param="messages")
    check_messages(doc["messages"])
    for place, message in enumerate(doc["messages"]):
        if as_text(message.get("role")) not in ROLES:
            at = f"messages[{place}].role"
            raise BadRequest(f"`{at}` must be `user`, `assistant` or `system`.", param=at)
    for name, kind, called in _TYPED:
        if doc.get(name) is not None and not isinstance(doc[name], kind):
            raise WrongType(f"`{name}` must be {called}.", param=name)
    return ModelRequest(
        operation,
        doc,
        body,
        model,
        stream=bool(doc.get("stream")),
        wants_usage=True,
        max_output_tokens=_max_tokens(doc) if operation is Operation.CHAT else None,
        prompt_tokens=len(body) // BYTES_PER_TOKEN,
        session=_session(doc),
        dialect=DialectName.ANTHROPIC,
        to_hub=to_hub,
    )


def to_hub(request: ModelRequest) -> ModelRequest:
    """See `ModelRequest.to_hub`. Raises a `BadRequest` for what cannot be understood."""
    doc = request.doc
    if doc.get("max_tokens") == 0:
        raise Unsupported("`max_tokens` must be at least 1: only Anthropic's API warms its cache.", param="max_tokens")
    hub: dict[str, Any] = {name: value for name, value in doc.items() if name not in _WRITTEN and value is not None}
    hub["model"] = request.model
    hub["messages"] = hub_messages(doc)
    if request.max_output_tokens is not None:
        hub["max_completion_tokens"] = request.max_output_tokens
    for name in ("temperature", "top_p", "top_k"):
        if doc.get(name) is not None:
            hub[name] = doc[name]
    if doc.get("stop_sequences"):
        hub["stop"] = doc["stop_sequences"]
    if request.stream:
        hub["stream"] = True
        hub["stream_options"] = {"include_usage": True}
    _write_tools(hub, doc)
    _write_thinking(hub, doc)
    _write_format(hub, doc)
    _write_rest(hub, doc, request)
    return replace(
        request,
        operation=Operation.CHAT,
        doc=hub,
        raw=None,
        dialect=DialectName.OPENAI_CHAT,
        filled_in=NO_HINTS if as_dict(doc.get("thinking")).get("type") == "enabled" else THINKING_HINTS,
        to_hub=None,
        _hub=None,
    )


def _max_tokens(doc: dict[str, Any]) -> int | None:
    limit = doc.get("max_tokens")
    if limit is None:
        raise MissingField("`max_tokens` is required: the most tokens to write.", param="max_tokens")
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise WrongType("`max_tokens` must be an integer.", param="max_tokens")
    if limit < 0:
        raise BadRequest("`max_tokens` must not be negative.", param="max_tokens")
    return limit or None  # 0 only warms the provider's cache


def _session(doc: dict[str, Any]) -> str | None:
    user = as_text(as_dict(doc.get("metadata")).get("user_id"))
    return None if user is None else user[:MAX_SESSION_CHARS]


def _write_tools(hub: dict[str, Any], doc: dict[str, Any]) -> None:
    if tools := doc.get("tools"):
        hub["tools"] = [_tool(tool, f"tools[{place}]") for place, tool in enumerate(tools)]
    choice = doc.get("tool_choice")
    if choice is None:
        return
    kind = choice.get("type")
    if kind == "tool" and (name := as_text(choice.get("name"))) is not None:
        hub["tool_choice"] = {"type": "function", "function": {"name": name}}
    elif isinstance(kind, str) and kind in _CHOICES:
        hub["tool_choice"] = _CHOICES[kind]
    else:
        raise BadRequest(
            "`tool_choice.type` must be `auto`, `any`, `tool` (with a `name`) or `none`.", param="tool_choice"
        )
    if choice.get("disable_parallel_tool_use") is True:
        hub["parallel_tool_calls"] = False


def _tool(tool: Any, at: str) -> dict[str, Any]:
    """A tool whose `type` Anthropic defines keeps its form: no other provider takes it."""
    given = as_dict(tool)
    kind = as_text(given.get("type")) or "custom"
    if kind != "custom":
        if not SERVER_TOOL.fullmatch(kind):
            raise BadRequest(f"`{at}.type` `{kind[:64]}` is not known.", param=at)
        return given
    name, schema = as_text(given.get("name")), given.get("input_schema")
    if name is None or not isinstance(schema, dict):
        raise BadRequest(f"`{at}` must have a `name` and an `input_schema`.", param=at)
    function: dict[str, Any] = {"name": name, "parameters": schema}
    if (description := as_text(given.get("description"))) is not None:
        function["description"] = description
    if given.get("strict") is True:
        function["strict"] = True
    found: dict[str, Any] = {"type": "function", "function": function}
    if isinstance(cache := given.get("cache_control"), dict):
        found["cache_control"] = cache
    return found


def _write_thinking(hub: dict[str, Any], doc: dict[str, Any]) -> None:
    thinking, output = as_dict(doc.get("thinking")), as_dict(doc.get("output_config"))
    effort, kind = as_text(output.get("effort")), as_text(thinking.get("type"))
    if doc.get("thinking") is not None and kind not in _THINKING:
        raise BadRequest("`thinking.type` must be `enabled`, `adaptive` or `disabled`.", param="thinking.type")
    reasoning: dict[str, Any] = {}
    if kind in ("disabled", "between_tools"):
        reasoning["enabled"] = False
    elif effort is not None:
        hub["reasoning_effort"] = effort
    elif kind == "enabled":
        reasoning.update(_budget(thinking.get("budget_tokens")))
    elif kind == "adaptive":
        reasoning["enabled"] = True
    if kind in ("enabled", "adaptive") and thinking.get("display") != "omitted":
        reasoning["summary"] = "auto"  # the Responses API shows thoughts only to who asks
    if reasoning:
        hub["reasoning"] = reasoning


def _write_format(hub: dict[str, Any], doc: dict[str, Any]) -> None:
    """`output_format` is what `output_config.format` was called while it was a beta."""
    form = as_dict(doc.get("output_config")).get("format")
    form = doc.get("output_format") if form is None else form
    if form is None:
        return
    given = as_dict(form)
    if given.get("type") != "json_schema":
        raise BadRequest("`output_config.format.type` must be `json_schema`.", param="output_config.format")
    schema = {"name": SCHEMA_NAME, "schema": given.get("schema"), "strict": True}
    hub["response_format"] = {"type": "json_schema", "json_schema": schema}


def _budget(tokens: Any) -> dict[str, Any]:
    """A budget as it is, and as an effort for who takes none; OpenAI's models know no more than `high`."""
    if isinstance(tokens, bool) or not isinstance(tokens, int):
        raise WrongType("`thinking.budget_tokens` must be an integer.", param="thinking.budget_tokens")
    return {"effort": next((effort for most, effort in _EFFORTS if tokens <= most), "high"), "max_tokens": tokens}


def _write_rest(hub: dict[str, Any], doc: dict[str, Any], request: ModelRequest) -> None:
    if request.session is not None:
        hub["user"] = request.session
    tier = _TIERS.get(as_text(doc.get("service_tier")) or "")
    if doc.get("speed") == "fast":
        tier = "priority"
    if tier is not None:
        hub["service_tier"] = tier
