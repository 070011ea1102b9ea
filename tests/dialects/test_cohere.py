"""Cohere's dialect: what is written for it, and what is made of its answers and streams."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from foreign import cuttings, hear, hear_whole, hub_of, written
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.cohere import CohereDialect
from proxy.dialects.cohere.stream import MAX_CALLS
from proxy.dialects.dialect import Target, Undecodable
from proxy.errors import BadRequest, Unsupported
from proxy.usage import Usage

COHERE = CohereDialect()
USAGE = {
    "billed_units": {"input_tokens": 119.0, "output_tokens": 44},
    "tokens": {"input_tokens": 1549, "output_tokens": 95},
    "cached_tokens": 1504,
}
TOOL = {"type": "function", "function": {"name": "find", "description": "d", "parameters": {"type": "object"}}}
OTHER = {"type": "function", "function": {"name": "stop"}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


def said(kind: str, index: int, **message: Any) -> bytes:
    return event(kind, index=index, delta={"message": message})


def call(kind: str, index: int, **function: str) -> bytes:
    call_id = {"id": f"{function['name']}_{index}", "type": "function"} if "name" in function else {}
    return said(kind, index, tool_calls={**call_id, "function": function})


def whole_of(doc: dict[str, Any]) -> dict[str, Any]:
    return COHERE.answer(doc, Target("m"))


START = event("message-start", id="r1", delta={"message": {"role": "assistant", "content": []}})
END = event("message-end", delta={"finish_reason": "COMPLETE", "usage": USAGE})
CALLS = b"".join((
    START,
    said("tool-plan-delta", 0, tool_plan="I look"),
    said("tool-plan-delta", 0, tool_plan=" it up."),
    call("tool-call-start", 0, name="find", arguments=""),
    call("tool-call-delta", 0, arguments='{"q":'),
    call("tool-call-delta", 0, arguments='"é"}'),
    event("tool-call-end", index=0),
    call("tool-call-start", 1, name="stop", arguments=""),
    event("tool-call-end", index=1),
    event("message-end", delta={"finish_reason": "TOOL_CALL", "usage": USAGE}),
))  # fmt: skip
SOURCE = {"type": "document", "id": "doc:0", "document": {"title": "T", "url": "https://x.test/"}}
CITED = {"start": 0, "end": 2, "text": "Hi", "type": "TEXT_CONTENT", "sources": [SOURCE]}
TEXT = b"".join((
    START,
    said("content-start", 0, content={"type": "thinking", "thinking": ""}),
    said("content-delta", 0, content={"thinking": "Hm"}),
    event("content-end", index=0),
    said("content-start", 1, content={"type": "text", "text": "H"}),
    said("content-delta", 1, content={"text": "i \U0001f600"}),
    event("debug", prompt="..."),
    said("citation-start", 0, citations=CITED),
    event("citation-end", index=0),
    event("content-end", index=1),
    END,
))  # fmt: skip
PLACE = {"start_index": 0, "end_index": 2, "url": "https://x.test/", "title": "T", "id": "doc:0"}
ANNOTATION = {"type": "url_citation", "url_citation": PLACE}


@pytest.mark.parametrize("data", [CALLS, TEXT, b'data: {"type":"message-start","id":"a"}\r\n\r\n' + END])
def test_a_stream_may_be_cut_anywhere(data: bytes):
    whole = hub_of(COHERE, data)
    assert all(whole == hub_of(COHERE, data, cuts) for cuts in cuttings(data))


def test_a_short_stream_may_be_cut_at_every_pair_of_bytes():
    data = b'data: {"type":"content-delta","delta":{"message":{"content":{"text":"\xc3\xa9"}}}}\n\n'
    data += b'data: {"type":"message-end","delta":{"finish_reason":"COMPLETE"}}\n\n'
    whole = hub_of(COHERE, data)
    assert ("é", True) == ((heard := hear(whole)).text, heard.done)
    assert all(whole == hub_of(COHERE, data, cuts) for cuts in cuttings(data))


def test_tool_calls_and_their_plan_are_told():
    """A call without arguments has an empty object; the money is that of the billed units."""
    heard = hear(hub_of(COHERE, CALLS))

    assert "I look it up." == heard.reasoning
    assert [("find_0", "find", '{"q":"é"}'), ("stop_1", "stop", "{}")] == heard.calls
    assert ("tool_calls", True, "r1") == (heard.finish, heard.done, heard.id)
    assert Usage(45, 95, 1504, billed=(119, 44)) == heard.usage


def test_thoughts_text_and_citations_are_told():
    heard = hear(hub_of(COHERE, TEXT))

    assert ("Hm", "Hi \U0001f600", "stop") == (heard.reasoning, heard.text, heard.finish)
    assert [ANNOTATION] == heard.annotations


@pytest.mark.parametrize(
    ("stream", "whole"),
    [
        (TEXT, {"message": {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm"},
                                                             {"type": "text", "text": "Hi \U0001f600"}],
                            "citations": [CITED, {**CITED, "type": "PLAN"}]}, "finish_reason": "COMPLETE"}),
        (CALLS, {"message": {"role": "assistant", "tool_plan": "I look it up.", "tool_calls": [
            {"id": "find_0", "type": "function", "function": {"name": "find", "arguments": '{"q":"é"}'}},
            {"id": "stop_1", "type": "function", "function": {"name": "stop", "arguments": ""}}]},
            "finish_reason": "TOOL_CALL"}),
    ],
)  # fmt: skip
def test_an_answer_is_the_same_whole_and_streamed(stream: bytes, whole: dict[str, Any]):
    assert hear(hub_of(COHERE, stream)) == hear_whole(whole_of({"id": "r1", **whole, "usage": USAGE}))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [("COMPLETE", "stop"), ("STOP_SEQUENCE", "stop"), ("MAX_TOKENS", "length"), ("TOOL_CALL", "tool_calls"),
     ("NEW", "stop")],
)  # fmt: skip
def test_finish_reasons(reason: str, finish: str):
    assert finish == hear(hub_of(COHERE, event("message-end", delta={"finish_reason": reason}))).finish
    whole = whole_of({"id": "r", "message": {"content": []}, "finish_reason": reason})
    assert finish == whole["choices"][0]["finish_reason"]


@pytest.mark.parametrize(("reason", "kind"), [("ERROR", "server_error"), ("TIMEOUT", "timeout")])
def test_an_answer_that_failed_is_an_error(reason: str, kind: str):
    """No `[DONE]` and no finish: it has not been finished. What was used is told all the same."""
    heard = hear(hub_of(COHERE, event("message-end", delta={"finish_reason": reason, "error": "no", "usage": USAGE})))

    assert {"message": "no", "type": kind, "code": reason} == heard.error
    assert (None, False, 95) == (heard.finish, heard.done, heard.usage and heard.usage.output_tokens)
    assert kind == whole_of({"message": {}, "finish_reason": reason})["error"]["type"]


def test_a_refusal_in_the_stream_is_an_error():
    refusal = {"id": "e1", "message": "too many tokens"}
    assert refusal == hear(hub_of(COHERE, b"data: %b\n\n" % orjson.dumps(refusal))).error
    assert {"error": refusal} == whole_of(refusal)


def test_a_stream_that_only_stops_is_not_complete():
    heard = hear(hub_of(COHERE, TEXT[: -len(END)]))
    assert (None, False, None) == (heard.finish, heard.done, heard.usage)


@pytest.mark.parametrize(
    "damaged",
    [b"data: {\n\n", b"data: []\n\n", call("tool-call-delta", 3, arguments="{}"), event("tool-call-end", index=1)],
)
def test_damage_is_told(damaged: bytes):
    with pytest.raises(Undecodable):
        hub_of(COHERE, START + damaged)


def test_tool_calls_are_bounded():
    with pytest.raises(Undecodable):
        hub_of(COHERE, b"".join(call("tool-call-start", place, name="f") for place in range(MAX_CALLS + 1)))


def test_events_of_other_kinds_and_wrong_types_say_nothing():
    stream = event("new-event", delta=1) + said("content-delta", 0, content=7) + b": note\n\ndata: [DONE]\n\n"
    assert b"" == hub_of(COHERE, stream)


@pytest.mark.parametrize(
    ("usage", "wanted"),
    [
        (USAGE, Usage(45, 95, 1504, billed=(119, 44))),
        ({"billed_units": {"input_tokens": 3, "output_tokens": 2}}, Usage(3, 2, billed=(3, 2))),
        ({"tokens": {"input_tokens": 3, "output_tokens": 2}}, Usage(3, 2)),
        ({"tokens": {"input_tokens": 3}, "cached_tokens": 9}, Usage(0, 0, 3)),
        ({"tokens": {"input_tokens": "3"}, "billed_units": []}, None),
        ({}, None),
    ],
)
def test_usage_is_read(usage: dict[str, Any], wanted: Usage | None):
    assert (
        wanted == hear(hub_of(COHERE, event("message-end", delta={"finish_reason": "COMPLETE", "usage": usage}))).usage
    )


def test_probabilities_are_told_by_pieces():
    scores = {"text": "Hi", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}
    wanted = [{"token": "Hi", "logprob": -0.75, "bytes": [72, 105], "top_logprobs": []}]
    stream = event("content-delta", index=0, logprobs=scores, delta={"message": {"content": {"text": "Hi"}}})
    whole = {"message": {"content": [{"type": "text", "text": "Hi"}]}, "logprobs": [scores, {"text": 3}]}

    assert wanted == hear(hub_of(COHERE, stream)).logprobs
    assert wanted == hear_whole(whole_of(whole)).logprobs


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_fields", "wanted"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"max_tokens": 6}),
        ({"top_p": 0.5, "top_k": 3, "temperature": 1, "seed": 7}, {"p": 0.5, "k": 3, "temperature": 1, "seed": 7}),
        ({"top_p": 1}, {"p": 0.99}),
        ({"top_p": 0}, {"p": 0.01}),
        ({"top_k": -1}, {"k": 0}),
        ({"stop": "x"}, {"stop_sequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stop_sequences": ["x", "y"]}),
        ({"frequency_penalty": 0.5, "presence_penalty": 1}, {"frequency_penalty": 0.5, "presence_penalty": 1}),
        ({"logprobs": True}, {"logprobs": True}),
        ({"stream": True}, {"stream": True}),
        ({"stream": False, "n": 1, "user": "u", "store": True, "stream_options": {"include_usage": True}}, {}),
        ({"response_format": {"type": "json_object"}}, {"response_format": {"type": "json_object"}}),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
         {"response_format": {"type": "json_object", "json_schema": {"type": "object"}}}),
        ({"response_format": {"type": "text"}}, {}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "low"}, {"thinking": {"type": "enabled", "token_budget": 1024}}),
        ({"reasoning_effort": "high"}, {"thinking": {"type": "enabled"}}),
        ({"reasoning": {"max_tokens": 9}}, {"thinking": {"type": "enabled", "token_budget": 9}}),
        ({"reasoning": {"enabled": False}}, {"thinking": {"type": "disabled"}}),
        ({"reasoning": {"enabled": True}}, {"thinking": {"type": "enabled"}}),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "high"}, {"thinking": {"type": "disabled"}}),
        ({"safety_mode": "OFF", "documents": ["d"]}, {"safety_mode": "OFF", "documents": ["d"]}),
        ({"tools": [TOOL]}, {"tools": [TOOL]}),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL]}),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tools": [TOOL], "tool_choice": "NONE"}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tools": [TOOL], "tool_choice": "REQUIRED"}),
        ({"tools": [OTHER, TOOL], "tool_choice": {"type": "function", "function": {"name": "find"}}},
         {"tools": [TOOL], "tool_choice": "REQUIRED"}),
        ({"tools": [OTHER, TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {
            "mode": "auto", "tools": [{"type": "function", "function": {"name": "find"}}]}}}, {"tools": [TOOL]}),
        ({"tools": [{"type": "function", "function": {"name": "stop", "strict": True}}]},
         {"tools": [{"type": "function", "function": {"name": "stop", "parameters": {"type": "object",
                                                                                     "properties": {}}}}],
          "strict_tools": True}),
    ],
)  # fmt: skip
def test_fields_are_written(given_fields: dict[str, Any], wanted: dict[str, Any]):
    model = "command-a-reasoning-08-2025"
    messages = [{"role": "user", "content": "hi"}]
    assert {"model": model, "messages": messages, **wanted} == written(COHERE, given_fields, model=model)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ({"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
         {"role": "system", "content": "ab"}),
        ({"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}, IMAGE]},
         {"role": "user", "content": [{"type": "text", "text": "a"}, IMAGE]}),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "https://x.test/a.png"}]},
         {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}]}),
        ({"role": "assistant", "content": "a", "reasoning_details": [{"type": "reasoning.text"}]},
         {"role": "assistant", "content": "a"}),
        ({"role": "assistant", "content": None, "refusal": "no"}, {"role": "assistant", "content": "no"}),
        ({"role": "assistant", "content": "a", "reasoning_content": "t"},
         {"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}]}),
        ({"role": "assistant", "content": None, "reasoning_content": "t", "tool_calls": [
            {"id": "c", "type": "function", "function": {"name": "find", "arguments": ""}, "extra_content": {}}]},
         {"role": "assistant", "tool_plan": "t", "tool_calls": [
             {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}]}),
        ({"role": "tool", "tool_call_id": "c", "name": "find", "content": [{"type": "text", "text": "r"}],
          "is_error": True}, {"role": "tool", "tool_call_id": "c", "content": "The tool failed: r"}),
    ],
)  # fmt: skip
def test_messages_are_written(message: dict[str, Any], wanted: dict[str, Any]):
    assert [wanted] == written(COHERE, {"messages": [message]}, model="command-a-plus-05-2026")["messages"]


@pytest.mark.parametrize(
    "model", ["command-r-plus", "command-a-03-2025", "c4ai-aya-expanse-32b", "command-r7b-12-2024"]
)
def test_a_model_that_does_not_think_is_told_no_thoughts(model: str):
    """To ask it to think is refused; that it should not is no more than it does."""
    turn = {"role": "assistant", "content": "a", "reasoning_content": "t"}

    assert [{"role": "assistant", "content": "a"}] == written(COHERE, {"messages": [turn]}, model=model)["messages"]
    assert "thinking" not in written(COHERE, {"reasoning_effort": "none"}, model=model)
    with pytest.raises(Unsupported):
        written(COHERE, {"reasoning_effort": "low"}, model=model)


@pytest.mark.parametrize(
    ("given_fields", "param", "left"),
    [
        ({"n": 2}, "n", {}),
        ({"logit_bias": {"5": 1}}, "logit_bias", {}),
        ({"top_logprobs": 3}, "top_logprobs", {}),
        ({"modalities": ["text", "audio"]}, "modalities", {}),
        ({"frequency_penalty": -1}, "frequency_penalty", {"frequency_penalty": 0}),
        ({"presence_penalty": 2}, "presence_penalty", {"presence_penalty": 1}),
        ({"top_k": 501}, "top_k", {"k": 500}),
        ({"stop": list("abcdef")}, "stop", {"stop_sequences": list("abcde")}),
        ({"tools": [TOOL], "response_format": {"type": "json_object"}}, "response_format", {"tools": [TOOL]}),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0]", {}),
        ({"reasoning": {"exclude": True}}, "reasoning.exclude", {}),
        ({"min_p": 0.1}, "min_p", {}),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
         "messages[0].content[0]", {"messages": [{"role": "user", "content": []}]}),
        ({"messages": [{"role": "tool", "tool_call_id": "c", "content": [IMAGE]}]}, "messages[0].content",
         {"messages": [{"role": "tool", "tool_call_id": "c", "content": ""}]}),
        ({"messages": [{"role": "user", "name": "n", "content": "hi"}]}, "messages[0].name", {}),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_or_told(given_fields: dict[str, Any], param: str, left: dict[str, Any]):
    with pytest.raises(Unsupported) as refused:
        written(COHERE, given_fields, model="command-a-plus-05-2026")
    assert param == refused.value.param

    lenient = Target("command-a-plus-05-2026", lenient=True)
    body = written(COHERE, given_fields, target=lenient)
    assert [param] == lenient.dropped
    assert {"model": lenient.model, "messages": [{"role": "user", "content": "hi"}], **left} == body


@pytest.mark.parametrize(
    "given_fields",
    [
        {"messages": [{"role": "bot", "content": "x"}]},
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "nobody"}}},
    ],
)
def test_what_nobody_could_do_is_a_bad_request(given_fields: dict[str, Any]):
    with pytest.raises(BadRequest) as refused:
        written(COHERE, given_fields)
    assert not isinstance(refused.value, Unsupported)


def test_a_request_in_its_own_dialect_goes_as_it_came():
    from proxy.dialects.openai_chat import decode  # noqa: PLC0415 - for this one test
    from proxy.dialects.request import Operation  # noqa: PLC0415

    raw = b'{ "model": "a", "messages": [{"role": "user", "content": "hi"}] }'
    request = decode(Operation.CHAT, raw)
    assert raw is COHERE.adapt(request, Target("a"))
    assert "b" == orjson.loads(COHERE.adapt(request, Target("b")))["model"]


words = st.text(max_size=8)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(words, words, st.lists(st.tuples(words, st.dictionaries(words, words, max_size=2)), max_size=3))
def test_a_turn_survives_the_way_there_and_back(text: str, thoughts: str, calls: list[tuple[str, dict[str, str]]]):
    """What the model said, sent back by a client and answered once more, is the same."""
    entries = [
        {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": orjson.dumps(given).decode()}}
        for place, (name, given) in enumerate(calls)
    ]
    turn: dict[str, Any] = {"role": "assistant", "content": text}
    if thoughts:
        turn["reasoning_content"] = thoughts
    if entries:
        turn["tool_calls"] = entries
    sent = written(COHERE, {"messages": [turn]}, model="command-a-plus-05-2026")["messages"][0]
    content = sent.get("content")
    if isinstance(content, str):
        sent["content"] = [{"type": "text", "text": content}]
    heard = hear_whole(whole_of({"id": "r", "message": sent, "finish_reason": "COMPLETE"}))

    assert (text, thoughts) == (heard.text, heard.reasoning)
    assert [(e["id"], e["function"]["name"], e["function"]["arguments"]) for e in entries] == heard.calls
