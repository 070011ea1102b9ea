"""Whatever types stand where: a client's are a clear 400, a provider's read as absent or as damage."""

from __future__ import annotations

import contextlib
from typing import Any

import orjson
from googles import DIALECT, event, target
from hypothesis import given, settings
from hypothesis import strategies as st
from told import Said

from proxy.dialects.chunks import Chunks
from proxy.dialects.dialect import Undecodable
from proxy.dialects.gemini.request_in import request_in
from proxy.dialects.gemini.request_out import request_out
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.errors import BadRequest, ErrorInStream, MalformedAnswer


def words(text: str) -> list[str]:
    return text.split()


GOOGLES = words(
    "contents parts role text thought thoughtSignature functionCall functionResponse name id args response inlineData "
    "mimeType data fileData fileUri tools functionDeclarations parameters type properties items toolConfig "
    "functionCallingConfig mode allowedFunctionNames generationConfig responseSchema thinkingConfig stopSequences "
    "systemInstruction labels candidates content finishReason index usageMetadata promptTokenCount promptFeedback "
    "blockReason partialArgs jsonPath willContinue groundingMetadata groundingChunks web logprobsResult "
    "chosenCandidates error promptTokensDetails"
)
HUBS = words(
    "role content type text image_url url input_audio file tool_calls function name arguments tool_call_id id "
    "extra_content google thought_signature reasoning_details images refusal tools parameters tool_choice "
    "allowed_tools response_format json_schema schema reasoning reasoning_effort max_tokens stop n metadata modalities "
    "service_tier web_search_options message delta choices index finish_reason logprobs annotations url_citation"
)
WORDS = ["", "user", "model", "tool", "assistant", "function", "$.a[0]", "STOP", "image/png", "data:;base64,eA=="]
SCALARS = st.none() | st.booleans() | st.integers(-2, 3) | st.floats(-1, 1) | st.sampled_from(WORDS)


def values(names: list[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=4),
        max_leaves=20,
    )


def objects(names: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(names), values(names), min_size=1, max_size=5)


PARTS = st.lists(objects(GOOGLES), min_size=1, max_size=4)


@settings(max_examples=120, derandomize=True)
@given(PARTS, objects(GOOGLES), st.sampled_from(["user", "model"]))
def test_of_a_clients_request(parts: list[Any], doc: dict[str, Any], role: str):
    with contextlib.suppress(BadRequest):
        request_in(doc)
    with contextlib.suppress(BadRequest):
        request_in({"contents": [{"role": role, "parts": parts}], "generationConfig": doc, "tools": [doc]})


@settings(max_examples=120, derandomize=True)
@given(st.lists(objects(HUBS), max_size=4), objects(HUBS))
def test_of_a_hub_request(messages: list[Any], doc: dict[str, Any]):
    with contextlib.suppress(BadRequest):
        request_out(
            {**doc, "messages": [{"role": "assistant"} | message for message in messages]}, target(lenient=True)
        )


@settings(max_examples=120, derandomize=True)
@given(PARTS, objects(GOOGLES))
def test_of_a_providers_answer(parts: list[Any], doc: dict[str, Any]):
    for answer in (doc, {"candidates": [doc | {"content": {"parts": parts}}], "usageMetadata": doc}):
        decoder = DIALECT.decoder(target())
        with contextlib.suppress(Undecodable):
            assert isinstance(decoder.feed(event(answer)) + decoder.end(), bytes)
        with contextlib.suppress(Undecodable):
            DIALECT.opaque(DIALECT.answer(answer, target()))


@settings(max_examples=120, derandomize=True)
@given(objects(HUBS))
def test_of_what_the_hub_says(fields: dict[str, Any]):
    made = Chunks()
    made.identify("c", "m")
    encoder = GeminiSurface("m", stream=True).stream(Said())
    with contextlib.suppress(ErrorInStream):
        encoder.feed(made.delta(fields) + made.finish("stop"))
        encoder.end(Said())
    with contextlib.suppress(MalformedAnswer):
        GeminiSurface("m").answer(orjson.dumps({"choices": [{"index": 0, "message": fields}]}), Said())
