"""The hub's conventions: OpenAI's chat shapes, and the extensions by which nothing of the other dialects is lost.

Each extension is one that some provider or server documents, so that many pass it on already:

| where | field | holds | whose |
|---|---|---|---|
| message, delta | `reasoning_content` | thoughts as text | DeepSeek, vLLM |
| message, delta | `reasoning_details` | list of `{type: reasoning.text, text, signature, format}`, \
`{type: reasoning.encrypted, data, format, id?}`, `{type: reasoning.summary, summary, format}` | OpenRouter |
| tool call | `extra_content.google.thought_signature` | opaque state that goes with the call | Google |
| request | `reasoning` `{effort, max_tokens, enabled, exclude, summary}` | what `reasoning_effort` cannot say | \
OpenRouter |
| request | `top_k` | sampling among the k likeliest | vLLM |
| part, message, tool | `cache_control` `{type: ephemeral, ttl}` | cache up to here | Anthropic, OpenRouter |
| `file` part | `file.file_url` | a document by address | OpenAI Responses |
| tool message | `is_error: true` | the tool failed | Anthropic |
| tool message | image parts in `content` | what a tool shows | Anthropic |
| choice | `stop_reason` | the stop sequence that was met, a string | vLLM |
| message, delta | `images` `[{type: image_url, image_url: {url}}]` | images the model made | OpenRouter |
| message, delta | `annotations` `[{type: url_citation, url_citation: {...}}]` | sources | OpenAI |

`reasoning_effort` wins over `reasoning.effort`; `reasoning_effort: "none"` turns thinking off.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

import orjson

from proxy.dialects.reading import as_dict, as_text
from proxy.errors import BadRequest


class ReasoningFormat(StrEnum):
    """`format` of an entry of `reasoning_details`: who can read its state. Source: OpenRouter, reasoning tokens."""

    ANTHROPIC = "anthropic-claude-v1"
    """Claude's, wherever it runs: Anthropic, Bedrock, Vertex."""
    GEMINI = "google-gemini-v1"
    OPENAI = "openai-responses-v1"
    UNKNOWN = "unknown"


FOREIGN_STATE = "pointsman."
"""How reasoning state begins that is dressed as another dialect's signature: `pointsman.<format>.<state>`.

A client sends it back to whoever answers next; only the one it belongs to may get it.
"""
MAX_CALL_ID_CHARS = 64
_EFFORT_BY_BUDGET = ((1024, "low"), (4096, "medium"))
"""Thinking tokens, at most -> effort; more is `high`."""
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=-]+)*;base64,", re.IGNORECASE)


def parts_of(content: Any) -> list[dict[str, Any]]:
    """A message's content as parts: a string is one text part, empty text is none. What is no object is left out."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    if not isinstance(content, list):
        return []
    return [part for part in content if isinstance(part, dict) and (part.get("type") != "text" or part.get("text"))]


def text_of(content: Any) -> str:
    """The text of a message's content, parts joined as they are."""
    if isinstance(content, str):
        return content
    return "".join(as_text(part.get("text")) or "" for part in parts_of(content))


def data_of_url(url: str) -> tuple[str, str] | None:
    """MIME type and base64 of a `data:` URL; `None` for any other URL."""
    match = _DATA_URL.match(url)
    return (match[1] or "application/octet-stream", url[match.end() :]) if match else None


def data_url(mime: str, data: str) -> str:
    """The reverse."""
    return f"data:{mime};base64,{data}"


def foreign_state(kind: str, state: str) -> str:
    """Dress `state` of the format `kind` for a client of another dialect."""
    return f"{FOREIGN_STATE}{kind}.{state}"


def own_state(dressed: str) -> tuple[str, str] | None:
    """Format and state of what `foreign_state` made; `None` for anything else."""
    if not dressed.startswith(FOREIGN_STATE):
        return None
    kind, _, state = dressed[len(FOREIGN_STATE) :].partition(".")
    return kind, state


def arguments_of(call: dict[str, Any], at: str) -> dict[str, Any]:
    """A tool call's arguments as an object; none are an empty one. Raises `BadRequest` naming `at` if they are none."""
    text = as_dict(call.get("function")).get("arguments")
    if isinstance(text, dict):
        return text
    if not text:
        return {}
    try:
        found = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        found = None
    if not isinstance(found, dict):
        raise BadRequest(f"`{at}.function.arguments` must be a JSON object in a string.", param=at)
    return found


def calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool calls of a message that are objects."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def offers_functions(doc: dict[str, Any]) -> bool:
    """Whether functions are offered, and the model may call what it likes."""
    tools = doc.get("tools")
    if not isinstance(tools, list) or doc.get("tool_choice") not in (None, "auto"):
        return False
    return any(as_dict(tool).get("type", "function") == "function" for tool in tools)


def schema_of(response_format: Any) -> tuple[str, dict[str, Any] | None]:
    """`text`, `json_object` or `json_schema`, and the schema's own object (`name`, `schema`, `strict`)."""
    given = as_dict(response_format)
    kind = as_text(given.get("type")) or "text"
    return kind, as_dict(given.get("json_schema")) if kind == "json_schema" else None


def effort_of(doc: dict[str, Any]) -> str | None:
    """How hard to think: `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`; `None` if nothing is said."""
    reasoning = as_dict(doc.get("reasoning"))
    said = as_text(doc.get("reasoning_effort")) or as_text(reasoning.get("effort"))
    return "none" if said is None and reasoning.get("enabled") is False else said


def nearest_effort(doc: dict[str, Any]) -> str | None:
    """As `effort_of`, for a provider that knows efforts alone: a budget in tokens becomes the nearest one."""
    effort, reasoning = effort_of(doc), as_dict(doc.get("reasoning"))
    budget = reasoning.get("max_tokens")
    if effort is not None or isinstance(budget, bool) or not isinstance(budget, int) or budget <= 0:
        return effort
    return next((effort for most, effort in _EFFORT_BY_BUDGET if budget <= most), "high")
