"""Hub requests for Bedrock, and AWS's own opinion of what becomes of them."""

from __future__ import annotations

from functools import cache
from typing import Any

import orjson
from botocore.model import Shape
from botocore.session import Session
from botocore.validate import ParamValidator

from proxy.dialects.bedrock.dialect import BedrockDialect
from proxy.dialects.dialect import Target
from proxy.dialects.openai_chat import decode
from proxy.dialects.request import Operation

SONNET_4 = "us.anthropic.claude-sonnet-4-20250514-v1:0"
SONNET_45 = "anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS_46 = "global.anthropic.claude-opus-4-6-v1"
OPUS_5 = "anthropic.claude-opus-5"
SONNET_55 = "us.anthropic.claude-sonnet-5-5"
HAIKU_3 = "anthropic.claude-3-haiku-20240307-v1:0"
NOVA = "us.amazon.nova-lite-v1:0"
NOVA_2 = "us.amazon.nova-2-lite-v1:0"
LLAMA = "us.meta.llama4-scout-17b-instruct-v1:0"
GPT_OSS = "openai.gpt-oss-120b-1:0"
GPT = "us.openai.gpt-5.5"
USER = {"role": "user", "content": "Hello"}
CLAUDE = {"format": "anthropic-claude-v1"}


@cache
def _shape() -> Shape:
    service = Session().get_service_model("bedrock-runtime")
    shape = service.operation_model("Converse").input_shape
    assert shape is not None
    return shape


def body_of(doc: dict[str, Any], target: Target) -> dict[str, Any]:
    """The body for `target`, as valid as AWS's own client finds it; the request is not changed."""
    request = decode(Operation.CHAT, orjson.dumps({"model": "m", **doc}))
    before = orjson.dumps(request.doc)
    body: dict[str, Any] = orjson.loads(BedrockDialect().encode(request, target))
    assert before == orjson.dumps(request.doc)
    report = ParamValidator().validate({"modelId": target.model, **body}, _shape())
    assert not report.has_errors(), report.generate_report()
    roles = [message["role"] for message in body["messages"]]
    assert ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2) == roles
    return body


def body(model: str = SONNET_4, **doc: Any) -> dict[str, Any]:
    return body_of({"messages": [USER], **doc}, Target(model))


def lenient(model: str = SONNET_4, **doc: Any) -> tuple[dict[str, Any], list[str]]:
    """The body for a client that lets go of what cannot be said, and what was dropped."""
    target = Target(model, lenient=True)
    return body_of({"messages": [USER], **doc}, target), target.dropped


def told(*messages: dict[str, Any], model: str = SONNET_4, **doc: Any) -> list[dict[str, Any]]:
    """Converse's messages."""
    found: list[dict[str, Any]] = body_of({"messages": list(messages), **doc}, Target(model))["messages"]
    return found


def call(call_id: str, name: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def asks(*calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls), **fields}


def result(call_id: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": content, **fields}


def tool(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}
