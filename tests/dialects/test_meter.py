"""Every stream, cut anywhere, tells the same facts, and passes but for the usage chunk nobody asked for."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
import streams
from hypothesis import given, settings
from hypothesis import strategies as st
from streams import ALL, DONE, ROLE, STOP, USAGE, Stream, chunk, text

from proxy.dialects.meter import StreamMeter
from proxy.dialects.quirks import Quirks
from proxy.errors import MalformedAnswer, StreamBroken
from proxy.usage import Usage

LIMIT = 1 << 16
PAIRS = 1200
"""Pairs of cuts tried of a stream with more."""


def read(stream: Stream, parts: list[bytes], *, drop: bool) -> tuple[bytes, dict[str, Any]]:
    meter = StreamMeter(stream.quirks, drop_usage=drop, max_event_bytes=LIMIT)
    passed = b"".join([meter.feed(part) for part in parts]) + meter.close()
    names = (
        "usage", "finish_reason", "saw_content", "saw_done", "error", "events", "text_bytes", "response_id",
        "model", "service_tier", "is_complete", "damaged",
    )  # fmt: skip
    return passed, {name: getattr(meter, name) for name in names}


def cuts(data: bytes) -> list[tuple[int, int]]:
    pairs = list(itertools.combinations(range(len(data) + 1), 2))
    singles = [(place, place) for place in range(len(data) + 1)]
    return singles + random.Random(len(data)).sample(pairs, min(PAIRS, len(pairs)))


@pytest.mark.parametrize("stream", ALL, ids=lambda stream: stream.name)
def test_a_stream_tells_its_facts(stream: Stream):
    _, facts = read(stream, [stream.data], drop=True)

    assert stream.usage == facts["usage"]
    assert stream.finish_reason == facts["finish_reason"]
    assert stream.saw_content == facts["saw_content"]
    assert stream.saw_done == facts["saw_done"]
    assert stream.is_complete == facts["is_complete"]
    assert (stream.error is None) == (facts["error"] is None)
    assert (stream.error or "") in str(facts["error"])


@pytest.mark.parametrize("stream", ALL, ids=lambda stream: stream.name)
def test_a_stream_cut_anywhere_tells_the_same_and_loses_only_the_usage_chunk(stream: Stream):
    data = stream.data
    came = data.removeprefix(b"\xef\xbb\xbf")
    if stream is streams.GEMINI_ERROR:
        came = came[: came.rindex(b"[{")]
    wanted = came.replace(stream.dropped, b"", 1) if stream.dropped else came
    _, facts = read(stream, [data], drop=True)

    for first, second in cuts(data):
        parts = [data[:first], data[first:second], data[second:]]
        assert (wanted, facts) == read(stream, parts, drop=True), (first, second)
    assert (came, facts) == read(stream, [data[i : i + 1] for i in range(len(data))], drop=False)


@settings(max_examples=60, deadline=None)
@given(stream=st.sampled_from(ALL), seed=st.randoms(use_true_random=False))
def test_any_chunking_gives_the_same(stream: Stream, seed: random.Random):
    parts = []
    rest = stream.data
    while rest:
        size = seed.choice((1, 2, 3, 7, 40, 200, 1000))
        parts.append(rest[:size])
        rest = rest[size:]

    assert read(stream, [stream.data], drop=True) == read(stream, parts, drop=True)


def test_whole_events_pass_as_the_same_object():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(ROLE)
    for event in (chunk(text("a")), chunk(text("b"), ',"usage":null') * 3, STOP, DONE):
        assert event is meter.feed(event)
    assert b"" == meter.feed(b"")


def test_usage_passes_when_the_client_asked_for_it():
    meter = StreamMeter(Quirks(), drop_usage=False, max_event_bytes=LIMIT)

    assert USAGE is meter.feed(USAGE) or USAGE == meter.feed(USAGE)


def test_an_error_without_choices_is_never_dropped():
    event = chunk("", ',"usage":{"prompt_tokens":1},"error":{"message":"x"}')
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)

    assert event == meter.feed(event)


def test_the_last_of_several_choices_completes_the_stream():
    meter = StreamMeter(Quirks(), drop_usage=False, max_event_bytes=LIMIT, choices=2)
    meter.feed(chunk('{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}'))
    assert not meter.is_complete
    meter.feed(chunk('{"index":1,"delta":{"content":"a"},"finish_reason":"stop"}'))
    assert meter.is_complete


@pytest.mark.parametrize(
    ("rest", "passed", "damaged"),
    [
        (b"", b"", False),
        (STOP[:-1], STOP, False),
        (USAGE[:-2], b"", False),
        (b'data: {"choices":[{"del', b"", True),
        (b"data: [DO", b"", True),
        (b"event: mess", b"", True),
        (b": keep-al", b"", False),
        (b"\xef\xbb", b"", True),
    ],
)
def test_the_end_of_a_stream_completes_a_whole_event_and_keeps_back_a_torn_one(rest: bytes, passed, damaged):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    assert b"" == meter.feed(rest)

    assert passed == meter.close()
    assert damaged == meter.damaged


def test_an_empty_event_is_no_damage_but_clients_choke_on_it():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)

    assert b"" == meter.feed(b"data:\n\n")
    assert not meter.damaged


def test_a_bare_object_without_an_error_is_left_out():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)

    assert b"" == meter.feed(b'{"a":1}\n\n[7]\n\n')
    assert meter.error is None
    assert meter.damaged


def test_responses_of_a_router_may_end_in_done():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(streams.RESPONSES.data + DONE)

    assert meter.saw_done


@pytest.mark.parametrize(
    ("kind", "status", "finish"),
    [("incomplete", '"status":"incomplete"', "incomplete"), ("completed", '"id":"r"', "completed")],
)
def test_a_responses_stream_ends_in_one_of_three_events(kind: str, status: str, finish: str):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(b'data: {"type":"response.reasoning_text.delta","delta":"hm"}\n\n')
    assert not meter.is_complete
    meter.feed(f'data: {{"type":"response.{kind}","response":{{{status}}}}}\n\n'.encode())

    assert meter.is_complete
    assert finish == meter.finish_reason


def test_the_text_of_an_error_event_without_an_object_is_its_own():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(b'data: {"type":"error","code":"server_error","message":"gone"}\n\n')

    assert {"type": "error", "code": "server_error", "message": "gone"} == meter.error


def test_events_that_are_not_json_objects_are_left_out_and_noted():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)

    assert b"" == meter.feed(b"data: <html>\n\n")
    assert b"" == meter.feed(b"data: 7\n\n")
    assert meter.damaged
    assert not meter.lost
    assert not meter.saw_content


@pytest.mark.parametrize("junk", [b'data: {"id": oops\n\n', b"data: \xff\xfe\n\n", b"hello\n\n", b"data: {'a': 1}\n\n"])
def test_junk_amid_content_is_left_out_and_the_stream_goes_on(junk: bytes):
    text = chunk('{"index":0,"delta":{"content":"x"}}')
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(text)

    assert b"" == meter.feed(junk)
    assert text + text == meter.feed(text + junk + text)
    assert meter.damaged
    assert not meter.lost
    assert not meter.is_over


@pytest.mark.parametrize("cut", [4, 12, 20])
def test_a_damaged_chunk_ends_the_stream_where_it_has_its_gap(cut: int):
    text = chunk('{"index":0,"delta":{"content":"some more words"}}')
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(text)
    damaged = text[:-cut] + b"\n\n"
    assert b'"choices"' in damaged

    passed = meter.feed(text + damaged + text)

    assert text == passed[: meter.sound_bytes]
    assert meter.lost
    assert meter.is_over
    assert not meter.is_complete


def test_damage_behind_the_finish_loses_nothing():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk('{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}'))

    assert b"" == meter.feed(b'data: {"choices":[], "usage": {\n\n')
    assert not meter.lost


@pytest.mark.parametrize("before", [text("x"), '{"index":0,"delta":{"reasoning":"x"},"finish_reason":null}'])
@pytest.mark.parametrize("more", [b"", chunk(text(""))])
def test_an_empty_piece_behind_the_finish_says_nothing(before: str, more: bytes):
    """It is no reason to doubt the end: what breaks off after it was whole."""
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk(before) + STOP)

    meter.feed(chunk(text("")) + more)
    assert not meter.goes_on

    meter.feed(chunk(text("y")))
    assert meter.goes_on


def test_a_tier_told_behind_the_first_content_is_the_one_that_served():
    """It decides what the answer costs."""
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk(text("x"), ',"service_tier":"auto"'))
    for _ in range(2):
        meter.feed(chunk(text("y"), ',"service_tier":"flex"'))
    assert "flex" == meter.service_tier
    meter.feed(STOP + USAGE + DONE)

    assert meter.usage is not None
    assert "flex" == meter.usage.tier


@pytest.mark.parametrize("word", ['"type":"error"', '"object":"error"'])
def test_what_calls_itself_an_error_is_no_content(word: str):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk(text("x")))
    passed = meter.feed(chunk(text("y"), f",{word}"))

    assert meter.error is not None
    assert b"" == passed[: meter.sound_bytes]


def test_half_an_emoji_is_no_damage():
    """Some servers cut a surrogate pair between two chunks; the clients' own parser takes it."""
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk('{"index":0,"delta":{"content":"x"}}'))
    half = chunk('{"index":0,"delta":{"content":"\\ud83d"}}')

    assert half == meter.feed(half)
    assert not meter.damaged


@pytest.mark.parametrize(
    "delta",
    [
        '"reasoning":"x"', '"reasoning_content":"x"', '"refusal":"no"', '"tool_calls":[{"index":0,"id":"t"}]',
        '"function_call":{"name":"f"}', '"audio":{"data":"AAAA"}', '"content":[{"type":"text","text":"x"}]',
        '"tool_calls":[{"custom":{"name":"f","input":"x"}}]',
    ],
)  # fmt: skip
def test_this_is_content(delta: str):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk(f'{{"index":0,"delta":{{{delta}}}}}'))

    assert meter.saw_content
    assert meter.text_bytes > 0


@pytest.mark.parametrize(
    "delta", ['"role":"assistant"', '"content":""', '"content":null', '"tool_calls":[]', '"content":[]']
)
def test_this_is_not_content(delta: str):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk(f'{{"index":0,"delta":{{{delta}}}}}'))

    assert not meter.saw_content


def test_the_size_of_the_text_can_be_told_without_parsing():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    for _ in range(100):
        meter.feed(chunk(text("four")))

    assert 400 == meter.text_bytes
    assert 100 == meter.events


def test_the_size_of_a_responses_text_is_not_counted_twice():
    _, facts = read(streams.RESPONSES, [streams.RESPONSES.data], drop=False)

    assert len("a\u00e9 errorbc".encode()) == facts["text_bytes"]


@pytest.mark.parametrize("cut", [1, 5, 100])
def test_an_event_over_the_limit_is_refused_before_it_is_held(cut: int):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=64)
    data = b"data: " + b"x" * 80 + b"\n\n"
    parts = [data[start : start + cut] for start in range(0, len(data), cut)]

    with pytest.raises(MalformedAnswer, match="too long"):
        b"".join(map(meter.feed, parts))


def test_an_event_over_the_limit_after_content_breaks_the_stream():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=200)
    meter.feed(chunk(text("a")))

    with pytest.raises(StreamBroken):
        meter.feed(chunk(text("b" * 300)))


def test_a_long_burst_of_short_events_is_no_long_event():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=200)
    burst = chunk(text("a")) * 50

    assert burst == meter.feed(burst)
    assert 50 == meter.events


def test_a_whole_event_followed_by_too_long_a_rest_is_refused():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=100)

    with pytest.raises(MalformedAnswer):
        meter.feed(b": hi\n\ndata: " + b"x" * 200)


def test_identity_and_tier_are_the_first_and_the_last_that_were_told():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(b'data: {"id":"","model":"","service_tier":"auto","choices":[]}\n\n')
    meter.feed(chunk(text("a"), ',"service_tier":"priority"'))
    meter.feed(chunk("", ',"service_tier":"default","usage":{"prompt_tokens":1,"completion_tokens":1}'))

    assert ("c1", "m-1", "default") == (meter.response_id, meter.model, meter.service_tier)
    assert Usage(input_tokens=1, output_tokens=1, tier="default") == meter.usage


@pytest.mark.parametrize(
    "torn",
    [
        b'data: {"id"\n:"c1","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
        b'data\n: {"id":"c1","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
        b'data: {"id"\n\n:"c1","choices":[{"index":0,"delta":{"content":"x"}}]}\n\n',
        b': {"id":"c1","choices":[]}\n\n',
    ],
)
def test_a_chunk_torn_by_a_line_end_is_lost_even_if_its_rest_reads_as_a_comment(torn: bytes):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk('{"index":0,"delta":{"content":"x"}}'))

    passed = meter.feed(torn)

    assert b"" == passed[: meter.sound_bytes]
    assert meter.lost


@pytest.mark.parametrize("end", [b"\r", b"\n"])
def test_a_line_end_inside_the_json_is_no_space(end: bytes):
    """To JSON it is one; to whoever reads events it ends the data."""
    whole = chunk('{"index":0,"delta":{"content":"x"}}')
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(whole)

    meter.feed(whole.replace(b'"choices":', b'"choices"' + end + b":"))

    assert meter.lost


def test_nothing_counts_behind_done():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)

    passed = meter.feed(chunk('{"index":0,"delta":{"content":"x"}}') + DONE + b'data: {"error":{"message":"late"}}\n\n')

    assert passed[: meter.sound_bytes].endswith(DONE)
    assert meter.error is None


def test_content_behind_an_error_is_none():
    """The answer had not begun when the error came: another deployment may still be asked."""
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(b'data: {"error":{"message":"no"}}\n\n' + chunk('{"index":0,"delta":{"content":"x"}}'))

    assert meter.error
    assert not meter.saw_content


@pytest.mark.parametrize(
    "event", [b'data: {"choices":[{"delta":{"content":"x"},"logprobs":NaN}]}\n\n', b": caf\xe9\n\n", b"event: \xff\n\n"]
)
def test_what_strict_clients_cannot_read_is_left_out(event: bytes):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    passed = meter.feed(event)

    assert b"" == passed[: meter.sound_bytes]
    assert meter.damaged


def test_a_rest_that_ends_in_a_carriage_return_is_ended_by_a_blank_line():
    """One line feed behind it would make a single line end of both, and the next event a part of this one."""
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    event = chunk('{"index":0,"delta":{"content":"x"}}').rstrip(b"\n") + b"\r"
    assert b"" == meter.feed(event)

    assert event + b"\n\n" == meter.close()


@pytest.mark.parametrize("rest", [b"data: [DONE]", b"data: [DONE]\n"])
def test_an_end_that_lacks_its_blank_line_is_completed(rest: bytes):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk('{"index":0,"delta":{"content":"x"}}') + rest)

    assert b"data: [DONE]\n\n" == meter.close()
    assert meter.is_complete


@pytest.mark.parametrize(
    "before",
    [
        b"",
        chunk('{"index":0,"delta":{"role":"assistant"}}'),
        chunk('{"index":0,"delta":{"content":"x"}}') + b'data: {"detail":"no room"}\n\n',
        chunk('{"index":0,"delta":{"content":"x"}}') + b"data: <html>\n\n",
        b'data: {"type":"response.output_text.delta","delta":"x"}\n\n',
    ],
    ids=["nothing", "a role", "unknown words", "a page", "a Responses stream"],
)
def test_done_alone_does_not_make_an_answer_complete(before: bytes):
    """Whoever reports an error in words that nobody knows may send it all the same."""
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    passed = meter.feed(before + DONE)

    assert not meter.is_complete
    assert meter.is_over
    assert DONE not in passed[: meter.sound_bytes]


def test_done_does_not_finish_a_choice_that_is_under_way():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT, choices=2)
    meter.feed(chunk('{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}'))
    meter.feed(chunk('{"index":1,"delta":{"content":"y"}}') + DONE)

    assert not meter.is_complete


@pytest.mark.parametrize("reason", ["error", "ERROR", "insufficient_system_resource", "network_error", "abort"])
def test_these_finish_reasons_finish_nothing(reason: str):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(chunk(f'{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}'))

    assert meter.error


@pytest.mark.parametrize(
    "event", [b"event: error\ndata: overloaded\n\n", b'event: error\ndata: "x"\n\n', b"event: error\n\n",
              b'data: {"object":"error","message":"x","code":400}\n\n']
)  # fmt: skip
def test_an_event_called_error_is_one_whatever_it_says(event: bytes):
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(event)

    assert meter.error


def test_in_doubt_it_stops_until_it_is_told_to_overlook():
    whole = chunk('{"index":0,"delta":{"content":"x"}}')
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.doubts = True

    assert whole == meter.feed(whole + b'data: {"oops\n\n' + whole + whole)
    assert (meter.in_doubt, meter.is_over) == (True, True)

    assert whole + whole == meter.overlook()
    assert (meter.in_doubt, meter.is_over) == (False, False)
    assert b"" == meter.feed(b'data: {"oops\n\n')
    assert not meter.in_doubt


LONG = [
    ROLE, *[chunk(text(word)) for word in ("a", "b ", "caf\u00e9", "\\n", "\\ud83d", "\u00a0", "")],
    chunk(text("o"), ',"usage":null,"obfuscation":"aB1"'), chunk(text("p"), ',"usage":null,"obfuscation":"Zz"'),
    chunk('{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}'),
    chunk('{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]},"finish_reason":null}'),
    chunk('{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t","function":{"name":"f"}}]},"finish_reason":null}'),
    b": ping\n\n", b"\n\n", b"event: x\ndata: {}\n\n", chunk(text("c")).replace(b"\n", b"\r\n"), b"data: oops\n\n",
    USAGE,
]  # fmt: skip
"""Events of which any may follow any."""


@settings(derandomize=True, max_examples=100, deadline=None)
@given(
    runs=st.lists(st.tuples(st.sampled_from(LONG), st.sampled_from((1, 1, 2, 70))), max_size=12),
    ends=st.sampled_from(([], [STOP, DONE], [STOP, chunk(text("late")), USAGE, DONE])),
    seed=st.randoms(use_true_random=False),
)
def test_a_long_stream_tells_the_same_in_bursts_and_event_by_event(runs: Any, ends: list[bytes], seed: random.Random):
    events = [ROLE, *[event for event, count in runs for _ in range(count)], *ends]
    stream = Stream("long", b"".join(events), None, None)
    places = sorted(seed.sample(range(len(stream.data)), min(4, len(stream.data))))
    bursts = [stream.data[start:end] for start, end in itertools.pairwise([0, *places, len(stream.data)])]

    alone = read(stream, events, drop=True)

    assert alone == read(stream, [stream.data], drop=True)
    assert alone == read(stream, bursts, drop=True)


def test_the_texts_of_a_burst_are_told_together():
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=LIMIT)
    meter.feed(ROLE + chunk(text("a")))
    assert meter.text is None
    meter.feed(chunk(text("b")))

    meter.feed(b"".join([chunk(text(word)) for word in ("c", "d\\n", "e")] * 50))
    assert (b"cd\\ne" * 50, 150) == (meter.text, meter.texts)

    meter.feed(chunk(text("f")) + STOP)
    assert meter.text is None
