"""Ollama's own chat. Source: Ollama API documentation, "Generate a chat completion"; `api/types.go`.

The real one passes over fields it does not know; this one refuses them, so that a parameter in the wrong place is seen.
"""

from __future__ import annotations

from typing import Any, ClassVar

import orjson

from fakes.providers.checks import city_of, may, need, only, unbase64
from fakes.providers.provider import FakeProvider
from fakes.providers.scenes import FAILURE, OUTPUT_TOKENS, PROMPT_TOKENS, TOOL, Answer, Asked, Refused
from fakes.upstream import Received

TOP = "model messages stream format keep_alive tools options think logprobs top_logprobs truncate shift"
OPTIONS = """num_keep seed num_predict top_k top_p min_p typical_p repeat_last_n temperature repeat_penalty
 presence_penalty frequency_penalty stop num_ctx num_batch num_gpu main_gpu use_mmap num_thread"""
MESSAGE = "role content thinking images tool_calls tool_name tool_call_id"


class Ollama(FakeProvider):
    """Three models: one for text, one that sees, one that thinks."""

    dialect = "ollama"
    models: ClassVar = {"plain": "llama3.2", "sees": "llama3.2-vision", "thinks": "qwen3"}
    stream_type = "application/x-ndjson"
    tells_cached = False
    tells_reasoning = False

    def read(self, request: Received) -> Asked:
        if request.target != "/api/chat":
            raise Refused("404 page not found", status=404)
        doc = only(request.json, TOP, "")
        model = need(doc, "model", str)
        if model not in self.models.values():
            raise Refused(f'model "{model}" not found', status=404)
        asked = Asked("", stream=doc.get("stream", True))
        options = only(doc.get("options", {}), OPTIONS, "options")
        asked.limit = may(options, "num_predict", int)
        think = doc.get("think", False)
        if think not in (True, False, "low", "medium", "high"):
            raise Refused("invalid think value")
        if think and model != self.models["thinks"]:
            raise Refused(f'"{model}" does not support thinking')
        asked.thinks = bool(think)
        for tool in may(doc, "tools", list) or ():
            function = only(
                only(tool, "type function", "tools").get("function"), "name description parameters", "tools"
            )
            asked.tools[need(function, "name", str)] = need(function, "parameters", dict)
        if doc.get("format") not in (None, "json"):
            asked.schema = need(doc, "format", dict)
        self._read_messages(need(doc, "messages", list), asked)
        if asked.images and model != self.models["sees"]:
            raise Refused("this model is missing data required for image input")
        return asked

    @staticmethod
    def _read_messages(messages: list[Any], asked: Asked) -> None:
        calls: list[str] = []
        for place, message in enumerate(messages):
            at = f"messages[{place}]"
            role = need(only(message, MESSAGE, at), "role", str, at)
            text = may(message, "content", str, at) or ""
            asked.images += [("image/png", unbase64(data, at)) for data in may(message, "images", list, at) or ()]
            if role == "tool":
                if message.get("tool_name", TOOL) != TOOL:
                    raise Refused(f"{at}: no such tool")
                asked.results.append((calls[len(asked.results)], text))
                continue
            asked.results = []
            if role == "system":
                asked.system += text
            elif role == "user":
                asked.text = text
            elif role != "assistant":
                raise Refused("invalid role", param=at)
            calls = []
            for call in may(message, "tool_calls", list, at) or ():
                function = only(only(call, "id type function", at).get("function"), "index name arguments", at)
                calls.append(city_of(need(function, "arguments", dict, at), at))

    def refusal(self, refused: Refused) -> bytes:
        return orjson.dumps({"error": refused.message})

    # --- answers ----------------------------------------------------------------------------------------------------

    def _document(self, message: dict[str, Any], **fields: Any) -> dict[str, Any]:
        head = {"model": self.models["plain"], "created_at": "2026-01-02T03:04:05.678901234Z"}
        return {**head, "message": {"role": "assistant", "content": "", **message}, "done": False, **fields}

    @staticmethod
    def _end() -> dict[str, Any]:
        return {
            "done": True,
            "done_reason": "stop",
            "total_duration": 4_883_583_458,
            "load_duration": 1_334_875,
            "prompt_eval_count": PROMPT_TOKENS,
            "prompt_eval_duration": 342_546_000,
            "eval_count": OUTPUT_TOKENS,
            "eval_duration": 4_535_599_000,
        }

    @staticmethod
    def _calls(answer: Answer) -> list[dict[str, Any]]:
        return [{"function": {"name": TOOL, "arguments": given}} for given in answer.calls]

    def whole(self, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"content": answer.text}
        if answer.thoughts:
            message["thinking"] = answer.thought
        if answer.calls:
            message["tool_calls"] = self._calls(answer)
        return self._document(message, **self._end())

    def _lines(self, documents: list[dict[str, Any]]) -> list[bytes]:
        return [orjson.dumps(document) + b"\n" for document in documents]

    def opening(self, answer: Answer) -> list[bytes]:
        documents = [self._document({"thinking": piece}) for piece in answer.thoughts]
        documents += [self._document({"content": piece}) for piece in answer.pieces]
        documents += [self._document({"tool_calls": [call]}) for call in self._calls(answer)]
        return self._lines(documents)

    def closing(self, answer: Answer) -> list[bytes]:
        del answer
        return self._lines([self._document({}, **self._end())])

    def failing(self) -> list[bytes]:
        return self._lines([{"error": FAILURE}])
