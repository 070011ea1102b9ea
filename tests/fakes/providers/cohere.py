"""Cohere's chat, second version. Source: Cohere API reference, "Chat", "Chat with streaming"."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson

from fakes.providers.checks import Pairs, arguments, city_of, data_url, may, need, only, within
from fakes.providers.provider import KEY, FakeProvider, event
from fakes.providers.scenes import (
    CACHED_TOKENS,
    FAILURE,
    OUTPUT_TOKENS,
    PROMPT_TOKENS,
    TOOL,
    Answer,
    Asked,
    Refused,
)
from fakes.upstream import Received

TOP = """model messages stream tools documents citation_options response_format safety_mode max_tokens stop_sequences
 temperature seed frequency_penalty presence_penalty k p logprobs tool_choice thinking priority strict_tools"""
MESSAGE = {
    "system": "role content",
    "user": "role content",
    "assistant": "role content tool_calls tool_plan citations",
    "tool": "role content tool_call_id",
}
PARTS = {"text": "type text", "image_url": "type image_url", "thinking": "type thinking", "document": "type document"}
TEMPLATE_TOKENS = 1400
"""Of the model's own template, in what it saw, not in what is paid for."""


class Cohere(FakeProvider):
    """Three models: one for text, one that sees, one that thinks."""

    dialect = "cohere"
    models: ClassVar = {
        "plain": "command-a-03-2025",
        "sees": "command-a-vision-07-2025",
        "thinks": "command-a-reasoning-08-2025",
    }
    tells_reasoning = False
    prompt_tokens = PROMPT_TOKENS + TEMPLATE_TOKENS

    def read(self, request: Received) -> Asked:
        if request.target != "/v2/chat":
            raise Refused("not found", status=404)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Refused("invalid api token", status=401)
        doc = only(request.json, TOP, "")
        model = need(doc, "model", str)
        if model not in self.models.values():
            raise Refused(f"model '{model}' not found", status=404)
        asked = Asked("", stream=bool(may(doc, "stream", bool)), limit=may(doc, "max_tokens", int))
        for name, low, high in (("temperature", 0, 1), ("p", 0.01, 0.99), ("frequency_penalty", 0, 1)):
            within(doc, name, low, high)
        thinking = only(doc.get("thinking", {"type": "enabled"}), "type token_budget", "thinking")
        if "thinking" in doc and model != self.models["thinks"]:
            raise Refused("thinking is not supported for this model")
        asked.thinks = model == self.models["thinks"] and thinking.get("type") == "enabled"
        self._read_tools(doc, asked, model)
        self._read_format(doc, asked)
        self._read_messages(need(doc, "messages", list), asked)
        if asked.images and model != self.models["sees"]:
            raise Refused("image content is not supported for this model")
        return asked

    def _read_tools(self, doc: dict[str, Any], asked: Asked, model: str) -> None:
        for place, tool in enumerate(may(doc, "tools", list) or ()):
            at = f"tools[{place}]"
            function = need(only(tool, "type function", at), "function", dict, at)
            only(function, "name description parameters", at)
            asked.tools[need(function, "name", str, at)] = need(function, "parameters", dict, at)
        if asked.tools and model == self.models["sees"]:
            raise Refused("tools are not supported for this model")
        if "tool_choice" in doc and (doc["tool_choice"] not in ("REQUIRED", "NONE") or not asked.tools):
            raise Refused("tool_choice must be REQUIRED or NONE, and needs tools")

    def _read_format(self, doc: dict[str, Any], asked: Asked) -> None:
        given = only(doc.get("response_format", {"type": "text"}), "type json_schema", "response_format")
        if given.get("type") not in ("text", "json_object"):
            raise Refused("response_format.type must be one of: text, json_object")
        if given["type"] == "json_object" and asked.tools:
            raise Refused("response_format is not supported with tools")
        asked.schema = given.get("json_schema")

    def _read_messages(self, messages: list[Any], asked: Asked) -> None:
        pairs, role = Pairs(), ""
        for place, message in enumerate(messages):
            at = f"messages[{place}]"
            role = need(message, "role", str, at)
            only(message, MESSAGE.get(role, ""), at)
            if role == "tool":
                pairs.result(message.get("tool_call_id"), self._text(message, at, None), at)
                continue
            pairs.settled(at)
            calls = may(message, "tool_calls", list, at) or ()
            text = self._text(message, at, asked) if "content" in message or not calls else ""
            if role == "system":
                asked.system += text
            elif role == "user":
                asked.text = text
            for call in calls:
                function = only(only(call, "id type function", at).get("function"), "name arguments", at)
                if call.get("type") != "function" or function.get("name") != TOOL:
                    raise Refused(f"{at}.tool_calls: no such tool")
                pairs.call(call.get("id"), city_of(arguments(function.get("arguments"), at), at), at)
        pairs.settled("messages")
        if role not in ("user", "tool"):
            raise Refused("the last message must be from the user or a tool")
        asked.results = pairs.told() if role == "tool" else []

    @staticmethod
    def _text(message: dict[str, Any], at: str, asked: Asked | None) -> str:
        content = need(message, "content", (str, list), at)
        if isinstance(content, str):
            return content
        text = ""
        for part in content:
            kind = need(part, "type", str, at)
            only(part, PARTS.get(kind, ""), at)
            if kind == "image_url" and asked is not None:
                asked.images.append(data_url(only(part["image_url"], "url detail", at).get("url"), at))
            elif kind == "document":
                text += str(part["document"]["data"])
            elif kind == "text":
                text += need(part, "text", str, at)
        return text

    def refusal(self, refused: Refused) -> bytes:
        return orjson.dumps({"id": "5e6f7a8b", "message": refused.message})

    # --- answers ----------------------------------------------------------------------------------------------------

    @staticmethod
    def _usage() -> dict[str, Any]:
        return {
            "billed_units": {"input_tokens": PROMPT_TOKENS, "output_tokens": OUTPUT_TOKENS},
            "tokens": {"input_tokens": PROMPT_TOKENS + TEMPLATE_TOKENS, "output_tokens": OUTPUT_TOKENS},
            "cached_tokens": CACHED_TOKENS,
        }

    def _calls(self, answer: Answer) -> list[dict[str, Any]]:
        return [
            {
                "id": self.next_id(f"{TOOL}_"),
                "type": "function",
                "function": {"name": TOOL, "arguments": orjson.dumps(given).decode()},
            }
            for given in answer.calls
        ]

    def whole(self, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant"}
        content = [{"type": "thinking", "thinking": answer.thought}] if answer.thoughts else []
        if answer.pieces:
            content.append({"type": "text", "text": answer.text})
        if content:
            message["content"] = content
        if answer.calls:
            message["tool_calls"] = self._calls(answer)
        finish = "TOOL_CALL" if answer.calls else "COMPLETE"
        return {"id": "c1", "finish_reason": finish, "message": message, "usage": self._usage()}

    @staticmethod
    def _event(kind: str, delta: dict[str, Any] | None = None, index: int | None = None, **fields: Any) -> bytes:
        document: dict[str, Any] = {**fields, "type": kind}
        if index is not None:
            document["index"] = index
        if delta is not None:
            document["delta"] = delta
        return event(document, kind)

    def opening(self, answer: Answer) -> list[bytes]:
        start = {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}}
        events = [self._event("message-start", start, id="c1")]
        index = 0
        for kind, pieces in (("thinking", answer.thoughts), ("text", answer.pieces)):
            if not pieces:
                continue
            events.append(self._event("content-start", {"message": {"content": {"type": kind, kind: ""}}}, index))
            deltas = [{"message": {"content": {kind: piece}}} for piece in pieces]
            events += [self._event("content-delta", delta, index) for delta in deltas]
            if answer.fault is None:
                events.append(self._event("content-end", None, index))
            index += 1
        for number, call in enumerate(self._calls(answer)):
            text = call["function"]["arguments"]
            opened = {**call, "function": {"name": TOOL, "arguments": ""}}
            events.append(self._event("tool-call-start", {"message": {"tool_calls": opened}}, number))
            for piece in (text[:2], text[2:]):
                delta = {"message": {"tool_calls": {"function": {"arguments": piece}}}}
                events.append(self._event("tool-call-delta", delta, number))
            events.append(self._event("tool-call-end", None, number))
        return events

    def closing(self, answer: Answer) -> list[bytes]:
        finish = "TOOL_CALL" if answer.calls else "COMPLETE"
        return [self._event("message-end", {"finish_reason": finish, "usage": self._usage()})]

    def failing(self) -> list[bytes]:
        return [self._event("message-end", {"finish_reason": "ERROR", "error": FAILURE, "usage": self._usage()})]
