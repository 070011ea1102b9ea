"""What is recognised without parsing is what parsing would have found sound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.chat import chat_chunk, chunk, event
from proxy.dialects.envelope import MAX_LEARNED, MAX_RUN, Envelope
from proxy.dialects.reading import parse


def line(text: str) -> bytes:
    return chat_chunk(text)


def learned(text: str = "x") -> Envelope:
    envelope = Envelope()
    envelope.learn(line(text))
    return envelope


def test_a_line_with_another_text_has_that_text():
    assert b"word" == learned().text_of(line("word"))
    assert "h\u00e9 \U0001f600".encode() == learned().text_of(line("h\u00e9 \U0001f600"))
    assert b"" == learned().text_of(line(""))


def test_before_anything_was_learned_nothing_fits():
    assert Envelope().text_of(line("x")) is None


def test_escapes_are_kept_as_they_are():
    assert b'a \\"quote\\"' == learned().text_of(line('a "quote"'))
    assert b"a\\nline" == learned().text_of(line("a\nline"))
    assert b"\\ud83d" == learned().text_of(line("x").replace(b'"x"', b'"\\ud83d"'))


def test_what_is_no_escape_is_left_to_the_parser():
    for body in (b"\\x", b"\\u12", b"\\", b'a"b', b"\x01"):
        assert learned().text_of(line("x").replace(b'"x"', b'"%b"' % body)) is None


def test_a_quote_that_is_both_the_first_and_the_last_fits_not():
    sound = line("x")
    assert learned().text_of(sound.replace(b'"x"', b'"')) is None


def test_another_field_or_another_end_fits_not():
    envelope = learned()
    assert envelope.text_of(chunk({"reasoning_content": "x"})) is None
    assert envelope.text_of(chunk({"content": "x"}, finish_reason="stop")) is None
    assert envelope.text_of(line("x") + line("y")) is None


def test_a_stream_that_differs_every_time_is_given_up():
    envelope = Envelope()
    for number in range(MAX_LEARNED + 1):
        envelope.learn(chunk({"content": "x"}, nonce=str(number)))

    assert envelope.text_of(chunk({"content": "x"}, nonce=str(MAX_LEARNED - 1))) is None


def test_a_stream_that_was_given_up_is_looked_at_again_later():
    """It may have come to its text, where all events are alike."""
    envelope = Envelope()
    for number in range(MAX_LEARNED + 1):
        envelope.learn(chunk({"content": "x"}, nonce=str(number)))
    missed = 0
    while envelope.text_of(line("y")) is None:
        missed += 1
        envelope.learn(line("x"))

    assert missed < MAX_LEARNED


def of(sample: bytes) -> Envelope:
    envelope = Envelope()
    envelope.learn(sample)
    return envelope


def call(arguments: str, **more: str) -> bytes:
    return chunk({"tool_calls": [{"index": 0, **more, "function": {"arguments": arguments}}]})


def completion(text: str) -> bytes:
    return event({"id": "c1", "choices": [{"index": 0, "text": text, "finish_reason": None}]})


@pytest.mark.parametrize(
    ("sample", "other"),
    [
        (chunk({"reasoning_content": "x"}), chunk({"reasoning_content": "y"})),
        (chunk({"content": "", "reasoning": "x"}), chunk({"content": "", "reasoning": "y"})),
        (call("x"), call("y")),
        (completion("x"), completion("y")),
        (line("x").replace(b'"content":', b'"content": '), line("y").replace(b'"content":', b'"content": ')),
        (line("x").replace(b"\n", b"\r\n"), line("y").replace(b"\n", b"\r\n")),
        (line("a\nline"), line("y")),
    ],
)
def test_each_kind_of_text_is_recognised(sample: bytes, other: bytes):
    assert b"y" == of(sample).text_of(other)


@pytest.mark.parametrize(
    ("sample", "other"),
    [
        (call("x", id="t"), call("y", id="t")),
        (event({"results": [{"content": "x"}], "choices": [{"delta": {"content": "a"}}]}),
         event({"results": [{"content": "y"}], "choices": [{"delta": {"content": "a"}}]})),
        (chunk({"content": "x"}, choices=[]), chunk({"content": "y"}, choices=[])),
        (line('say "x'), line('say "y')),
        (line("x").replace(b"\n", b"\r"), line("y").replace(b"\n", b"\r")),
        (line("x").replace(b"\n\n", b"\n\r"), line("y").replace(b"\n\n", b"\n\r")),
    ],
)  # fmt: skip
def test_what_is_no_text_of_the_answer_is_no_envelopes(sample: bytes, other: bytes):
    """A call that is opened, a field of the same name elsewhere, an end that a later byte may change."""
    assert of(sample).text_of(other) is None


def padded(text: str, padding: str) -> bytes:
    return chunk({"content": text}, usage=None, obfuscation=padding)


def test_padding_is_no_difference():
    envelope = of(padded("x", "Ab1"))

    assert b"word" == envelope.text_of(padded("word", "9zZk4"))
    assert padded("word", "") == envelope.prefix + b"word" + envelope.suffix


@pytest.mark.parametrize("padding", ["", "a b", 'a"b', "\u00e9", "\\"])
def test_padding_of_another_kind_is_left_to_the_parser(padding: str):
    assert of(padded("x", "Ab1")).text_of(padded("word", padding)) is None


@pytest.mark.parametrize("padding", ['a"b', "\\", "a\nb"])
def test_odd_padding_teaches_nothing_wrong(padding: str):
    end = b'"}\n\n'
    torn = padded("word", "zz").removesuffix(end) + b'"b' + end
    for event_ in (padded("word", "zz"), torn):
        text = of(padded("x", padding)).text_of(event_)
        assert text is None or parse(event_[5:])["choices"][0]["delta"]["content"] == "word"


def raw(text: bytes) -> bytes:
    """With `text` as JSON is to have it."""
    return line("x").replace(b'"x"', b'"%b"' % text)


EVENTS = st.sampled_from([
    *map(line, ("a", "", "h\u00e9", "a\u00a0b", 'say "so"', "\U0001f600", "a\nb")),
    *map(raw, (b"\\u12", b"\\", b"\xc3", b"\xa9", b"\\ud83d", b"34", b'"', b"\x01")),
    line("x").replace(b'"x"', b'"'), line("x")[:-2], call("x"), b": ping\n\n",
])  # fmt: skip


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(events=st.lists(EVENTS, max_size=6), sound=st.integers(0, 3), padded_=st.booleans(), place=st.integers(0, 3))
def test_many_together_are_recognised_as_each_alone(events: list[bytes], sound: int, place: int, *, padded_: bool):
    envelope = of(padded("x", "Ab1")) if padded_ else learned()
    events = [line("a")] * (sound * (MAX_RUN - 1)) + events
    if padded_:
        events = [event_.replace(b"}\n\n", b',"usage":null,"obfuscation":"Zz"}\n\n') for event_ in events]
    wanted = []
    for event_ in events[place:]:
        if (text := envelope.text_of(event_)) is None:
            break
        wanted.append(text)

    assert wanted == envelope.texts_of(events, place)


@settings(derandomize=True, max_examples=2000, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 60))
def test_whatever_fits_is_json_with_that_text(junk: bytes, place: int, cut: int):
    """However a line is damaged: if it is taken unread, reading it gives the same."""
    sound = line("some words")
    damaged = sound[:place] + junk + sound[place + cut :]
    text = learned().text_of(damaged)

    if text is not None:
        assert parse(b'"%b"' % text) == parse(damaged[5:])["choices"][0]["delta"]["content"]


@settings(derandomize=True, max_examples=2000, deadline=None)
@given(st.binary(max_size=30))
def test_whatever_stands_in_the_place_of_the_text(junk: bytes):
    sound = line("some words")
    damaged = sound.replace(b"some words", junk)
    text = learned().text_of(damaged)

    if text is not None:
        assert parse(b'"%b"' % text) == parse(damaged[5:])["choices"][0]["delta"]["content"]
