"""What is kept of open streams says what went out, stays within its bounds, and is given back."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from fakes.chat import chat_chunk, chunk, role_chunk
from proxy.dialects.meter import StreamMeter
from proxy.dialects.quirks import Quirks
from proxy.dialects.splice import NotSpliceable
from proxy.journal import GRANT_BYTES, Journal, JournalBudget


def taken(_: bytes) -> bool:
    return True


def kept(events: Iterable[bytes], budget: JournalBudget | None = None, max_bytes: int = 1 << 20) -> Journal:
    """A journal of what went out of these, each in a piece of its own."""
    journal = Journal(budget or JournalBudget(1 << 30), max_bytes)
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=1 << 24)
    deliver = journal.before(taken, meter)
    for event in events:
        assert deliver(meter.feed(event))
    return journal


def words(count: int) -> list[bytes]:
    """A stream whose text alone is `5 * count` bytes."""
    return [role_chunk(), *[chat_chunk("word ")] * count]


def test_what_went_out_can_be_read_again():
    texts = ["Hel", "lo", '"quoted"', "line\nbreak", "\U0001f600", "a", "b", "c"]
    delivered = kept([role_chunk(), *map(chat_chunk, texts)]).delivered()

    assert "".join(texts) == delivered.text
    assert len(texts) == delivered.chunks


@pytest.mark.parametrize("size", [40, 1000, 1 << 20])
def test_what_went_out_in_bursts_is_what_went_out(size: int):
    texts = ["Hel", "lo", '"quoted"', "line\nbreak", "\U0001f600"] * 30
    data = b"".join([role_chunk(), *[chat_chunk(text, obfuscation="x" * (1 + len(text))) for text in texts]])
    journal = kept([data[start : start + size] for start in range(0, len(data), size)])

    delivered = journal.delivered()

    assert "".join(texts) == delivered.text
    assert len(texts) == delivered.chunks


def test_another_lane_begins_another_event():
    reasoning = [chunk({"reasoning_content": text}) for text in ("so ", "so ", "hm ")]
    delivered = kept([role_chunk(), *reasoning, *words(5)[1:], *reasoning]).delivered()

    assert ["reasoning", "content", "reasoning"] == [segment.lane for segment in delivered.segments]
    assert 11 == delivered.chunks


def test_of_events_that_differ_in_their_text_only_the_text_is_kept():
    budget = JournalBudget(1 << 30)
    journal = kept(words(10_000), budget)

    assert 10_000 == journal.delivered().chunks
    assert budget.used < 2 * 5 * 10_000


def test_the_answer_of_push_passes():
    journal = Journal(JournalBudget(1 << 20), 1 << 20)
    meter = StreamMeter(Quirks(), drop_usage=True, max_event_bytes=1 << 24)

    assert not journal.before(lambda _: False, meter)(meter.feed(chat_chunk("x")))


@pytest.mark.parametrize("event", [chat_chunk("word "), chat_chunk("line\n")], ids=["texts", "whole events"])
def test_a_stream_over_its_limit_is_lost_and_holds_nothing(event: bytes):
    budget = JournalBudget(1 << 30)
    journal = kept([role_chunk(), *[event] * 3000], budget, 2 * GRANT_BYTES)

    with pytest.raises(NotSpliceable, match="too long"):
        journal.delivered()
    assert (0, 0) == (budget.used, len(journal._buffer))


def test_all_streams_together_have_a_limit_too():
    budget = JournalBudget(3 * GRANT_BYTES)
    journals = [kept(words(2), budget) for _ in range(4)]

    assert 3 * GRANT_BYTES == budget.used
    assert ["word word "] * 3 == [journal.delivered().text for journal in journals[:3]]
    with pytest.raises(NotSpliceable):
        journals[3].delivered()


def test_what_a_stream_had_is_given_back_once():
    budget = JournalBudget(1 << 20)
    journal = kept(words(3), budget)

    journal.forget()
    journal.forget()

    assert 0 == budget.used
    with pytest.raises(NotSpliceable):
        journal.delivered()


def test_one_huge_piece_is_granted_at_once_or_not_at_all():
    piece = b"".join(words(1000))
    assert 1000 == kept([piece], JournalBudget(len(piece)), len(piece)).delivered().chunks

    with pytest.raises(NotSpliceable):
        kept([piece], JournalBudget(len(piece) - 1), len(piece)).delivered()


def test_an_answer_that_has_ended_is_nobodys_to_go_on_with():
    with pytest.raises(NotSpliceable, match="finished"):
        kept([*words(2), chunk({}, finish_reason="stop")]).delivered()
