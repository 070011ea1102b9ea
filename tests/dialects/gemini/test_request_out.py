"""Hub requests as Google takes them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from googles import DEVELOPER, DIALECT, HI, NEW, OLD, VERTEX, conversation, target, written

from proxy.dialects.gemini.schema import MAX_DEPTH
from proxy.dialects.openai_chat import decode
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import BadRequest, Unsupported, WrongType

USER = {"role": "user", "content": "hi"}
FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}
DATA_URL = "data:image/png;base64,iVBO"


def asking(*names: str, **extra: Any) -> dict[str, Any]:
    calls = [
        {"id": f"id-{name}", "type": "function", "function": {"name": name, "arguments": '{"x": 1}'}, **extra}
        for name in names
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(name: str, content: Any = "ok", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": f"id-{name}", "content": content, **fields}


def test_roles_are_two_and_neighbours_are_merged():
    turns = conversation(
        USER,
        {"role": "user", "content": "there"},
        {"role": "assistant", "content": "hello"},
        {"role": "user", "content": "go"},
    )

    assert [("user", ["hi", "there"]), ("model", ["hello"]), ("user", ["go"])] == [
        (turn["role"], [part["text"] for part in turn["parts"]]) for turn in turns
    ]


def test_instructions_stand_apart_wherever_they_were():
    messages = [
        {"role": "system", "content": "a"},
        USER,
        {"role": "developer", "content": [{"type": "text", "text": "b"}]},
    ]
    body = written({"messages": messages})

    assert {"parts": [{"text": "a"}, {"text": "b"}]} == body["systemInstruction"]
    assert [{"role": "user", "parts": [{"text": "hi"}]}] == body["contents"]


def test_a_model_without_instructions_reads_them_first():
    body = written({"messages": [{"role": "system", "content": "a"}, USER]}, target("gemma-3-27b-it"))

    assert "systemInstruction" not in body
    assert [{"text": "a"}, {"text": "hi"}] == body["contents"][0]["parts"]


@pytest.mark.parametrize("messages", [[{"role": "system", "content": "a"}], [{"role": "assistant", "content": ""}]])
def test_the_conversation_is_never_empty(messages: list[Any]):
    assert [{"role": "user", "parts": [{"text": " "}]}] == conversation(*messages)


def test_the_conversation_never_begins_with_a_call():
    turns = conversation(asking("f"), result("f"))

    assert ["user", "model", "user"] == [turn["role"] for turn in turns]


def test_results_of_a_step_stand_together_in_the_order_of_the_calls():
    turns = conversation(USER, asking("f", "g"), result("g", '{"y": 2}'), result("f"), USER)

    _, calls, results, user = turns
    assert [("f", "id-f"), ("g", "id-g")] == [
        (part["functionCall"]["name"], part["functionCall"]["id"]) for part in calls["parts"]
    ]
    assert [("f", {"output": "ok"}), ("g", {"y": 2})] == [
        (part["functionResponse"]["name"], part["functionResponse"]["response"]) for part in results["parts"]
    ]
    assert [{"text": "hi"}] == user["parts"]


@pytest.mark.parametrize(
    ("content", "fields", "response"),
    [
        ("boom", {"is_error": True}, {"error": "boom"}),
        ("[1]", {}, {"output": "[1]"}),
        ("{broken", {}, {"output": "{broken"}),
        (None, {}, {"output": ""}),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {}, {"output": "ab"}),
    ],
)
def test_what_a_tool_says(content: Any, fields: dict[str, Any], response: dict[str, Any]):
    turns = conversation(USER, asking("f"), result("f", content, **fields))

    assert response == turns[2]["parts"][0]["functionResponse"]["response"]


def test_what_a_tool_shows_goes_into_its_result_or_beside_it():
    shown = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": DATA_URL}}]
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}

    (new,) = conversation(USER, asking("f"), result("f", shown))[2]["parts"]
    assert [picture] == new["functionResponse"]["parts"]
    old = conversation(USER, asking("f", "g"), result("f", shown), result("g"), to=target(OLD))[2]["parts"]
    assert ["functionResponse", "functionResponse", "inlineData"] == [next(iter(part)) for part in old]


def test_ids_are_left_out_where_they_are_refused():
    turns = conversation(USER, asking("f"), result("f"), to=target(quirks=VERTEX))

    assert "id" not in turns[1]["parts"][0]["functionCall"]
    assert "id" not in turns[2]["parts"][0]["functionResponse"]


def test_a_result_without_its_call_needs_a_name():
    turns = conversation(USER, result("f") | {"name": "f"})
    assert "f" == turns[1]["parts"][0]["functionResponse"]["name"]
    with pytest.raises(BadRequest) as told:
        conversation(USER, result("f"))
    assert "messages[1].tool_call_id" == told.value.param


@pytest.mark.parametrize(
    ("model", "signatures"),
    [
        (NEW, ["skip_thought_signature_validator", None]),
        ("gemini-flash-latest", ["skip_thought_signature_validator", None]),
        (OLD, [None, None]),
    ],
)
def test_a_lost_signature_has_a_stand_in_where_one_is_needed(model: str, signatures: list[Any]):
    turns = conversation(USER, asking("f", "g"), result("f"), result("g"), to=target(model))

    assert signatures == [part.get("thoughtSignature") for part in turns[1]["parts"]]


def test_a_signature_is_the_clients_else_the_remembered_one():
    def state(signature: str) -> dict[str, Any]:
        return {"extra_content": {"google": {"thought_signature": signature}}}

    memory = {"id-f": state("remembered"), "id-g": {"reasoning_details": []}}
    told = conversation(USER, asking("f", "g"), to=target(recall=memory.get))
    sent = conversation(USER, asking("f", **state("sent")), to=target(recall=memory.get))

    assert ["remembered", None] == [part.get("thoughtSignature") for part in told[1]["parts"]]
    assert "sent" == sent[1]["parts"][0]["thoughtSignature"]


def test_googles_state_goes_back_and_no_one_elses():
    details = [
        {"type": "reasoning.text", "text": "Hm.", "signature": "x", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "Eg", "format": "google-gemini-v1"},
    ]
    message = {"role": "assistant", "content": "4", "reasoning_content": "Hm.", "reasoning_details": details}

    assert [{"text": "4", "thoughtSignature": "Eg"}] == conversation(USER, message)[1]["parts"]
    assert [{"text": "4"}] == conversation(USER, {**message, "reasoning_details": details[:1]})[1]["parts"]
    assert [{"text": "", "thoughtSignature": "Eg"}] == conversation(USER, {**message, "content": ""})[1]["parts"]


def test_an_image_the_model_made_goes_back_with_its_signature():
    extra = {"extra_content": {"google": {"thought_signature": "Eh"}}}
    message = {"role": "assistant", "content": None, "images": [{"image_url": {"url": DATA_URL}} | extra]}

    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "Eh"}
    assert [picture] == conversation(USER, message)[1]["parts"]


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        ({"type": "image_url", "image_url": {"url": DATA_URL}}, ("inlineData", "image/png", "iVBO")),
        ({"type": "image_url", "image_url": DATA_URL}, ("inlineData", "image/png", "iVBO")),
        ({"type": "image_url", "image_url": {"url": "gs://b/a.webp"}}, ("fileData", "image/webp", "gs://b/a.webp")),
        (
            {"type": "video_url", "video_url": {"url": "https://youtu.be/x"}},
            ("fileData", "video/mp4", "https://youtu.be/x"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            ("inlineData", "audio/wav", "UklG"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "//s=", "format": "mp3"}},
            ("inlineData", "audio/mpeg", "//s="),
        ),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVB"}},
            ("inlineData", "application/pdf", "JVB"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "data:audio/ogg;base64,T2d"}},
            ("inlineData", "audio/ogg", "T2d"),
        ),
        ({"type": "audio_url", "audio_url": {"url": "gs://b/a.flac"}}, ("fileData", "audio/flac", "gs://b/a.flac")),
        ({"type": "file", "file": {"filename": "a.CSV", "file_data": "YSxi"}}, ("inlineData", "text/csv", "YSxi")),
        (
            {"type": "file", "file": {"file_url": "https://generativelanguage.googleapis.com/v1beta/files/a"}},
            ("fileData", "application/pdf", "https://generativelanguage.googleapis.com/v1beta/files/a"),
        ),
    ],
)
def test_data_and_files(part: dict[str, Any], sent: tuple[str, str, str]):
    (found,) = conversation({"role": "user", "content": [part]})[0]["parts"]

    (name,) = found
    assert sent == (name, found[name]["mimeType"], found[name].get("data") or found[name].get("fileUri"))


def test_a_web_address_is_fetched_by_vertex_and_refused_by_the_developer_api():
    message = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/b.png?c"}}]}

    (part,) = conversation(message, to=target(quirks=VERTEX))[0]["parts"]
    assert {"fileData": {"mimeType": "image/png", "fileUri": "https://a.example/b.png?c"}} == part
    with pytest.raises(Unsupported) as told:
        conversation(message)
    assert "messages[0].content[0].image_url.url" == told.value.param
    assert [{"role": "user", "parts": [{"text": " "}]}] == conversation(message, to=target(lenient=True))


@pytest.mark.parametrize(
    "message",
    [
        {"role": "narrator", "content": "x"},
        {"role": ["user"], "content": "x"},
        {"role": "user", "content": 3},
        {"role": "user", "content": ["x"]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {}}]},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]},
        {"role": "user", "content": [{"type": "file", "file": {}}]},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "[1]"}}]},
        {"role": "assistant", "tool_calls": [{"id": "a", "function": {}}]},
    ],
)
def test_what_no_one_could_understand(message: dict[str, Any]):
    with pytest.raises(BadRequest) as told:
        conversation(message)
    assert not isinstance(told.value, Unsupported)


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"maxOutputTokens": 6}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"maxOutputTokens": 6}),
        ({"max_tokens": 999_999}, {"maxOutputTokens": 65_536}),
        (
            {"temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 4},
            {"temperature": 0, "topP": 0.5, "topK": 3, "seed": 4},
        ),
        ({"presence_penalty": 0.5, "frequency_penalty": 0}, {"presencePenalty": 0.5}),
        ({"n": 3}, {"candidateCount": 3}),
        ({"n": 1, "logprobs": False, "temperature": None, "logit_bias": {}, "user": "u"}, {}),
        ({"stop": "END"}, {"stopSequences": ["END"]}),
        ({"stop": ["a", "", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": True, "top_logprobs": 0}, {"responseLogprobs": True}),
        ({"modalities": ["text"]}, {}),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        ({"response_format": {"type": "text"}}, {}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"const": 1}}}},
            {"responseMimeType": "application/json", "responseJsonSchema": {"enum": [1]}},
        ),
    ],
)
def test_settings(fields: dict[str, Any], config: dict[str, Any]):
    assert config == written(fields, target(max_output_tokens=65_536)).get("generationConfig", {})


@pytest.mark.parametrize(
    ("model", "fields", "config"),
    [
        (NEW, {}, None),
        (NEW, {"reasoning_effort": "none"}, {"thinkingLevel": "MINIMAL"}),
        (NEW, {"reasoning_effort": "minimal"}, {"thinkingLevel": "MINIMAL", "includeThoughts": True}),
        ("gemini-3.7-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "LOW", "includeThoughts": True}),
        ("gemini-3.7-flash-lite", {"reasoning_effort": "none"}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "none"}, {"thinkingLevel": "LOW"}),
        (
            "gemini-3.1-pro-preview",
            {"reasoning_effort": "medium"},
            {"thinkingLevel": "MEDIUM", "includeThoughts": True},
        ),
        ("gemini-3-pro-preview", {"reasoning_effort": "medium"}, {"thinkingLevel": "HIGH", "includeThoughts": True}),
        ("models/gemini-2.5-pro", {"reasoning_effort": "none"}, {"thinkingBudget": 128}),
        (OLD, {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        (OLD, {"reasoning_effort": "max"}, {"thinkingBudget": 24_576, "includeThoughts": True}),
        (OLD, {"reasoning": {"max_tokens": 500}}, {"thinkingBudget": 500, "includeThoughts": True}),
        (OLD, {"reasoning": {"effort": "low", "exclude": True}}, {"thinkingBudget": 1024}),
        (OLD, {"reasoning": {"enabled": False}}, {"thinkingBudget": 0}),
        (NEW, {"reasoning": {"enabled": True}}, {"includeThoughts": True}),
        (NEW, {"reasoning": {"max_tokens": 5000}}, {"thinkingLevel": "MEDIUM", "includeThoughts": True}),
        (NEW, {"reasoning": {"max_tokens": 0}}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-2.0-flash", {"reasoning_effort": "none"}, None),
    ],
)
def test_how_hard_to_think_is_told_as_the_model_takes_it(model: str, fields: dict[str, Any], config: Any):
    assert config == written(fields, target(model)).get("generationConfig", {}).get("thinkingConfig")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"functions": [{}]}, "functions"),
        ({"verbosity": "low"}, "verbosity"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"min_p": 0.1}, "min_p"),
        ({"stop": list("abcdef")}, "stop"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]"),
        ({"web_search_options": {"user_location": {"type": "approximate"}}}, "web_search_options.user_location"),
        ({"messages": [{"role": "user", "content": [{"type": "hologram"}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{"type": []}]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"type": "custom"}]}]}, "messages[0].tool_calls[0]"),
        ({"messages": HI, "tools": [FUNCTION], "tool_choice": {"type": "custom"}}, "tool_choice"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
         "messages[0].content[0].file.file_id"),
    ],
)  # fmt: skip
def test_what_google_cannot_be_told_is_refused_or_left_out_and_named(fields: dict[str, Any], param: str):
    with pytest.raises(Unsupported) as told:
        written(fields)
    assert param == told.value.param

    lenient = target(lenient=True)
    body = written(fields, lenient)
    assert [param] == lenient.dropped
    assert body["contents"]


def test_a_model_that_cannot_think_is_not_told_to():
    with pytest.raises(Unsupported):
        written({"reasoning_effort": "high"}, target("gemini-2.0-flash"))


def test_a_model_with_one_answer_is_not_asked_for_more():
    with pytest.raises(Unsupported):
        written({"n": 2}, target(quirks=Quirks(fixed_n=True)))
    lenient = target(quirks=Quirks(fixed_n=True), lenient=True)
    assert "generationConfig" not in written({"n": 2}, lenient)
    assert ["n"] == lenient.dropped


def test_a_refusal_was_said_too():
    assert [{"text": "No."}] == conversation(USER, {"role": "assistant", "refusal": "No."})[1]["parts"]


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": "hot"}, {"max_tokens": "x", "stream": False}, {"n": True}, {"stop": 3}, {"modalities": "text"},
        {"tools": {}}, {"tools": ["f"]}, {"logprobs": True, "top_logprobs": "x"},
    ],
)  # fmt: skip
def test_wrong_types(fields: dict[str, Any]):
    with pytest.raises(WrongType):
        written(fields)


@pytest.mark.parametrize(
    "fields", [{"reasoning_effort": "extreme"}, {"tools": [{"function": {}}]}, {"tool_choice": "maybe"}]
)
def test_values_that_are_none(fields: dict[str, Any]):
    with pytest.raises(BadRequest):
        written({"tools": [{"type": "function", "function": {"name": "f"}}], **fields})


@pytest.mark.parametrize(
    ("choice", "calling"),
    [
        (None, None),
        ("auto", None),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [FUNCTION]}},
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [FUNCTION]}},
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tools_and_their_choice(choice: Any, calling: Any):
    body = written({"tools": [FUNCTION], "tool_choice": choice})

    declaration = {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}}
    assert [{"functionDeclarations": [declaration]}] == body["tools"]
    assert calling == body.get("toolConfig", {}).get("functionCallingConfig")


def test_strict_tools_are_validated():
    tool = {"type": "function", "function": {"name": "f", "strict": True}}

    assert {"mode": "VALIDATED"} == written({"tools": [tool]})["toolConfig"]["functionCallingConfig"]


def test_search_is_a_tool():
    assert [{"googleSearch": {}}] == written({"web_search_options": {}})["tools"]


def test_constants_are_lists_of_one_wherever_they_stand():
    schema = {
        "type": "object",
        "properties": {"const": {"const": "a"}, "b": {"anyOf": [{"const": 1}, {"type": "null"}]}},
        "items": {"$ref": "#/$defs/c"},
        "$defs": {"c": {"const": None}},
        "default": {"const": 1},
    }
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}

    (declaration,) = written({"tools": [tool]})["tools"][0]["functionDeclarations"]
    assert {
        "type": "object",
        "properties": {"const": {"enum": ["a"]}, "b": {"anyOf": [{"enum": [1]}, {"type": "null"}]}},
        "items": {"$ref": "#/$defs/c"},
        "$defs": {"c": {"enum": [None]}},
        "default": {"const": 1},
    } == declaration["parametersJsonSchema"]


def test_a_schema_has_a_depth():
    schema: dict[str, Any] = {}
    for _ in range(MAX_DEPTH + 1):
        schema = {"items": schema}
    with pytest.raises(BadRequest):
        written({"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}})


@pytest.mark.parametrize(
    ("given", "tier", "sent"),
    [
        (None, "default", None),
        (None, "flex", "flex"),
        ("flex", "flex", "flex"),
        ("flex", "default", "standard"),
        ("priority", "default", "priority"),
        ("auto", "default", None),
    ],
)
def test_the_tier_is_a_field_unless_headers_tell_it(given: str | None, tier: str, sent: str | None):
    assert sent == written({"service_tier": given}, target(tier=tier)).get("serviceTier")

    assert "serviceTier" not in written({"service_tier": given}, target(quirks=VERTEX, tier=tier))


def test_metadata_becomes_labels_where_there_are_any():
    metadata = {"team": "a-b_1", "Upper": "x", "ok": "", "bad value": "x", "n": 3, "long": "x" * 64, "spaced": "a b"}

    assert {"team": "a-b_1", "ok": ""} == written({"metadata": metadata}, target(quirks=VERTEX))["labels"]
    assert "labels" not in written({"metadata": metadata})
    assert "labels" not in written({"metadata": "x"}, target(quirks=VERTEX))


def test_a_request_in_googles_dialect_goes_on_as_it_came():
    raw = b'{ "contents": [], "unknown": {"x": 1} }'
    request = ModelRequest(Operation.CHAT, orjson.loads(raw), raw, "m")
    assert raw is DIALECT.adapt(request, target())

    request.doc["serviceTier"] = "flex"
    request.raw = orjson.dumps(request.doc)
    assert request.raw is DIALECT.adapt(request, target(tier="flex"))
    assert "standard" == orjson.loads(DIALECT.adapt(request, target()))["serviceTier"]
    assert "serviceTier" not in orjson.loads(DIALECT.adapt(request, target(quirks=VERTEX)))
    del request.doc["serviceTier"]
    assert "flex" == orjson.loads(DIALECT.adapt(request, target(tier="flex")))["serviceTier"]


def test_the_request_itself_is_not_changed():
    doc = {"model": "m", "messages": [USER, asking("f"), result("f")], "tools": [FUNCTION], "stop": ["a"]}
    request = decode(Operation.CHAT, orjson.dumps(doc))
    DIALECT.encode(request, target(quirks=DEVELOPER))
    assert doc == request.doc
