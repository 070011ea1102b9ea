"""How many tokens a request has, roughly, where nobody can be asked who would know.

Linear in the request's size. Images, documents and sound count as a fixed number each: their bytes say little.
"""

from __future__ import annotations

from typing import Any

from proxy.dialects.counting import BYTES_PER_TOKEN
from proxy.dialects.hub import parts_of
from proxy.dialects.reading import as_dict, as_text

MESSAGE_TOKENS = 4
"""The frame of a message: its role and separators. Source: OpenAI Cookbook, "How to count tokens with tiktoken"."""
CALL_TOKENS = 8
"""The frame of a tool, a call or a result."""
MEDIA_TOKENS = 1_500
"""About what an image of a megapixel takes. Source: Anthropic, "Vision": width x height / 750."""
ESTIMATED_HEADER = "x-pointsman-estimated"
"""`true` beside a count that is reckoned here."""

_FIELDS = ("reasoning_content", "refusal", "name")


def estimate_tokens(hub: dict[str, Any]) -> int:
    """Tokens of the prompt of `hub`, a hub chat request; at least 1."""
    count = 0
    messages = hub.get("messages")
    for message in messages if isinstance(messages, list) else ():
        count += MESSAGE_TOKENS + _message(as_dict(message))
    tools = hub.get("tools")
    for tool in tools if isinstance(tools, list) else ():
        count += CALL_TOKENS + _tokens(_letters(tool))
    return max(1, count + _tokens(_letters(as_dict(hub.get("response_format")).get("json_schema"))))


def _message(message: dict[str, Any]) -> int:
    count = 0
    size = sum(len((as_text(message.get(name)) or "").encode(errors="surrogatepass")) for name in _FIELDS)
    for part in parts_of(message.get("content")):
        text = as_text(part.get("text"))
        if text is None:
            count += MEDIA_TOKENS
        else:
            size += len(text.encode(errors="surrogatepass"))
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        count += CALL_TOKENS
        size += _letters(as_dict(call).get("function"))
    return count + _tokens(size)


def _tokens(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _letters(value: Any) -> int:
    """Bytes of all names and texts in a JSON value, numbers and marks as one each."""
    size = 0
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            size += len(item.encode(errors="surrogatepass")) + 2
        elif isinstance(item, dict):
            rest += item.keys()
            rest += item.values()
        elif isinstance(item, list):
            rest += item
        elif item is not None:
            size += 1
    return size
