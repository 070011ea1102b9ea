"""Hub requests, and how they are written for a Claude model."""

from __future__ import annotations

from typing import Any

import orjson

from proxy.dialects.anthropic.dialect import AnthropicDialect
from proxy.dialects.anthropic.words import OWN
from proxy.dialects.dialect import Target
from proxy.dialects.openai_chat import decode
from proxy.dialects.request import Operation

DIALECT = AnthropicDialect()
HI = [{"role": "user", "content": "hi"}]
WEATHER = {
    "type": "function",
    "function": {"name": "w", "parameters": {"type": "object", "properties": {"c": {"type": "string"}}}},
}
TIME = {"type": "function", "function": {"name": "t"}}
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
PNG = "data:image/png;base64,iVBORw0KGgo="
THOUGHT = {"type": "reasoning.text", "text": "hm", "signature": "sig==", "format": OWN}
HIDDEN = {"type": "reasoning.encrypted", "data": "enc==", "format": OWN}


def call(call_id: str, arguments: str = '{"c":"Paris"}') -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "w", "arguments": arguments}}


def target(model: str = "claude-opus-5", **fields: Any) -> Target:
    return Target(model, **fields)


def encode(to: Target | str = "claude-opus-5", **fields: Any) -> dict[str, Any]:
    to = target(to) if isinstance(to, str) else to
    request = decode(Operation.CHAT, orjson.dumps({"model": "any", "messages": HI, **fields}))
    before = orjson.dumps(request.doc)
    body = orjson.loads(DIALECT.encode(request, to))
    assert before == orjson.dumps(request.doc)
    return body


def messages(*found: dict[str, Any], to: Target | str = "claude-opus-5", **fields: Any) -> list[dict[str, Any]]:
    return encode(to, messages=list(found), **fields)["messages"]
