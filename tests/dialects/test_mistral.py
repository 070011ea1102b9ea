"""Mistral's dialect: the hub's, but for messages and lists in answers; all else passes byte for byte."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from foreign import cuttings, hear, hub_of, written
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.dialect import Target, Undecodable
from proxy.dialects.mistral import MistralDialect
from proxy.dialects.mistral.request import call_id_of
from proxy.dialects.openai_chat import decode
from proxy.dialects.quirks import MaxTokens, Quirks, StreamOptions
from proxy.dialects.request import Operation
from proxy.errors import Unsupported
from proxy.usage import Usage

MISTRAL = MistralDialect()
QUIRKS = Quirks(
    stream_options=StreamOptions.REFUSE,
    max_tokens=MaxTokens.LEGACY,
    renamed={"seed": "random_seed"},
    dropped=frozenset({"user", "store"}),
    unsupported=frozenset({"logit_bias"}),
)
OWN_ID = "D681PevKs"
USAGE = {"prompt_tokens": 12, "total_tokens": 20, "completion_tokens": 8, "service_tier": "standard"}
TOOL = {"type": "function", "function": {"name": "find", "parameters": {}}}


def chunk(delta: dict[str, Any], finish: str | None = None, **rest: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {
        "id": "r1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "magistral-medium",
        "choices": [choice],
    }
    return b"data: %b\n\n" % orjson.dumps({**head, **rest})


def thinking(*texts: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": text} for text in texts]}


PLAIN = b"".join((
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Hé"}),
    chunk({"content": ""}, "stop", usage=USAGE),
    b"data: [DONE]\n\n",
))  # fmt: skip
THOUGHTS = b"".join((
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": [thinking("Hm", " é")]}),
    chunk({"content": [thinking("."), {"type": "text", "text": "Hi"}]}),
    chunk({"content": " you"}),
    chunk({"content": [{"type": "text", "text": "!"}, {"type": "reference", "reference_ids": [1]}]}),
    chunk({"content": ""}, "model_length", usage=USAGE),
    b"data: [DONE]\n\n",
))  # fmt: skip


@pytest.mark.parametrize("data", [PLAIN, THOUGHTS, chunk({"content": [thinking("é")]})])
def test_a_stream_may_be_cut_anywhere(data: bytes):
    whole = hub_of(MISTRAL, data)
    assert all(whole == hub_of(MISTRAL, data, cuts) for cuts in cuttings(data))


def test_a_stream_without_lists_passes_byte_for_byte():
    decoder = MISTRAL.decoder(Target("m"))
    assert PLAIN == hub_of(MISTRAL, PLAIN)
    assert PLAIN is decoder.feed(PLAIN)


def test_calls_get_the_type_and_the_place_that_openais_clients_check():
    function = {"name": "f", "arguments": "{}"}
    typed = {"id": OWN_ID, "function": function, "index": 0, "type": "function"}
    assert chunk({"tool_calls": [typed]}) == hub_of(
        MISTRAL, chunk({"tool_calls": [{"id": OWN_ID, "function": function}]})
    )
    more = chunk({"tool_calls": [{"index": 0, "function": {"name": "", "arguments": "{}"}}]})
    assert more == hub_of(MISTRAL, more)
    message = {"role": "assistant", "content": "", "tool_calls": [{"id": OWN_ID, "function": function}]}
    whole = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    assert [typed] == MISTRAL.answer(whole, Target("m"))["choices"][0]["message"]["tool_calls"]


def test_thoughts_come_out_of_the_content():
    """The other chunks stay as they were."""
    told = hub_of(MISTRAL, THOUGHTS)
    heard = hear(told)

    assert ("Hm é.", "Hi you!", "length", True) == (heard.reasoning, heard.text, heard.finish, heard.done)
    assert Usage(12, 8, tier="standard") == heard.usage
    assert chunk({"content": " you"}) in told
    assert chunk({"content": None, "reasoning_content": "Hm é"}) in told


def test_a_whole_answer_is_read_alike():
    parts = [thinking("Hm"), {"type": "text", "text": "Hi"}, "odd", {"type": "thinking", "thinking": "flat"}]
    doc = {"id": "r", "choices": [{"index": 0, "message": {"role": "assistant", "content": parts},
                                   "finish_reason": "model_length"}]}  # fmt: skip
    message = {"role": "assistant", "content": "Hi", "reasoning_content": "Hmflat"}

    told = MISTRAL.answer(doc, Target("m"))
    assert {"id": "r", "choices": [{"index": 0, "message": message, "finish_reason": "length"}]} == told
    assert parts == doc["choices"][0]["message"]["content"]  # type: ignore[index]


def test_an_answer_without_lists_is_the_same_object():
    doc = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}], "usage": USAGE}
    assert doc is MISTRAL.answer(doc, Target("m"))
    error = {"object": "error", "message": "no", "code": "1300"}
    assert error is MISTRAL.answer(error, Target("m"))


def test_a_list_elsewhere_changes_nothing():
    """Only the content of a delta is rewritten: the words may stand in a tool call's arguments too."""
    call = {"id": OWN_ID, "function": {"name": "f", "arguments": '{"content":[1]}'}, "index": 0, "type": "function"}
    odd = chunk({"content": "", "tool_calls": [call]})
    extra = chunk({"content": "x"}, extra={"content": [1]})
    assert odd + extra == hub_of(MISTRAL, odd + extra)


def test_damage_is_told():
    with pytest.raises(Undecodable):
        hub_of(MISTRAL, b'data: {"content": [\n\n')


# --- requests -----------------------------------------------------------------------------------------------------


def sent(doc: dict[str, Any], model: str = "mistral-large", *, lenient: Target | None = None) -> dict[str, Any]:
    return written(MISTRAL, doc, target=lenient or Target(model, quirks=QUIRKS))


def test_a_plain_request_goes_as_it_came():
    raw = b'{ "model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [], "temperature": 0.1}'
    assert raw is MISTRAL.encode(decode(Operation.CHAT, raw), Target("m", quirks=QUIRKS))
    assert raw is MISTRAL.adapt(decode(Operation.CHAT, raw), Target("m", quirks=QUIRKS))
    assert b'"model":"n"' in MISTRAL.adapt(decode(Operation.CHAT, raw), Target("n", quirks=QUIRKS))


def test_embeddings_are_the_hubs():
    raw = b'{"model":"e","input":"x"}'
    assert raw is MISTRAL.encode(decode(Operation.EMBEDDINGS, raw), Target("e", quirks=QUIRKS))


def test_foreign_tool_call_ids_become_nine_characters():
    """The same in the call and in its result; Mistral's own stay."""
    function = {"name": "find", "arguments": "{}"}
    conversation = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [
            {"id": "call_abcdefgh", "type": "function", "function": function, "extra_content": {"google": {}}},
            {"id": OWN_ID, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": "call_abcdefgh", "content": "a"},
        {"role": "tool", "tool_call_id": OWN_ID, "content": [{"type": "text", "text": "b"}], "is_error": True},
    ]  # fmt: skip
    mapped = call_id_of("call_abcdefgh")
    messages = sent({"messages": conversation})["messages"]

    calls = [{"id": call_id, "type": "function", "function": function} for call_id in (mapped, OWN_ID)]
    assert calls == messages[1]["tool_calls"]
    assert {"role": "tool", "tool_call_id": mapped, "content": "a"} == messages[2]
    assert {"role": "tool", "tool_call_id": OWN_ID, "content": "The tool failed: b"} == messages[3]


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.text())
def test_every_id_becomes_one_that_mistral_takes(call_id: str):
    mapped = call_id_of(call_id)
    assert 9 == len(mapped)
    assert mapped.isascii()
    assert mapped.isalnum()
    assert mapped == call_id_of(call_id) == call_id_of(mapped)


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ({"role": "developer", "content": "s"}, {"role": "system", "content": "s"}),
        ({"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]},
         {"role": "user", "content": [{"type": "text", "text": "a"}]}),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]},
         {"role": "user", "content": [{"type": "input_audio", "input_audio": "AAAA"}]}),
        ({"role": "user", "content": [{"type": "file", "file": {"filename": "f", "file_data": "data:x/y;base64,AA"}}]},
         {"role": "user", "content": [{"type": "document_url", "document_url": "data:x/y;base64,AA",
                                       "document_name": "f"}]}),
        ({"role": "user", "content": [{"type": "file", "file": {"file_url": "https://x.test/a.pdf"}}]},
         {"role": "user", "content": [{"type": "document_url", "document_url": "https://x.test/a.pdf"}]}),
        ({"role": "assistant", "content": None, "refusal": "no", "tool_calls": []},
         {"role": "assistant", "content": "no"}),
        ({"role": "assistant", "content": "a", "reasoning_content": "t", "reasoning_details": [{}], "annotations": []},
         {"role": "assistant", "content": "a"}),
    ],
)  # fmt: skip
def test_messages_are_written(message: dict[str, Any], wanted: dict[str, Any]):
    assert wanted == sent({"messages": [message, {"role": "user", "content": "hi"}]})["messages"][0]


@pytest.mark.parametrize(
    ("model", "fields"), [("magistral-medium-2509", {}), ("mistral-medium-3-5", {"reasoning_effort": "high"})]
)
def test_thoughts_go_back_to_a_model_that_thinks(model: str, fields: dict[str, Any]):
    turn = {"role": "assistant", "content": "a", "reasoning_content": "t"}
    wanted = {"role": "assistant", "content": [thinking("t"), {"type": "text", "text": "a"}]}
    assert wanted == sent({"messages": [turn, {"role": "user", "content": "hi"}], **fields}, model)["messages"][0]


@pytest.mark.parametrize(
    ("given_fields", "wanted"),
    [
        ({"max_completion_tokens": 5}, {"max_tokens": 5}),
        ({"seed": 5, "user": "u", "store": True}, {"random_seed": 5}),
        ({"reasoning": {"effort": "low"}}, {"reasoning_effort": "low"}),
        ({"reasoning": {"enabled": False}}, {"reasoning_effort": "none"}),
        ({"reasoning": {"enabled": True}}, {"reasoning_effort": "high"}),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, {"reasoning_effort": "high"}),
        ({"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]}, {"tools": [TOOL]}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream": True}),
        ({"top_k": 5, "logprobs": True, "prompt_mode": "reasoning"},
         {"top_k": 5, "logprobs": True, "prompt_mode": "reasoning"}),
    ],
)  # fmt: skip
def test_fields_are_written(given_fields: dict[str, Any], wanted: dict[str, Any]):
    assert {"model": "mistral-large", "messages": [{"role": "user", "content": "hi"}], **wanted} == sent(given_fields)


@pytest.mark.parametrize(
    ("given_fields", "param", "left"),
    [
        ({"logit_bias": {"5": 1}}, "logit_bias", {}),
        ({"verbosity": "low"}, "verbosity", {}),
        ({"modalities": ["audio"]}, "modalities", {}),
        ({"reasoning": {"max_tokens": 5, "exclude": True}}, "reasoning.exclude", {"reasoning_effort": "low"}),
        ({"messages": [{"role": "user", "content": "hi", "name": "n"}]}, "messages[0].name", {}),
        ({"messages": [{"role": "user", "content": "hi", "audio": {"id": "a"}}]}, "messages[0].audio", {}),
        ({"messages": [{"role": "assistant", "content": "so"}]}, "messages",
         {"messages": [{"role": "assistant", "content": "so", "prefix": True}]}),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
         "messages[0].content[0]", {"messages": [{"role": "user", "content": []}]}),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_or_told(given_fields: dict[str, Any], param: str, left: dict[str, Any]):
    with pytest.raises(Unsupported) as refused:
        sent(given_fields)
    assert param == refused.value.param

    lenient = Target("m", quirks=QUIRKS, lenient=True)
    body = sent(given_fields, lenient=lenient)
    assert [param] == lenient.dropped
    assert {"model": "m", "messages": [{"role": "user", "content": "hi"}], **left} == body


def test_a_turn_begun_with_its_own_prefix_may_stand_last():
    turn = {"role": "assistant", "content": "so", "prefix": True}
    assert [turn] == sent({"messages": [turn]})["messages"]
