"""What ConverseStream says, in the hub's words."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from streams_of_converse import BEGIN, DIALECT, DONE, TARGET, call, decode, delta, end, said, start, stop, text

from fakes.eventstream import event, exception, failure, frame
from proxy import errors
from proxy.dialects.bedrock import decoder as module
from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Undecodable
from proxy.dialects.failures import stream_error
from proxy.dialects.meter import StreamMeter
from proxy.dialects.quirks import Quirks
from proxy.usage import Usage

CLAUDE = {"format": "anthropic-claude-v1"}
THOUGHT = [
    delta(0, {"reasoningContent": {"text": "Let me "}}), delta(0, {"reasoningContent": {"text": "see."}}),
    delta(0, {"reasoningContent": {"signature": "c2ln"}}), stop(0),
]  # fmt: skip


def test_text_becomes_chunks_then_the_finish_the_usage_and_done():
    events = decode([BEGIN, *text(0, "Hel", "lo"), *end()]).split(b"\n\n")
    chunks = [orjson.loads(part[6:]) for part in events[:-2]]

    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert [{"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}, {}] == deltas
    assert "stop" == chunks[-2]["choices"][0]["finish_reason"]
    assert [] == chunks[-1]["choices"]
    assert 42 == chunks[-1]["usage"]["total_tokens"]
    assert [b"data: [DONE]", b""] == events[-2:]
    assert 1 == len({chunk["id"] for chunk in chunks})


def test_done_is_said_as_soon_as_both_ends_have_come():
    decoder = DIALECT.decoder(TARGET)
    fed = [decoder.feed(part) for part in [BEGIN, *text(0, "x"), *end()]]

    assert not any(DONE in part for part in fed[:-1])
    assert fed[-1].endswith(DONE)
    assert b"" == decoder.end()


def test_usage_may_come_before_the_stop():
    last, metadata = end(serviceTier={"type": "flex"})
    found = said([BEGIN, *text(0, "x"), metadata, last])

    assert ("stop", True, "flex") == (found.finish, found.is_done, found.tier)
    assert found.usage is not None


def test_a_stream_without_usage_is_complete_when_its_message_has_stopped():
    found = said([BEGIN, *text(0, "x"), end()[0]])

    assert ("stop", True, None) == (found.finish, found.is_done, found.usage)


@pytest.mark.parametrize("kept", range(5))
def test_a_stream_that_breaks_off_never_looks_complete(kept: int):
    frames = [BEGIN, *text(0, "x", "y", "z")]

    assert DONE not in decode(frames[: kept + 1])


def test_metadata_alone_is_no_end():
    assert DONE not in decode([BEGIN, *text(0, "x"), end()[1]])


def test_a_stream_cut_at_any_two_places_says_the_same():
    frames = [BEGIN, *THOUGHT, *call(1, "t1", "w", '{"c"', ": 1}"), *end("tool_use")]
    data = b"".join(frames)
    expected = said(frames)
    step = 7  # every pair is done for frames alone; here it is the way through both
    for first in range(0, len(data), step):
        for second in range(first, len(data), step * 5):
            framer = DIALECT.framer(1 << 20)
            blocks = [framer.feed(piece) for piece in (data[:first], data[first:second], data[second:])]
            assert expected == said(blocks)
            assert b"" == framer.take()


def test_tools_are_counted_apart_from_other_blocks():
    found = said(
        [BEGIN, *text(0, "On it."), *call(1, "t1", "a", "", '{"x":', "1}"), *call(2, "t2", "b"), *end("tool_use")]
    )

    assert "tool_calls" == found.finish
    assert [
        {"id": "t1", "type": "function", "function": {"name": "a", "arguments": '{"x":1}'}},
        {"id": "t2", "type": "function", "function": {"name": "b", "arguments": "{}"}},
    ] == found.message["tool_calls"]


def test_blocks_may_be_interleaved():
    first, second = call(1, "t1", "a", '{"x":', "1}"), call(2, "t2", "b", '{"y":', "2}")
    mixed = [part for pair in zip(first, second, strict=True) for part in pair]
    found = said([BEGIN, *mixed, *end("tool_use")])

    assert ['{"x":1}', '{"y":2}'] == [one["function"]["arguments"] for one in found.message["tool_calls"]]


def test_a_call_is_a_finish_whatever_the_model_says():
    assert "tool_calls" == said([BEGIN, *call(0, "t", "a", "{}"), *end("end_turn")]).finish
    assert "length" == said([BEGIN, *call(0, "t", "a", "{"), *end("max_tokens")]).finish


def test_a_tool_that_bedrock_runs_itself_is_no_call():
    own = start(0, {"toolUse": {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}})
    result = start(1, {"toolResult": {"toolUseId": "s", "type": "nova_grounding_result"}})
    frames = [
        BEGIN, own, delta(0, {"toolUse": {"input": "{}"}}), stop(0),
        result, delta(1, {"toolResult": [{"text": "..."}]}), stop(1), *text(2, "Found."), *end(),
    ]  # fmt: skip
    found = said(frames)

    assert ("Found.", "stop") == (found.message["content"], found.finish)
    assert "tool_calls" not in found.message


def test_thoughts_are_told_with_what_proves_them_and_kept_for_their_calls():
    found = said([BEGIN, *THOUGHT, *call(1, "t1", "a", "{}"), *call(2, "t2", "b", "{}"), *end("tool_use")])

    details = [{"type": "reasoning.text", "text": "Let me see.", "signature": "c2ln", **CLAUDE}]
    assert "Let me see." == found.message["reasoning_content"]
    assert details == found.message["reasoning_details"]
    assert {"t1": {"reasoning_details": details}, "t2": {"reasoning_details": details}} == found.opaque


def test_hidden_thoughts_are_kept_as_they_are():
    pieces = [delta(0, {"reasoningContent": {"redactedContent": piece}}) for piece in ("AAE=", "Ag==")]
    found = said([BEGIN, *pieces, stop(0), *text(1, "x"), *end()])

    assert [{"type": "reasoning.encrypted", "data": "AAEC", **CLAUDE}] == found.message["reasoning_details"]
    assert {} == found.opaque


def test_thoughts_without_a_signature_are_text_alone():
    found = said([BEGIN, delta(0, {"reasoningContent": {"text": "hm"}}), stop(0), *call(1, "t", "a"), *end("tool_use")])

    assert "hm" == found.message["reasoning_content"]
    assert "reasoning_details" not in found.message
    assert {} == found.opaque


def test_a_block_that_never_stops_is_told_when_the_message_does():
    assert "c2ln" == said([BEGIN, *THOUGHT[:-1], *end()]).message["reasoning_details"][0]["signature"]


def test_a_citation_of_a_page_is_an_annotation():
    page = {"title": "Home", "location": {"web": {"url": "https://x.test/", "domain": "x.test"}}}
    paper = {"title": "Paper", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 2}}}
    found = said([BEGIN, delta(0, {"text": "x"}), delta(0, {"citation": page}), delta(0, {"citation": paper}), *end()])

    cited = {"url": "https://x.test/", "title": "Home"}
    assert [{"type": "url_citation", "url_citation": cited}] == found.message["annotations"]


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("tool_use", "tool_calls"), ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"), ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"), ("something_new", "stop"),
    ],
)  # fmt: skip
def test_every_reason_to_stop_has_its_finish(reason: str, finish: str):
    assert finish == said([BEGIN, *text(0, "x"), *end(reason)]).finish


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("malformed_tool_use", errors.ToolCallMalformed), ("malformed_model_output", errors.ServerError)],
)
def test_a_malformed_answer_is_a_failure_that_may_be_tried_again(reason: str, kind: type[errors.UpstreamError]):
    found = said([BEGIN, *end(reason)])

    assert (None, False) == (found.finish, found.is_done)
    assert kind is type(stream_error(found.errors[0], Quirks(), content_seen=False, own_key=True, now_s=0))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", errors.UpstreamRateLimited), ("validationException", errors.UpstreamRejected),
        ("internalServerException", errors.ServerError), ("modelTimeoutException", errors.UpstreamOverloaded),
        ("serviceUnavailableException", errors.UpstreamOverloaded),
        ("modelStreamErrorException", errors.UpstreamOverloaded),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kept", [0, 1, 3])
def test_an_exception_is_an_error_in_its_own_words_and_the_end(name: str, kind: type, kept: int):
    frames = [BEGIN, *text(0, "x")][:kept]
    found = said([*frames, exception(name, {"message": "Oops.", "p": "abc"}), *end()])

    assert [{"message": "Oops.", "type": name}] == found.errors
    assert (None, False) == (found.finish, found.is_done)
    assert kind is type(stream_error(found.errors[0], Quirks(), content_seen=False, own_key=True, now_s=0))


def test_what_the_model_said_is_kept():
    body = {"message": "m", "originalStatusCode": 429, "originalMessage": "too fast"}
    [error] = said([exception("modelStreamErrorException", body)]).errors

    assert {**body, "type": "modelStreamErrorException"} == error


def test_an_error_frame_is_an_error():
    [error] = said([BEGIN, failure("InternalFailure", "Oops.")]).errors

    assert {"message": "Oops.", "type": "InternalFailure"} == error
    assert errors.ServerError is type(stream_error(error, Quirks(), content_seen=False, own_key=True, now_s=0))


def test_what_nobody_knows_says_nothing():
    unknown = [
        event("somethingNew", {"x": 1}), frame({":message-type": "odd"}), frame({}), delta(0, {"odd": 1}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": "odd"}), event("metadata", {"metrics": {}}),
        delta(0, {"text": 7}), delta(0, {}), stop(99), event("messageStart", b""),
    ]  # fmt: skip
    found = said([BEGIN, *unknown, *text(0, "x"), *end(), *unknown, *text(0, "y")])

    assert ("x", True) == (found.message["content"], found.is_done)


@pytest.mark.parametrize(
    "damage",
    [
        event("messageStop", b"{"),
        delta(5, {"toolUse": {"input": "{}"}}),
        delta(5, {"reasoningContent": {"redactedContent": "!"}}),
    ],
)
def test_what_cannot_be_read_is_damage(damage: bytes):
    with pytest.raises(Undecodable):
        decode([BEGIN, *text(5, "x"), damage])


def test_what_is_gathered_has_a_bound(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_KEPT_BYTES", 10)
    monkeypatch.setattr(module, "MAX_BLOCKS", 2)
    with pytest.raises(Undecodable):
        decode([delta(0, {"reasoningContent": {"text": "123456"}})] * 2)
    with pytest.raises(Undecodable):
        decode([start(index, {"image": {"format": "png"}}) for index in range(3)])


COUNTED: list[tuple[Any, Usage]] = [
    ({"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}, Usage(10, 5)),
    ({"inputTokens": 4, "outputTokens": 5, "totalTokens": 1509, "cacheReadInputTokens": 1000,
      "cacheWriteInputTokens": 500,
      "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 300}]},
     Usage(4, 5, 1000, 500, cache_write_1h_tokens=200)),
    ({"inputTokens": 4, "outputTokens": 5, "cacheWriteInputTokens": 9, "cacheDetails": []}, Usage(4, 5, 0, 9)),
    ({"inputTokens": -1, "outputTokens": "5", "cacheReadInputTokens": True, "cacheDetails": "x"}, Usage()),
]  # fmt: skip


@pytest.mark.parametrize(("told", "usage"), COUNTED)
def test_usage_reaches_the_canonical_record(told: dict[str, Any], usage: Usage):
    found = said([BEGIN, *text(0, "x"), *end(usage=told)])
    assert found.usage is not None
    read = usage_from_openai(found.usage, Quirks(), found.tier)
    hour = found.usage.get("cache_creation", {}).get("ephemeral_1h_input_tokens", 0)

    assert usage == read._replace(cache_write_1h_tokens=hour)


def test_a_message_that_stops_twice_has_one_finish():
    last = end()[0]

    assert 1 == decode([BEGIN, *text(0, "x"), last, last]).count(b'"finish_reason":"stop"')


def test_an_image_is_told_when_it_is_whole():
    pieces = [delta(0, {"image": {"source": {"bytes": piece}}}) for piece in ("AAE=", "Ag==")]
    found = said([BEGIN, start(0, {"image": {"format": "png"}}), *pieces, delta(0, {"image": {"error": {}}}), stop(0)])

    assert [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}}] == found.message["images"]
    assert "images" not in said([BEGIN, start(0, {"image": {"format": "png"}}), stop(0)]).message


def test_the_meter_finds_the_stream_complete():
    meter = StreamMeter(Quirks(), drop_usage=False, max_event_bytes=1 << 20)
    meter.feed(decode([BEGIN, *text(0, "Hello"), *end("max_tokens", serviceTier={"type": "priority"})]))

    assert (True, True, "length") == (meter.is_complete, meter.saw_done, meter.finish_reason)
    assert Usage(30, 12, tier="priority") == meter.usage
