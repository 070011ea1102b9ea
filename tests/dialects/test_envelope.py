"""What is recognised without parsing is what parsing would have found sound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.chat import chat_chunk, chunk
from proxy.dialects.envelope import MAX_LEARNED, Envelope
from proxy.dialects.reading import parse


def line(text: str) -> bytes:
    return chat_chunk(text).rstrip(b"\n")


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
    assert envelope.text_of(chunk({"reasoning_content": "x"}).rstrip(b"\n")) is None
    assert envelope.text_of(chunk({"content": "x"}, finish_reason="stop").rstrip(b"\n")) is None
    assert envelope.text_of(line("x") + b"\n\n" + line("y")) is None


def test_a_stream_that_differs_every_time_is_given_up():
    envelope = Envelope()
    for number in range(MAX_LEARNED + 1):
        envelope.learn(chunk({"content": "x"}, obfuscation=str(number)).rstrip(b"\n"))

    assert envelope.text_of(chunk({"content": "x"}, obfuscation=str(MAX_LEARNED - 1)).rstrip(b"\n")) is None


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
