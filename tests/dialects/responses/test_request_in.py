"""What a Responses client asks for, as the hub says it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.dialects.dialect import Target
from proxy.dialects.names import DialectName
from proxy.dialects.openai_chat import encode
from proxy.dialects.request import Operation
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.errors import BadRequest, MissingField, Unsupported, WrongType

FUNCTION = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}}
LOOK = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}


def hub(**fields: Any) -> dict[str, Any]:
    body = orjson.dumps({"model": "m", "input": "hi", **fields})
    return ResponsesSurface().decode(Operation.RESPONSES, body).hub.doc


def messages(*items: Any, **fields: Any) -> list[dict[str, Any]]:
    return hub(input=list(items), **fields)["messages"]


def test_the_request_itself_stays_as_it_came():
    body = b'{"model": "m", "input": "hi", "max_output_tokens": 9, "service_tier": "flex", "prompt_cache_key": "k"}'

    asked = ResponsesSurface().decode(Operation.RESPONSES, body)

    assert (body, Operation.RESPONSES, DialectName.OPENAI_RESPONSES) == (asked.raw, asked.operation, asked.dialect)
    assert (9, "flex", "k", False) == (asked.max_output_tokens, asked.service_tier, asked.session, asked.stream)
    translated = asked.hub
    assert (None, Operation.CHAT, DialectName.OPENAI_CHAT) == (
        translated.raw, translated.operation, translated.dialect,
    )  # fmt: skip
    assert translated is asked.hub is translated.hub
    assert (9, "flex", "k", True) == (
        translated.max_output_tokens, translated.service_tier, translated.session, translated.wants_usage,
    )  # fmt: skip


def test_a_text_is_a_message_behind_the_instructions():
    assert {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
    } == hub(instructions="Be brief.", stream=True)


def test_what_the_hub_has_too_is_renamed():
    found = hub(
        max_output_tokens=9, temperature=0.5, top_p=0.9, service_tier="flex", user="u", prompt_cache_key="k",
        text={"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True}},
        reasoning={"effort": "low", "summary": "auto"}, include=["message.output_text.logprobs"], top_logprobs=2,
        store=True, truncation="auto", metadata={"a": "b"}, max_tool_calls=3, previous_response_id=None,
    )  # fmt: skip

    assert {
        "model": "m", "messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": 9, "temperature": 0.5,
        "top_p": 0.9, "service_tier": "flex", "user": "u", "prompt_cache_key": "k", "verbosity": "low",
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": 1}, "strict": True}},
        "reasoning_effort": "low", "logprobs": True, "top_logprobs": 2,
    } == found  # fmt: skip


@pytest.mark.parametrize(("kind", "wanted"), [("json_object", {"type": "json_object"}), ("text", None)])
def test_the_other_formats_of_text(kind: str, wanted: Any):
    assert wanted == hub(text={"format": {"type": kind}}).get("response_format")


def test_each_kind_of_content_has_its_part():
    parts = [
        {"type": "input_text", "text": "see", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "high"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://x.test/a.pdf"},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
    ]

    assert [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "high"}},
                {
                    "type": "file",
                    "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"},
                },
                {"type": "file", "file": {"file_url": "https://x.test/a.pdf"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ],
        }
    ] == messages({"role": "user", "content": parts})


def test_items_of_one_answer_are_one_message_again():
    found = messages(
        {"role": "developer", "content": [{"type": "input_text", "text": "rules"}]},
        {"type": "message", "role": "user", "content": "go"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "patch", "input": 'a"b'},
        {"type": "function_call_output", "call_id": "c1", "output": "seen"},
        {
            "type": "custom_tool_call_output", "call_id": "c2", "status": "incomplete",
            "output": [{"type": "input_text", "text": "t"}, {"type": "input_image", "image_url": "https://x.test/i"}],
        },
        {"role": "assistant", "content": "one"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    )  # fmt: skip

    assert [
        {"role": "system", "content": "rules"},
        {"role": "user", "content": "go"},
        {
            "role": "assistant", "content": "ok", "reasoning_content": "hm",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                {"id": "c2", "type": "function", "function": {"name": "patch", "arguments": '{"input":"a\\"b"}'}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "seen"},
        {
            "role": "tool", "tool_call_id": "c2", "is_error": True,
            "content": [
                {"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "https://x.test/i"}},
            ],
        },
        {"role": "assistant", "content": "one"},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
    ] == found  # fmt: skip


def test_thoughts_before_calls_that_run_side_by_side_stay_with_them():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": ""}

    found = messages(thought, call, thought, {**call, "call_id": "d"}, output, {**output, "call_id": "d"})

    assert ["assistant", "tool", "tool"] == [message["role"] for message in found]
    assert ("a\n\na", ["c", "d"]) == (
        found[0]["reasoning_content"], [call["id"] for call in found[0]["tool_calls"]],
    )  # fmt: skip


def test_thoughts_alone_are_no_message():
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}

    assert [{"role": "user", "content": "x"}] == messages(thought, {"role": "user", "content": "x"}, thought)


def test_state_of_openais_own_keeps_its_id_and_summary():
    item = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "gAAA"}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}

    mark = {"format": "openai-responses-v1", "id": "rs_1"}
    assert [
        {"type": "reasoning.summary", "summary": "a", **mark},
        {"type": "reasoning.summary", "summary": "b", **mark},
        {"type": "reasoning.encrypted", "data": "gAAA", **mark},
    ] == messages(item, call)[0]["reasoning_details"]


@pytest.mark.parametrize("state", ["pointsman.x", "pointsman.x.!!", "pointsman.x.AAAA", 7, ""])
def test_state_that_cannot_be_read_is_left_out(state: Any):
    item = {"type": "reasoning", "summary": [], "encrypted_content": state}

    assert [{"role": "user", "content": "x"}] == messages(item, {"role": "user", "content": "x"})


def test_tools_are_functions():
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: A"}
    found = hub(
        tools=[
            {**FUNCTION, "strict": True},
            {"type": "custom", "name": "patch", "description": "Patches.", "format": grammar},
            {"type": "namespace", "name": "crm", "description": "d", "tools": [FUNCTION]},
            {"type": "local_shell"},
            {"type": "shell", "environment": {"type": "local"}},
            {"type": "apply_patch"},
        ],
        tool_choice={"type": "custom", "name": "patch"},
        parallel_tool_calls=False,
    )

    functions = [tool["function"] for tool in found["tools"]]
    assert ["look", "patch", "crm__look", "local_shell", "shell", "apply_patch"] == [f["name"] for f in functions]
    assert {**LOOK["function"], "strict": True} == functions[0]
    assert {
        "name": "patch",
        "description": "Patches.\n\n`input` must match this lark grammar:\nstart: A",
        "parameters": {
            "type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"],
            "additionalProperties": False,
        },
    } == functions[1]  # fmt: skip
    assert {"type": "function", "function": {"name": "patch"}} == found["tool_choice"]
    assert found["parallel_tool_calls"] is False


def test_a_long_name_in_a_namespace_is_cut_the_same_each_time():
    tool = {"type": "namespace", "name": "n" * 40, "tools": [{**FUNCTION, "name": "f" * 40}]}
    call = {"type": "function_call", "call_id": "c", "name": "f" * 40, "namespace": "n" * 40, "arguments": "{}"}

    found = hub(tools=[tool], input=[call])

    name = found["tools"][0]["function"]["name"]
    assert 64 == len(name)
    assert name == found["messages"][0]["tool_calls"][0]["function"]["name"]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ({"type": "function", "name": "look"}, {"type": "function", "function": {"name": "look"}}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "look"}]},
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "look"}}],
                },
            },
        ),
    ],
)
def test_a_tool_is_chosen(choice: Any, wanted: Any):
    assert wanted == hub(tools=[FUNCTION], tool_choice=choice)["tool_choice"]


def test_what_is_usual_is_not_said():
    found = hub(tools=[FUNCTION], parallel_tool_calls=True, text={"verbosity": "medium"}, prompt_cache_retention="24h")

    assert {"model", "messages", "tools"} == found.keys()


def test_without_tools_there_is_nothing_to_choose():
    found = hub(tools=[], tool_choice="auto", parallel_tool_calls=True)

    assert {"model", "messages"} == found.keys()


def test_tools_at_the_client_are_called_by_their_functions():
    found = messages(
        {
            "type": "local_shell_call", "id": "l", "call_id": "c1", "status": "completed",
            "action": {"type": "exec", "command": ["ls", "-l"], "env": {}, "working_directory": "/w"},
        },
        {"type": "local_shell_call_output", "id": "c1", "output": "a b"},
        {"type": "shell_call", "call_id": "c2", "action": {"commands": ["ls"], "timeout_ms": 5}},
        {
            "type": "shell_call_output", "call_id": "c2",
            "output": [
                {"stdout": "a", "stderr": "e", "outcome": {"type": "exit", "exit_code": 1}},
                {"stdout": "", "stderr": "", "outcome": {"type": "timeout"}},
            ],
        },
        {"type": "apply_patch_call", "call_id": "c3", "operation": {"type": "delete_file", "path": "x"}},
        {"type": "apply_patch_call_output", "call_id": "c3", "status": "failed"},
    )  # fmt: skip

    calls = [message["tool_calls"][0]["function"] for message in found[::2]]
    assert [
        {"name": "local_shell", "arguments": '{"command":["ls","-l"],"working_directory":"/w"}'},
        {"name": "shell", "arguments": '{"commands":["ls"],"timeout_ms":5}'},
        {"name": "apply_patch", "arguments": '{"type":"delete_file","path":"x"}'},
    ] == calls
    assert [
        {"role": "tool", "tool_call_id": "c1", "content": "a b"},
        {"role": "tool", "tool_call_id": "c2", "content": "a\ne\n[exit code 1]\n[timed out]"},
        {"role": "tool", "tool_call_id": "c3", "content": "failed", "is_error": True},
    ] == found[1::2]


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "web_search"},
        {"type": "mcp", "server_label": "x"},
        {"type": "shell", "environment": {"type": "container_auto"}},
    ],
)
def test_a_tool_that_openai_runs_is_refused_by_whoever_is_asked_instead(tool: dict[str, Any]):
    request = ResponsesSurface().decode(
        Operation.RESPONSES, orjson.dumps({"model": "m", "input": "hi", "tools": [FUNCTION, tool]})
    )

    with pytest.raises(Unsupported) as caught:
        encode(request.hub, Target("m"))
    lenient = Target("m", lenient=True)
    body = orjson.loads(encode(request.hub, lenient))

    assert ("tools[1].type", ["tools[1].type"], [LOOK]) == (caught.value.param, lenient.dropped, body["tools"])


USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "c"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "web_search_preview"}}, "tool_choice.type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]"),
        ({"input": [{"id": "x"}]}, "input[0]"),
        ({"input": [USER, {"type": "web_search_call", "id": "x"}]}, "input[1].type"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]},
            "input[0].content[0].file_id",
        ),
        ({"input": [{"role": "user", "content": [{"type": "hologram"}]}]}, "input[0].content[0].type"),
    ],
)
def test_what_only_openai_can_do_is_asked_of_another_deployment_or_refused(fields: dict[str, Any], param: str):
    with pytest.raises(Unsupported) as caught:
        hub(**fields)

    assert param == caught.value.param
    assert f"`{param}" in caught.value.message


def test_state_is_refused_in_clear_words():
    with pytest.raises(Unsupported, match=r"keeps no state .* send the whole input instead"):
        hub(previous_response_id="resp_1")


@pytest.mark.parametrize(
    ("fields", "kind", "param"),
    [
        ({"input": None}, MissingField, "input"),
        ({"input": []}, MissingField, "input"),
        ({"input": 7}, WrongType, "input"),
        ({"input": [7]}, WrongType, "input[0]"),
        ({"input": [{"type": 7}]}, WrongType, "input[0].type"),
        ({"input": [{"role": "user"}]}, MissingField, "input[0].content"),
        ({"input": [{"role": "robot", "content": "x"}]}, BadRequest, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, MissingField, "input[0].content[0].text"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, MissingField, "input[0].content[0]"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, MissingField, "input[0].call_id"),
        ({"input": [{"type": "function_call", "call_id": "c", "name": "f"}]}, MissingField, "input[0].arguments"),
        ({"input": [{"type": "shell_call", "call_id": "c", "action": 1}]}, WrongType, "input[0].action"),
        ({"instructions": ["x"]}, WrongType, "instructions"),
        ({"tools": {}}, WrongType, "tools"),
        ({"tools": [1]}, WrongType, "tools[0]"),
        ({"tools": [{"type": "function", "name": 1}]}, WrongType, "tools[0].name"),
        ({"tools": [{**FUNCTION, "parameters": []}]}, WrongType, "tools[0].parameters"),
        ({"tools": [FUNCTION, FUNCTION]}, BadRequest, "tools[1].name"),
        ({"tools": [FUNCTION], "tool_choice": 1}, WrongType, "tool_choice"),
        ({"text": "x"}, WrongType, "text"),
        ({"text": {"format": {}}}, MissingField, "text.format.type"),
        ({"reasoning": "high"}, WrongType, "reasoning"),
        ({"reasoning": {"effort": 3}}, WrongType, "reasoning.effort"),
        ({"top_logprobs": True}, WrongType, "top_logprobs"),
        ({"include": "x"}, WrongType, "include"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, Any], kind: type[BadRequest], param: str):
    with pytest.raises(kind) as caught:
        hub(**fields)

    assert (400, param) == (caught.value.status, caught.value.param)
