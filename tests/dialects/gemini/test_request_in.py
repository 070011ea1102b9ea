"""What Google's clients send, as the hub's request."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.gemini.request_in import request_in
from proxy.dialects.gemini.signatures import STAND_IN, dressed
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.names import DialectName
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import BadRequest, InvalidJson, MissingField, Unsupported, WrongType

HI = {"role": "user", "parts": [{"text": "hi"}]}


def decode(doc: Any, model: str = "m", *, stream: bool = False, is_array: bool = False) -> ModelRequest:
    surface = GeminiSurface(model, stream=stream, is_array=is_array)
    return surface.decode(Operation.CHAT, doc if isinstance(doc, bytes) else orjson.dumps(doc))


def messages(*contents: Any, **fields: Any) -> Any:
    return request_in({"contents": list(contents), **fields})["messages"]


def config(**fields: Any) -> dict[str, Any]:
    doc = request_in({"contents": [HI], "generationConfig": fields})
    del doc["messages"]
    return doc


def test_what_routing_needs_is_read_and_the_bytes_are_kept():
    body = orjson.dumps(
        {"contents": [HI], "serviceTier": "flex", "generation_config": {"max_output_tokens": 7}, "safetySettings": []}
    )
    asked = decode(body, "google/gemini", stream=True)

    assert (body, DialectName.GEMINI, "google/gemini") == (asked.raw, asked.dialect, asked.model)
    assert (True, True, "flex", 7) == (asked.stream, asked.wants_usage, asked.service_tier, asked.max_output_tokens)
    assert len(body) // 4 == asked.prompt_tokens


def test_the_hubs_request_streams_with_usage():
    asked = decode({"contents": [HI]}, stream=True)
    asked.session = "s"
    hub = asked.hub

    assert {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "hi"}],
    } == hub.doc
    assert (None, None, DialectName.OPENAI_CHAT, "s", True) == (
        hub.raw, hub.to_hub, hub.dialect, hub.session, hub.wants_usage,
    )  # fmt: skip
    assert hub is asked.hub
    assert hub is hub.hub
    assert "stream" not in decode({"contents": [HI]}).hub.doc


def test_a_request_to_count_may_hold_the_whole_request():
    inner = {"contents": [HI], "systemInstruction": {"parts": [{"text": "be kind"}]}}
    for doc in (inner, {"generateContentRequest": inner}):
        asked = GeminiSurface("m").decode(Operation.COUNT_TOKENS, orjson.dumps(doc))
        assert ["system", "user"] == [message["role"] for message in asked.hub.doc["messages"]]


def test_an_array_is_asked_of_no_provider():
    assert DialectName.OPENAI_CHAT is decode({"contents": [HI]}, stream=True, is_array=True).dialect


@pytest.mark.parametrize(
    ("doc", "kind"),
    [
        (b"{", InvalidJson),
        (b"[]", InvalidJson),
        ({}, MissingField),
        ({"contents": []}, MissingField),
        ({"contents": [HI], "generationConfig": []}, WrongType),
        ({"contents": [HI], "generationConfig": {"maxOutputTokens": "7"}}, WrongType),
        ({"contents": [HI], "generationConfig": {"thinkingConfig": 3}}, WrongType),
        ({"contents": [HI], "generationConfig": {"maxOutputTokens": True}}, WrongType),
    ],
)
def test_what_is_no_request_is_refused_at_once(doc: Any, kind: type[BadRequest]):
    with pytest.raises(kind):
        decode(doc)


def test_a_model_must_have_a_name():
    with pytest.raises(MissingField):
        decode({"contents": [HI]}, "")
    with pytest.raises(BadRequest):
        decode({"contents": [HI]}, "a\nb")


@pytest.mark.parametrize(
    "contents",
    ["hi", {"parts": [{"text": "hi"}]}, [{"role": "user", "parts": {"text": "hi"}}], [HI], [{**HI, "role": None}]],
)
def test_contents_may_be_short(contents: Any):
    assert [{"role": "user", "content": "hi"}] == request_in({"contents": contents})["messages"]


@pytest.mark.parametrize("name", ["systemInstruction", "system_instruction"])
@pytest.mark.parametrize("value", ["be kind\nbe brief", {"parts": [{"text": "be kind"}, {"text": "be brief"}]}])
def test_instructions(name: str, value: Any):
    assert {"role": "system", "content": "be kind\nbe brief"} == messages(HI, **{name: value})[0]
    assert 1 == len(messages(HI, systemInstruction={"parts": []}))


def test_a_conversation_with_tools():
    calls = [{"functionCall": {"id": "a", "name": "f", "args": {"x": 1}}}, {"function_call": {"name": "g"}}]
    results = [
        {"functionResponse": {"name": "g", "response": {"output": "G"}}},
        {"function_response": {"id": "a", "name": "f", "response": {"y": 2}}},
        {"text": "and now?"},
    ]
    said = messages(HI, {"role": "model", "parts": [{"text": "Wait."}, *calls]}, {"role": "user", "parts": results})

    _, asked, first, second, user = said
    assert ("Wait.", ["a", "call_1_1"]) == (asked["content"], [call["id"] for call in asked["tool_calls"]])
    assert [{"name": "f", "arguments": '{"x":1}'}, {"name": "g", "arguments": "{}"}] == [
        call["function"] for call in asked["tool_calls"]
    ]
    assert {"role": "tool", "tool_call_id": "call_1_1", "content": "G"} == first
    assert {"role": "tool", "tool_call_id": "a", "content": '{"y":2}'} == second
    assert {"role": "user", "content": "and now?"} == user


def test_calls_of_one_name_are_answered_in_their_order():
    calls = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"n": n}}} for n in (1, 2)]}
    results = {
        "role": "user",
        "parts": [{"functionResponse": {"name": "f", "response": {"output": n}}} for n in (1, 2)],
    }
    _, asked, *told = messages(HI, calls, results)

    assert [call["id"] for call in asked["tool_calls"]] == [message["tool_call_id"] for message in told]
    assert ["1", "2"] == [message["content"] for message in told]


def test_a_turn_in_pieces_is_one_message():
    """Google's own client keeps each chunk of a stream as a turn."""
    pieces = [[{"text": "Le"}], [{"text": "ft."}], [{"functionCall": {"id": "a", "name": "f"}}], [{"text": ""}]]
    said = messages(HI, *({"role": "model", "parts": parts} for parts in pieces))

    assert ["user", "assistant"] == [message["role"] for message in said]
    assert ("Left.", "a") == (said[1]["content"], said[1]["tool_calls"][0]["id"])


@pytest.mark.parametrize(
    ("response", "told"),
    [
        ({"output": "x"}, {"content": "x"}),
        ({"output": [1]}, {"content": "[1]"}),
        ({"error": "x"}, {"content": "x", "is_error": True}),
        ({"result": "x"}, {"content": '{"result":"x"}'}),
        (None, {"content": "{}"}),
    ],
)
def test_what_a_tool_says(response: Any, told: dict[str, Any]):
    part = {"functionResponse": {"id": "a", "name": "f", "response": response}}

    assert [{"role": "tool", "tool_call_id": "a", **told}] == messages({"role": "function", "parts": [part]})


def test_what_a_tool_shows():
    shown = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    part = {"functionResponse": {"id": "a", "name": "f", "response": {"output": "x"}, "parts": [shown]}}

    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    assert [{"type": "text", "text": "x"}, picture] == messages({"parts": [part]})[0]["content"]


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        (
            {"inline_data": {"mime_type": "image/png", "data": "-_8="}},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,+/8="}},
        ),
        (
            {"inlineData": {"mimeType": "audio/mpeg", "data": "AA"}},
            {"type": "input_audio", "input_audio": {"data": "AA", "format": "mp3"}},
        ),
        (
            {"inlineData": {"mimeType": "video/mp4", "data": "AA"}},
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA"}},
        ),
        (
            {"inlineData": {"mimeType": "application/pdf", "data": "AA", "displayName": "a.pdf"}},
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"}},
        ),
        (
            {"fileData": {"mimeType": "image/png", "fileUri": "https://a/b"}, "mediaResolution": {"level": "x"}},
            {"type": "image_url", "image_url": {"url": "https://a/b"}},
        ),
        ({"fileData": {"fileUri": "gs://b/c.pdf"}}, {"type": "file", "file": {"file_url": "gs://b/c.pdf"}}),
    ],
)
def test_data_and_files(part: dict[str, Any], sent: dict[str, Any]):
    assert [{"role": "user", "content": [sent]}] == messages({"role": "user", "parts": [part]})


@pytest.mark.parametrize(
    ("fields", "doc"),
    [
        ({"temperature": 0.5, "topP": 1, "topK": 4.0}, {"temperature": 0.5, "top_p": 1, "top_k": 4}),
        ({"max_output_tokens": 9, "seed": 3, "candidateCount": 2}, {"max_completion_tokens": 9, "seed": 3, "n": 2}),
        ({"presencePenalty": 0.5, "frequency_penalty": 1}, {"presence_penalty": 0.5, "frequency_penalty": 1}),
        ({"stopSequences": ["a"]}, {"stop": ["a"]}),
        ({"responseLogprobs": True, "logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"responseMimeType": "text/plain"}, {}),
        ({"responseMimeType": "application/json"}, {"response_format": {"type": "json_object"}}),
        ({"responseModalities": ["TEXT"]}, {}),
        ({"responseModalities": ["TEXT", "IMAGE"]}, {"modalities": ["text", "image"]}),
        ({"thinkingConfig": {"thinkingLevel": "low"}}, {"reasoning_effort": "low"}),
        ({"thinkingConfig": {"thinkingBudget": 0}}, {"reasoning_effort": "none"}),
        ({"thinking_config": {"thinking_budget": 99}}, {"reasoning": {"max_tokens": 99}}),
        ({"thinkingConfig": {"thinkingBudget": -1}}, {"reasoning": {"enabled": True}}),
        ({"thinkingConfig": {"includeThoughts": True}}, {"reasoning": {"enabled": True, "summary": "auto"}}),
        ({"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 0}}, {"reasoning_effort": "none"}),
        ({"thinkingConfig": {"includeThoughts": False}}, {}),
    ],
)
def test_settings(fields: dict[str, Any], doc: dict[str, Any]):
    assert doc == config(**fields)


def test_googles_schema_becomes_json_schema():
    schema = {
        "type": "OBJECT",
        "properties": {
            "type": {"type": "STRING", "enum": ["a"], "nullable": True},
            "rows": {"type": "ARRAY", "items": {"type": "INTEGER"}, "minItems": "1", "example": 3},
        },
        "property_ordering": ["type", "rows"],
        "required": ["rows"],
        "any_of": [{"type": "NUMBER"}, {"type": ["STRING", "null"]}],
    }
    expected = {
        "type": "object",
        "properties": {
            "type": {"type": ["string", "null"], "enum": ["a", None]},
            "rows": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
        },
        "required": ["rows"],
        "anyOf": [{"type": "number"}, {"type": ["string", "null"]}],
    }
    for fields in ({"responseSchema": schema}, {"responseJsonSchema": expected}):
        found = config(responseMimeType="application/json", **fields)["response_format"]
        assert {"type": "json_schema", "json_schema": {"name": "response", "schema": expected}} == found


def test_a_setting_of_the_wrong_type_is_named():
    with pytest.raises(WrongType) as told:
        config(topP="x")
    assert "generationConfig.topP" == told.value.param


FUNCTIONS = [{"name": "f", "description": "d", "parameters": {"type": "OBJECT"}}, {"name": "g"}]


def tools(calling: dict[str, Any] | None) -> dict[str, Any]:
    fields = {"toolConfig": {"functionCallingConfig": calling}} if calling is not None else {}
    return request_in({"contents": [HI], "tools": [{"function_declarations": FUNCTIONS}], **fields})


@pytest.mark.parametrize(
    ("calling", "choice", "names"),
    [
        (None, None, ["f", "g"]),
        ({"mode": "AUTO"}, None, ["f", "g"]),
        ({"mode": "NONE"}, "none", ["f", "g"]),
        ({"mode": "any"}, "required", ["f", "g"]),
        ({"mode": "ANY", "allowedFunctionNames": ["f", "g"]}, "required", ["f", "g"]),
        ({"mode": "ANY", "allowedFunctionNames": ["g", "h"]}, "required", ["g"]),
        ({"mode": "VALIDATED", "allowed_function_names": ["g"]}, None, ["g"]),
        (
            {"mode": "ANY", "allowedFunctionNames": ["g"]},
            {"type": "function", "function": {"name": "g"}},
            ["f", "g"],
        ),
    ],
)
def test_tools_and_their_choice(calling: Any, choice: Any, names: list[str]):
    doc = tools(calling)

    assert (choice, names) == (doc.get("tool_choice"), [tool["function"]["name"] for tool in doc["tools"]])


def test_a_function_keeps_its_schema():
    first, second = (tool["function"] for tool in tools(None)["tools"])

    assert {"name": "f", "description": "d", "parameters": {"type": "object"}} == first
    assert {"name": "g", "parameters": {"type": "object", "properties": {}}} == second


def test_search_tier_and_labels():
    doc = request_in(
        {
            "contents": [HI],
            "tools": [{"googleSearch": {}}],
            "serviceTier": "standard",
            "labels": {"a": "b"},
            "store": True,
        }
    )
    assert {"web_search_options": {}, "service_tier": "default", "metadata": {"a": "b"}} == {
        name: value for name, value in doc.items() if name != "messages"
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"cachedContent": "cachedContents/a"}, "cachedContent"),
        ({"tools": [{"codeExecution": {}}]}, "tools[0].codeExecution"),
        ({"generationConfig": {"speechConfig": {"x": 1}}}, "generationConfig.speechConfig"),
        ({"generationConfig": {"responseMimeType": "text/x.enum"}}, "generationConfig.responseMimeType"),
        ({"systemInstruction": {"parts": [{"inlineData": {}}]}}, "systemInstruction.parts[0]"),
        ({"contents": [{"role": "model", "parts": [{"executableCode": {}}]}]}, "contents[0].parts[0].executableCode"),
        ({"contents": [{"parts": [{"toolCall": {}}]}]}, "contents[0].parts[0].toolCall"),
        (
            {"contents": [{"role": "model", "parts": [{"inlineData": {"mimeType": "audio/wav", "data": "x"}}]}]},
            "contents",
        ),
        (
            {"contents": [{"parts": [{"fileData": {"fileUri": "a"}, "videoMetadata": {}}]}]},
            "contents[0].parts[0].videoMetadata",
        ),
        (
            {
                "tools": [{"functionDeclarations": FUNCTIONS}],
                "toolConfig": {"retrievalConfig": {"languageCode": "de"}},
            },
            "toolConfig.retrievalConfig",
        ),
    ],
)
def test_what_only_google_knows_may_be_served_by_google(fields: dict[str, Any], param: str):
    with pytest.raises(Unsupported) as told:
        request_in({"contents": [HI], **fields})
    assert param == told.value.param


@pytest.mark.parametrize(
    "contents",
    [
        [3],
        [{"role": "narrator", "parts": []}],
        [{"role": [], "parts": []}],
        [{"parts": 3}],
        [{"parts": [3]}],
        [{"parts": [{"text": 3}]}],
        [{"parts": [{"inlineData": {"data": "x"}}]}],
        [{"parts": [{"inlineData": 3}]}],
        [{"parts": [{"functionResponse": {"name": "f"}}]}],
        [{"parts": [{"functionResponse": {"id": "f"}}]}],
        [{"role": "model", "parts": [{"functionCall": {"args": {}}}]}],
        [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": [1]}}]}],
    ],
)
def test_what_no_one_could_understand(contents: Any):
    with pytest.raises(BadRequest) as told:
        messages(*contents)
    assert not isinstance(told.value, Unsupported)


def test_googles_own_signatures_are_kept_and_stand_ins_are_not():
    parts = [
        {"text": "4", "thoughtSignature": "Eg"},
        {"functionCall": {"id": "a", "name": "f"}, "thoughtSignature": "Eh"},
        {"functionCall": {"id": "b", "name": "f"}, "thoughtSignature": STAND_IN},
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "Ei"},
    ]
    said = messages(HI, {"role": "model", "parts": parts})[1]

    assert [{"type": "reasoning.encrypted", "data": "Eg", "format": "google-gemini-v1"}] == said["reasoning_details"]
    first, second = said["tool_calls"]
    assert {"google": {"thought_signature": "Eh"}} == first["extra_content"]
    assert "extra_content" not in second
    assert {"google": {"thought_signature": "Ei"}} == said["images"][0]["extra_content"]


FOREIGN = {"type": "reasoning.text", "signature": "c2ln/+==", "format": "anthropic-claude-v1"}


@pytest.mark.parametrize(
    "recoded", [str, lambda text: base64.urlsafe_b64encode(base64.b64decode(text)).decode().rstrip("=")]
)
def test_another_providers_state_is_undressed_with_the_thoughts_it_signs(recoded: Any):
    """Google's clients decode and encode signatures, in either alphabet."""
    redacted = {"type": "reasoning.encrypted", "data": "xx", "format": "anthropic-claude-v1", "id": "r"}
    parts = [
        {"text": "Hm, ", "thought": True},
        {"text": "well.", "thought": True},
        {"text": "", "thought": True, "thoughtSignature": recoded(dressed(FOREIGN))},
        {"thought": True, "text": "", "thoughtSignature": recoded(dressed(redacted))},
        {"text": "Left."},
    ]
    said = messages(HI, {"role": "model", "parts": parts})[1]

    assert [{**FOREIGN, "text": "Hm, well."}, redacted] == said["reasoning_details"]
    assert ("Hm, well.", "Left.") == (said["reasoning_content"], said["content"])


def test_state_that_was_damaged_is_left_out():
    parts = [{"text": "x", "thoughtSignature": base64.b64encode(b"pointsman.a.{broken").decode()}]

    assert {"role": "assistant", "content": "x"} == messages(HI, {"role": "model", "parts": parts})[1]


@settings(max_examples=50, derandomize=True)
@given(
    st.dictionaries(
        st.sampled_from(["type", "signature", "data", "format", "id", "summary"]), st.text(min_size=1), min_size=1
    )
)
def test_any_state_survives_its_dress(entry: dict[str, Any]):
    entry = {**entry, "type": "reasoning.encrypted", "format": entry.get("format", "f").replace(".", "-")}
    part = {"text": "", "thought": True, "thoughtSignature": dressed(entry)}

    assert [entry] == messages({"role": "model", "parts": [part]})[0]["reasoning_details"]
