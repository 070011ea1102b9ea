"""The supervisor's crew: who dies is replaced, no signal is lost. Workers are tiny scripts here, and time is ours."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from proxy.workers import RESTART_PAUSE_S, STARTED_S, Crew

PATIENCE_S = 20
WAITS = "import signal; signal.pause()"
STARTED, DUE = STARTED_S, RESTART_PAUSE_S
"""Seconds after which a start counts as one, and until a replacement."""


class Stage:
    """Starts scripts, remembers them, and waits for their ends."""

    def __init__(self) -> None:
        self.scripts = [WAITS, WAITS]
        self.started: list[subprocess.Popen[bytes]] = []

    def spawn(self, index: int) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([sys.executable, "-S", "-c", self.scripts[index]])  # noqa: S603 - our own script
        self.started.append(process)
        return process

    def crew(self) -> Crew:
        return Crew(len(self.scripts), self.spawn, 0.0)

    def kill(self, place: int, number: int = signal.SIGKILL) -> None:
        self.started[place].send_signal(number)
        self.wait(place)

    def wait(self, *places: int) -> None:
        for place in places:
            self.started[place].wait(PATIENCE_S)


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    for process in stage.started:
        process.kill()
        process.wait(PATIENCE_S)


def test_a_worker_that_dies_is_replaced_after_a_pause(stage):
    crew = stage.crew()
    stage.kill(0)
    crew.look(STARTED)
    crew.look(STARTED + DUE - 0.01)
    assert 2 == len(stage.started)
    crew.look(STARTED + DUE)
    assert 3 == len(stage.started)
    assert crew.running


def test_a_stop_while_a_worker_is_missing_ends_the_rest_and_starts_nobody(stage):
    crew = stage.crew()
    stage.kill(0)
    crew.look(STARTED)
    crew.signal(signal.SIGTERM)
    stage.wait(1)
    crew.look(STARTED + DUE)
    assert (2, False, 0) == (len(stage.started), crew.running, crew.code)


def test_a_hang_up_reaches_everybody_and_stops_nobody(stage):
    crew = stage.crew()
    crew.signal(signal.SIGHUP)  # these scripts die of it, as the gateway does not
    stage.wait(0, 1)
    crew.look(STARTED)
    assert crew.running
    crew.look(STARTED + DUE)
    assert 4 == len(stage.started)


def test_workers_that_cannot_start_are_given_up_with_their_code(stage):
    stage.scripts[1] = "raise SystemExit(1)"
    crew = stage.crew()
    stage.wait(1)
    crew.look(STARTED - 0.01)
    stage.wait(0)
    crew.look(STARTED)
    assert (2, False, 1) == (len(stage.started), crew.running, crew.code)


def test_a_worker_that_ends_badly_when_stopped_is_told_by_the_code(stage):
    stage.scripts[0] = "raise SystemExit(7)"
    crew = stage.crew()
    stage.wait(0)
    crew.signal(signal.SIGTERM)
    stage.wait(1)
    crew.look(STARTED)
    assert (False, 7) == (crew.running, crew.code)


def test_a_worker_killed_by_somebody_else_is_told_as_a_shell_would(stage):
    crew = stage.crew()
    stage.kill(0)
    crew.signal(signal.SIGTERM)
    stage.wait(1)
    crew.look(STARTED)
    assert (False, 128 + signal.SIGKILL) == (crew.running, crew.code)
