"""What is said of an event that cannot be read."""

from __future__ import annotations

import pytest

from proxy.dialects.damage import Damage, damage_of

SOUND = b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'  # noqa: E501 - one event


@pytest.mark.parametrize(
    "event", [b"data: undefined\n\n", b"garbage\n\n", b"data: <html>busy</html>\n\n", b"data:\n\n"]
)
def test_words_are_noise(event: bytes):
    assert Damage.NOISE is damage_of(event, SOUND)


@pytest.mark.parametrize(
    "event",
    [
        SOUND[:-40], SOUND[:30], SOUND[:10], b"data: " + SOUND[-30:], b"data: " + SOUND[-10:], SOUND[20:],
        SOUND[:25] + b"\xff" + SOUND[26:], b"data: \x00\x00\x00\n\n", SOUND.replace(b'"choices":', b'"choices"\r:'),
    ],
)  # fmt: skip
def test_what_looks_like_its_siblings_is_a_loss(event: bytes):
    assert Damage.LOSS is damage_of(event, SOUND)


@pytest.mark.parametrize("event", [b'data: {"oops": \n\n', b"data: {not json}\n\n", b'data: {"note": "\xff\xfe"}\n\n'])
def test_of_anything_else_nobody_can_tell(event: bytes):
    assert Damage.DOUBTFUL is damage_of(event, SOUND)


def test_before_there_was_a_sound_event_it_is_a_loss():
    """Nothing has gone out yet: to ask somebody else costs nothing."""
    assert Damage.LOSS is damage_of(b'data: {"oops": \n\n', b"")
