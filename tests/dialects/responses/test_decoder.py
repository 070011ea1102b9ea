"""A provider's Responses stream as the hub's chunks."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import orjson
import pytest
from cutting import hear

from proxy.dialects.chunks import DONE
from proxy.dialects.dialect import Target, Undecodable
from proxy.dialects.responses.dialect import ResponsesDialect
from proxy.dialects.translated import TranslatedMeter
from proxy.usage import Usage

DIALECT = ResponsesDialect()
TARGET = Target("gpt-5")


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, "sequence_number": 1, **fields}))


def created(**fields: Any) -> bytes:
    response = {"id": "resp_1", "created_at": 1_700_000_000, "model": "gpt-5", "status": "in_progress", **fields}
    return event("response.created", response=response) + event("response.in_progress", response=response)


USAGE = {
    "input_tokens": 20, "input_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 0},
    "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 29,
}  # fmt: skip


def ended(kind: str = "completed", **fields: Any) -> bytes:
    response = {"id": "resp_1", "model": "gpt-5", "status": kind, "service_tier": "default", "usage": USAGE, **fields}
    return event(f"response.{kind}", response=response)


def text(index: int, piece: str, **fields: Any) -> bytes:
    return event("response.output_text.delta", output_index=index, content_index=0, delta=piece, **fields)


def item(kind: str, index: int, **fields: Any) -> bytes:
    return event(f"response.output_item.{kind}", output_index=index, item=fields)


MESSAGE = {"type": "message", "role": "assistant", "id": "msg_1"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
SUMMARY = [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]
MARK = {"format": "openai-responses-v1", "id": "rs_1"}


def decode(data: bytes) -> bytes:
    return DIALECT.decoder(TARGET).feed(data)


def chunks(data: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(line[6:]) for line in decode(data).split(b"\n\n") if line and line != DONE.strip()]


def deltas(data: bytes) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks(data) for choice in chunk.get("choices", ()) if choice["delta"]]


TEXT = created() + item("added", 0, **MESSAGE) + text(0, "Hel") + text(0, "l\u00f6") + ended()


def test_a_text_is_a_chat_stream():
    heard = hear([decode(TEXT)])

    assert ("Hell\u00f6", ["stop"], True, 1) == (heard.answer.content, heard.finishes, heard.is_done, heard.roles)
    assert {("resp_1", "chat.completion.chunk", 1_700_000_000, "gpt-5", None)} == heard.identities
    (usage,) = heard.usages
    assert (20, 9, 29, 5, 3) == (
        usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"],
        usage["prompt_tokens_details"]["cached_tokens"], usage["completion_tokens_details"]["reasoning_tokens"],
    )  # fmt: skip
    assert "default" == heard.chunks[-1]["service_tier"]


SHORT = (
    b'data: {"type":"response.created","response":{"id":"r","model":"m"}}\n\n'
    b'data: {"type":"response.output_text.delta","delta":"\xc3\xa9"}\n\n'
    b'data: {"type":"response.completed","response":{"usage":{"input_tokens":1,"output_tokens":2}}}\n\n'
)


def test_a_stream_cut_at_any_two_places_says_the_same():
    wanted = decode(SHORT)

    for first, second in combinations(range(len(SHORT)), 2):
        meter = TranslatedMeter(DIALECT, TARGET, drop_usage=False, max_event_bytes=4096)
        pieces = (SHORT[:first], SHORT[first:second], SHORT[second:])
        assert wanted == b"".join(meter.feed(piece) for piece in pieces)
        assert (Usage(1, 2), "stop", True, "r") == (
            meter.usage, meter.finish_reason, meter.is_complete, meter.response_id,
        )  # fmt: skip


def test_thoughts_and_state_are_told_and_remembered_for_the_calls():
    data = (
        created()
        + item("added", 0, **{**THOUGHT, "encrypted_content": None})
        + event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="o")
        + event("response.reasoning_summary_text.delta", output_index=0, summary_index=0, delta="ne")
        + event("response.reasoning_summary_text.done", output_index=0, summary_index=0, text="one")
        + event("response.reasoning_summary_text.done", output_index=0, summary_index=1, text="two")
        + item("done", 0, **{**THOUGHT, "summary": SUMMARY})
        + item("added", 1, type="function_call", call_id="c1", name="look", arguments="")
        + event("response.function_call_arguments.delta", output_index=1, delta='{"a"')
        + event("response.function_call_arguments.delta", output_index=1, delta=":1}")
        + item("done", 1, type="function_call", call_id="c1", name="look", arguments='{"a":1}')
        + item("done", 2, type="function_call", call_id="c2", name="look", arguments='{"b":2}')
        + ended()
    )
    decoder = DIALECT.decoder(TARGET)
    heard = hear([decoder.feed(data)])

    assert "one\n\ntwo" == heard.answer.reasoning
    assert ([("look", '{"a":1}'), ("look", '{"b":2}')], ["c1", "c2"], ["tool_calls"]) == (
        heard.answer.calls, heard.call_ids, heard.finishes,
    )  # fmt: skip
    details = [
        {"type": "reasoning.summary", "summary": "one", **MARK},
        {"type": "reasoning.summary", "summary": "two", **MARK},
        {"type": "reasoning.encrypted", "data": "gAAA", **MARK},
    ]
    told = [chunk["choices"][0]["delta"].get("reasoning_details") for chunk in heard.chunks if chunk["choices"]]
    assert [details] == [each for each in told if each]
    assert {"c1": {"reasoning_details": details}, "c2": {"reasoning_details": details}} == decoder.opaque
    assert b"" == decoder.end()


def test_open_models_think_aloud():
    data = created() + event("response.reasoning_text.delta", output_index=0, content_index=0, delta="hm") + ended()

    assert {"reasoning_content": "hm"} in deltas(data)


def test_a_custom_tool_is_called_as_one():
    data = (
        created()
        + item("added", 0, type="custom_tool_call", call_id="c", name="patch", input="")
        + event("response.custom_tool_call_input.delta", output_index=0, delta="a\nb")
        + item("done", 0, type="custom_tool_call", call_id="c", name="patch", input="a\nb")
        + ended()
    )

    calls = [delta["tool_calls"][0] for delta in deltas(data) if "tool_calls" in delta]
    assert [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}},
        {"index": 0, "custom": {"input": "a\nb"}},
    ] == calls


def test_what_came_in_no_piece_is_told_when_it_is_done():
    parts = [{"type": "output_text", "text": "Hi"}, {"type": "refusal", "refusal": "no"}]
    data = (
        created()
        + item("done", 0, **{**THOUGHT, "summary": SUMMARY})
        + event("response.output_text.done", output_index=1, content_index=0, text="Hi")
        + event("response.refusal.done", output_index=1, content_index=1, refusal="no")
        + item("done", 1, **MESSAGE, content=parts)
        + item("done", 2, **MESSAGE, content=parts[:1])
        + ended()
    )
    answer = hear([decode(data)]).answer

    assert ("HiHi", "no", "one\n\ntwo") == (answer.content, answer.refusal, answer.reasoning)


def test_refusals_sources_images_and_logprobs_keep_their_fields():
    citation = {"url": "u", "title": "t", "start_index": 0, "end_index": 1}
    data = (
        created()
        + text(0, "a", logprobs=[{"token": "a", "logprob": -1.0, "top_logprobs": [{"token": "b", "logprob": -2.0}]}])
        + event("response.output_text.annotation.added", annotation={"type": "url_citation", **citation})
        + event("response.output_text.annotation.added", annotation={"type": "file_path", "file_id": "f"})
        + event("response.refusal.delta", output_index=0, content_index=1, delta="no")
        + item("done", 1, type="image_generation_call", result="AAAA", output_format="png")
        + ended()
    )
    found = chunks(data)

    assert [{"content": [{"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": [
        {"token": "b", "logprob": -2.0, "bytes": None}]}], "refusal": None}] == [
        chunk["choices"][0]["logprobs"] for chunk in found if chunk["choices"] and "logprobs" in chunk["choices"][0]
    ]  # fmt: skip
    assert [
        {"annotations": [{"type": "url_citation", "url_citation": citation}]},
        {"refusal": "no"},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
    ] == deltas(data)[2:]


@pytest.mark.parametrize(
    ("details", "reason"),
    [({"reason": "max_output_tokens"}, "length"), ({"reason": "content_filter"}, "content_filter"), (None, "length")],
)
def test_an_answer_cut_short_is_complete_with_its_reason(details: Any, reason: str):
    heard = hear([decode(created() + text(0, "x") + ended("incomplete", incomplete_details=details))])

    assert ([reason], True) == (heard.finishes, heard.is_done)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (
            event("error", error={"type": "insufficient_quota", "code": "insufficient_quota", "message": "m"}),
            {"type": "insufficient_quota", "code": "insufficient_quota", "message": "m"},
        ),
        (event("error", code="server_error", message="m", param=None), {"code": "server_error", "message": "m"}),
        (event("error"), {"message": "The provider reported an error."}),
        (ended("failed", error={"code": "rate_limit_exceeded", "message": "m"}), {
            "code": "rate_limit_exceeded", "message": "m",
        }),
        (ended("failed", error=None), {"message": "The provider reported an error."}),
        (b'event: error\ndata: {"error":{"message":"m"}}\n\n', {"message": "m"}),
    ],
)  # fmt: skip
def test_an_error_is_told_once_and_ends_it(data: bytes, error: dict[str, Any]):
    passed = decode(created() + data + ended("failed", error={"message": "again"}) + ended())

    assert b"data: " + orjson.dumps({"error": error}) + b"\n\n" == passed


def test_what_says_nothing_makes_nothing():
    data = (
        event("response.queued", response={}) + event("response.content_part.added", part={})
        + event("response.web_search_call.searching", output_index=0) + event("keepalive") + b": ping\n\n"
        + event("response.output_text.delta", delta=7) + event("response.refusal.delta")
        + event("response.reasoning_text.delta", delta=None) + event("response.output_item.added", item=7)
        + event("response.function_call_arguments.delta", output_index=9, delta="x")
        + event("response.output_item.done", item={"type": "message", "content": 7}) + b"data: 7\n\n"
        + item("done", 0, type="image_generation_call", result=None)
    )  # fmt: skip

    assert b"" == decode(data)


def test_a_stream_that_only_stops_is_not_made_complete():
    decoder = DIALECT.decoder(TARGET)
    passed = decoder.feed(created() + text(0, "x")) + decoder.end()

    assert DONE not in passed
    assert b'"finish_reason":"' not in passed


def test_a_done_behind_the_last_event_is_no_second_one():
    assert 1 == decode(TEXT + b"data: [DONE]\n\n").count(DONE)


def test_a_damaged_event_is_a_loss():
    with pytest.raises(Undecodable):
        decode(created() + b'data: {"type":"response.output_te\n\n')


def test_no_usage_is_made_up():
    assert [] == hear([decode(created() + text(0, "x") + ended(usage=None))]).usages
