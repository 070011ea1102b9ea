"""Anthropic's Messages. Source: Anthropic API reference, "Create a Message"; "Extended thinking", "Tool use"."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import orjson

from fakes.providers.checks import Pairs, may, need, only, sealed, subject_of, unbase64
from fakes.providers.provider import KEY, FakeProvider, event
from fakes.providers.scenes import (
    CACHED_TOKENS,
    FAILURE,
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    Answer,
    Asked,
    Refused,
)
from fakes.upstream import Received

TOP = """model messages max_tokens system stop_sequences tools tool_choice thinking output_config metadata service_tier
 speed inference_geo cache_control container stream temperature top_p top_k"""
BLOCKS = {
    "text": "type text cache_control citations",
    "image": "type source cache_control",
    "document": "type source title context citations cache_control",
    "tool_use": "type id name input cache_control",
    "tool_result": "type tool_use_id content is_error cache_control",
    "thinking": "type thinking signature",
    "redacted_thinking": "type data",
}
IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
VERSIONS = ("2023-06-01", "2026-10-21")
CONTEXT_BETA = "context-management-2025-06-27"
SYSTEM_BETA = "mid-conversation-system-2026-04-07"
CALL_ID = re.compile(r"[a-zA-Z0-9_-]+")
MIN_BUDGET = 1024
KINDS = {"authentication_error": 401, "not_found_error": 404, "overloaded_error": 529, "api_error": 500}


class Anthropic(FakeProvider):
    """`claude-sonnet-4-5`, which thinks by a budget, and `claude-opus-4-7`, which thinks as it sees fit."""

    dialect = "anthropic_messages"
    models: ClassVar = {"plain": "claude-sonnet-4-5", "thinks": "claude-opus-4-7"}
    busy_status = 529
    insists: ClassVar[bool] = True
    """A call of a model that thinks must come back with its thoughts: stricter than `adaptive` thinking really is, so
    that lost thoughts are seen. Source: Anthropic, "Adaptive thinking", "Validation changes"."""
    wants_state = True

    def read(self, request: Received) -> Asked:
        if request.target != "/v1/messages":
            raise Refused("Not found", status=404)
        headers = request.headers
        if headers.get("x-api-key") != KEY and headers.get("authorization") != f"Bearer {KEY}":
            raise Refused("invalid x-api-key", status=401)
        if headers.get("anthropic-version") not in VERSIONS:
            raise Refused("anthropic-version: header is required")
        betas = set(headers.get("anthropic-beta", "").split(","))
        doc = only(request.json, f"{TOP} context_management" if CONTEXT_BETA in betas else TOP, "")
        if need(doc, "model", str) not in self.models.values():
            raise Refused(f"model: {doc['model']}", status=404)
        asked = Asked("", stream=bool(may(doc, "stream", bool)), limit=need(doc, "max_tokens", int))
        self._read_sampling(doc)
        self._read_thinking(doc, asked)
        self._read_tools(doc, asked)
        asked.system = text_of(doc.get("system", ""), "system")
        format_ = doc.get("output_config", {}).get("format")
        if format_ is not None:
            only(format_, "type schema", "output_config.format")
            asked.schema = need(format_, "schema", dict, "output_config.format")
            check_closed(asked.schema)
        self._is_new = doc["model"] == self.models["thinks"]
        Turns(asked, is_thinking=asked.thinks and self.insists, may_interject=SYSTEM_BETA in betas).read(
            need(doc, "messages", list)
        )
        return asked

    def _read_sampling(self, doc: dict[str, Any]) -> None:
        given = [name for name in ("temperature", "top_p", "top_k") if name in doc]
        if doc["model"] == self.models["thinks"] and given:
            raise Refused(f"`{given[0]}` is not supported by this model", param=given[0])
        if {"temperature", "top_p"} <= set(given):
            raise Refused("`temperature` and `top_p` cannot both be specified for this model.")
        if not 0 <= doc.get("temperature", 1) <= 1:
            raise Refused("temperature: range: 0..1", param="temperature")
        for sequence in may(doc, "stop_sequences", list) or ():
            if not sequence.strip():
                raise Refused("stop_sequences: each stop sequence must contain non-whitespace")

    def _read_thinking(self, doc: dict[str, Any], asked: Asked) -> None:
        thinking = only(doc.get("thinking", {"type": "disabled"}), "type budget_tokens display", "thinking")
        only(doc.get("output_config", {}), "effort format", "output_config")
        kind = need(thinking, "type", str, "thinking")
        asked.thinks = kind != "disabled"
        if kind == "enabled":
            if doc["model"] == self.models["thinks"]:
                raise Refused('"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive".')
            budget = need(thinking, "budget_tokens", int, "thinking")
            if not MIN_BUDGET <= budget < doc["max_tokens"]:
                raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`, which must be at least 1024")
            if doc.get("temperature", 1) != 1:
                raise Refused("`temperature` may only be set to 1 when thinking is enabled.")
        elif kind == "adaptive":
            if doc["model"] != self.models["thinks"]:
                raise Refused("adaptive thinking is not supported on this model")
            asked.shows_thoughts = thinking.get("display") == "summarized"
        elif "effort" in doc.get("output_config", {}) and doc["model"] != self.models["thinks"]:
            raise Refused("This model does not support the effort parameter.")
        if asked.thinks and doc.get("tool_choice", {}).get("type") in ("any", "tool"):
            raise Refused("Thinking may not be enabled when tool_choice forces tool use.")

    def _read_tools(self, doc: dict[str, Any], asked: Asked) -> None:
        for place, tool in enumerate(may(doc, "tools", list) or ()):
            at = f"tools.{place}.custom"
            only(tool, "type name description input_schema strict cache_control", at)
            schema = need(tool, "input_schema", dict, at)
            if schema.get("type") != "object":
                raise Refused(f"{at}.input_schema.type: Field required")
            asked.tools[need(tool, "name", str, at)] = schema
        if "tool_choice" in doc:
            only(doc["tool_choice"], "type name disable_parallel_tool_use", "tool_choice")
            if not asked.tools:
                raise Refused("tool_choice may only be specified while providing tools")

    def refusal(self, refused: Refused) -> bytes:
        kind = next((kind for kind, status in KINDS.items() if status == refused.status), "invalid_request_error")
        error = {"type": kind, "message": refused.message}
        return orjson.dumps({"type": "error", "error": error, "request_id": "req_1"})

    # --- answers ----------------------------------------------------------------------------------------------------

    def _usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "input_tokens": PROMPT_TOKENS - CACHED_TOKENS,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": CACHED_TOKENS,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": OUTPUT_TOKENS,
            "output_tokens_details": {"thinking_tokens": answer.reasoning_tokens},
            "service_tier": "standard",
        }

    def _message(self, **fields: Any) -> dict[str, Any]:
        message = {"id": "msg_1", "type": "message", "role": "assistant", "model": self.models["plain"]}
        return {**message, "content": [], "stop_reason": None, "stop_sequence": None, **fields}

    def _blocks(self, answer: Answer) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if answer.state:
            blocks.append({"type": "thinking", "thinking": answer.thought, "signature": answer.state})
        if answer.pieces:
            blocks.append({"type": "text", "text": answer.text})
        uses = [
            {"type": "tool_use", "id": self.next_id("toolu_"), "name": answer.tool, "input": each}
            for each in answer.calls
        ]
        return blocks + uses

    def whole(self, answer: Answer) -> dict[str, Any]:
        reason = "tool_use" if answer.calls else "end_turn"
        return self._message(content=self._blocks(answer), stop_reason=reason, usage=self._usage(answer))

    def opening(self, answer: Answer) -> list[bytes]:
        usage = {**self._usage(answer), "output_tokens": 1}
        del usage["output_tokens_details"]
        events = [{"type": "message_start", "message": self._message(usage=usage)}]
        for index, block in enumerate(self._blocks(answer)):
            events.append(
                {"type": "content_block_start", "index": index, "content_block": {**block, **_EMPTY[block["type"]]}}
            )
            if index == 0:
                events.append({"type": "ping"})
            at = {"type": "content_block_delta", "index": index}
            events += [{**at, "delta": delta} for delta in _deltas(block, answer)]
            if answer.fault is None:
                events.append({"type": "content_block_stop", "index": index})
        return [event(each, each["type"]) for each in events]

    def closing(self, answer: Answer) -> list[bytes]:
        usage = self._usage(answer)
        told = {name: usage[name] for name in ("output_tokens", "output_tokens_details")}
        delta = {"stop_reason": "tool_use" if answer.calls else "end_turn", "stop_sequence": None}
        events = [{"type": "message_delta", "delta": delta, "usage": told}, {"type": "message_stop"}]
        return [event(each, each["type"]) for each in events]

    def failing(self) -> list[bytes]:
        return [event({"type": "error", "error": {"type": "api_error", "message": FAILURE}}, "error")]


_EMPTY: dict[str, dict[str, Any]] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def _deltas(block: dict[str, Any], answer: Answer) -> list[dict[str, Any]]:
    if block["type"] == "text":
        return [{"type": "text_delta", "text": piece} for piece in answer.pieces]
    if block["type"] == "thinking":
        thoughts = [{"type": "thinking_delta", "thinking": piece} for piece in answer.thoughts]
        return [*thoughts, {"type": "signature_delta", "signature": answer.state}]
    text = orjson.dumps(block["input"]).decode()
    return [{"type": "input_json_delta", "partial_json": piece} for piece in ("", text[:6], text[6:])]


def text_of(content: Any, at: str) -> str:
    """Of text blocks, none of which may be empty."""
    if isinstance(content, str):
        return content
    text = ""
    for block in content:
        if need(block, "type", str, at) != "text":
            raise Refused(f"{at}: only text is allowed here")
        only(block, BLOCKS["text"], at)
        if not block["text"].strip():
            raise Refused(f"{at}: text content blocks must be non-empty")
        text += block["text"]
    return text


def check_closed(schema: Any) -> None:
    """Structured output wants every object closed."""
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise Refused("output_config.format.schema: 'additionalProperties' must be explicitly set to false")


class Turns:
    """Reads `messages`: who may say what after whom."""

    def __init__(self, asked: Asked, *, is_thinking: bool, may_interject: bool) -> None:
        self._asked = asked
        self._is_thinking = is_thinking
        self._may_interject = may_interject
        self._pairs = Pairs()
        self._results = 0

    def read(self, messages: list[Any]) -> None:
        if not messages or messages[0].get("role") != "user":
            raise Refused('messages: first message must use the "user" role')
        for place, message in enumerate(messages):
            at = f"messages.{place}"
            role = need(only(message, "role content", at), "role", str, at)
            content = need(message, "content", (str, list), at)
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            if not blocks:
                raise Refused(f"{at}: all messages must have non-empty content")
            if role == "user":
                self._user(blocks, at)
            elif role == "assistant":
                self._assistant(blocks, at)
            elif role == "system" and self._may_interject:
                text_of(blocks, at)
            else:
                raise Refused(f"{at}.role: Input should be 'user' or 'assistant'")
        if messages[-1]["role"] == "assistant":
            raise Refused("This model does not support assistant message prefill.")
        if self._results:
            self._asked.results = self._pairs.told()

    def _user(self, blocks: list[Any], at: str) -> None:
        text, self._results, others = "", 0, 0
        for block in blocks:
            kind = self._kind(block, at, ("text", "image", "document", "tool_result"))
            if kind == "tool_result":
                if others:
                    raise Refused(f"{at}: `tool_result` blocks must come first")
                self._results += 1
                said = text_of(block.get("content", ""), f"{at}.tool_result.content")
                self._pairs.result(block.get("tool_use_id"), said, at)
                continue
            others += 1
            if kind == "image":
                self._asked.images.append(_image(block, at))
            elif kind == "text":
                text += text_of([block], at)
        self._pairs.settled(f"{at}: `tool_use` ids were found without `tool_result` blocks immediately after")
        self._asked.text = text or self._asked.text

    def _assistant(self, blocks: list[Any], at: str) -> None:
        kinds = [self._kind(block, at, ("text", "tool_use", "thinking", "redacted_thinking")) for block in blocks]
        if self._is_thinking and "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking"):
            raise Refused(
                f"{at}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kinds[0]}`. When "
                "`thinking` is enabled, a final `assistant` message must start with a thinking block"
            )
        for kind, block in zip(kinds, blocks, strict=True):
            if kind == "thinking":
                need(block, "thinking", str, at)
                sealed(block.get("signature"), f"{at}: `thinking` block")
            elif kind == "text":
                text_of([block], at)
            elif kind == "tool_use":
                if not CALL_ID.fullmatch(str(block.get("id"))):
                    raise Refused(f"{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
                subject = subject_of(need(block, "name", str, at), need(block, "input", dict, at), at)
                self._pairs.call(block["id"], subject, at)

    @staticmethod
    def _kind(block: Any, at: str, allowed: tuple[str, ...]) -> str:
        kind: str = need(block, "type", str, at)
        if kind not in allowed:
            raise Refused(f"{at}: `{kind}` blocks are not allowed here")
        only(block, BLOCKS[kind], at)
        return kind


def _image(block: dict[str, Any], at: str) -> tuple[str, bytes]:
    source = need(block, "source", dict, at)
    if source.get("type") != "base64":
        raise Refused(f"{at}: Unable to download the file.")
    only(source, "type media_type data", f"{at}.source")
    if source.get("media_type") not in IMAGES:
        raise Refused(f"{at}.source.media_type: Input should be one of {IMAGES}")
    return source["media_type"], unbase64(source.get("data"), at)
