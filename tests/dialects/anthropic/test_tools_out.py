"""Tools, the choice among them and structured output, as Anthropic wants them."""

from __future__ import annotations

import pytest

from dialects.anthropic.asking import FORMAT, HI, PNG, SCHEMA, TIME, WEATHER, call, encode, messages, target
from proxy.dialects.anthropic.tools_out import JSON_INSTRUCTION
from proxy.dialects.anthropic.words import JSON_TOOL
from proxy.errors import Unsupported


def test_a_talk_with_parallel_tools_becomes_turns():
    body = encode(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "In French."}]},
            {"role": "user", "content": "Weather in Paris and Rome?"},
            {"role": "assistant", "content": None, "tool_calls": [call("call_1"), call("call_2", '{"c":"Rome"}')]},
            {"role": "tool", "tool_call_id": "call_1", "content": "20C"},
            {"role": "tool", "tool_call_id": "call_2", "content": "25C"},
            {"role": "user", "content": "Thanks, and now?"},
        ],
        tools=[WEATHER],
        max_completion_tokens=512,
        stream=True,
    )
    assert {
        "model": "claude-opus-5",
        "max_tokens": 512,
        "stream": True,
        "system": [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "In French."}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Weather in Paris and Rome?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", "name": "w", "input": {"c": "Paris"}},
                    {"type": "tool_use", "id": "call_2", "name": "w", "input": {"c": "Rome"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "20C"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": "25C"},
                    {"type": "text", "text": "Thanks, and now?"},
                ],
            },
        ],
        "tools": [{"name": "w", "input_schema": WEATHER["function"]["parameters"]}],
    } == body


def test_what_a_tool_shows_goes_into_its_result():
    content = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PNG}}]
    talk = [*HI, {"role": "assistant", "tool_calls": [call("a")]}]
    found = messages(*talk, {"role": "tool", "tool_call_id": "a", "content": content}, tools=[WEATHER])
    assert ["text", "image"] == [block["type"] for block in found[2]["content"][0]["content"]]


def test_a_history_with_calls_but_without_tools_gets_them_and_may_not_call_them():
    talk = [
        *HI,
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
    ]
    body = encode(messages=talk)
    assert [{"name": "w", "input_schema": {"type": "object"}}] == body["tools"]
    assert {"type": "none"} == body["tool_choice"]


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ({}, None),
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "w"}}}, {"type": "tool", "name": "w"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"parallel_tool_calls": True}, None),
        (
            {"parallel_tool_calls": False, "tool_choice": "required"},
            {"type": "any", "disable_parallel_tool_use": True},
        ),
        ({"parallel_tool_calls": False, "tool_choice": "none"}, {"type": "none"}),
    ],
)
def test_every_choice_of_tools_has_its_form(asked, given):
    assert given == encode(tools=[WEATHER, TIME], **asked).get("tool_choice")


def test_allowed_tools_are_the_only_ones():
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "t"}}]}
    body = encode(tools=[WEATHER, TIME], tool_choice={"type": "allowed_tools", "allowed_tools": allowed})
    assert ["t"] == [tool["name"] for tool in body["tools"]]
    assert {"type": "any"} == body["tool_choice"]


def test_a_tool_without_parameters_gets_an_empty_schema():
    assert [{"name": "t", "input_schema": {"type": "object", "properties": {}}}] == encode(tools=[TIME])["tools"]


def test_strictness_and_cache_marks_stay_with_their_tool():
    mark = {"type": "ephemeral", "ttl": "1h"}
    tool = {**WEATHER, "cache_control": mark, "function": {**WEATHER["function"], "strict": True}}
    written = encode(tools=[tool])["tools"][0]
    assert (True, mark) == (written["strict"], written["cache_control"])
    old = target("claude-sonnet-4-20250514")
    assert "strict" not in encode(old, tools=[tool])["tools"][0]
    assert ["tools[0].function.strict"] == old.dropped


def test_a_custom_tool_cannot_be_chosen():
    lenient = target(lenient=True)
    custom = {"type": "custom", "custom": {"name": "py"}}
    body = encode(lenient, tools=[WEATHER, custom], tool_choice=custom)
    assert (["w"], ["tools[1]", "tool_choice"]) == ([tool["name"] for tool in body["tools"]], lenient.dropped)
    assert "tool_choice" not in body


def test_a_format_nobody_knows_is_refused():
    with pytest.raises(Unsupported, match="response_format"):
        encode(response_format={"type": "grammar"})
    with pytest.raises(Unsupported, match="response_format"):
        encode("claude-sonnet-4-20250514", response_format=FORMAT, reasoning_effort="low")
    body = encode("claude-sonnet-4-20250514", response_format=FORMAT, tools=[WEATHER], tool_choice="none")
    assert [JSON_TOOL] == [tool["name"] for tool in body["tools"]]


def test_anthropics_own_tools_pass():
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    assert [search] == encode(tools=[search])["tools"]
    with pytest.raises(Unsupported, match=r"tools\[0\]"):
        encode(tools=[{"type": "custom", "custom": {"name": "x"}}])


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-1"])
def test_a_call_cannot_be_forced_where_thinking_always_comes_first(model):
    with pytest.raises(Unsupported, match="tool_choice"):
        encode(model, tools=[WEATHER], tool_choice="required")
    lenient = target(model, lenient=True)
    assert "tool_choice" not in encode(lenient, tools=[WEATHER], tool_choice="required")
    assert ["tool_choice"] == lenient.dropped


def test_a_forced_call_leaves_the_effort_but_not_the_thoughts():
    body = encode("claude-opus-4-6", tools=[WEATHER], tool_choice="required", reasoning_effort="high")
    assert ({"type": "any"}, {"effort": "high"}) == (body["tool_choice"], body["output_config"])
    assert "thinking" not in body
    with pytest.raises(Unsupported, match="tool_choice"):
        encode("claude-sonnet-4-5", tools=[WEATHER], tool_choice="required", reasoning_effort="high")


def test_a_schema_is_a_format_or_a_tool_that_must_be_called():
    assert {"format": {"type": "json_schema", "schema": SCHEMA}} == encode(response_format=FORMAT)["output_config"]
    old = encode("claude-sonnet-4-20250514", response_format=FORMAT)
    assert ({"type": "tool", "name": JSON_TOOL}, SCHEMA) == (old["tool_choice"], old["tools"][0]["input_schema"])
    both = encode("claude-sonnet-4-20250514", response_format=FORMAT, tools=[WEATHER])
    assert ({"type": "any"}, ["w", JSON_TOOL]) == (both["tool_choice"], [tool["name"] for tool in both["tools"]])


def test_any_json_is_asked_for_in_words():
    body = encode(messages=[{"role": "system", "content": "s"}, *HI], response_format={"type": "json_object"})
    assert ["s", JSON_INSTRUCTION] == [block["text"] for block in body["system"]]
