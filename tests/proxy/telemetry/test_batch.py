"""Facts wait together, but never for long, and never when somebody looks."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from proxy.config import Config
from proxy.facts import Finished
from proxy.telemetry.batch import FLUSH_FACTS, Batch
from proxy.telemetry.metrics import Gauges
from proxy.telemetry.telemetry import Telemetry


class Work:
    """What was worked off, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.news = asyncio.Event()

    def __call__(self, facts) -> None:
        self.batches.append([fact.exchange_id for fact in facts])
        self.news.set()


def names(count: int, start: int = 0) -> list[str]:
    return [f"req-{number}" for number in range(start, start + count)]


def test_a_full_batch_is_worked_off_in_order(fact):
    work = Work()
    batch = Batch(work)
    for name in names(2 * FLUSH_FACTS + 1):
        batch.add(fact(exchange_id=name))

    assert [names(FLUSH_FACTS), names(FLUSH_FACTS, FLUSH_FACTS)] == work.batches
    batch.close()
    assert names(1, 2 * FLUSH_FACTS) == work.batches[-1]


async def test_a_batch_that_does_not_fill_is_worked_off_after_a_while(fact):
    work = Work()
    batch = Batch(work)
    batch.add(fact(exchange_id="before the start"))
    batch.start()
    for name in names(3):
        batch.add(fact(exchange_id=name))
        assert [["before the start"]] == work.batches

    work.news.clear()
    async with asyncio.timeout(5):
        await work.news.wait()

    assert [["before the start"], names(3)] == work.batches


async def test_each_batch_has_its_own_time(fact):
    """A batch that filled up leaves no timer behind to cut the next one short."""
    work = Work()
    batch = Batch(work)
    batch.start()
    for name in names(FLUSH_FACTS):
        batch.add(fact(exchange_id=name))
    assert [] == work.batches  # the answers of this turn go first
    async with asyncio.timeout(5):
        await work.news.wait()
    assert batch._timer is None

    work.news.clear()
    batch.add(fact(exchange_id="next"))
    async with asyncio.timeout(5):
        await work.news.wait()

    assert [names(FLUSH_FACTS), ["next"]] == work.batches


def test_nothing_waits_when_there_is_nothing(fact):
    work = Work()
    batch = Batch(work)
    batch.flush()
    batch.close()

    assert [] == work.batches


QUIET = {"telemetry": {"access_log": "none"}}


def requests_shown(telemetry: Telemetry) -> int:
    prefix = b"pointsman_requests_total{"
    found = [line for line in telemetry.metrics.render().splitlines() if line.startswith(prefix)]
    return sum(int(line.rpartition(b" ")[2]) for line in found)


async def test_a_scrape_shows_every_request_that_has_ended(fact):
    telemetry = Telemetry(Config.model_validate(QUIET), Gauges())
    telemetry.start()
    for ended in range(1, FLUSH_FACTS + 3):
        telemetry.finished(fact())
        assert ended == requests_shown(telemetry)
    telemetry.close()


async def test_a_reload_and_the_end_work_off_what_waits(fact, capfd):
    telemetry = Telemetry(Config(), Gauges())
    telemetry.start()
    telemetry.finished(fact(exchange_id="before the reload"))
    telemetry.reloaded(Config())
    telemetry.finished(fact(exchange_id="after it"))
    telemetry.close()

    lines = capfd.readouterr().out.splitlines()
    assert ["before the reload", "after it"] == [orjson.loads(line)["request_id"] for line in lines]
    assert {} == telemetry.dropped()


class Listener:
    name = "listener"

    def __init__(self) -> None:
        self.heard: list[Finished] = []

    def finished(self, fact: Finished) -> None:
        self.heard.append(fact)


def test_an_extra_sink_hears_of_each_fact_at_once(fact):
    listener = Listener()
    telemetry = Telemetry(Config.model_validate(QUIET), Gauges(), (listener,))
    for heard in range(1, 4):
        telemetry.finished(fact())
        assert heard == len(listener.heard)

    assert 3 == requests_shown(telemetry)


def test_a_line_that_cannot_be_written_costs_no_other_line(fact, capfd, caplog):
    """A lone surrogate is no UTF-8: what a client writes may be anything."""
    telemetry = Telemetry(Config(), Gauges())
    for name in ("one", "\ud800", "three"):
        telemetry.finished(fact(exchange_id=name))
    telemetry.close()

    lines = capfd.readouterr().out.splitlines()
    assert ["one", "three"] == [orjson.loads(line)["request_id"] for line in lines]
    assert {"access_log": 1} == telemetry.dropped()
    assert 3 == requests_shown(telemetry)
    assert ["telemetry sink `access_log` failed; further failures are only counted"] == caplog.messages


@pytest.mark.parametrize("count", [1, FLUSH_FACTS, FLUSH_FACTS + 1])
def test_no_fact_is_lost_or_told_twice(fact, capfd, count: int):
    telemetry = Telemetry(Config(), Gauges())
    for name in names(count):
        telemetry.finished(fact(exchange_id=name))
    telemetry.close()

    assert names(count) == [orjson.loads(line)["request_id"] for line in capfd.readouterr().out.splitlines()]
    assert count == requests_shown(telemetry)
