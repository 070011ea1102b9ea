"""The client for whole answers, against the benchmarks' own provider."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator

import pytest

from benchmarks.answers import Plan
from benchmarks.load.asking import drive
from benchmarks.load.target import target
from benchmarks.upstream import Clock, Upstream


class Counting(Upstream):
    """Counts what it has answered."""

    answered = 0

    def answer(self, plan: Plan) -> bool:
        Counting.answered += 1
        return super().answer(plan)


@pytest.fixture
async def port(monkeypatch) -> AsyncIterator[int]:
    monkeypatch.setattr(Counting, "answered", 0)
    loop = asyncio.get_running_loop()
    clock = Clock(loop)
    server = await loop.create_server(lambda: Counting(clock), "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize(("requests", "connections"), [(1, 1), (3, 8), (500, 8)])
async def test_a_fixed_number_of_requests_is_asked_and_answered_exactly(port, requests, connections):
    """None is left under way, as it is when a time is up: the counts of both sides agree."""
    args = Namespace(connections=connections, requests=requests, seconds=30.0, port=port)
    found = await drive(args, target(port, Plan(), key="k").request)
    assert (requests, 0, requests) == (found["count"], found["errors"], Counting.answered)


async def test_without_a_number_it_goes_on_until_the_time_is_up(port):
    args = Namespace(connections=2, requests=None, seconds=0.05, port=port)
    found = await drive(args, target(port, Plan(), key="k").request)
    assert 0 == found["errors"]
    assert found["count"] == Counting.answered > 2
