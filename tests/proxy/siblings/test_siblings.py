"""Workers in one process, each with its own socket and file. A figure is a number; a supervisor's fold adds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from proxy.siblings import asking, siblings
from proxy.siblings.folder import Folder
from proxy.siblings.place import Life, Place
from proxy.siblings.siblings import Siblings
from proxy.tasks import running


def added(snapshots: Sequence[bytes]) -> bytes:
    return str(sum(map(int, snapshots))).encode()


class Worker(Siblings):
    """With a figure of its own."""

    figure = 0

    async def up(self, figure: int) -> Worker:
        self.figure = figure
        await self.join(lambda _: str(self.figure).encode())
        return self


@pytest.fixture
async def folder() -> AsyncIterator[Folder]:
    folder = Folder.create()
    yield folder
    folder.remove()


@pytest.fixture
async def worker(folder) -> AsyncIterator[Callable[..., Worker]]:
    """Makes workers; they end with the test, and leave no task."""
    made: list[Worker] = []

    def make(post: int, number: int = 0) -> Worker:
        made.append(Worker(Place(Life(post, number), 3, ("127.0.0.1", 0), folder.path, os.getppid())))
        return made[-1]

    yield make
    for each in made:
        each.close()
    async with asyncio.timeout(10):
        while running():  # noqa: ASYNC110 - many tasks, one fact
            await asyncio.sleep(0)


async def killed(one: Worker) -> None:
    """Gone without a word, as by SIGKILL: its socket's file stays."""
    assert one._ear is not None
    assert one._keeper is not None
    one._ear.close()
    one._keeper.cancel()
    await asyncio.sleep(0)


async def test_whoever_is_asked_answers_for_all_with_figures_of_this_moment(worker):
    workers = [await worker(post).up(10**post) for post in range(3)]
    for each in workers:
        each.figure += 1
        live, departed = await each.gather()
        assert str(each.figure).encode() == live[0]
        assert (sum(one.figure for one in workers), []) == (sum(map(int, live)), departed)


async def test_what_was_shown_is_in_the_file_before(worker, folder):
    first, second = await worker(0).up(1), await worker(1).up(2)
    first.figure, second.figure = 7, 8
    await first.gather()
    assert (b"7", b"8") == (folder.kept(Life(0, 0)), folder.kept(Life(1, 0)))


async def test_a_dead_one_counts_once_before_and_after_it_is_buried(worker, folder):
    first, second = await worker(0).up(1), await worker(1).up(2)
    await first.gather()
    await killed(second)
    assert ([b"1"], [b"2"]) == await first.gather()
    folder.bury(Life(1, 0), added)
    assert ([b"1"], [b"2"]) == await first.gather()
    third = await worker(1, 1).up(4)
    for each in (first, third):
        live, departed = await each.gather()
        assert ({b"1", b"4"}, [b"2"]) == (set(live), departed)


async def test_one_that_is_buried_while_it_is_asked_counts_once(worker, folder):
    first, second = await worker(0).up(1), worker(1)

    def dies() -> bytes:
        if folder.lives().count(Life(1, 0)):
            folder.bury(Life(1, 0), added)
        return b"2"

    await second.join(lambda _: b"2")
    second._snapshot = dies
    live, departed = await first.gather()
    assert ([b"1"], [b"2"]) == (live, departed)


async def test_one_that_does_not_answer_in_time_counts_with_what_it_kept(worker, folder, monkeypatch):
    async def is_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        over.set()

    monkeypatch.setattr(siblings, "ANSWER_S", 0.05)
    over = asyncio.Event()
    first = await worker(0).up(1)
    silent = await asyncio.start_unix_server(is_silent, folder.ear(Life(1, 0)))
    folder.keep(Life(1, 0), b"2")
    try:
        assert ([b"1", b"2"], []) == await first.gather()
        await over.wait()
    finally:
        silent.close()


async def test_one_that_breaks_off_its_answer_counts_with_what_it_kept(worker, folder):
    async def breaks_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(asking.LENGTH.pack(100) + b"9")
        writer.close()

    first = await worker(0).up(1)
    half = await asyncio.start_unix_server(breaks_off, folder.ear(Life(1, 0)))
    folder.keep(Life(1, 0), b"2")
    try:
        assert ([b"1"], [b"2"]) == await first.gather()
    finally:
        half.close()


async def test_an_answer_that_claims_too_much_is_not_waited_for(folder):
    async def boasts(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(asking.LENGTH.pack(asking.MAX_ANSWER_BYTES + 1))
        writer.close()

    server = await asyncio.start_unix_server(boasts, folder.ear(Life(1, 0)))
    try:
        with pytest.raises(ConnectionError, match="none of ours"):
            await asking.ask(folder.ear(Life(1, 0)))
    finally:
        server.close()


async def test_who_asks_something_else_gets_nothing(folder):
    server = await asking.listen(folder.ear(Life(0, 0)), lambda: b"1")
    try:
        reader, writer = await asyncio.open_unix_connection(folder.ear(Life(0, 0)))
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert b"" == await reader.read()
        writer.close()
    finally:
        server.close()


async def test_the_last_figures_are_left_behind(worker, folder):
    one = await worker(0).up(1)
    one.figure = 5
    one.close()
    assert b"5" == folder.kept(Life(0, 0))


async def test_a_figure_that_changes_is_kept_without_anybody_asking(worker, folder, monkeypatch):
    monkeypatch.setattr(siblings, "KEEP_S", 0.0)
    one = await worker(0).up(1)
    one.figure = 6
    async with asyncio.timeout(10):
        while b"6" != folder.kept(Life(0, 0)):  # noqa: ASYNC110 - a file says nothing
            await asyncio.sleep(0)


async def test_figures_that_cannot_be_kept_are_shown_and_told_once(worker, folder, caplog):
    one = await worker(0).up(1)
    folder.remove()
    for figure in (2, 3):
        one.figure = figure
        assert ([str(figure).encode()], []) == await one.gather()
    assert 1 == caplog.text.count("the figures cannot be kept")


async def test_limits_are_one_for_all(worker):
    first, second = worker(0), worker(1)
    assert [True, True, False] == [each.limits.take("ci", 2, 5.0).allowed for each in (first, second, first)]
