"""Streams in another dialect than the hub's: read for their facts, and handed on as the hub's or as they came."""

from __future__ import annotations

import orjson
import pytest

from proxy.dialects.anthropic.dialect import AnthropicDialect
from proxy.dialects.dialect import Target
from proxy.dialects.gemini.dialect import GeminiDialect
from proxy.dialects.translated import PassedMeter, TranslatedMeter, read_translated
from proxy.errors import MalformedAnswer

ANTHROPIC, GEMINI = AnthropicDialect(), GeminiDialect()


def event(kind: str, **fields: object) -> bytes:
    return b"event: %b\r\ndata: %b\r\n\r\n" % (kind.encode(), orjson.dumps({"type": kind, **fields}))


START = event("message_start", message={"id": "msg_1", "model": "c", "usage": {"input_tokens": 40, "output_tokens": 1}})
OPEN = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
TEXT = event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hello there, traveller. " * 4})
REST = (
    event("content_block_stop", index=0)
    + event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 21})
    + event("message_stop")
)
PING = event("ping")
ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
GARBLED = b'event: content_block_delta\r\ndata: {"type":"content_block_de\r\n\r\n'


def translated(dialect=ANTHROPIC) -> TranslatedMeter:
    return TranslatedMeter(dialect, Target("c"), drop_usage=False, max_event_bytes=4096)


def passed(dialect=ANTHROPIC) -> PassedMeter:
    return PassedMeter(dialect, Target("c"), drop_usage=False, max_event_bytes=4096)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10_000])
def test_what_is_passed_on_are_the_very_bytes_however_they_came(size: int):
    stream = START + PING + OPEN + TEXT + REST
    meter = passed()
    told = b"".join([meter.feed(stream[place : place + size]) for place in range(0, len(stream), size)])

    assert stream == told + meter.close()
    assert (meter.saw_content, meter.is_complete, meter.finish_reason) == (True, True, "stop")
    assert (40, 21) == (meter.usage.input_tokens, meter.usage.output_tokens)


def test_an_event_that_lacks_its_blank_line_is_still_read():
    meter = passed()
    stream = (START + OPEN + TEXT + REST).removesuffix(b"\r\n")
    assert stream.rstrip() == (meter.feed(stream) + meter.close()).rstrip()
    assert meter.is_complete


@pytest.mark.parametrize("make", [translated, passed])
def test_an_error_ends_a_stream_and_is_not_passed_on(make):
    meter = make()
    told = meter.feed(START + OPEN + TEXT) + meter.feed(ERROR + REST)

    assert meter.error == {"type": "overloaded_error", "message": "Overloaded"}
    assert meter.is_over
    if make is passed:
        assert START + OPEN + TEXT == told


@pytest.mark.parametrize("make", [translated, passed])
def test_nothing_behind_a_damaged_event_is_passed_on(make):
    meter = make()
    meter.feed(START + OPEN + TEXT)

    assert b"" == meter.feed(GARBLED + TEXT + REST)
    assert (meter.lost, meter.is_over, meter.is_complete) == (True, True, False)


@pytest.mark.parametrize("make", [translated, passed])
def test_a_stream_that_just_stops_is_not_complete_and_is_billed_by_what_it_told(make):
    """The first event tells the whole prompt; what was written is reckoned by its size."""
    meter = make()
    meter.feed(START + OPEN + TEXT)
    meter.close()

    assert not meter.is_complete
    assert meter.usage is None
    assert 40 == meter.counted().input_tokens
    assert meter.text_bytes >= 96


def test_gemini_tells_all_so_far_with_every_chunk():
    meter = translated(GEMINI)
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 3, "thoughtsTokenCount": 2, "totalTokenCount": 14}
    chunk = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "index": 0}], "usageMetadata": usage}
    meter.feed(b"data: %b\r\n\r\n" % orjson.dumps(chunk))
    meter.close()

    assert (9, 5, 2) == (meter.counted().input_tokens, meter.counted().output_tokens, meter.counted().reasoning_tokens)
    assert not meter.is_complete


def test_nothing_is_counted_before_anything_was_told():
    assert translated().counted() is None


def test_a_whole_answer_has_its_facts_and_the_hubs_form():
    body = {"id": "msg_1", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    answer, hub = read_translated(orjson.dumps(body | {"usage": {"input_tokens": 4}}), ANTHROPIC, Target("c"))

    assert ("stop", 4) == (answer.finish_reason, answer.usage.input_tokens)
    assert "Hi" == orjson.loads(hub)["choices"][0]["message"]["content"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"3", b"[1]", b"null"])
def test_what_is_no_answer_is_malformed(body: bytes):
    with pytest.raises(MalformedAnswer):
        read_translated(body, GEMINI, Target("c"))


def test_an_error_in_a_list_is_an_error():
    body = b'[{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow"}}]'
    answer, _ = read_translated(body, GEMINI, Target("c"))
    assert "RESOURCE_EXHAUSTED" == answer.error["status"]


def test_what_came_before_a_damaged_event_is_told_however_they_came():
    """Else it would hang on the network whether a stream was damaged before its first content or after it."""
    sound, damaged = START + OPEN + TEXT, GARBLED + TEXT + REST
    together, apart, native = translated(), translated(), passed()

    told = together.feed(sound + damaged)
    assert told == apart.feed(sound) + apart.feed(damaged)
    assert b"traveller" in told
    assert sound == native.feed(sound + damaged)
    assert (together.saw_content, together.lost, together.is_over) == (True, True, True)
