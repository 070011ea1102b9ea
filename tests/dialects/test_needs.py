"""What a request needs of a model, in each dialect a client may write it in, and how long its prompt is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import orjson
import pytest

from proxy.dialects.asking import is_plain
from proxy.dialects.names import DialectName
from proxy.dialects.needs import MAX_CHARS_PER_TOKEN, NO_NEEDS, PromptSize, needs_of, refusal, size_of
from proxy.dialects.openai_chat import decode
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import BadRequest, PromptTooLong, UnsupportedCapability
from proxy.need import Need

PNG = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
HELLO = {"role": "user", "content": "hello"}


class Offer(NamedTuple):
    lacks: frozenset[Need]
    context_window: int | None
    id: str = "d"


def request(dialect: DialectName = DialectName.OPENAI_CHAT, **doc: Any) -> ModelRequest:
    asked = decode(Operation.CHAT, orjson.dumps({"model": "m", "messages": [HELLO], **doc}))
    return replace(asked, dialect=dialect)


def said(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


TEXT = {"type": "text", "text": "look"}
CHAT: list[tuple[dict[str, Any], dict[Need, str]]] = [
    ({}, {}),
    ({"messages": [said(TEXT)]}, {}),
    ({"messages": [HELLO, said(TEXT, PNG)]}, {Need.VISION: "messages[1].content[1]"}),
    ({"messages": [said(PNG, role="tool"), HELLO]}, {Need.VISION: "messages[0].content[0]"}),
    ({"messages": [said({"type": "file", "file": {"file_id": "f"}})]}, {Need.DOCUMENTS: "messages[0].content[0]"}),
    ({"messages": [said({"type": "input_audio", "input_audio": {}})]}, {Need.AUDIO_INPUT: "messages[0].content[0]"}),
    ({"tools": [{"type": "function"}]}, {Need.TOOLS: "tools"}),
    ({"functions": [{"name": "f"}]}, {Need.TOOLS: "functions"}),
    ({"tools": [], "functions": None}, {}),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, {Need.JSON_SCHEMA: "response_format"}),
    ({"response_format": {"type": "json_object"}}, {}),
    ({"reasoning_effort": "low"}, {Need.REASONING: "reasoning_effort"}),
    ({"reasoning_effort": "none", "reasoning": {"effort": "high"}}, {}),
    ({"reasoning": {"effort": "high"}}, {Need.REASONING: "reasoning"}),
    ({"reasoning": {"max_tokens": 2000}}, {Need.REASONING: "reasoning"}),
    ({"reasoning": {"enabled": True}}, {Need.REASONING: "reasoning"}),
    ({"reasoning": {"enabled": False, "max_tokens": 2000}}, {}),
    ({"reasoning": {"exclude": True}}, {}),
    ({"modalities": ["text", "audio"]}, {Need.AUDIO_OUTPUT: "modalities"}),
    ({"modalities": ["image", "text"]}, {Need.IMAGE_OUTPUT: "modalities"}),
    ({"messages": [HELLO, {"role": "assistant", "content": "Hi"}]}, {Need.PREFILL: "messages[1]"}),
    ({"messages": [HELLO, {"role": "assistant", "tool_calls": [{"id": "c"}]}]}, {}),
    ({"messages": [said("no object", {"type": 7}, {"type": "unheard_of"}, {})]}, {}),
    ({"modalities": "audio", "response_format": [], "reasoning": 3, "reasoning_effort": 1}, {}),
]
ANTHROPIC: list[tuple[dict[str, Any], dict[Need, str]]] = [
    ({}, {}),
    ({"messages": [said({"type": "image", "source": {}})]}, {Need.VISION: "messages[0].content[0]"}),
    ({"messages": [said({"type": "document", "source": {}})]}, {Need.DOCUMENTS: "messages[0].content[0]"}),
    (
        {"messages": [said({"type": "tool_result", "content": [{"type": "text"}, {"type": "image"}]})]},
        {Need.VISION: "messages[0].content[0].content[1]"},
    ),
    ({"messages": [said({"type": "tool_result", "content": "done"})]}, {}),
    ({"tools": [{"name": "f"}]}, {Need.TOOLS: "tools"}),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {Need.REASONING: "thinking"}),
    ({"thinking": {"type": "adaptive"}}, {}),  # it is left to the model
    ({"thinking": {"type": "disabled"}}, {}),
    ({"output_config": {"format": {"type": "json_schema"}}}, {Need.JSON_SCHEMA: "output_config.format"}),
    ({"output_format": {"type": "json_schema"}}, {Need.JSON_SCHEMA: "output_format"}),
    ({"messages": [HELLO, {"role": "assistant", "content": "{"}]}, {Need.PREFILL: "messages[1]"}),
]


def gemini(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": "look"}, *parts]}]}


GEMINI: list[tuple[dict[str, Any], dict[Need, str]]] = [
    (gemini(), {}),
    (gemini({"inlineData": {"mimeType": "image/png"}}), {Need.VISION: "contents[0].parts[1]"}),
    (gemini({"inline_data": {"mime_type": "audio/wav"}}), {Need.AUDIO_INPUT: "contents[0].parts[1]"}),
    (gemini({"fileData": {"mimeType": "application/pdf"}}), {Need.DOCUMENTS: "contents[0].parts[1]"}),
    (gemini({"fileData": {"mimeType": "video/mp4"}}), {}),
    ({"tools": [{"functionDeclarations": [{"name": "f"}]}]}, {Need.TOOLS: "tools"}),
    ({"tools": [{"googleSearch": {}}]}, {}),
    (
        {"generation_config": {"response_schema": {"type": "OBJECT"}}},
        {Need.JSON_SCHEMA: "generationConfig.responseSchema"},
    ),
    (
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW"}}},
        {Need.REASONING: "generationConfig.thinkingConfig"},
    ),
    ({"generationConfig": {"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": True}}}, {}),
    (
        {"generationConfig": {"responseModalities": ["TEXT", "IMAGE"]}},
        {Need.IMAGE_OUTPUT: "generationConfig.responseModalities"},
    ),
    ({"contents": [{"role": "user"}, {"role": "model", "parts": []}]}, {Need.PREFILL: "contents[1]"}),
    ({"contents": "hello", "tools": {}, "generationConfig": []}, {}),
]
RESPONSES: list[tuple[dict[str, Any], dict[Need, str]]] = [
    ({"input": "hello"}, {}),
    ({"input": [said({"type": "input_text"}, {"type": "input_image"})]}, {Need.VISION: "input[0].content[1]"}),
    ({"input": [said({"type": "input_file"})]}, {Need.DOCUMENTS: "input[0].content[0]"}),
    (
        {"input": [{"type": "function_call_output", "output": [{"type": "input_image"}]}]},
        {Need.VISION: "input[0].output[0]"},
    ),
    ({"tools": [{"type": "function"}]}, {Need.TOOLS: "tools"}),
    ({"tools": [{"type": "web_search"}]}, {}),
    ({"text": {"format": {"type": "json_schema"}}}, {Need.JSON_SCHEMA: "text.format"}),
    ({"reasoning": {"effort": "low"}}, {Need.REASONING: "reasoning.effort"}),
    ({"reasoning": {"effort": "none", "summary": "auto"}}, {}),
]
DIALECTS = {
    DialectName.OPENAI_CHAT: CHAT,
    DialectName.ANTHROPIC: ANTHROPIC,
    DialectName.GEMINI: GEMINI,
    DialectName.OPENAI_RESPONSES: RESPONSES,
}


@pytest.mark.parametrize(
    ("dialect", "doc", "needs"),
    [(dialect, doc, needs) for dialect, table in DIALECTS.items() for doc, needs in table],
)
def test_each_dialect_says_what_it_asks_for_and_where(dialect, doc, needs):
    """And the refusal names that very field."""
    asked = request(dialect, **doc)

    assert needs.keys() == needs_of(asked)
    for need, param in needs.items():
        error = refusal("m", asked, [Offer(frozenset({need}), None)])
        assert isinstance(error, UnsupportedCapability)
        assert (param, f"(`{need}`)") == (error.param, error.message[error.message.index("(") : -1])


@pytest.mark.parametrize(("doc", "needs"), CHAT)
def test_the_short_way_to_nothing_is_never_wrong(doc, needs):
    assert not (is_plain({"messages": [HELLO], **doc}) and needs)


def test_a_usual_chat_takes_the_short_way():
    messages = [{"role": "system", "content": "x"}, {"role": "assistant", "content": None}, said(TEXT)]

    assert is_plain({"model": "m", "stream": True, "temperature": 1, "messages": messages})


def test_a_native_responses_request_is_read_as_one():
    asked = ModelRequest(Operation.RESPONSES, {"input": [said({"type": "input_image"})]}, None, "m")

    assert {Need.VISION} == needs_of(asked)


def test_embeddings_need_nothing():
    assert NO_NEEDS == needs_of(ModelRequest(Operation.EMBEDDINGS, {"input": "x", "tools": [1]}, None, "m"))


def test_one_need_that_nobody_meets_is_named():
    asked = request(messages=[said(PNG)], tools=[{"type": "function"}])
    error = refusal("m", asked, [Offer(frozenset({Need.VISION}), None), Offer(frozenset(Need), 10)])

    assert isinstance(error, UnsupportedCapability)
    assert "No deployment of `m` can take images (`vision`)." == error.message
    assert (400, "unsupported_capability") == (error.status, error.code)


def test_needs_that_nobody_meets_together_are_named_together():
    asked = request(messages=[said(PNG)], tools=[{"type": "function"}])
    error = refusal("m", asked, [Offer(frozenset({Need.VISION}), None), Offer(frozenset({Need.TOOLS}), None)])

    assert error is not None
    assert "No deployment of `m` can both take images (`vision`) and call tools (`tools`)." == error.message
    assert "messages[0].content[0]" == error.param


def test_one_too_small_and_one_too_blind_are_both_told_of():
    asked = request(messages=[{"role": "user", "content": "word " * 1000}, said(PNG)])
    error = refusal("m", asked, [Offer(frozenset({Need.VISION}), None), Offer(NO_NEEDS, 100)])

    assert error is not None
    assert "No deployment of `m` can take images (`vision`) with a prompt as long as this." == error.message


def test_a_prompt_longer_than_every_window_is_refused_with_both_lengths():
    asked = request(messages=[{"role": "user", "content": "x" * MAX_CHARS_PER_TOKEN * 301}])
    error = refusal("m", asked, [Offer(NO_NEEDS, 100), Offer(NO_NEEDS, 300)])

    assert isinstance(error, PromptTooLong)
    assert "at least 301 tokens, and the maximum context length is 300" in error.message
    assert (400, "context_length_exceeded", "messages") == (error.status, error.code, error.param)


@pytest.mark.parametrize("offers", [[], [Offer(NO_NEEDS, None)], [Offer(frozenset(Need), None), Offer(NO_NEEDS, 100)]])
def test_nothing_is_refused_that_somebody_can_do(offers):
    assert refusal("m", request(tools=[1]), offers) is None


def test_base64_is_no_text():
    """40,000 characters of an image are no prompt of 10,000 tokens."""
    asked = request(messages=[said(TEXT, PNG)])

    assert asked.prompt_tokens > 10_000
    size = size_of(asked)
    assert 0 == size.least
    assert size.estimated < 50


def test_text_counts_wherever_it_stands():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "y" * 1600}}
    asked = request(
        messages=[
            {"role": "user", "content": "x" * 1600},
            said({"type": "text", "text": "z" * 1600}),
            said(),
            {"role": "assistant", "content": None, "tool_calls": [call]},
        ]
    )

    assert 300 == size_of(asked).least
    assert 1200 <= size_of(asked).estimated <= 1300


def test_a_request_that_cannot_be_translated_has_no_known_length():
    """What is wrong with it is told when it is asked for in earnest."""

    def refuse(_: ModelRequest) -> ModelRequest:
        raise BadRequest("no")

    asked = replace(request(), dialect=DialectName.ANTHROPIC, to_hub=refuse)

    assert PromptSize(0, 0) == size_of(asked)


def test_a_call_that_waits_for_its_result_is_no_beginning_to_go_on_from():
    """In the words of before `tool_calls`, too."""
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}}

    assert NO_NEEDS == needs_of(ModelRequest(Operation.CHAT, {"messages": [call]}, None, "m"))
