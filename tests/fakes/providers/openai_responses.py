"""OpenAI's Responses, asked without stored state. Source: OpenAI API reference, "Create a model response"."""

from __future__ import annotations

import itertools
from typing import Any, ClassVar

import orjson

from fakes.providers.checks import Pairs, arguments, city_of, data_url, may, need, only, sealed
from fakes.providers.provider import CREATED_S, KEY, FakeProvider, event
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

TOP = """model input instructions max_output_tokens reasoning text tools tool_choice parallel_tool_calls store include
 stream stream_options temperature top_p truncation metadata user prompt_cache_key prompt_cache_retention
 prompt_cache_options safety_identifier service_tier top_logprobs max_tool_calls background moderation"""
MESSAGE_PARTS = {
    "input_text": "type text",
    "input_image": "type image_url detail",
    "input_file": "type file_data filename file_url",
    "output_text": "type text annotations logprobs",
    "refusal": "type refusal",
}
MIN_OUTPUT_TOKENS = 16
ENCRYPTED = "reasoning.encrypted_content"


class OpenAIResponses(FakeProvider):
    """`gpt-4.1`, and `o4-mini`, whose thoughts come as summaries when they are asked for."""

    dialect = "openai_responses"
    models: ClassVar = {"plain": "gpt-4.1", "thinks": "o4-mini"}
    hides_thoughts_unless_asked = True

    def read(self, request: Received) -> Asked:
        if request.target != "/v1/responses":
            raise Refused(f"Invalid URL (POST {request.target})", status=404)
        if request.headers.get("authorization") != f"Bearer {KEY}":
            raise Refused("Incorrect API key provided", status=401)
        doc = only(request.json, TOP, "")
        asked = Asked("", stream=bool(may(doc, "stream", bool)), system=may(doc, "instructions", str) or "")
        self._read_options(doc, asked)
        self._read_tools(doc, asked)
        given = need(doc, "input", (str, list))
        self._read_items([{"role": "user", "content": given}] if isinstance(given, str) else given, asked)
        return asked

    def _read_options(self, doc: dict[str, Any], asked: Asked) -> None:
        model = need(doc, "model", str)
        if model not in self.models.values():
            raise Refused(f"The requested model '{model}' does not exist.", param="model", status=404)
        asked.thinks = model == self.models["thinks"]
        for name in ("temperature", "top_p") if asked.thinks else ("reasoning",):
            if name in doc:
                raise Refused(f"Unsupported parameter: '{name}' is not supported with this model.", param=name)
        asked.limit = may(doc, "max_output_tokens", int)
        if asked.limit is not None and asked.limit < MIN_OUTPUT_TOKENS:
            raise Refused("Invalid 'max_output_tokens': integer below minimum value", param="max_output_tokens")
        reasoning = only(doc.get("reasoning", {}), "effort summary", "reasoning")
        asked.shows_thoughts = reasoning.get("summary") in ("auto", "concise", "detailed")
        self._encrypted = ENCRYPTED in (may(doc, "include", list) or ())
        text = only(doc.get("text", {}), "format verbosity", "text")
        format_ = text.get("format", {"type": "text"})
        if need(format_, "type", str, "text.format") == "json_schema":
            only(format_, "type name schema strict description", "text.format")
            need(format_, "name", str, "text.format")
            asked.schema = need(format_, "schema", dict, "text.format")

    def _read_tools(self, doc: dict[str, Any], asked: Asked) -> None:
        for place, tool in enumerate(may(doc, "tools", list) or ()):
            only(tool, "type name description parameters strict", f"tools[{place}]")
            asked.tools[need(tool, "name", str, f"tools[{place}]")] = tool.get("parameters")
        choice = doc.get("tool_choice", "auto")
        if choice not in ("auto", "none", "required"):
            only(choice, "type name", "tool_choice")

    def _read_items(self, items: list[Any], asked: Asked) -> None:
        pairs, kind = Pairs(), ""
        for place, item in enumerate(items):
            at = f"input[{place}]"
            last, kind = kind, item.get("type", "message")
            if last == "reasoning" and kind not in ("message", "function_call"):
                raise Refused(f"{at}: item of type 'reasoning' was provided without its required following item.")
            reader = _ITEMS.get(kind)
            if reader is None:
                raise Refused(f"Invalid value: '{kind}'", param=f"{at}.type")
            if kind == "message":
                pairs.settled(at)
            reader(item, at, asked, pairs)
        pairs.settled("input")
        if kind == "function_call_output":
            asked.results = pairs.told()

    def refusal(self, refused: Refused) -> bytes:
        kind = "invalid_request_error" if refused.status < 500 else "server_error"
        code = {401: "invalid_api_key", 404: "model_not_found", 503: "server_overloaded"}.get(refused.status)
        error = {"message": refused.message, "type": kind, "param": refused.param, "code": code}
        return orjson.dumps({"error": error})

    # --- answers ----------------------------------------------------------------------------------------------------

    def whole(self, answer: Answer) -> dict[str, Any]:
        return {**self._response("completed"), "output": self._items(answer), "usage": self._usage(answer)}

    def _response(self, status: str) -> dict[str, Any]:
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": CREATED_S,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "max_output_tokens": None,
            "model": f"{self.models['plain']}-2025",
            "output": [],
            "parallel_tool_calls": True,
            "previous_response_id": None,
            "service_tier": "default",
            "store": False,
            "temperature": 1.0,
            "text": {"format": {"type": "text"}},
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "truncation": "disabled",
            "usage": None,
            "metadata": {},
        }

    def _usage(self, answer: Answer) -> dict[str, Any]:
        return {
            "input_tokens": PROMPT_TOKENS,
            "input_tokens_details": {"cached_tokens": CACHED_TOKENS},
            "output_tokens": OUTPUT_TOKENS,
            "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            "total_tokens": PROMPT_TOKENS + OUTPUT_TOKENS,
        }

    def _items(self, answer: Answer) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if answer.state:
            summary = [{"type": "summary_text", "text": answer.thought}] if answer.thoughts else []
            sealed_state = {"encrypted_content": answer.state} if self._encrypted else {}
            items.append({"id": "rs_1", "type": "reasoning", "summary": summary, **sealed_state})
        if answer.pieces:
            part = {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
            message = {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
            items.append(message)
        for given in answer.calls:
            call = {"type": "function_call", "status": "completed", "name": TOOL}
            text = orjson.dumps(given).decode()
            items.append({"id": self.next_id("fc_"), **call, "call_id": self.next_id("call_of_r"), "arguments": text})
        return items

    def _events(self, answer: Answer) -> list[dict[str, Any]]:
        """All but the last."""
        events = [
            {"type": "response.created", "response": self._response("in_progress")},
            {"type": "response.in_progress", "response": self._response("in_progress")},
        ]
        self._said = self._items(answer)
        for index, item in enumerate(self._said):
            begun = {name: value for name, value in item.items() if name != "encrypted_content"}
            empty = {"reasoning": {"summary": []}, "message": {"content": []}, "function_call": {"arguments": ""}}
            begun |= {**empty[item["type"]], **({} if item["type"] == "reasoning" else {"status": "in_progress"})}
            events.append({"type": "response.output_item.added", "output_index": index, "item": begun})
            at = {"item_id": item["id"], "output_index": index}
            events += _INSIDE[item["type"]](item, at, answer)
            if answer.fault is None:
                events.append({"type": "response.output_item.done", "output_index": index, "item": item})
        return events

    def _numbered(self, events: list[dict[str, Any]]) -> list[bytes]:
        return [event({**each, "sequence_number": next(self._numbers)}, each["type"]) for each in events]

    def opening(self, answer: Answer) -> list[bytes]:
        self._numbers = itertools.count()
        return self._numbered(self._events(answer))

    def closing(self, answer: Answer) -> list[bytes]:
        response = {**self.whole(answer), "output": self._said}
        return self._numbered([{"type": "response.completed", "response": response}])

    def failing(self) -> list[bytes]:
        error = {"code": "server_error", "message": FAILURE}
        return self._numbered(
            [
                {"type": "error", "error": {"type": "server_error", **error, "param": None}},
                {"type": "response.failed", "response": {**self._response("failed"), "error": error}},
            ]
        )


def _read_message(item: dict[str, Any], at: str, asked: Asked, pairs: Pairs) -> None:
    del pairs
    only(item, "type role content id status phase", at)
    role = need(item, "role", str, at)
    content = need(item, "content", (str, list), at)
    text = content if isinstance(content, str) else ""
    for part in content if isinstance(content, list) else ():
        kind = need(part, "type", str, at)
        if kind not in MESSAGE_PARTS or (role == "assistant") != (kind in ("output_text", "refusal")):
            raise Refused(f"Invalid value: '{kind}'", param=f"{at}.content")
        only(part, MESSAGE_PARTS[kind], at)
        if kind == "input_image":
            asked.images.append(data_url(need(part, "image_url", str, at), at))
        text += part.get("text", "")
    if role in ("system", "developer"):
        asked.system += text
    elif role == "user":
        asked.text = text
    elif role != "assistant":
        raise Refused(f"Invalid value: '{role}'", param=f"{at}.role")


def _read_call(item: dict[str, Any], at: str, asked: Asked, pairs: Pairs) -> None:
    only(item, "type call_id name arguments id status", at)
    if not str(item.get("id", "fc_")).startswith("fc"):
        raise Refused(f"Invalid '{at}.id': Expected an ID that begins with 'fc'.", param=at)
    del asked
    pairs.call(need(item, "call_id", str, at), city_of(arguments(item.get("arguments"), at), at), at)
    if need(item, "name", str, at) != TOOL:
        raise Refused(f"{at}: no such function", param=at)


def _read_result(item: dict[str, Any], at: str, asked: Asked, pairs: Pairs) -> None:
    del asked
    only(item, "type call_id output id status", at)
    output = need(item, "output", (str, list), at)
    if isinstance(output, list):
        output = "".join(only(part, "type text", at).get("text", "") for part in output)
    pairs.result(item.get("call_id"), output, at)


def _read_reasoning(item: dict[str, Any], at: str, asked: Asked, pairs: Pairs) -> None:
    del asked, pairs
    only(item, "type id summary encrypted_content content status", at)
    need(item, "id", str, at)
    need(item, "summary", list, at)
    sealed(item.get("encrypted_content"), f"{at}.encrypted_content")


_ITEMS = {
    "message": _read_message,
    "function_call": _read_call,
    "function_call_output": _read_result,
    "reasoning": _read_reasoning,
}


def _message_events(item: dict[str, Any], at: dict[str, Any], answer: Answer) -> list[dict[str, Any]]:
    at = {**at, "content_index": 0}
    empty = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    events = [{"type": "response.content_part.added", **at, "part": empty}]
    events += [{"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []} for piece in answer.pieces]
    if answer.fault is None:
        events.append({"type": "response.output_text.done", **at, "text": answer.text, "logprobs": []})
        events.append({"type": "response.content_part.done", **at, "part": item["content"][0]})
    return events


def _call_events(item: dict[str, Any], at: dict[str, Any], answer: Answer) -> list[dict[str, Any]]:
    del answer
    text, kind = item["arguments"], "response.function_call_arguments"
    pieces = [{"type": f"{kind}.delta", **at, "delta": piece} for piece in (text[:5], text[5:])]
    return [*pieces, {"type": f"{kind}.done", **at, "name": item["name"], "arguments": text}]


def _reasoning_events(item: dict[str, Any], at: dict[str, Any], answer: Answer) -> list[dict[str, Any]]:
    if not item["summary"]:
        return []
    at, kind = {**at, "summary_index": 0}, "response.reasoning_summary"
    empty = {"type": "summary_text", "text": ""}
    return [
        {"type": f"{kind}_part.added", **at, "part": empty},
        *({"type": f"{kind}_text.delta", **at, "delta": piece} for piece in answer.thoughts),
        {"type": f"{kind}_text.done", **at, "text": answer.thought},
        {"type": f"{kind}_part.done", **at, "part": item["summary"][0]},
    ]


_INSIDE = {"message": _message_events, "function_call": _call_events, "reasoning": _reasoning_events}
