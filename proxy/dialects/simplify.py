"""Takes the hub's extensions out of a translated request, as far as an OpenAI-shaped provider does not know them.

What is a hint goes; what changes the answer takes OpenAI's own form, or is refused.
Source: OpenAI API reference, chat completions; each provider's differences are its `Quirks`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.hub import calls_of, nearest_effort, parts_of, text_of
from proxy.dialects.leftovers import HINTS
from proxy.dialects.reading import as_dict, as_text

if TYPE_CHECKING:
    from proxy.dialects.dialect import Target

TOOL_FAILED = "The tool failed: "
"""Before the words of a failed tool, as OpenAI has no mark for it."""
SHOWN_BY_TOOL = "Shown by the tool:"
"""Before images that a tool has answered with: a tool message holds text alone."""
_REASONING = ("reasoning_content", "reasoning_details")
_OPENAI_TOOLS = frozenset({"function", "custom"})
_FIELDS = frozenset({
    *HINTS,
    "model", "messages", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
    "max_completion_tokens", "max_tokens", "modalities", "moderation", "n", "parallel_tool_calls", "presence_penalty",
    "reasoning", "reasoning_effort", "response_format", "seed", "stop", "stream", "temperature", "tool_choice", "tools",
    "top_k", "top_logprobs", "top_p", "verbosity", "web_search_options",
})  # fmt: skip
"""Of a request in the hub's dialect. Source: OpenAI API reference, "Create chat completion"."""


def plain(doc: dict[str, Any], target: Target) -> dict[str, Any]:
    """`doc` as `target` takes it; a copy. Raises `Unsupported`."""
    known = target.quirks.understands
    doc = dict(doc)
    doc["messages"] = _messages(doc["messages"], target)
    strange = doc.keys() - _FIELDS - known
    if "top_k" in doc and "top_k" not in known:
        strange.add("top_k")
    for name in sorted(strange):
        if doc.pop(name) is not None:
            target.refuse(name, "is not known to this provider.")
    if "reasoning" in doc and "reasoning" not in known:
        _plain_reasoning(doc)
    tools = doc.get("tools")
    if isinstance(tools, list):
        doc["tools"] = _tools(tools, target)
        if not doc["tools"]:
            for name in ("tools", "tool_choice", "parallel_tool_calls"):
                doc.pop(name, None)
    return doc


def _plain_reasoning(doc: dict[str, Any]) -> None:
    """Say as an effort what was said in tokens."""
    effort = nearest_effort(doc)
    del doc["reasoning"]
    if effort is not None:
        doc["reasoning_effort"] = effort


def _tools(tools: list[Any], target: Target) -> list[Any]:
    kept = []
    for place, tool in enumerate(tools):
        fields = as_dict(tool)
        kind = fields.get("type", "function")
        if kind not in _OPENAI_TOOLS:
            target.refuse_tool(f"tools[{place}].type", kind, f"`{str(kind)[:64]}` is a tool only its own provider has.")
            continue
        kept.append(_unmarked(fields, target))
    return kept


def _messages(messages: list[dict[str, Any]], target: Target) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    shown: list[dict[str, Any]] = []
    for place, message in enumerate(messages):
        if shown and message.get("role") != "tool":
            kept.append(_showing(shown))
            shown = []
        kept.append(_message(message, f"messages[{place}]", target, shown))
    if shown:
        kept.append(_showing(shown))
    return kept


def _showing(images: list[dict[str, Any]]) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": SHOWN_BY_TOOL}, *images]}


def _message(message: dict[str, Any], at: str, target: Target, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """One message; what a tool shows is added to `shown`."""
    known = target.quirks.understands
    kept = _unmarked(message, target)
    for name in _REASONING:
        if name not in known:
            kept.pop(name, None)
    if kept.get("tool_calls"):
        calls = calls_of(kept)
        kept["tool_calls"] = [{name: call[name] for name in call if name != "extra_content"} for call in calls]
    content = kept.get("content")
    if kept.get("role") == "tool":
        failed = kept.pop("is_error", False)
        if isinstance(content, list):
            shown += [_unmarked(part, target) for part in parts_of(content) if part.get("type") != "text"]
            kept["content"] = text_of(content)
        if failed:
            kept["content"] = TOOL_FAILED + str(kept["content"] or "")
    elif isinstance(content, list):
        kept["content"] = [_part(part, f"{at}.content[{i}]", target) for i, part in enumerate(content)]
        if all(part == {"type": "text", "text": part.get("text")} for part in kept["content"]) and len(content) == 1:
            kept["content"] = kept["content"][0]["text"]  # which every server takes
    return kept


def _part(part: dict[str, Any], at: str, target: Target) -> dict[str, Any]:
    file = as_dict(part.get("file"))
    if part.get("type") == "file" and "file_url" in file:
        target.refuse(f"{at}.file.file_url", "cannot be fetched by this provider: send the document itself.")
        return {"type": "text", "text": as_text(file.get("filename")) or "(a document)"}
    return _unmarked(part, target)


def _unmarked(holder: dict[str, Any], target: Target) -> dict[str, Any]:
    """A copy without a cache mark that means nothing to `target`."""
    if "cache_control" in holder and "cache_control" not in target.quirks.understands:
        return {name: value for name, value in holder.items() if name != "cache_control"}
    return dict(holder)
