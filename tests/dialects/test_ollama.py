"""Ollama's dialect: what is written for it, and what is made of its answers and streams."""

from __future__ import annotations

import itertools
from typing import Any

import orjson
import pytest
from foreign import cuttings, hear, hear_whole, hub_of, written
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.dialect import Target, Undecodable
from proxy.dialects.ollama import OllamaDialect
from proxy.dialects.ollama.lines import LineSplitter
from proxy.dialects.openai_chat import decode
from proxy.dialects.request import Operation
from proxy.dialects.sse import EventTooLong
from proxy.errors import BadRequest, Unsupported, WrongType
from proxy.usage import Usage

OLLAMA = OllamaDialect()
CREATED = "2026-08-04T08:52:19.385406455Z"
COUNTS = {"prompt_eval_count": 26, "eval_count": 9, "total_duration": 4_883_583_458}
FIND = {"function": {"name": "find", "arguments": {"q": "é", "n": 2}}}
STOP = {"function": {"name": "stop", "arguments": {}}}
TOOL = {"type": "function", "function": {"name": "find", "description": "d", "parameters": {"type": "object"}}}
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def line(message: dict[str, Any] | None = None, **fields: Any) -> bytes:
    held = {} if message is None else {"message": {"role": "assistant", **message}}
    return orjson.dumps({"model": "qwen3", "created_at": CREATED, **held, "done": False, **fields}) + b"\n"


TEXT = b"".join((
    line({"content": "", "thinking": "Hm"}),
    line({"content": "", "thinking": "."}),
    line({"content": "Hé"}),
    line({"content": " you"}),
    line({"content": ""}, done=True, done_reason="stop", **COUNTS),
))  # fmt: skip
CALLS = b"".join((
    line({"content": "", "tool_calls": [FIND]}),
    line({"content": "", "tool_calls": [STOP, FIND]}),
    line({"content": ""}, done=True, done_reason="stop", **COUNTS),
))  # fmt: skip


def whole_of(doc: dict[str, Any]) -> dict[str, Any]:
    return OLLAMA.answer(doc, Target("m"))


@pytest.mark.parametrize("data", [TEXT, CALLS, b'{"message":{"content":"\xc3\xa9"}}\n{"done":true,"eval_count":1}\n'])
def test_a_stream_may_be_cut_anywhere(data: bytes):
    whole = hub_of(OLLAMA, data)
    assert all(whole == hub_of(OLLAMA, data, cuts) for cuts in cuttings(data))


def test_thoughts_and_text_are_told():
    heard = hear(hub_of(OLLAMA, TEXT))

    assert ("Hm.", "Hé you", "stop", True) == (heard.reasoning, heard.text, heard.finish, heard.done)
    assert (Usage(26, 9), "qwen3") == (heard.usage, heard.model)
    assert b'"created":1785833539' in hub_of(OLLAMA, TEXT)


def test_tool_calls_get_ids_that_stay_the_same():
    """They come whole and with none of their own; two that are alike are told apart."""
    heard, again = hear(hub_of(OLLAMA, CALLS)), hear(hub_of(OLLAMA, CALLS))

    told = [(name, orjson.loads(arguments)) for _, name, arguments in heard.calls]
    assert [("find", {"q": "é", "n": 2}), ("stop", {}), ("find", {"q": "é", "n": 2})] == told
    assert "tool_calls" == heard.finish
    assert heard.calls == again.calls
    assert 3 == len({call_id for call_id, _, _ in heard.calls})


def test_an_id_of_the_servers_own_stays():
    heard = hear(hub_of(OLLAMA, line({"tool_calls": [{"id": "call_x", **STOP}]})))
    assert [("call_x", "stop", "{}")] == heard.calls


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (TEXT, {"thinking": "Hm.", "content": "Hé you"}),
        (CALLS, {"content": "", "tool_calls": [FIND, STOP, FIND]}),
    ],
)
def test_an_answer_is_the_same_whole_and_streamed(stream: bytes, message: dict[str, Any]):
    doc = orjson.loads(line(message, done=True, done_reason="stop", **COUNTS))
    assert hear(hub_of(OLLAMA, stream)) == hear_whole(whole_of(doc))


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), ("load", "stop"), (None, "stop")]
)
def test_finish_reasons(reason: str | None, finish: str):
    last = line({"content": "x"}, done=True, done_reason=reason)
    assert finish == hear(hub_of(OLLAMA, last)).finish
    assert finish == whole_of(orjson.loads(last))["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        (COUNTS, Usage(26, 9)),
        ({"eval_count": 9}, Usage(0, 9)),
        ({"prompt_eval_count": "26", "eval_count": -1}, None),
        ({}, None),
    ],
)
def test_usage_is_read(counts: dict[str, Any], wanted: Usage | None):
    last = line({"content": ""}, done=True, **counts)
    assert wanted == hear(hub_of(OLLAMA, last)).usage
    assert wanted == hear_whole(whole_of(orjson.loads(last))).usage


def test_an_error_in_the_stream_is_told():
    heard = hear(hub_of(OLLAMA, line({"content": "x"}) + b'{"error":"model runner has stopped"}\n'))

    assert {"message": "model runner has stopped"} == heard.error
    assert (None, False) == (heard.finish, heard.done)
    assert {"error": "no such model"} == whole_of({"error": "no such model"})
    assert {"error": {"odd": 1}} == whole_of({"odd": 1})


def test_a_stream_that_only_stops_is_not_complete():
    heard = hear(hub_of(OLLAMA, line({"content": "x"})))
    assert ("x", None, False) == (heard.text, heard.finish, heard.done)


def test_a_last_line_may_lack_its_end():
    assert hub_of(OLLAMA, TEXT) == hub_of(OLLAMA, TEXT[:-1])


@pytest.mark.parametrize("damaged", [b"{\n", b"[]\n", b"\xff\n"])
def test_damage_is_told(damaged: bytes):
    with pytest.raises(Undecodable):
        hub_of(OLLAMA, damaged)


def test_wrong_types_say_nothing():
    odd = b'{"message":7,"done":"no"}\n' + line({"content": 5, "thinking": [], "tool_calls": "x"}) + b"\r\n"
    assert "" == hear(hub_of(OLLAMA, odd)).text


@pytest.mark.parametrize("cuts", [(), (5,), (70,), (99, 101)])
def test_a_line_is_bounded(cuts: tuple[int, ...]):
    splitter = LineSplitter(100)
    assert b"x" * 100 + b"\ny\n" == splitter.feed(b"x" * 100 + b"\ny\n")
    data = b"x" * 101 + b"\n"
    places = [0, *cuts, len(data)]
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    with pytest.raises(EventTooLong):
        b"".join(map(splitter.feed, pieces))


def test_what_is_behind_a_line_is_bounded():
    with pytest.raises(EventTooLong):
        LineSplitter(100).feed(b"x\n" + b"y" * 101)


def test_probabilities_are_told():
    scores = [{"token": "é", "logprob": -0.5, "top_logprobs": [{"token": "e", "logprob": -1.5, "bytes": [101]}]}]
    other = {"token": "e", "logprob": -1.5, "bytes": [101], "top_logprobs": []}
    wanted = [{"token": "é", "logprob": -0.5, "bytes": [195, 169], "top_logprobs": [other]}]
    only = line({"content": "é"}, logprobs=scores, done=True)

    assert wanted == hear(hub_of(OLLAMA, only)).logprobs
    assert wanted == hear_whole(whole_of(orjson.loads(only))).logprobs


# --- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given_fields", "wanted"),
    [
        ({"max_tokens": 5}, {"options": {"num_predict": 5}}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"options": {"num_predict": 6}}),
        ({"temperature": 0, "top_p": 0.5, "top_k": 3, "min_p": 0.1, "seed": 7, "stop": "x"},
         {"options": {"temperature": 0, "top_p": 0.5, "top_k": 3, "min_p": 0.1, "seed": 7, "stop": ["x"]}}),
        ({"frequency_penalty": -1, "presence_penalty": 2, "repetition_penalty": 1.1},
         {"options": {"frequency_penalty": -1, "presence_penalty": 2, "repeat_penalty": 1.1}}),
        ({"options": {"num_ctx": 4096, "seed": 1}, "seed": 2}, {"options": {"num_ctx": 4096, "seed": 2}}),
        ({"keep_alive": "10m", "think": True}, {"keep_alive": "10m", "think": True}),
        ({"logprobs": True, "top_logprobs": 2}, {"logprobs": True, "top_logprobs": 2}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"n": 1, "user": "u", "parallel_tool_calls": True, "logit_bias": {}, "store": False}, {}),
        ({"response_format": {"type": "json_object"}}, {"format": "json"}),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
         {"format": {"type": "object"}}),
        ({"reasoning_effort": "none"}, {"think": False}),
        ({"reasoning_effort": "minimal"}, {"think": "low"}),
        ({"reasoning_effort": "xhigh"}, {"think": "high"}),
        ({"reasoning": {"enabled": False}}, {"think": False}),
        ({"reasoning": {"effort": "medium"}}, {"think": "medium"}),
        ({"tools": [TOOL]}, {"tools": [TOOL]}),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tools": [TOOL]}),
        ({"tools": [TOOL], "tool_choice": "none"}, {}),
        ({"tools": [{**TOOL, "function": {**TOOL["function"], "strict": True}}]}, {"tools": [TOOL]}),
    ],
)  # fmt: skip
def test_fields_are_written(given_fields: dict[str, Any], wanted: dict[str, Any]):
    messages = [{"role": "user", "content": "hi"}]
    assert {"model": "m", "messages": messages, "stream": False, **wanted} == written(OLLAMA, given_fields)


def test_a_conversation_is_written():
    """Results tell the tool's name, which the hub's know by the call's id alone."""
    function = {"name": "find", "arguments": '{"q":1}'}
    conversation = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, PICTURE, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "reasoning_content": "t", "reasoning_details": [{}],
         "tool_calls": [{"id": "c1", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
        {"role": "tool", "tool_call_id": "c2", "name": "other", "content": "no", "is_error": True},
        {"role": "assistant", "content": None, "refusal": "no"},
    ]  # fmt: skip
    wanted = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "ab", "images": ["AAAA"]},
        {"role": "assistant", "content": "", "thinking": "t",
         "tool_calls": [{"id": "c1", "function": {"name": "find", "arguments": {"q": 1}}}]},
        {"role": "tool", "content": "found", "tool_call_id": "c1", "tool_name": "find"},
        {"role": "tool", "content": "The tool failed: no", "tool_call_id": "c2", "tool_name": "other"},
        {"role": "assistant", "content": "no"},
    ]  # fmt: skip
    assert wanted == written(OLLAMA, {"messages": conversation})["messages"]


def at_user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, *parts]}]}


@pytest.mark.parametrize(
    ("given_fields", "param", "left"),
    [
        ({"n": 2}, "n", {}),
        ({"logit_bias": {"5": 1}}, "logit_bias", {}),
        ({"tools": [TOOL], "tool_choice": "required"}, "tool_choice", {"tools": [TOOL]}),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "find"}}}, "tool_choice",
         {"tools": [TOOL]}),
        ({"tools": [{"type": "custom"}, TOOL]}, "tools[0]", {"tools": [TOOL]}),
        ({"reasoning": {"max_tokens": 5, "exclude": True}}, "reasoning.exclude", {"think": "low"}),
        (at_user({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}), "messages[0].content[1]", {}),
        (at_user({"type": "input_audio", "input_audio": {}}), "messages[0].content[1]", {}),
        ({"messages": [{"role": "user", "content": "hi", "name": "n"}]}, "messages[0].name", {}),
        ({"messages": [{"role": "user", "content": "hi", "audio": {"id": "a"}}]}, "messages[0].audio", {}),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_or_told(given_fields: dict[str, Any], param: str, left: dict[str, Any]):
    with pytest.raises(Unsupported) as refused:
        written(OLLAMA, given_fields)
    assert param == refused.value.param

    lenient = Target("m", lenient=True)
    body = written(OLLAMA, given_fields, target=lenient)
    assert [param] == lenient.dropped
    assert {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": False, **left} == body


@pytest.mark.parametrize(
    ("given_fields", "kind"),
    [
        ({"options": 5}, WrongType),
        ({"reasoning_effort": "extreme"}, BadRequest),
        ({"messages": [{"role": "bot", "content": "x"}]}, BadRequest),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "["}}]}]},
            BadRequest,
        ),
    ],
)
def test_what_nobody_could_do_is_a_bad_request(given_fields: dict[str, Any], kind: type[BadRequest]):
    with pytest.raises(kind) as refused:
        written(OLLAMA, given_fields)
    assert not isinstance(refused.value, Unsupported)


def test_a_request_in_its_own_dialect_goes_as_it_came():
    raw = b'{ "model": "a", "messages": [{"role": "user", "content": "hi", "images": []}] }'
    request = decode(Operation.CHAT, raw)
    assert raw is OLLAMA.adapt(request, Target("a"))
    assert "b" == orjson.loads(OLLAMA.adapt(request, Target("b")))["model"]


words = st.text(max_size=8)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(words, words, st.lists(st.tuples(words, st.dictionaries(words, words, max_size=2)), max_size=3))
def test_a_turn_survives_the_way_there_and_back(text: str, thoughts: str, calls: list[tuple[str, dict[str, str]]]):
    """What the model said, sent back by a client and answered once more, is the same."""
    entries = [
        {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": orjson.dumps(given).decode()}}
        for place, (name, given) in enumerate(calls)
    ]
    turn: dict[str, Any] = {"role": "assistant", "content": text, "reasoning_content": thoughts, "tool_calls": entries}
    sent = written(OLLAMA, {"messages": [turn]})["messages"][0]
    heard = hear_whole(whole_of({"created_at": CREATED, "message": sent, "done": True}))
    streamed = hear(hub_of(OLLAMA, line(sent, done=True)))

    assert (text, thoughts) == (heard.text, heard.reasoning) == (streamed.text, streamed.reasoning)
    wanted = [(entry["id"], entry["function"]["name"], entry["function"]["arguments"]) for entry in entries]
    assert wanted == heard.calls == streamed.calls
