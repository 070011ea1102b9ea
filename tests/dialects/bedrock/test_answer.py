"""Whole answers of Converse, and that a stream of the same says the same."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from streams_of_converse import DIALECT, TARGET, said, streamed, whole

from proxy import errors
from proxy.dialects.answer import read_answer
from proxy.dialects.failures import classify
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.usage import Usage

SIGNED = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}
CALL = {"toolUse": {"toolUseId": "t1", "name": "w", "input": {"c": "Paris"}}}


def test_every_block_has_its_place():
    content = [
        SIGNED, {"reasoningContent": {"redactedContent": "AAE="}}, {"text": "On "}, {"text": "it."}, CALL,
        {"image": {"format": "png", "source": {"bytes": "AAAA"}}},
        {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use", "input": {}}},
        {"citationsContent": {
            "content": [{"text": " Cited."}],
            "citations": [{"title": "T", "location": {"web": {"url": "https://x.test/"}}}, {"title": "U"}],
        }},
        {"somethingNew": {}}, "odd",
    ]  # fmt: skip
    answer = DIALECT.answer(whole(content, "tool_use", serviceTier={"type": "flex"}), TARGET)
    [choice] = answer["choices"]
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "c2ln", "format": "anthropic-claude-v1"},
        {"type": "reasoning.encrypted", "data": "AAE=", "format": "anthropic-claude-v1"},
    ]

    assert {
        "role": "assistant",
        "content": "On it. Cited.",
        "reasoning_content": "hm",
        "reasoning_details": details,
        "tool_calls": [{"id": "t1", "type": "function", "function": {"name": "w", "arguments": '{"c":"Paris"}'}}],
        "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
        "annotations": [{"type": "url_citation", "url_citation": {"url": "https://x.test/", "title": "T"}}],
    } == choice["message"]
    assert "tool_calls" == choice["finish_reason"]
    assert {"t1": {"reasoning_details": details}} == DIALECT.opaque(answer)


def test_the_core_reads_it_as_any_answer_of_the_hub():
    body = orjson.dumps(DIALECT.answer(whole([{"text": "x"}], serviceTier={"type": "flex"}), TARGET))
    answer = read_answer(body, Operation.CHAT, Quirks())

    assert (None, "stop", Usage(30, 12, tier="flex")) == (answer.error, answer.finish_reason, answer.usage)


def test_the_answer_is_not_changed_and_an_empty_one_has_no_content():
    doc = whole([], "end_turn")
    before = orjson.dumps(doc)

    assert DIALECT.answer(doc, TARGET)["choices"][0]["message"] == {"role": "assistant", "content": None}
    assert before == orjson.dumps(doc)
    assert {} == DIALECT.opaque(DIALECT.answer(doc, TARGET))


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("malformed_tool_use", errors.ToolCallMalformed), ("malformed_model_output", errors.ServerError)],
)
def test_a_malformed_answer_has_failed(reason: str, kind: type[errors.UpstreamError]):
    body = orjson.dumps(DIALECT.answer(whole([], reason), TARGET))
    error = read_answer(body, Operation.CHAT, Quirks()).error
    assert error is not None

    assert kind is type(classify(200, {}, orjson.dumps({"error": error}), Quirks(), own_key=True, now_s=0))


@pytest.mark.parametrize(
    ("doc", "error"),
    [
        ({"message": "No.", "__type": "com.amazon.coral.service#UnknownOperationException"},
         {"message": "No.", "type": "UnknownOperationException"}),
        ({"Message": "No."}, {"message": "No.", "type": ""}),
        ({"message": "m", "originalStatusCode": 500, "resourceName": "r"},
         {"message": "m", "type": "", "originalStatusCode": 500, "resourceName": "r"}),
    ],
)  # fmt: skip
def test_an_error_is_an_error(doc: dict[str, Any], error: dict[str, Any]):
    assert {"error": error} == DIALECT.answer(doc, TARGET)


@pytest.mark.parametrize("doc", [{}, {"output": 7}, {"output": {"message": []}}])
def test_nothing_is_no_answer(doc: dict[str, Any]):
    assert {"choices": []} == DIALECT.answer(doc, TARGET)
    assert {} == DIALECT.opaque({"choices": []})


@pytest.mark.parametrize("wrong", [None, 7, "x", [], {}])
def test_a_wrong_type_reads_as_absent(wrong: Any):
    names = ("text", "toolUse", "reasoningContent", "citationsContent", "image")
    doc = whole([{name: wrong} for name in names], usage=wrong, serviceTier=wrong)
    doc["output"]["message"]["content"] += [wrong, {"reasoningContent": {"reasoningText": wrong}}]

    assert 1 == len(DIALECT.answer(doc, TARGET)["choices"])


WORDS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30)
BYTES = st.binary(min_size=1, max_size=30).map(lambda data: b64encode(data).decode())
INPUTS = st.dictionaries(st.text(max_size=5), st.integers(0, 9) | st.text(max_size=5) | st.booleans(), max_size=3)
PAGES = st.fixed_dictionaries(
    {"title": WORDS, "location": st.fixed_dictionaries({"web": st.just({"url": "https://x.test/"})})}
)
BLOCKS = st.one_of(
    st.fixed_dictionaries({"text": WORDS}),
    st.builds(
        lambda name, given, number: {"toolUse": {"toolUseId": f"t{number}", "name": name, "input": given}},
        st.from_regex(r"\A[a-z]{1,8}\Z"), INPUTS, st.uuids(),
    ),
    st.builds(
        lambda words, sign: {"reasoningContent": {"reasoningText": {"text": words, "signature": sign}}}, WORDS, BYTES
    ),
    st.builds(lambda words: {"reasoningContent": {"reasoningText": {"text": words}}}, WORDS),
    st.builds(lambda data: {"reasoningContent": {"redactedContent": data}}, BYTES),
    st.builds(lambda data: {"image": {"format": "png", "source": {"bytes": data}}}, BYTES),
    st.builds(
        lambda words, pages: {"citationsContent": {"content": [{"text": words}], "citations": pages}},
        WORDS, st.lists(PAGES, max_size=2),
    ),
)  # fmt: skip
REASONS = st.sampled_from(["end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened"])


@given(content=st.lists(BLOCKS, max_size=6), reason=REASONS, cut=st.integers(1, 12))
@settings(max_examples=300, derandomize=True, deadline=None)
def test_a_stream_says_what_the_whole_answer_says(content: list[dict[str, Any]], reason: str, cut: int):
    """Text, thoughts and what proves them, calls, images, sources, finish, usage, and what is kept for each call."""
    answer = DIALECT.answer(whole(content, reason), TARGET)
    found = said(streamed(content, reason, cut))
    [choice] = answer["choices"]

    assert choice["message"] == found.message
    assert (choice["finish_reason"], answer["usage"], True) == (found.finish, found.usage, found.is_done)
    assert DIALECT.opaque(answer) == found.opaque
