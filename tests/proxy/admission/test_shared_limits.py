"""Requests a minute of several workers together: the same verdicts as one worker's, whoever dies meanwhile."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import random
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.admission import shared_limits
from proxy.admission.limits import RequestLimits
from proxy.admission.shared_limits import PROBES, TABLE_BYTES, SharedLimits, make_table

PATIENCE_S = 30
NOW_S = 1000.0


@pytest.fixture
def table(tmp_path) -> Path:
    path = tmp_path / "limits"
    make_table(path)
    return path


@pytest.fixture
def pair(table) -> Iterator[list[SharedLimits]]:
    """Two workers."""
    workers = [SharedLimits(table), SharedLimits(table)]
    yield workers
    for each in workers:
        each.close()


CALLS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.sampled_from([1, 7, 60]), st.floats(0, 90)), max_size=150
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(calls=CALLS)
def test_whichever_worker_is_asked_the_verdict_is_what_one_alone_would_give(tmp_path_factory, calls):
    path = tmp_path_factory.mktemp("table") / "limits"
    make_table(path)
    alone, workers = RequestLimits(), [SharedLimits(path), SharedLimits(path)]
    for key, worker, rpm, now_s in sorted(calls, key=lambda call: call[3]):
        assert alone.take(key, rpm, now_s) == workers[worker].take(key, rpm, now_s)
    for each in workers:
        each.close()


def test_the_room_of_a_table_is_taken_when_it_is_made(table):
    """A disk that fills up later must not kill the workers: to write to a hole in a mapped file would."""
    assert TABLE_BYTES <= table.stat().st_blocks * 512


def test_the_number_of_keys_is_counted(pair):
    for key in ("a", "b", "a"):
        pair[0].take(key, 1, NOW_S)
    assert [2, 2] == [len(each) for each in pair]


def test_keys_that_meet_in_one_place_do_not_share(pair, monkeypatch):
    monkeypatch.setattr(shared_limits, "SLOTS", PROBES)
    for key in map(str, range(PROBES)):
        assert [True, False] == [worker.take(key, 1, NOW_S).allowed for worker in pair]


def test_in_a_full_place_the_key_nearest_to_its_whole_allowance_is_forgotten(pair, monkeypatch):
    monkeypatch.setattr(shared_limits, "SLOTS", PROBES)
    for number in range(PROBES):
        pair[0].take(str(number), 1, NOW_S + number)
    assert pair[1].take("late", 1, NOW_S + PROBES).allowed
    assert not pair[0].take("late", 1, NOW_S + PROBES).allowed
    assert not pair[0].take("1", 1, NOW_S + PROBES).allowed
    assert pair[0].take("0", 1, NOW_S + PROBES).allowed


def test_the_names_remembered_are_bounded(pair, monkeypatch):
    monkeypatch.setattr(shared_limits, "MAX_KEYS", 2)
    for key in "abcab":
        pair[0].take(key, 1, NOW_S)
    assert not pair[0].take("a", 1, NOW_S).allowed
    assert len(pair[0]._digests) <= 2


def hammer(path: Path, seed: int, rpm: int, count: int, told: Connection) -> None:
    """Ask `count` times, all at one moment in time; how many passed."""
    limits, rng = SharedLimits(path), random.Random(seed)
    told.send("ready")
    told.recv()
    told.send(sum(limits.take(rng.choice("ab"), rpm, NOW_S).allowed for _ in range(count)))


def test_processes_that_ask_at_once_pass_exactly_what_one_would(table):
    """Two keys, three processes, 6,000 requests for 4,000 places; none is given twice, none is lost."""
    context = multiprocessing.get_context("spawn")
    workers = []
    for seed in range(3):
        ours, theirs = context.Pipe()
        process = context.Process(target=hammer, args=(table, seed, 1000, 2000, theirs))
        process.start()
        workers.append((process, ours))
    for _, pipe in workers:
        assert "ready" == pipe.recv()
    for _, pipe in workers:
        pipe.send("go")
    assert 2000 == sum(pipe.recv() for _, pipe in workers)
    for process, pipe in workers:
        process.join(PATIENCE_S)
        pipe.close()
        process.close()


def hold(path: Path, told: Connection) -> None:
    """Take the lock, and never give it back."""
    fd = os.open(path, os.O_RDWR)
    fcntl.flock(fd, fcntl.LOCK_EX)
    told.send("held")
    signal.pause()


def test_a_worker_killed_with_the_lock_in_hand_stops_nobody(table, pair):
    """While it is stopped with the lock, the others go on without; when it is dead, they have it again."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    holder = context.Process(target=hold, args=(table, theirs))
    holder.start()
    assert "held" == ours.recv()
    assert [True, True, False] == [pair[number].take("ci", 2, NOW_S).allowed for number in (0, 1, 0)]
    assert not pair[0]._lock()
    holder.kill()
    holder.join(PATIENCE_S)
    assert pair[0]._lock()
    ours.close()
    holder.close()
