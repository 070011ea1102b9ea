"""A deployment that was given what the client has sends the rest; one that begins anew is found out."""

from __future__ import annotations

import random

import pytest
from cutting import DONE, Answer, Server, hear
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import chat
from proxy.dialects.splice import Continuer, Delivered, Divergence, NotSpliceable

GIVEN = "The quick brown fox "


def delivered(*texts: str) -> list[bytes]:
    return [chat.role_chunk(), *map(chat.chat_chunk, texts)]


def continued(before: list[bytes], *stream: bytes) -> bytes:
    continuer = Continuer(Delivered.read(before))
    return b"".join(map(continuer.feed, stream))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(text=st.text(min_size=1), rest=st.text(), seed=st.randoms(use_true_random=False))
def test_all_that_is_sent_is_new(text: str, rest: str, seed: random.Random):
    before, after = Server("first", seed), Server("second", seed, line_end=seed.choice((b"\n", b"\r\n", b"\r")))
    sent = [before.start(), *map(before.chunk, [{"content": text}])]
    continuer = Continuer(Delivered.read(sent))
    try:
        heard = hear([*sent, *map(continuer.feed, after.stream(Answer(content=rest)))])
    except Divergence:
        assert rest.startswith(text)
        return

    assert text + rest == heard.answer.content
    assert 1 == heard.roles == len(heard.identities) == len(heard.usages)
    assert (["stop"], True) == (heard.finishes, heard.is_done)


def test_an_answer_begun_anew_is_found_out_before_anything_passes():
    continuer = Continuer(Delivered.read(delivered(GIVEN)))
    assert b"" == continuer.feed(chat.role_chunk())
    for character in GIVEN[:-1]:
        assert b"" == continuer.feed(chat.chat_chunk(character))

    with pytest.raises(Divergence, match="begins the answer anew"):
        continuer.feed(chat.chat_chunk(GIVEN[-1] + "jumps"))


@pytest.mark.parametrize(
    "release",
    [
        chat.chat_chunk("sand"),
        chat.final_chunk(),
        DONE,
        chat.usage_chunk(),
        chat.chat_chunk("quick", finish_reason="stop"),
        chat.chunk({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f"}}]}),
        chat.chunk({"reasoning": "hm"}),
    ],
)
def test_text_that_only_begins_alike_is_held_back_and_released(release: bytes):
    continuer = Continuer(Delivered.read(delivered(GIVEN)))
    assert b"" == continuer.feed(chat.chat_chunk("The "))
    assert b"" == continuer.feed(b": ping\n\n" + chat.chunk({"content": ""}))

    assert continuer.feed(release).startswith(chat.chat_chunk("The "))
    assert b": ping\n\n" + chat.chat_chunk("x") == continuer.feed(b": ping\n\n" + chat.chat_chunk("x"))


def test_a_short_text_may_occur_twice():
    passed = continued(delivered("ha "), b": ping\n\n", *chat.chat_stream("ha ", "ha"))

    assert b"".join([*map(chat.chat_chunk, ["ha ", "ha"]), chat.final_chunk(), DONE]) == passed


def test_how_long_a_text_must_be_to_show_that_the_answer_began_anew():
    assert chat.chat_chunk("a" * 15) == continued(delivered("a" * 15), chat.chat_chunk("a" * 15))
    with pytest.raises(Divergence):
        continued(delivered("a" * 16), chat.chat_chunk("a" * 16))


def test_the_delivered_part_is_counted_as_output():
    stream = [chat.chat_chunk("jumps"), chat.usage_chunk(prompt=30, completion=4), DONE]
    (usage,) = hear([continued(delivered("The ", "quick ", "brown"), *stream)]).usages

    assert (27, 7, 34) == (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"])


def test_a_prompt_never_counts_less_than_nothing():
    (usage,) = hear([continued(delivered(*"abcd"), chat.usage_chunk(prompt=3, completion=4))]).usages

    assert (0, 7) == (usage["prompt_tokens"], usage["completion_tokens"])


def test_every_place_of_usage_is_corrected():
    counts = '{"prompt_tokens":30,"completion_tokens":4}'
    event = (
        f'data: {{"choices":[{{"delta":{{}},"usage":{counts}}}],"x_groq":{{"usage":{counts}}},"usage":{counts}}}\n\n'
    )
    passed = continued(delivered("Hi"), event.encode())

    assert 3 == passed.count(b'"usage":{"prompt_tokens":29,"completion_tokens":5}')


def test_usage_that_is_no_count_passes():
    event = b'data: {"choices":[],"usage":{"prompt_tokens":"many"}}\n\n'

    assert b'"prompt_tokens":"many"' in continued(delivered("Hi"), event)


def test_a_message_so_far_is_left_out():
    event = b'data: {"choices":[{"message":{"content":"!"},"delta":{"role":"assistant","content":"!"}}]}\n\ndata:\n\n'

    assert b'"choices":[{"delta":{"content":"!"}}]' in continued(delivered("Hi"), event)


def test_a_second_choice_is_a_divergence():
    with pytest.raises(Divergence, match="several choices"):
        continued(delivered("Hi"), chat.chat_chunk("x", index=1))


@pytest.mark.parametrize("delta", [{"reasoning": "hm"}, {"refusal": "no"}, {"tool_calls": [{"index": 0, "id": "a"}]}])
def test_only_plain_text_is_continued(delta: dict[str, object]):
    with pytest.raises(NotSpliceable, match="only plain text"):
        Continuer(Delivered.read([chat.chunk(delta)]))
