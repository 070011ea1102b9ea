"""The hub's extensions on their way to a provider that knows OpenAI's own fields alone."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from proxy.dialects.dialect import Target
from proxy.dialects.quirks import Quirks
from proxy.dialects.simplify import SHOWN_BY_TOOL, TOOL_FAILED, plain
from proxy.errors import Unsupported

MARK = {"cache_control": {"type": "ephemeral"}}
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def simplified(*messages: dict[str, Any], understands: frozenset[str] = frozenset(), **fields: Any) -> dict[str, Any]:
    doc = {"model": "m", "messages": list(messages), **fields}
    before = copy.deepcopy(doc)
    try:
        return plain(doc, Target("m", quirks=Quirks(understands=understands)))
    finally:
        assert before == doc


def test_a_cache_mark_is_a_hint_that_goes_where_it_means_nothing():
    marked = {"role": "user", "content": [{"type": "text", "text": "a", **MARK}, {"type": "text", "text": "b"}]}
    tool = {"type": "function", "function": {"name": "f"}, **MARK}

    doc = simplified(marked, tools=[tool])
    kept = simplified(marked, tools=[tool], understands=frozenset({"cache_control"}))

    assert [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}] == doc["messages"][0]["content"]
    assert [{"type": "function", "function": {"name": "f"}}] == doc["tools"]
    assert (marked["content"], [tool]) == (kept["messages"][0]["content"], kept["tools"])


def test_one_part_of_text_becomes_a_plain_string():
    """Every server takes it; some take nothing else."""
    assert (
        "a"
        == simplified({"role": "user", "content": [{"type": "text", "text": "a", **MARK}]})["messages"][0]["content"]
    )


def test_what_a_tool_shows_is_shown_by_the_user_behind_all_results():
    """A tool message holds text alone, and nothing may stand between results."""
    first = {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "seen"}, PIXEL]}
    second = {"role": "tool", "tool_call_id": "2", "content": "20C"}

    messages = simplified(first, second, {"role": "user", "content": "and?"})["messages"]

    assert [
        {"role": "tool", "tool_call_id": "1", "content": "seen"},
        second,
        {"role": "user", "content": [{"type": "text", "text": SHOWN_BY_TOOL}, PIXEL]},
        {"role": "user", "content": "and?"},
    ] == messages


def test_a_failed_tool_says_so_in_words():
    failed = {"role": "tool", "tool_call_id": "1", "content": "no network", "is_error": True}

    (message,) = simplified(failed)["messages"]

    assert {"role": "tool", "tool_call_id": "1", "content": TOOL_FAILED + "no network"} == message


def test_thoughts_go_back_only_to_those_who_want_them():
    said = {
        "role": "assistant",
        "content": "x",
        "reasoning_content": "hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
        "tool_calls": [{"id": "1", "extra_content": {"google": {"thought_signature": "s"}}, "function": {"name": "f"}}],
    }

    (to_openai,) = simplified(said)["messages"]
    (to_deepseek,) = simplified(said, understands=frozenset({"reasoning_content"}))["messages"]

    assert {"role": "assistant", "content": "x", "tool_calls": [{"id": "1", "function": {"name": "f"}}]} == to_openai
    assert to_openai | {"reasoning_content": "hm"} == to_deepseek


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        ({"max_tokens": 1024}, "low"),
        ({"max_tokens": 4096}, "medium"),
        ({"max_tokens": 32_000}, "high"),
        ({"effort": "xhigh"}, "xhigh"),
        ({"enabled": True}, None),
    ],
)
def test_a_budget_of_thoughts_becomes_an_effort(reasoning: dict[str, Any], effort: str | None):
    doc = simplified(reasoning=reasoning)

    assert "reasoning" not in doc
    assert effort == doc.get("reasoning_effort")


def test_an_effort_that_was_given_wins_over_a_budget():
    assert "low" == simplified(reasoning={"max_tokens": 32_000}, reasoning_effort="low")["reasoning_effort"]


@pytest.mark.parametrize(
    ("fields", "messages", "param"),
    [
        ({"top_k": 5}, [], "top_k"),
        ({"mcp_servers": [{"url": "https://e.org"}]}, [], "mcp_servers"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, [], "tools[0].type"),
        (
            {},
            [{"role": "user", "content": [{"type": "file", "file": {"file_url": "https://e.org/a.pdf"}}]}],
            "messages[0].content[0].file.file_url",
        ),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name_or_left_out_and_told(fields, messages, param):
    doc = {"model": "m", "messages": messages, **fields}
    with pytest.raises(Unsupported) as refused:
        plain(doc, Target("m"))
    assert param == refused.value.param

    lenient = Target("m", lenient=True)
    kept = plain(doc, lenient)

    assert [param] == lenient.dropped
    assert not {"top_k", "tools", "tool_choice"} & kept.keys()
