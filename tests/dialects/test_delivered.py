"""What a client has is read out of the blocks it was sent, or refused with the reason."""

from __future__ import annotations

import pytest

from fakes import chat
from proxy.dialects.delivered import Delivered, NotSpliceable
from proxy.dialects.lanes import MAX_CALLS


def test_an_answer_is_measured_for_the_log():
    said = Delivered.read(
        [chat.role_chunk() + chat.chunk({"reasoning": "hm"}), b": ping\n\n", chat.chat_chunk("\U0001f642!")]
    )

    assert (4, 2, False) == (said.characters, said.chunks, said.is_finished)
    assert said.text is None


def test_plain_text_can_be_continued():
    assert "Hi there" == Delivered.read([chat.role_chunk(), chat.chat_chunk("Hi"), chat.chat_chunk(" there")]).text


def test_text_that_ends_in_half_a_character_cannot_be_asked_for():
    said = Delivered.read([chat.chat_chunk("a@").replace(b"@", b"\\ud83d")])

    assert said.text is None
    assert 2 == said.characters


@pytest.mark.parametrize("end", [chat.final_chunk(), chat.DONE])
def test_an_end_is_noticed(end: bytes):
    assert Delivered.read([chat.chat_chunk("Hi"), end]).is_finished
    assert not Delivered.read([chat.chat_chunk("Hi")]).is_finished


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b": ping\n\n", "no content"),
        (chat.role_chunk(), "no content"),
        (chat.chat_chunk("a", index=1), "several choices"),
        (chat.chat_chunk("a").replace(b'"finish_reason":null', b'"logprobs":{"content":[]}'), "`logprobs`"),
        (chat.chat_chunk("a").replace(b'"finish_reason":null', b'"token_ids":[7]'), "`token_ids`"),
        (chat.chunk({"audio": {"data": "AA"}}), "'audio'"),
        (chat.chunk({"reasoning_details": [{"text": "hm"}], "reasoning": "hm"}), "'reasoning_details'"),
        (chat.chunk({"content": [{"type": "thinking"}]}), "content that is no text"),
        (chat.chunk({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]}), "arguments"),
        (chat.chunk({"tool_calls": ["f"]}), "no list of objects"),
        (chat.chunk({"tool_calls": [{"id": f"{n}"} for n in range(MAX_CALLS + 1)]}), "over 1024 tool calls"),
        (b'data: {"choices":[{"text":"a","delta":{"content":"b"}}]}\n\n', "two texts for content"),
        (b"data: {\n\n", "not JSON"),
    ],
)  # fmt: skip
def test_what_nobody_can_go_on_with_is_told(block: bytes, reason: str):
    with pytest.raises(NotSpliceable, match=reason):
        Delivered.read([block])


def test_a_strange_field_name_is_told_only_in_part():
    with pytest.raises(NotSpliceable) as caught:
        Delivered.read([chat.chunk({"secret" * 100: "words of the answer"})])

    assert len(str(caught.value)) < 80
    assert "words" not in str(caught.value)


def test_fields_that_are_no_content_are_passed_over():
    said = Delivered.read(
        [chat.chunk({"content": "a", "audio": None, "annotations": [], "token_id": 7, "channel": "final"})]
    )

    assert "a" == said.text
