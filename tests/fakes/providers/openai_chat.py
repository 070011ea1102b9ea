"""OpenAI's chat completions, as strict as the real ones. Source: OpenAI API reference, "Create chat completion"."""

from __future__ import annotations

from typing import Any, ClassVar

import orjson

from fakes.providers.checks import Pairs, arguments, data_url, may, need, only, subject_of, within
from fakes.providers.provider import CREATED_S, KEY, FakeProvider, event
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

TOP = """model messages max_completion_tokens max_tokens reasoning_effort verbosity temperature top_p stop n logprobs
 top_logprobs logit_bias tools tool_choice parallel_tool_calls response_format prompt_cache_key prompt_cache_options
 prompt_cache_retention safety_identifier user moderation metadata modalities audio prediction store web_search_options
 stream stream_options service_tier seed frequency_penalty presence_penalty"""
MESSAGE = {
    "system": "role content name",
    "developer": "role content name",
    "user": "role content name",
    "assistant": "role content name tool_calls refusal audio annotations",
    "tool": "role content tool_call_id",
}
PARTS = {
    "system": {"text"},
    "developer": {"text"},
    "user": {"text", "image_url", "input_audio", "file"},
    "assistant": {"text", "refusal"},
    "tool": {"text"},
}
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


class OpenAIChat(FakeProvider):
    """`gpt-4.1` and a model that thinks, `o4-mini`, whose thoughts are never shown."""

    dialect = "openai_chat"
    models: ClassVar = {"plain": "gpt-4.1", "thinks": "o4-mini"}
    shows_thoughts = False
    top = TOP
    message_fields = MESSAGE
    part_fields: ClassVar = {
        "text": "type text",
        "image_url": "type image_url",
        "refusal": "type refusal",
        "file": "type file",
    }

    def read(self, request: Received) -> Asked:
        if request.target != "/v1/chat/completions":
            raise Refused(f"Invalid URL (POST {request.target})", status=404)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Refused("Incorrect API key provided", status=401)
        doc = only(request.json, self.top, "")
        asked = Asked("", stream=bool(may(doc, "stream", bool)), shows_thoughts=self.shows_thoughts)
        asked.thinks = self.check_model(doc)
        self.check_options(doc, asked)
        self.read_tools(doc, asked)
        self.read_format(doc, asked)
        self.read_messages(need(doc, "messages", list), asked)
        self._wants_usage = (doc.get("stream_options") or {}).get("include_usage", False)
        return asked

    def check_model(self, doc: dict[str, Any]) -> bool:
        """Whether it thinks. Raises `Refused` for what the model does not take."""
        model = need(doc, "model", str)
        if model not in self.models.values():
            raise Refused(f"The model `{model}` does not exist", param="model", status=404)
        thinks = model == self.models["thinks"]
        refused = ("max_tokens", "stop", "logprobs", "top_logprobs") if thinks else ("reasoning_effort",)
        for name in refused:
            if name in doc:
                raise Refused(f"Unsupported parameter: '{name}' is not supported with this model.", param=name)
        for name in ("temperature", "top_p") if thinks else ():
            if doc.get(name, 1) != 1:
                raise Refused(f"Unsupported value: '{name}' does not support this value with this model.", param=name)
        if doc.get("reasoning_effort", "low") not in EFFORTS:
            raise Refused("Invalid value: 'reasoning_effort'", param="reasoning_effort")
        return thinks

    def check_options(self, doc: dict[str, Any], asked: Asked) -> None:
        within(doc, "temperature", 0, 2)
        within(doc, "top_p", 0, 1)
        asked.limit = may(doc, "max_completion_tokens", int) or may(doc, "max_tokens", int)
        if "max_tokens" in doc and "max_completion_tokens" in doc:
            raise Refused("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.")
        if "stream_options" in doc:
            only(need(doc, "stream_options", dict), "include_usage include_obfuscation", "stream_options")
            if not asked.stream:
                raise Refused("'stream_options' is only allowed when 'stream' is enabled.", param="stream_options")

    def read_tools(self, doc: dict[str, Any], asked: Asked) -> None:
        for place, tool in enumerate(may(doc, "tools", list) or ()):
            at = f"tools[{place}]"
            if need(tool, "type", str, at) != "function":
                raise Refused(f"{at}.type: unknown", param=at)
            function = only(need(only(tool, "type function", at), "function", dict, at), self.function_fields, at)
            asked.tools[need(function, "name", str, at)] = function.get("parameters")
        if "tools" in doc and not asked.tools:
            raise Refused("[] is too short - 'tools'", param="tools")
        for name in ("tool_choice", "parallel_tool_calls"):
            if name in doc and not asked.tools:
                raise Refused(f"'{name}' is only allowed when 'tools' are specified.", param=name)
        self.check_choice(doc.get("tool_choice", "auto"), asked)

    function_fields = "name description parameters strict"
    choices = ("auto", "none", "required")

    def check_choice(self, choice: Any, asked: Asked) -> None:
        if choice in self.choices:
            return
        name = only(need(only(choice, "type function", "tool_choice"), "function", dict), "name", "tool_choice")["name"]
        if name not in asked.tools:
            raise Refused(f"Tool choice '{name}' not found in 'tools'", param="tool_choice")

    def read_format(self, doc: dict[str, Any], asked: Asked) -> None:
        given = only(doc.get("response_format", {"type": "text"}), "type json_schema", "response_format")
        if given.get("type") not in ("text", "json_object", "json_schema"):
            raise Refused("Invalid value: 'response_format.type'", param="response_format.type")
        if given["type"] == "json_schema":
            at = "response_format.json_schema"
            schema = only(need(given, "json_schema", dict, at), "name description schema strict", at)
            need(schema, "name", str, at)
            asked.schema = need(schema, "schema", dict, at)

    def read_messages(self, messages: list[Any], asked: Asked) -> None:
        pairs, role = Pairs(), ""
        if not messages:
            raise Refused("[] is too short - 'messages'", param="messages")
        for place, message in enumerate(messages):
            at = f"messages[{place}]"
            role = need(message, "role", str, at)
            if role not in self.message_fields:
                raise Refused(f"Invalid value: '{role}'", param=f"{at}.role")
            only(message, self.message_fields[role], at)
            if role == "tool":
                pairs.result(message.get("tool_call_id"), self.text_of(message, role, at, None), at)
                continue
            pairs.settled(at)
            self.read_turn(message, role, at, asked, pairs)
        pairs.settled("messages")
        if role == "tool":
            asked.results = pairs.told()

    def read_turn(self, message: dict[str, Any], role: str, at: str, asked: Asked, pairs: Pairs) -> None:
        calls = may(message, "tool_calls", list, at)
        if calls == []:
            raise Refused(f"[] is too short - '{at}.tool_calls'", param=at)
        if message.get("content") is None and not (role == "assistant" and (calls or message.get("refusal"))):
            raise Refused(f"Invalid value for 'content': expected a string, got null. ({at})", param=f"{at}.content")
        text = self.text_of(message, role, at, asked) if message.get("content") is not None else ""
        if role in ("system", "developer"):
            asked.system += text
        elif role == "user":
            asked.text = text
        for number, call in enumerate(calls or ()):
            self.read_call(call, f"{at}.tool_calls[{number}]", pairs)

    call_fields = "id type function"
    usual_call_type: str | None = None
    """Of a call without one."""

    def read_call(self, call: Any, at: str, pairs: Pairs) -> None:
        only(call, self.call_fields, at)
        if call.get("type", self.usual_call_type) != "function":
            raise Refused(f"{at}.type: Field required", param=at)
        function = only(need(call, "function", dict, at), "name arguments", at)
        self.check_call_id(call.get("id"), at)
        subject = subject_of(need(function, "name", str, at), arguments(function.get("arguments"), at), at)
        pairs.call(call.get("id"), subject, at)

    def check_call_id(self, call_id: Any, at: str) -> None:
        if len(str(call_id)) > 40:
            raise Refused(f"{at}.id: string too long, maximum length 40", param=at)

    def text_of(self, message: dict[str, Any], role: str, at: str, asked: Asked | None) -> str:
        content = need(message, "content", (str, list), at)
        if isinstance(content, str):
            return content
        text = ""
        for number, part in enumerate(content):
            kind = need(part, "type", str, f"{at}.content[{number}]")
            if kind not in PARTS[role] or kind not in self.part_fields:
                raise Refused(f"Invalid value: '{kind}' in {at}.content[{number}]", param=at)
            only(part, self.part_fields[kind], f"{at}.content[{number}]")
            if kind == "text":
                text += need(part, "text", str, at)
            elif kind == "image_url" and asked is not None:
                asked.images.append(self.image(part, at))
        return text

    def image(self, part: dict[str, Any], at: str) -> tuple[str, bytes]:
        image = only(need(part, "image_url", dict, at), "url detail", at)
        return data_url(image.get("url"), at)

    def refusal(self, refused: Refused) -> bytes:
        kind = "invalid_request_error" if refused.status < 500 else "server_error"
        code = {401: "invalid_api_key", 404: "model_not_found", 503: "server_overloaded"}.get(refused.status)
        error = {"message": refused.message, "type": kind, "param": refused.param, "code": code}
        return orjson.dumps({"error": error})

    # --- answers ----------------------------------------------------------------------------------------------------

    def usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": PROMPT_TOKENS + OUTPUT_TOKENS,
            "prompt_tokens_details": {"cached_tokens": CACHED_TOKENS, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": answer.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def calls(self, answer: Answer) -> list[dict[str, Any]]:
        return [
            {
                "id": self.next_id("call_of_openai_"),
                "type": "function",
                "function": {"name": answer.tool, "arguments": orjson.dumps(given).decode()},
            }
            for given in answer.calls
        ]

    def whole(self, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
        if answer.calls:
            message["tool_calls"] = self.calls(answer)
        message["annotations"] = []
        finish = "tool_calls" if answer.calls else "stop"
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
        return {
            **self.head("chat.completion"),
            "choices": [choice],
            "usage": self.usage(answer),
            "service_tier": "default",
        }

    def head(self, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-1", "object": kind, "created": CREATED_S, "model": f"{self.models['plain']}-2025"}

    def chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        document = {**self.head("chat.completion.chunk"), "service_tier": "default", "choices": [choice]}
        if self._wants_usage:
            document["usage"] = None
        return event({**document, "obfuscation": "xyz"})

    def opening(self, answer: Answer) -> list[bytes]:
        events = [self.chunk({"role": "assistant", "content": "" if answer.pieces else None, "refusal": None})]
        events += [self.chunk({"content": piece}) for piece in answer.pieces]
        for index, call in enumerate(self.calls(answer)):
            text = call["function"]["arguments"]
            opened = {**call, "index": index, "function": {"name": answer.tool, "arguments": ""}}
            events.append(self.chunk({"tool_calls": [opened]}))
            for piece in (text[:4], text[4:]):
                events.append(self.chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]}))
        return events

    def closing(self, answer: Answer) -> list[bytes]:
        events = [self.chunk({}, "tool_calls" if answer.calls else "stop")]
        if self._wants_usage:
            events.append(event({**self.head("chat.completion.chunk"), "choices": [], "usage": self.usage(answer)}))
        return [*events, b"data: [DONE]\n\n"]

    def failing(self) -> list[bytes]:
        return [event({"error": {"message": FAILURE, "type": "server_error", "param": None, "code": None}})]
