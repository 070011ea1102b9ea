"""Mistral: OpenAI's chat with lists as content, ids of nine characters, and 422 for what it does not know.

Source: Mistral API reference, "Chat Completion"; Mistral documentation, "Reasoning".
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

import orjson

from fakes.providers.checks import data_url, need, only
from fakes.providers.openai_chat import EFFORTS, OpenAIChat
from fakes.providers.provider import CREATED_S, event
from fakes.providers.scenes import CACHED_TOKENS, OUTPUT_TOKENS, PROMPT_TOKENS, TOOL, Answer, Asked, Refused

CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")


class Mistral(OpenAIChat):
    """`mistral-medium-2508`, and `mistral-small-2603`, which thinks when it is told to."""

    dialect = "mistral"
    models: ClassVar = {"plain": "mistral-medium-2508", "thinks": "mistral-small-2603"}
    shows_thoughts = True
    tells_reasoning = False
    top = """model messages temperature top_p max_tokens stream stop random_seed response_format tools tool_choice
     presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode safe_prompt metadata service_tier
     reasoning_effort prompt_cache_key top_k"""
    message_fields: ClassVar = {
        "system": "role content",
        "user": "role content",
        "assistant": "role content tool_calls prefix",
        "tool": "role content tool_call_id name",
    }
    part_fields: ClassVar = {
        "text": "type text",
        "image_url": "type image_url",
        "thinking": "type thinking closed",
        "document_url": "type document_url document_name",
    }
    choices = ("auto", "none", "any", "required")
    call_fields = "id type function index"
    usual_call_type = "function"

    def check_model(self, doc: dict[str, Any]) -> bool:
        model = need(doc, "model", str)
        if model not in self.models.values():
            raise Refused(f"Invalid model: {model}", param="model")
        effort = doc.get("reasoning_effort", "none")
        if effort not in EFFORTS:
            raise Refused(f"Input should be one of {EFFORTS}", param="reasoning_effort", status=422)
        if effort != "none" and model != self.models["thinks"]:
            raise Refused("reasoning_effort is not enabled for this model", param="reasoning_effort")
        return bool(effort != "none")

    def read_messages(self, messages: list[Any], asked: Asked) -> None:
        for place, message in enumerate(messages):
            if message.get("role") == "assistant" and not message.get("content") and not message.get("tool_calls"):
                raise Refused("Assistant message must have either content or tool_calls, but not none.")
            if message.get("role") == "user" and place and messages[place - 1].get("role") == "tool":
                raise Refused("Unexpected role 'user' after role 'tool'", param=f"messages[{place}]")
        if messages and messages[-1].get("role") not in ("user", "tool"):
            raise Refused("Expected last role User or Tool (or Assistant with prefix True) for serving")
        super().read_messages(messages, asked)

    def check_call_id(self, call_id: Any, at: str) -> None:
        if not CALL_ID.fullmatch(str(call_id)):
            raise Refused(f"Tool call id was {call_id} but must be a-z, A-Z, 0-9, with a length of 9.", param=at)

    def text_of(self, message: dict[str, Any], role: str, at: str, asked: Asked | None) -> str:
        content = need(message, "content", (str, list), at)
        if isinstance(content, str):
            return content
        text = ""
        for part in content:
            kind = need(part, "type", str, at)
            if kind not in self.part_fields:
                raise Refused(f"Input tag '{kind}' does not match any of the expected tags", param=at, status=422)
            only(part, self.part_fields[kind], at)
            if kind == "text":
                text += need(part, "text", str, at)
            elif kind == "image_url" and asked is not None:
                asked.images.append(self.image(part, at))
        return text

    def image(self, part: dict[str, Any], at: str) -> tuple[str, bytes]:
        image = need(part, "image_url", (str, dict), at)
        return data_url(image if isinstance(image, str) else only(image, "url detail", at).get("url"), at)

    def refusal(self, refused: Refused) -> bytes:
        if refused.status == 422 or "Extra inputs" in refused.message:
            refused.status = 422
            where = ["body", *(refused.param or "").split(".")]
            return orjson.dumps({"detail": [{"type": "invalid", "loc": where, "msg": refused.message}]})
        error = {"message": refused.message, "type": "invalid_request_error", "param": refused.param, "code": "3051"}
        return orjson.dumps({"object": "error", **error, "raw_status_code": refused.status})

    # --- answers ----------------------------------------------------------------------------------------------------

    def usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "prompt_tokens": PROMPT_TOKENS,
            "total_tokens": PROMPT_TOKENS + OUTPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS},
        }

    def calls(self, answer: Answer) -> list[dict[str, Any]]:
        return [
            {
                "id": self.next_id("mstr0000")[-9:].rjust(9, "m"),
                "function": {"name": TOOL, "arguments": orjson.dumps(given).decode()},
                "index": index,
            }
            for index, given in enumerate(answer.calls)
        ]

    def content(self, thoughts: str, text: str) -> Any:
        """A string, or a list where thoughts are among it."""
        if not thoughts:
            return text
        parts: list[dict[str, Any]] = [{"type": "thinking", "thinking": [{"type": "text", "text": thoughts}]}]
        return [*parts, *([{"type": "text", "text": text}] if text else [])]

    def whole(self, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.content(answer.thought, answer.text)}
        message["tool_calls"] = self.calls(answer) or None
        finish = "tool_calls" if answer.calls else "stop"
        choice = {"index": 0, "message": message, "finish_reason": finish}
        return {**self.head("chat.completion"), "choices": [choice], "usage": self.usage(answer)}

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": "0a1b2c3d", "object": kind, "created": CREATED_S, "model": self.models["plain"]}

    def chunk(self, delta: dict[str, Any], finish: str | None = None, **fields: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return event({**self.head("chat.completion.chunk"), "choices": [choice], **fields})

    def opening(self, answer: Answer) -> list[bytes]:
        events = [self.chunk({"role": "assistant", "content": ""})]
        events += [self.chunk({"content": self.content(thought, "")}) for thought in answer.thoughts]
        return events + [self.chunk({"content": piece}) for piece in answer.pieces]

    def closing(self, answer: Answer) -> list[bytes]:
        usage = self.usage(answer)
        if answer.calls:
            delta = {"content": "", "tool_calls": self.calls(answer)}
            return [self.chunk(delta, "tool_calls", usage=usage), b"data: [DONE]\n\n"]
        return [self.chunk({"content": ""}, "stop", usage=usage), b"data: [DONE]\n\n"]

    def failing(self) -> list[bytes]:
        return [self.chunk({"content": ""}, "error")]
