"""Bedrock's Converse, with a Claude behind it. Source: Amazon Bedrock API reference, "Converse", "ConverseStream"."""

from __future__ import annotations

import re
from typing import Any, ClassVar
from urllib.parse import unquote

import orjson

from fakes.providers.aws import check_signature, frame
from fakes.providers.checks import Pairs, arguments, may, need, only, sealed, subject_of, unbase64, within
from fakes.providers.provider import FakeProvider
from fakes.providers.scenes import (
    CACHED_TOKENS,
    FAILURE,
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    Answer,
    Asked,
    Refused,
)
from fakes.steps import Status, Step
from fakes.upstream import Received

TARGET = re.compile(r"/model/([A-Za-z0-9._~%-]+)/(converse|converse-stream)")
TOP = """messages system inferenceConfig toolConfig additionalModelRequestFields additionalModelResponseFieldPaths
 requestMetadata performanceConfig serviceTier outputConfig guardrailConfig promptVariables"""
BLOCKS = "text image document toolUse toolResult reasoningContent cachePoint"
CALL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MIN_BUDGET = 1024
ERRORS = {403: "AccessDeniedException", 404: "ResourceNotFoundException", 429: "ThrottlingException"}


class Bedrock(FakeProvider):
    """One Claude, which thinks by a budget."""

    dialect = "bedrock_converse"
    models: ClassVar = {"plain": "us.anthropic.claude-sonnet-4-5-20250929-v1:0"}
    stream_type = "application/vnd.amazon.eventstream"
    busy_status = 503
    wants_state = True
    tells_reasoning = False

    def read(self, request: Received) -> Asked:
        found = TARGET.fullmatch(request.target)
        if found is None or unquote(found[1]) not in self.models.values():
            raise Refused(f"no such operation or model: {request.target}", status=404)
        check_signature(request)
        doc = only(request.json, TOP, "")
        asked = Asked("", stream=found[2] == "converse-stream")
        system = [each for each in doc.get("system", ()) if not _is_mark(each)]
        asked.system = "".join(need(only(each, "text", "system"), "text", str) for each in system)
        inference = only(doc.get("inferenceConfig", {}), "maxTokens temperature topP stopSequences", "inferenceConfig")
        within(inference, "temperature", 0, 1)
        within(inference, "topP", 0, 1)
        if {"temperature", "topP"} <= set(inference):
            raise Refused("`temperature` and `top_p` cannot both be specified for this model.")
        asked.limit = may(inference, "maxTokens", int)
        self._read_extra(doc, asked, inference)
        self._read_tools(doc, asked)
        self._read_format(doc, asked)
        Turns(asked, has_tools="toolConfig" in doc).read(need(doc, "messages", list))
        return asked

    def _read_extra(self, doc: dict[str, Any], asked: Asked, inference: dict[str, Any]) -> None:
        extra = only(
            doc.get("additionalModelRequestFields", {}), "thinking top_k anthropic_beta tool_choice", "additional"
        )
        thinking = only(extra.get("thinking", {"type": "disabled"}), "type budget_tokens", "thinking")
        asked.thinks = thinking.get("type") == "enabled"
        if not asked.thinks:
            return
        budget = need(thinking, "budget_tokens", int)
        if not MIN_BUDGET <= budget < (asked.limit or 4096):
            raise Refused("`max_tokens` must be greater than `thinking.budget_tokens`.")
        if inference.get("temperature", 1) != 1:
            raise Refused("`temperature` may only be set to 1 when thinking is enabled.")

    def _read_tools(self, doc: dict[str, Any], asked: Asked) -> None:
        config = only(doc.get("toolConfig", {"tools": []}), "tools toolChoice", "toolConfig")
        for tool in need(config, "tools", list):
            if _is_mark(tool):
                continue
            spec = only(
                need(only(tool, "toolSpec", "tools"), "toolSpec", dict), "name description inputSchema strict", ""
            )
            if not TOOL_NAME.fullmatch(need(spec, "name", str)):
                raise Refused("toolSpec.name: does not match the pattern")
            asked.tools[spec["name"]] = need(only(need(spec, "inputSchema", dict), "json", ""), "json", dict)
        if "toolConfig" in doc and not asked.tools:
            raise Refused("toolConfig.tools: length must be at least 1")
        choice = only(config.get("toolChoice", {"auto": {}}), "auto any tool", "toolChoice")
        if asked.thinks and "auto" not in choice:
            raise Refused("Thinking may not be enabled when tool_choice forces tool use.")

    def _read_format(self, doc: dict[str, Any], asked: Asked) -> None:
        given = only(doc.get("outputConfig", {}), "textFormat effort", "outputConfig").get("textFormat")
        if given is None:
            return
        only(given, "type structure", "textFormat")
        schema = only(
            need(only(given["structure"], "jsonSchema", ""), "jsonSchema", dict), "schema name description", ""
        )
        if given.get("type") != "json_schema":
            raise Refused("textFormat.type: unknown")
        asked.schema = arguments(need(schema, "schema", str), "jsonSchema.schema")

    def refusal(self, refused: Refused) -> bytes:
        return orjson.dumps({"message": refused.message})

    def take(self, request: Received) -> tuple[Step, ...]:
        """An error's kind is told in a header."""
        first, *rest = super().take(request)
        if isinstance(first, Status) and first.status != 200:
            kind = ERRORS.get(first.status, "ServiceUnavailableException" if first.status == 503 else "")
            headers = {"x-amzn-errortype": f"{kind or 'ValidationException'}:http://internal.amazon.com/"}
            return (Status(first.status, headers, first.body), *rest)
        return (first, *rest)

    # --- answers ----------------------------------------------------------------------------------------------------

    def _usage(self) -> dict[str, Any]:
        return {
            "inputTokens": PROMPT_TOKENS - CACHED_TOKENS,
            "outputTokens": OUTPUT_TOKENS,
            "totalTokens": PROMPT_TOKENS + OUTPUT_TOKENS,
            "cacheReadInputTokens": CACHED_TOKENS,
            "cacheWriteInputTokens": 0,
        }

    def _blocks(self, answer: Answer) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if answer.state:
            thought = {"text": answer.thought, "signature": answer.state}
            blocks.append({"reasoningContent": {"reasoningText": thought}})
        if answer.pieces:
            blocks.append({"text": answer.text})
        uses = [{"toolUseId": self.next_id("tooluse_"), "name": answer.tool, "input": given} for given in answer.calls]
        return blocks + [{"toolUse": use} for use in uses]

    def whole(self, answer: Answer) -> dict[str, Any]:
        return {
            "output": {"message": {"role": "assistant", "content": self._blocks(answer)}},
            "stopReason": "tool_use" if answer.calls else "end_turn",
            "usage": self._usage(),
            "metrics": {"latencyMs": 522},
        }

    def opening(self, answer: Answer) -> list[bytes]:
        frames = [frame("messageStart", {"role": "assistant", "p": "abcd"})]
        for index, block in enumerate(self._blocks(answer)):
            at = {"contentBlockIndex": index}
            if use := block.get("toolUse"):
                start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
                frames.append(frame("contentBlockStart", {**at, "start": start}))
            frames += [frame("contentBlockDelta", {**at, "delta": each, "p": "ab"}) for each in _deltas(block, answer)]
            if answer.fault is None:
                frames.append(frame("contentBlockStop", at))
        return frames

    def closing(self, answer: Answer) -> list[bytes]:
        return [
            frame("messageStop", {"stopReason": "tool_use" if answer.calls else "end_turn"}),
            frame("metadata", {"usage": self._usage(), "metrics": {"latencyMs": 522}}),
        ]

    def failing(self) -> list[bytes]:
        told = {"message": FAILURE, "originalStatusCode": 500}
        return [frame("modelStreamErrorException", told, "exception")]


def _deltas(block: dict[str, Any], answer: Answer) -> list[dict[str, Any]]:
    if "text" in block:
        return [{"text": piece} for piece in answer.pieces]
    if "toolUse" in block:
        text = orjson.dumps(block["toolUse"]["input"]).decode()
        return [{"toolUse": {"input": piece}} for piece in (text[:3], text[3:])]
    thoughts: list[dict[str, Any]] = [{"reasoningContent": {"text": piece}} for piece in answer.thoughts]
    return [*thoughts, {"reasoningContent": {"signature": answer.state}}]


class Turns:
    """Reads `messages`: the user begins, turns alternate, results follow their calls."""

    def __init__(self, asked: Asked, *, has_tools: bool) -> None:
        self._asked = asked
        self._has_tools = has_tools
        self._pairs = Pairs()

    def read(self, messages: list[Any]) -> None:
        for place, message in enumerate(messages):
            at = f"messages.{place}"
            role = need(only(message, "role content", at), "role", str, at)
            if role != ("assistant" if place % 2 else "user"):
                raise Refused("A conversation must alternate between user and assistant roles, beginning with user.")
            blocks = need(message, "content", list, at)
            if not blocks:
                raise Refused(f"{at}.content: is empty")
            for block in blocks:
                if len(only(block, BLOCKS, at)) != 1:
                    raise Refused(f"{at}: a block must have exactly one member")
            blocks = [block for block in blocks if not _is_mark(block)]
            (self._user if role == "user" else self._assistant)(blocks, at)
        if len(messages) % 2 == 0:
            raise Refused("A conversation must end with a user message.")

    def _user(self, blocks: list[dict[str, Any]], at: str) -> None:
        text, results = "", 0
        for block in blocks:
            if "text" in block:
                text += _text(block, at)
            elif "image" in block:
                image = only(block["image"], "format source", at)
                data = unbase64(only(need(image, "source", dict, at), "bytes", at).get("bytes"), at)
                self._asked.images.append((f"image/{need(image, 'format', str, at)}", data))
            elif "document" in block:
                need(only(block["document"], "format name source", at), "name", str, at)
            elif "toolResult" in block:
                results += 1
                self._result(block["toolResult"], at)
            else:
                raise Refused(f"{at}: {next(iter(block))} is not allowed in a user turn")
        self._pairs.settled(f"{at}: Expected toolResult blocks")
        self._asked.text = text or self._asked.text
        self._asked.results = self._pairs.told() if results else []

    def _result(self, result: Any, at: str) -> None:
        only(result, "toolUseId content status", at)
        said = ""
        for each in need(result, "content", list, at):
            only(each, "text json image document", at)
            said += orjson.dumps(each["json"]).decode() if "json" in each else _text(each, at)
        self._pairs.result(result.get("toolUseId"), said, at)

    def _assistant(self, blocks: list[dict[str, Any]], at: str) -> None:
        calls = [block["toolUse"] for block in blocks if "toolUse" in block]
        if calls and self._asked.thinks and "reasoningContent" not in blocks[0]:
            raise Refused(f"{at}: Expected `thinking` or `redacted_thinking`, but found `tool_use`.")
        if calls and not self._has_tools:
            raise Refused("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
        for block in blocks:
            if "text" in block:
                _text(block, at)
            elif "reasoningContent" in block:
                text = only(only(block["reasoningContent"], "reasoningText", at)["reasoningText"], "text signature", at)
                sealed(text.get("signature"), f"{at}: reasoningText")
        for call in calls:
            only(call, "toolUseId name input", at)
            if not CALL_ID.fullmatch(need(call, "toolUseId", str, at)):
                raise Refused(f"{at}.toolUse: does not match the pattern")
            subject = subject_of(need(call, "name", str, at), need(call, "input", dict, at), at)
            self._pairs.call(call["toolUseId"], subject, at)


def _is_mark(block: Any) -> bool:
    """A cache checkpoint after what is to be cached."""
    mark = block.get("cachePoint")
    return mark is not None and need(only(mark, "type ttl", "cachePoint"), "type", str) == "default"


def _text(block: dict[str, Any], at: str) -> str:
    text: str = need(block, "text", str, at)
    if not text.strip():
        raise Refused(f"{at}: The text field in the ContentBlock object is blank.")
    return text
