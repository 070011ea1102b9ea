"""How hard to think, and the thoughts of earlier turns."""

from __future__ import annotations

from typing import Any

import pytest

from dialects.anthropic.asking import HI, HIDDEN, THOUGHT, WEATHER, call, encode, messages, target
from proxy.dialects.anthropic.thinking_out import effort_for
from proxy.dialects.anthropic.traits import OTHERS, traits_of
from proxy.errors import Unsupported

ADAPTIVE = {"type": "adaptive", "display": "summarized"}
RESULT = {"role": "tool", "tool_call_id": "a", "content": "1"}


def thinking(model: str, **fields: Any):
    body = encode(model, **fields)
    return body.get("thinking"), body.get("output_config")


@pytest.mark.parametrize(
    ("model", "fields", "written"),
    [
        ("claude-opus-5", {}, (None, None)),
        ("claude-opus-5", {"reasoning_effort": "minimal"}, (ADAPTIVE, {"effort": "low"})),
        ("claude-opus-5", {"reasoning_effort": "xhigh"}, (ADAPTIVE, {"effort": "xhigh"})),
        ("claude-sonnet-4-6", {"reasoning_effort": "xhigh"}, (ADAPTIVE, {"effort": "high"})),
        ("claude-sonnet-4-6", {"reasoning_effort": "max"}, (ADAPTIVE, {"effort": "max"})),
        ("claude-opus-5", {"reasoning": {"enabled": True}}, (ADAPTIVE, None)),
        ("claude-opus-5", {"reasoning": {"max_tokens": 5_000, "effort": "high"}}, (ADAPTIVE, {"effort": "xhigh"})),
        ("claude-opus-5", {"reasoning": {"max_tokens": 5_000}}, (ADAPTIVE, {"effort": "xhigh"})),
        (
            "claude-opus-5",
            {"reasoning": {"effort": "low", "exclude": True}},
            ({"type": "adaptive", "display": "omitted"}, {"effort": "low"}),
        ),
        ("claude-opus-5", {"reasoning_effort": "none"}, ({"type": "disabled"}, None)),
        ("claude-opus-5", {"reasoning": {"enabled": False}}, ({"type": "disabled"}, None)),
        ("claude-opus-4-7", {"reasoning_effort": "none"}, (None, None)),
        ("claude-sonnet-5-5", {"reasoning_effort": "none"}, ({"type": "between_tools"}, None)),
        ("claude-opus-5-5", {"reasoning_effort": "none"}, (None, {"effort": "low"})),
        ("claude-sonnet-4-5", {"reasoning_effort": "high"}, ({"type": "enabled", "budget_tokens": 4096}, None)),
        ("claude-sonnet-4-5", {"reasoning": {"max_tokens": 9}}, ({"type": "enabled", "budget_tokens": 1024}, None)),
        (
            "claude-sonnet-4-5",
            {"reasoning_effort": "max", "max_tokens": 3_000},
            ({"type": "enabled", "budget_tokens": 2_999}, None),
        ),
        ("deepseek-chat", {"reasoning_effort": "none"}, ({"type": "disabled"}, None)),
    ],
)
def test_an_effort_is_said_as_the_model_takes_it(model, fields, written):
    assert written == thinking(model, **fields)


def test_who_cannot_stop_thinking_is_told_of():
    to = target("claude-opus-5-5")
    encode(to, reasoning_effort="none")
    assert ["reasoning_effort"] == to.dropped


def test_no_budget_fits_into_a_small_answer():
    to = target("claude-sonnet-4-5")
    assert "thinking" not in encode(to, reasoning_effort="high", max_tokens=1_024)
    assert ["reasoning_effort"] == to.dropped


def test_a_model_that_does_not_think_refuses():
    with pytest.raises(Unsupported, match="reasoning_effort"):
        encode("claude-3-5-haiku-20241022", reasoning_effort="low")
    with pytest.raises(Unsupported, match="reasoning_effort"):
        encode(reasoning_effort="furious")


def test_claudes_own_thoughts_come_first_in_the_turn():
    said = {"role": "assistant", "content": "So.", "reasoning_details": [THOUGHT, HIDDEN], "tool_calls": [call("a")]}
    found = messages(*HI, said, RESULT, tools=[WEATHER])
    assert [
        {"type": "thinking", "thinking": "hm", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "enc=="},
        {"type": "text", "text": "So."},
    ] == found[1]["content"][:3]


def test_thoughts_of_others_and_unsigned_ones_are_left_out():
    foreign = {**THOUGHT, "format": "google-gemini-v1"}
    unsigned = {"type": "reasoning.text", "text": "hm", "format": THOUGHT["format"]}
    said = {"role": "assistant", "content": "So.", "reasoning_content": "hm", "reasoning_details": [foreign, unsigned]}
    assert ["text"] == [block["type"] for block in messages(*HI, said, *HI)[1]["content"]]


def test_another_model_behind_this_api_gets_its_thoughts_unsigned():
    said = {"role": "assistant", "content": "So.", "reasoning_content": "hm"}
    first = messages(*HI, said, *HI, to="deepseek-chat")[1]["content"][0]
    assert {"type": "thinking", "thinking": "hm", "signature": ""} == first


def test_lost_thoughts_are_recalled_by_the_call():
    kept = {"a": {"reasoning_details": [THOUGHT]}}
    talk = [*HI, {"role": "assistant", "tool_calls": [call("a")]}, RESULT]
    found = messages(*talk, to=target(recall=kept.get), tools=[WEATHER])
    assert ["thinking", "tool_use"] == [block["type"] for block in found[1]["content"]]


def test_thoughts_stay_away_where_the_request_does_not_think():
    said = {"role": "assistant", "reasoning_details": [THOUGHT], "tool_calls": [call("a")]}
    off = messages(*HI, said, RESULT, tools=[WEATHER], reasoning_effort="none")
    assert ["tool_use"] == [block["type"] for block in off[1]["content"]]
    old = messages(*HI, said, RESULT, tools=[WEATHER], to="claude-sonnet-4-5")
    assert ["tool_use"] == [block["type"] for block in old[1]["content"]]


def test_a_budget_is_given_up_when_the_thoughts_before_a_result_are_lost():
    to = target("claude-sonnet-4-5")
    talk = [*HI, {"role": "assistant", "tool_calls": [call("a")]}, RESULT]
    assert "thinking" not in encode(to, messages=talk, tools=[WEATHER], reasoning_effort="high")
    assert ["reasoning_effort"] == to.dropped
    kept = [*HI, {"role": "assistant", "tool_calls": [call("a")], "reasoning_details": [THOUGHT]}, RESULT]
    assert "thinking" in encode("claude-sonnet-4-5", messages=kept, tools=[WEATHER], reasoning_effort="high")
    later = [*talk, {"role": "assistant", "content": "ok"}, *HI]
    assert "thinking" in encode("claude-sonnet-4-5", messages=later, tools=[WEATHER], reasoning_effort="high")


@pytest.mark.parametrize(
    ("budget", "effort"), [(500, "low"), (1_024, "low"), (2_048, "medium"), (4_000, "high"), (99_999, "max")]
)
def test_a_budget_stands_for_the_effort_that_thinks_as_much(budget, effort):
    assert effort == effort_for(budget)


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("anthropic.claude-opus-5-5-v1:0", "claude-opus-5-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("anthropic/claude-opus-4.8", "claude-opus-4-8"),
        ("claude-opus-5-20260724", "claude-opus-5"),
        ("claude-fable-5-2", "claude-fable-5-1"),
        ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
    ],
)
def test_a_model_is_known_however_its_host_calls_it(name, like):
    assert traits_of(like) == traits_of(name)


def test_unknown_names_are_the_newest_claude_or_no_claude():
    assert traits_of("claude-opus-5-5") == traits_of("claude-nova-9")
    assert OTHERS is traits_of("kimi-k3")
