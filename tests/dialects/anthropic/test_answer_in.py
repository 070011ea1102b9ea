"""A whole answer of Anthropic's as the hub's, and the same answer streamed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from cutting import hear

from dialects.anthropic.telling import TEXT, THINKING, TOOLS, USAGE
from proxy.dialects.anthropic.decoder import AnthropicDecoder
from proxy.dialects.anthropic.dialect import AnthropicDialect
from proxy.dialects.anthropic.words import JSON_TOOL, OWN
from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Target
from proxy.dialects.quirks import Quirks

DIALECT = AnthropicDialect()


def message(*content: Any, reason: str = "end_turn", **fields: Any) -> dict[str, Any]:
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5", "content": list(content),
        "stop_reason": reason, "stop_sequence": None, "usage": {**USAGE, "output_tokens": 7}, **fields,
    }  # fmt: skip


def answer(doc: dict[str, Any]) -> dict[str, Any]:
    before = orjson.dumps(doc)
    found = DIALECT.answer(doc, Target("claude-opus-5"))
    assert before == orjson.dumps(doc)
    return found


def test_text_thoughts_and_calls_have_their_places():
    found = answer(
        message(
            {"type": "thinking", "thinking": "hm", "signature": "sig=="},
            {"type": "redacted_thinking", "data": "enc=="},
            {"type": "text", "text": "Let me "},
            {"type": "text", "text": "see."},
            {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"c": "Paris"}},
            {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}},
            reason="tool_use",
        )
    )
    details = [
        {"type": "reasoning.text", "text": "hm", "signature": "sig==", "format": OWN},
        {"type": "reasoning.encrypted", "data": "enc==", "format": OWN},
    ]
    calls = [{"id": "toolu_1", "type": "function", "function": {"name": "w", "arguments": '{"c":"Paris"}'}}]
    assert {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "Let me see.",
            "refusal": None,
            "reasoning_content": "hm",
            "reasoning_details": details,
            "tool_calls": calls,
        },
        "finish_reason": "tool_calls",
        "logprobs": None,
    } == found["choices"][0]
    assert ("msg_1", "chat.completion", "claude-opus-5", "standard") == (
        found["id"], found["object"], found["model"], found["service_tier"],
    )  # fmt: skip
    assert {"toolu_1": {"reasoning_details": details}} == DIALECT.opaque(found)


def test_no_text_is_null_and_no_state_is_kept_for_nothing():
    found = answer(message({"type": "tool_use", "id": "t", "name": "w", "input": {}}, reason="tool_use"))
    assert found["choices"][0]["message"]["content"] is None
    assert {} == DIALECT.opaque(found)
    assert {} == DIALECT.opaque({"error": {}})


def test_an_answer_by_the_json_tool_is_text():
    found = answer(message({"type": "tool_use", "id": "t", "name": JSON_TOOL, "input": {"n": 1}}, reason="tool_use"))
    choice = found["choices"][0]
    assert ('{"n":1}', "stop") == (choice["message"]["content"], choice["finish_reason"])
    assert "tool_calls" not in choice["message"]


def test_refusals_stop_sequences_and_sources_are_told():
    refused = answer(message(reason="refusal", stop_details={"type": "refusal", "explanation": "No."}))
    assert ("No.", "content_filter") == (
        refused["choices"][0]["message"]["refusal"], refused["choices"][0]["finish_reason"],
    )  # fmt: skip
    assert "END" == answer(message(reason="stop_sequence", stop_sequence="END"))["choices"][0]["stop_reason"]
    cited = [{"type": "web_search_result_location", "url": "https://x.test", "title": None}, {"type": "char_location"}]
    said = answer(message({"type": "text", "text": "a "}, {"type": "text", "text": "blue", "citations": cited}))
    where = {"start_index": 2, "end_index": 6, "url": "https://x.test", "title": "https://x.test"}
    assert [{"type": "url_citation", "url_citation": where}] == said["choices"][0]["message"]["annotations"]


def test_searches_stand_beside_the_tokens():
    usage = {**USAGE, "server_tool_use": {"web_search_requests": 2}}
    assert {"web_search_requests": 2} == answer(message(usage=usage))["usage"]["server_tool_use"]


@pytest.mark.parametrize("doc", [{}, {"content": "x"}, {"content": [7, {"type": 7}]}, {"usage": 3, "content": None}])
def test_wrong_types_read_as_absent(doc):
    choice = answer(doc)["choices"][0]
    assert (None, "stop") == (choice["message"]["content"], choice["finish_reason"])


def test_an_error_is_the_providers_own():
    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert {"error": error} == answer({"type": "error", "error": error, "request_id": "req"})
    assert answer({"type": "error"})["error"]["message"]


WHOLE = {
    TEXT: message({"type": "text", "text": "Hello, wörld"}),
    TOOLS: message(
        {"type": "text", "text": "Let me see."},
        {"type": "tool_use", "id": "toolu_1", "name": "w", "input": {"c": "Paris"}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
        {"type": "tool_use", "id": "toolu_3", "name": "given", "input": {"a": 1}},
        reason="tool_use",
    ),
    THINKING: message(
        {"type": "thinking", "thinking": "Step one.", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "enc=="},
        {"type": "tool_use", "id": "toolu_9", "name": "w", "input": {}},
        reason="tool_use",
        usage={**USAGE, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 9}},
    ),
}


@pytest.mark.parametrize("streamed", WHOLE, ids=["text", "tools", "thinking"])
def test_streamed_or_whole_it_is_the_same_answer_at_the_same_price(streamed):
    decoder = AnthropicDecoder()
    heard = hear([decoder.feed(streamed)])
    whole = answer(WHOLE[streamed])
    choice = whole["choices"][0]
    said = choice["message"]
    assert (said["content"] or "", said.get("reasoning_content", "")) == (heard.answer.content, heard.answer.reasoning)
    calls = [
        (call["function"]["name"], orjson.loads(call["function"]["arguments"])) for call in said.get("tool_calls", ())
    ]
    assert calls == [(name, orjson.loads(arguments)) for name, arguments in heard.answer.calls]
    assert [choice["finish_reason"]] == heard.finishes
    assert decoder.opaque == DIALECT.opaque(whole)
    assert [usage_from_openai(whole["usage"], Quirks(), whole["service_tier"])] == [
        usage_from_openai(usage, Quirks(), "standard") for usage in heard.usages
    ]
