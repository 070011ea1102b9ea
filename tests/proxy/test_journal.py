"""What is kept of open streams stays within its bounds, and is given back."""

from __future__ import annotations

import pytest

from fakes.chat import chat_chunk, role_chunk
from proxy.dialects.splice import NotSpliceable
from proxy.journal import GRANT_BYTES, Journal, JournalBudget

EVENT = chat_chunk("word ")


def taken(_: bytes) -> bool:
    return True


def test_what_went_out_can_be_read_again():
    journal = Journal(JournalBudget(1 << 20), 1 << 20)
    deliver = journal.before(taken)
    for block in (role_chunk(), chat_chunk("Hel"), chat_chunk("lo") + chat_chunk("!")):
        assert deliver(block)

    assert "Hello!" == journal.delivered().text


def test_the_answer_of_push_passes():
    journal = Journal(JournalBudget(1 << 20), 1 << 20)

    assert not journal.before(lambda _: False)(EVENT)


def test_a_stream_over_its_limit_is_lost_and_holds_nothing():
    budget = JournalBudget(1 << 30)
    journal = Journal(budget, 2 * GRANT_BYTES)
    deliver = journal.before(taken)
    for _ in range(3 * GRANT_BYTES // len(EVENT)):
        deliver(EVENT)

    with pytest.raises(NotSpliceable, match="too long"):
        journal.delivered()
    assert (0, 0) == (budget.used, len(journal._buffer))


def test_all_streams_together_have_a_limit_too():
    budget = JournalBudget(3 * GRANT_BYTES)
    journals = [Journal(budget, 1 << 20) for _ in range(4)]
    for journal in journals:
        journal.before(taken)(EVENT)

    assert 3 * GRANT_BYTES == budget.used
    assert ["word "] * 3 == [journal.delivered().text for journal in journals[:3]]
    with pytest.raises(NotSpliceable):
        journals[3].delivered()


def test_what_a_stream_had_is_given_back_once():
    budget = JournalBudget(1 << 20)
    journal = Journal(budget, 1 << 20)
    journal.before(taken)(EVENT)

    journal.forget()
    journal.forget()

    assert 0 == budget.used
    with pytest.raises(NotSpliceable):
        journal.delivered()


def test_one_huge_piece_is_granted_at_once_or_not_at_all():
    piece = EVENT * 1000
    journal = Journal(JournalBudget(len(piece)), len(piece))
    journal.before(taken)(piece)
    assert 1000 == journal.delivered().chunks

    journal = Journal(JournalBudget(len(piece) - 1), len(piece))
    journal.before(taken)(piece)
    with pytest.raises(NotSpliceable):
        journal.delivered()
