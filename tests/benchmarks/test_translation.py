"""What is measured is really said and answered: nothing is cheap because it was refused."""

from __future__ import annotations

import pytest

from benchmarks.translation.answers import ANSWERS, WORDS
from benchmarks.translation.hot import ROWS, SURFACES, answered, asked
from benchmarks.translation.requests import ARGUMENTS, QUESTION, SYSTEM, THANKS, TOOLS, body_of
from benchmarks.translation.tables import Table

by_pair = [(client, provider) for client in SURFACES for provider in ROWS]


@pytest.mark.parametrize(("client", "provider"), by_pair)
def test_the_whole_conversation_is_translated(client: str, provider: str):
    told = asked(client, provider, body_of(client, stream=True)).decode()
    for said in (SYSTEM, QUESTION, THANKS, ARGUMENTS["after"], *TOOLS, *TOOLS.values()):
        assert said in told


@pytest.mark.parametrize(("client", "provider"), by_pair)
def test_every_event_is_translated(client: str, provider: str):
    """Each piece of text leaves with the event it came in."""
    events = ANSWERS[provider].events
    sent = answered(client, provider, body_of(client, stream=True), events)
    words = [word for word in WORDS for event in events if f'"{word}"'.encode() in event]
    assert len(words) == len([word for word in WORDS for piece in sent if f'"{word}"'.encode() in piece])


def test_a_table_tells_the_dearest_pair():
    table = Table("events", {("a", "x"): 1.0, ("a", "y"): 7.5, ("b", "x"): 3.25, ("b", "y"): 2.0}, ("a", "x"), 5.0)
    assert (("a", "y"), 6.5, False) == (table.dearest, table.added_us, table.is_within)
    assert "| b | 3.25 | 2.00 |" in table.lines()
