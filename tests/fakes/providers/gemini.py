"""Gemini's `generateContent`. Source: Gemini API reference, "Generating content"; "Thinking", "Thought signatures"."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import orjson

from fakes.providers.checks import may, need, only, sealed, subject_of, unbase64, within
from fakes.providers.provider import KEY, FakeProvider
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

TARGET = re.compile(r"/(?:v1|v1beta)/models/([^/:?]+):(generateContent|streamGenerateContent\?alt=sse)")
TOP = "contents systemInstruction tools toolConfig safetySettings cachedContent serviceTier generationConfig store"
GENERATION = """temperature topP topK candidateCount maxOutputTokens stopSequences responseMimeType responseSchema
 responseJsonSchema seed presencePenalty frequencyPenalty responseLogprobs logprobs thinkingConfig responseModalities
 imageConfig speechConfig mediaResolution"""
LEVELS = ("MINIMAL", "LOW", "MEDIUM", "HIGH")
FOREIGN = ("args", "response", "parameters", "parametersJsonSchema", "responseJsonSchema")
"""Fields whose values are the user's own documents."""
ANY_SIGNATURES = ("skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=")
"""As text, and as the bytes that the field holds."""
STATUSES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 503: "UNAVAILABLE", 500: "INTERNAL"}


class Gemini(FakeProvider):
    """`gemini-2.5-flash`, told not to think, and `gemini-3-pro-preview`, which wants its signatures back."""

    dialect = "gemini"
    models: ClassVar = {"plain": "gemini-2.5-flash", "thinks": "gemini-3-pro-preview"}
    wants_state = True

    def read(self, request: Received) -> Asked:
        found = TARGET.fullmatch(request.target)
        if found is None:
            raise Refused(f"no such method: {request.target}", status=404)
        if request.headers.get("x-goog-api-key") != KEY:
            raise Refused("API key not valid. Please pass a valid API key.")
        if found[1] not in self.models.values():
            raise Refused(f"models/{found[1]} is not found for API version v1beta", status=404)
        doc = only(_camel(request.json), TOP, "")
        asked = Asked("", stream=found[2] != "generateContent")
        is_new = found[1] == self.models["thinks"]
        self._read_generation(
            only(doc.get("generationConfig", {}), GENERATION, "generation_config"), asked, is_new=is_new
        )
        self._read_tools(doc, asked)
        if "systemInstruction" in doc:
            parts = need(only(doc["systemInstruction"], "role parts", "system_instruction"), "parts", list)
            asked.system = "".join(need(only(part, "text", "parts"), "text", str) for part in parts)
        Contents(asked, is_new=is_new).read(need(doc, "contents", list))
        return asked

    def _read_generation(self, config: dict[str, Any], asked: Asked, *, is_new: bool) -> None:
        within(config, "temperature", 0, 2)
        within(config, "topP", 0, 1)
        asked.limit = may(config, "maxOutputTokens", int)
        if len(may(config, "stopSequences", list) or ()) > 5:
            raise Refused("stop_sequences: at most 5")
        thinking = only(config.get("thinkingConfig", {}), "includeThoughts thinkingBudget thinkingLevel", "thinking")
        if {"thinkingBudget", "thinkingLevel"} <= set(thinking):
            raise Refused("You can only set one of thinking_budget and thinking_level.")
        if "thinkingLevel" in thinking and (not is_new or thinking["thinkingLevel"] not in LEVELS):
            raise Refused("Thinking level is not supported for this model.")
        asked.thinks = is_new or thinking.get("thinkingBudget", 0) != 0
        asked.shows_thoughts = bool(may(thinking, "includeThoughts", bool))
        schema = config.get("responseJsonSchema")
        if schema is not None and config.get("responseMimeType") != "application/json":
            raise Refused("response_json_schema is only allowed with response mime type application/json")
        if config.get("responseSchema") is not None:
            raise Refused("this fake reads JSON schemas only")
        asked.schema = schema

    def _read_tools(self, doc: dict[str, Any], asked: Asked) -> None:
        for tool in may(doc, "tools", list) or ():
            for one in need(only(tool, "functionDeclarations", "tools"), "functionDeclarations", list):
                only(one, "name description parameters parametersJsonSchema", "tools.function_declarations")
                asked.tools[need(one, "name", str)] = one.get("parametersJsonSchema", one.get("parameters"))
        given = only(doc.get("toolConfig", {}), "functionCallingConfig", "tool_config").get("functionCallingConfig", {})
        only(given, "mode allowedFunctionNames", "function_calling_config")
        if given.get("mode", "AUTO") not in ("AUTO", "ANY", "NONE", "VALIDATED"):
            raise Refused("function_calling_config.mode: unknown")
        if "allowedFunctionNames" in given and given.get("mode") not in ("ANY", "VALIDATED"):
            raise Refused("allowed_function_names may only be set when mode is ANY or VALIDATED")

    def refusal(self, refused: Refused) -> bytes:
        error = {"code": refused.status, "message": refused.message, "status": STATUSES.get(refused.status, "UNKNOWN")}
        return orjson.dumps({"error": error})

    # --- answers ----------------------------------------------------------------------------------------------------

    def _usage(self, answer: Answer) -> dict[str, Any]:
        usage: dict[str, Any] = {
            "promptTokenCount": PROMPT_TOKENS,
            "candidatesTokenCount": OUTPUT_TOKENS - answer.reasoning_tokens,
            "totalTokenCount": PROMPT_TOKENS + OUTPUT_TOKENS,
            "cachedContentTokenCount": CACHED_TOKENS,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": PROMPT_TOKENS}],
        }
        if answer.reasoning_tokens:
            usage["thoughtsTokenCount"] = answer.reasoning_tokens
        return usage

    def _response(self, parts: list[dict[str, Any]], answer: Answer, finish: str | None) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
        if finish is not None:
            candidate["finishReason"] = finish
        return {
            "candidates": [candidate],
            "usageMetadata": self._usage(answer),
            "modelVersion": self.models["plain"],
            "responseId": "response-1",
        }

    def _parts(self, answer: Answer) -> list[dict[str, Any]]:
        """The signature is with the first call, or with the last of the text."""
        parts: list[dict[str, Any]] = [{"text": thought, "thought": True} for thought in answer.thoughts]
        parts += [{"text": piece} for piece in answer.pieces]
        calls = [{"functionCall": {"name": answer.tool, "args": given}} for given in answer.calls]
        if answer.state and (signed := (calls or parts[-1:])):
            signed[0]["thoughtSignature"] = answer.state
        return parts + calls

    def whole(self, answer: Answer) -> dict[str, Any]:
        return self._response(self._parts(answer), answer, "STOP")

    def _event(self, document: dict[str, Any]) -> bytes:
        return b"data: " + orjson.dumps(document) + b"\r\n\r\n"

    def opening(self, answer: Answer) -> list[bytes]:
        return [self._event(self._response([part], answer, None)) for part in self._parts(answer)]

    def closing(self, answer: Answer) -> list[bytes]:
        return [self._event(self._response([{"text": ""}], answer, "STOP"))]

    def failing(self) -> list[bytes]:
        """A bare document over several lines, as this provider sends it in the middle of a stream."""
        error = {"error": {"code": 503, "message": FAILURE, "status": "UNAVAILABLE"}}
        return [orjson.dumps(error, option=orjson.OPT_INDENT_2) + b"\n"]


def _camel(value: Any) -> Any:
    """Field names as JSON has them: the API reads them in either case. What belongs to others is left alone."""
    if isinstance(value, list):
        return [_camel(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {re.sub(r"_(\w)", lambda found: found[1].upper(), name): each for name, each in value.items()}
    return {name: each if name in FOREIGN else _camel(each) for name, each in named.items()}


class Contents:
    """Reads `contents`: calls and their results by order, ids are optional."""

    def __init__(self, asked: Asked, *, is_new: bool) -> None:
        self._asked = asked
        self._is_new = is_new
        self._calls: list[tuple[str | None, str, str]] = []
        """Id, name and subject of the calls that are not yet answered."""

    def read(self, contents: list[Any]) -> None:
        if not contents:
            raise Refused("contents is not specified")
        for place, content in enumerate(contents):
            at = f"contents[{place}]"
            role = only(content, "role parts", at).get("role", "user")
            parts = need(content, "parts", list, at)
            if not parts:
                raise Refused(f"{at}.parts must not be empty.")
            if role == "model":
                self._model(parts, at, is_first=place == 0)
            elif role == "user":
                self._user(parts, at)
            else:
                raise Refused("Please use a valid role: user, model.")
        if contents[-1].get("role") == "model":
            raise Refused("Please ensure that the last turn is the user's")

    def _model(self, parts: list[Any], at: str, *, is_first: bool) -> None:
        if self._calls:
            raise Refused(f"{at}: function calls have no responses")
        signed = False
        for part in parts:
            only(part, "text thought thoughtSignature functionCall inlineData", at)
            signature = part.get("thoughtSignature")
            if signature is not None and signature not in ANY_SIGNATURES:
                sealed(signature, f"{at}: thought_signature")
            if "functionCall" not in part:
                need(part, "text", str, at)
                continue
            signed = signed or signature is not None
            if is_first:
                raise Refused("function call turn must come after a user turn or a function response turn")
            call = only(part["functionCall"], "id name args", at)
            if self._is_new and not signed:
                raise Refused(f"Function call is missing a thought_signature in functionCall parts. ({at})")
            name = need(call, "name", str, at)
            self._calls.append((call.get("id"), name, subject_of(name, need(call, "args", dict, at), at)))

    def _user(self, parts: list[Any], at: str) -> None:
        text, told = "", []
        for part in parts:
            only(part, "text inlineData functionResponse", at)
            if "functionResponse" in part:
                told.append(only(part["functionResponse"], "id name response", at))
            elif "inlineData" in part:
                blob = only(part["inlineData"], "mimeType data", at)
                self._asked.images.append((need(blob, "mimeType", str, at), unbase64(blob.get("data"), at)))
            else:
                text += need(part, "text", str, at)
        if len(told) != len(self._calls):
            raise Refused(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        self._asked.text = text or self._asked.text
        self._asked.results = []
        for (call_id, name, subject), answer in zip(self._calls, told, strict=True):
            if need(answer, "name", str, at) != name or answer.get("id") != call_id:
                raise Refused(f"{at}: the response is of another call")
            said = need(answer, "response", dict, at)
            self._asked.results.append((subject, orjson.dumps(said).decode()))
        self._calls = []
