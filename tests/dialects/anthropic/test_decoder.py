"""Anthropic's stream as the hub's chunks."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from cutting import hear

from dialects.anthropic.telling import ERROR, EVENTS, TEXT, THINKING, TOOLS, event, stream
from proxy.dialects.anthropic.decoder import AnthropicDecoder
from proxy.dialects.anthropic.dialect import AnthropicDialect
from proxy.dialects.anthropic.words import JSON_TOOL, OWN
from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Target, Undecodable
from proxy.dialects.quirks import Quirks

DIALECT = AnthropicDialect()
TARGET = Target("claude-opus-5")
QUIRKS = Quirks()


def decode(*blocks: bytes) -> bytes:
    decoder, framer = DIALECT.decoder(TARGET), DIALECT.framer(1 << 20)
    out = b"".join(decoder.feed(whole) for block in blocks if (whole := framer.feed(block)))
    return out + decoder.feed(framer.take())


def chunks(*blocks: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line[6:]) for line in decode(*blocks).split(b"\n\n") if line and line != b"data: [DONE]"]


def deltas(*blocks: bytes) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(*blocks) if chunk.get("choices")]


def usage(*blocks: bytes):
    last = chunks(*blocks)[-1]
    return usage_from_openai(last["usage"], QUIRKS, last.get("service_tier"))


def test_the_counts_are_told_where_a_server_leaves_out_the_last_event():
    decoder = DIALECT.decoder(TARGET)
    said = decoder.feed(TEXT.removesuffix(EVENTS["stop"])) + decoder.end()
    assert decode(TEXT) == said
    assert b"" == decoder.end()


def test_text_is_told_with_its_end_and_its_counts():
    heard = hear([decode(TEXT)])
    assert ("Hello, wörld", ["stop"], True, 1) == (heard.answer.content, heard.finishes, heard.is_done, heard.roles)
    assert {("msg_1", "chat.completion.chunk", 0, "claude-opus-5", None)} == heard.identities
    counted = usage(TEXT)
    assert (10, 7, 3, 2, "standard") == (
        counted.input_tokens, counted.output_tokens, counted.cache_read_tokens, counted.cache_write_tokens,
        counted.tier,
    )  # fmt: skip


@pytest.mark.parametrize("whole", [TEXT, TOOLS, THINKING, ERROR], ids=["text", "tools", "thinking", "error"])
def test_every_cut_says_the_same(whole):
    expected = decode(whole)
    for place in range(1, len(whole)):
        assert expected == decode(whole[:place], whole[place:]), place


def test_every_pair_of_cuts_says_the_same():
    whole = stream(TEXT_SHORT)
    expected = decode(whole)
    for first in range(1, len(whole), 3):
        for second in range(first + 1, len(whole), 7):
            assert expected == decode(whole[:first], whole[first:second], whole[second:])


TEXT_SHORT = [
    event("message_start", message={"id": "m", "model": "c", "usage": {"input_tokens": 1, "output_tokens": 1}}),
    event("content_block_delta", index=0, delta={"type": "text_delta", "text": "ä"}),
    event("message_stop"),
]


@pytest.mark.parametrize("end", [b"\n", b""])
def test_the_last_event_may_lack_its_end(end):
    assert decode(TEXT) == decode(TEXT.removesuffix(b"\n\n") + end)


def test_calls_are_counted_on_their_own_and_one_without_input_has_an_empty_object():
    heard = hear([decode(TOOLS)])
    assert [("w", '{"c": "Paris"}'), ("now", "{}"), ("given", '{"a":1}')] == heard.answer.calls
    assert ["toolu_1", "toolu_2", "toolu_3"] == heard.call_ids
    assert ("Let me see.", ["tool_calls"]) == (heard.answer.content, heard.finishes)


def test_thoughts_are_told_and_their_state_kept_for_the_call():
    decoder = AnthropicDecoder()
    heard = hear([decoder.feed(THINKING)])
    state = [
        {"type": "reasoning.text", "text": "Step one.", "signature": "sig==", "format": OWN},
        {"type": "reasoning.encrypted", "data": "enc==", "format": OWN},
    ]
    assert "Step one." == heard.answer.reasoning
    told = [chunk["choices"][0]["delta"] for chunk in heard.chunks if chunk["choices"]]
    assert state == [entry for delta in told for entry in delta.get("reasoning_details", ())]
    assert {"toolu_9": {"reasoning_details": state}} == decoder.opaque
    assert 9 == usage(THINKING).reasoning_tokens


def test_thoughts_whose_text_is_withheld_keep_their_state():
    block = {"type": "thinking", "thinking": "", "signature": ""}
    found = deltas(
        stream(
            [
                EVENTS["start"],
                event("content_block_start", index=0, content_block=block),
                event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "s"}),
                event("content_block_stop", index=0),
            ]
        )
    )
    assert {"type": "reasoning.text", "text": "", "signature": "s", "format": OWN} == found[-1]["reasoning_details"][0]


def test_a_second_start_only_updates_the_counts():
    again = event(
        "message_start", message={"id": "other", "usage": {"input_tokens": 99, "cache_read_input_tokens": None}}
    )
    both = TEXT.replace(EVENTS["start"], EVENTS["start"] + again)
    heard = hear([decode(both)])
    assert (1, 1) == (len(heard.identities), heard.roles)
    assert (99, 3) == (usage(both).input_tokens, usage(both).cache_read_tokens)


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        (None, (10, 1, 3)),
        ({"output_tokens": 7}, (10, 7, 3)),
        ({"output_tokens": 7, "input_tokens": 12, "cache_read_input_tokens": 0}, (12, 7, 0)),
        ({"output_tokens": 7, "input_tokens": None}, (10, 7, 3)),
        ({"output_tokens": -7, "input_tokens": True}, (0, 0, 3)),
        ("no object", (10, 1, 3)),
    ],
)
def test_later_counts_win_field_by_field(told, counts):
    counted = usage(stream([EVENTS["start"], event("message_delta", delta={}, usage=told), EVENTS["stop"]]))
    assert counts == (counted.input_tokens, counted.output_tokens, counted.cache_read_tokens)


def test_what_compaction_and_advice_cost_is_added():
    apart = {"input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 6}
    iterations = [{"type": "message", **apart}, {"type": "compaction", **apart}, {"type": "advisor_message", **apart}]
    counted = usage(stream([EVENTS["start"], event("message_delta", usage={"iterations": iterations}), EVENTS["stop"]]))
    assert (210, 41, 13, 14) == (
        counted.input_tokens, counted.output_tokens, counted.cache_read_tokens, counted.cache_write_tokens,
    )  # fmt: skip


def test_a_fast_answer_is_of_its_own_tier():
    assert (
        "fast" == usage(stream([EVENTS["start"], event("message_delta", usage={"speed": "fast"}), EVENTS["stop"]])).tier
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("compaction", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_every_reason_has_a_name(given, reason):
    found = chunks(stream([EVENTS["start"], event("message_delta", delta={"stop_reason": given}), EVENTS["stop"]]))
    assert [reason] == [c["finish_reason"] for chunk in found for c in chunk["choices"] if c["finish_reason"]]


def test_the_stop_sequence_and_the_words_of_a_refusal_are_told():
    met = event("message_delta", delta={"stop_reason": "stop_sequence", "stop_sequence": "END"})
    assert "END" == chunks(stream([EVENTS["start"], met, EVENTS["stop"]]))[1]["choices"][0]["stop_reason"]
    details = {"type": "refusal", "category": "bio", "explanation": "No."}
    no = event("message_delta", delta={"stop_reason": "refusal", "stop_details": details})
    assert {"refusal": "No."} == deltas(stream([EVENTS["start"], no, EVENTS["stop"]]))[-1]


def test_an_answer_by_the_json_tool_is_text():
    call = {"type": "tool_use", "id": "t", "name": JSON_TOOL, "input": {}}
    heard = hear(
        [
            decode(
                stream(
                    [
                        EVENTS["start"],
                        event("content_block_start", index=0, content_block=call),
                        event(
                            "content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": '{"n"'}
                        ),
                        event(
                            "content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": ":1}"}
                        ),
                        event("content_block_stop", index=0),
                        event("message_delta", delta={"stop_reason": "tool_use"}),
                        EVENTS["stop"],
                    ]
                )
            )
        ]
    )
    assert ('{"n":1}', [], ["stop"]) == (heard.answer.content, heard.answer.calls, heard.finishes)


def test_sources_are_told_with_the_text_they_stand_for():
    cited = {"type": "web_search_result_location", "url": "https://x.test", "title": "X", "cited_text": "c"}
    found = deltas(
        stream(
            [
                EVENTS["start"],
                event("content_block_delta", index=0, delta={"type": "text_delta", "text": "lost"}),
                event("content_block_start", index=0, content_block={"type": "text", "text": "Sky "}),
                event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": cited}),
                event(
                    "content_block_delta",
                    index=0,
                    delta={"type": "citations_delta", "citation": {"type": "char_location"}},
                ),
                event("content_block_delta", index=0, delta={"type": "text_delta", "text": "is blue"}),
                event("content_block_stop", index=0),
            ]
        )
    )
    where = {"start_index": 0, "end_index": 11, "url": "https://x.test", "title": "X"}
    assert {"annotations": [{"type": "url_citation", "url_citation": where}]} == found[-1]


def test_what_is_not_known_says_nothing():
    noise = [
        event("ping"),
        event("hello", index=3),
        event("content_block_start", index=5, content_block={"type": "server_tool_use", "id": "s", "input": {}}),
        event("content_block_delta", index=5, delta={"type": "input_json_delta", "partial_json": "{}"}),
        event("content_block_stop", index=5),
        event("content_block_delta", index=0, delta={"type": "sculpture_delta"}),
        event("content_block_delta", index=0, delta="text"),
        event("content_block_delta", index=77, delta={"type": "text_delta", "text": "no"}),
        event("content_block_stop", index=78),
        b": a comment\n\n",
        b"data: [DONE]\n\n",
        b"data: 7\n\n",
    ]
    assert decode(TEXT) == decode(TEXT.replace(EVENTS["ping"], b"".join(noise)))


def test_an_error_is_told_in_the_providers_words_and_ends_all():
    assert {"error": {"type": "overloaded_error", "message": "Overloaded"}} == chunks(ERROR)[-1]
    assert decode(ERROR) == decode(ERROR + TEXT)
    assert {"error": {"message": "The provider reported an error."}} == chunks(event("error"))[-1]


def test_a_stream_that_just_stops_is_not_ended():
    cut = TEXT[: TEXT.index(b"event: message_delta")]
    decoder = AnthropicDecoder()
    assert b"[DONE]" not in decoder.feed(cut) + decoder.end()


def test_damage_is_told():
    with pytest.raises(Undecodable):
        AnthropicDecoder().feed(b'data: {"type":"message_st\n\n')
