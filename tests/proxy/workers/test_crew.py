"""The crew: who dies is replaced, no signal is lost. Workers are tiny scripts here, and time is ours."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from proxy.siblings.place import Life
from proxy.workers.crew import LAST_S, RESTART_MAX_S, RESTART_PAUSE_S, START_S, STEADY_S, Crew

PATIENCE_S = 20
WAITS = "import signal; signal.pause()"
DEAF = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (15, 2)]; print(flush=True); signal.pause()"
DUE = RESTART_PAUSE_S
"""Seconds until a first replacement."""


class Stage:
    """Starts scripts, remembers them, and waits for their ends."""

    def __init__(self) -> None:
        self.scripts = [WAITS, WAITS]
        self.started: list[subprocess.Popen[bytes]] = []
        self.up: set[Life] = set()
        self.buried: list[Life] = []
        self.fails = 0
        self.fails_after: int | None = None

    def spawn(self, life: Life) -> subprocess.Popen[bytes]:
        if self.fails or len(self.started) == self.fails_after:
            self.fails -= 1
            raise BlockingIOError(11, "Resource temporarily unavailable")
        process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-S", "-c", self.scripts[life.post]], stdout=subprocess.PIPE
        )
        self.started.append(process)
        return process

    def is_up(self, life: Life) -> bool:
        return life in self.up

    def bury(self, life: Life) -> None:
        self.buried.append(life)

    def crew(self) -> Crew:
        """All of them starting."""
        return Crew(len(self.scripts), self, 0.0)

    def ready_crew(self) -> Crew:
        """All of them listening."""
        crew = self.crew()
        self.up |= {Life(post, number) for post in range(len(self.scripts)) for number in range(100)}
        crew.look(0.0)
        assert crew.is_ready
        return crew

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
        assert process.stdout is not None
        process.stdout.close()


def test_all_are_ready_when_the_last_one_listens(stage):
    crew = stage.crew()
    stage.up.add(Life(1, 0))
    crew.look(0.1)
    assert not crew.is_ready
    stage.up.add(Life(0, 0))
    crew.look(0.2)
    assert crew.is_ready


def test_a_worker_that_dies_is_buried_and_replaced_after_a_pause(stage, caplog):
    crew = stage.ready_crew()
    stage.kill(0)
    crew.look(5.0)
    crew.look(5.0 + DUE - 0.01)
    assert (2, [Life(0, 0)]) == (len(stage.started), stage.buried)
    crew.look(5.0 + DUE)
    assert 3 == len(stage.started)
    assert crew.running
    assert "worker 0 ended (killed by SIGKILL); another starts in 1 s" in caplog.text


def test_a_worker_that_keeps_dying_is_replaced_ever_more_slowly_up_to_a_bound(stage, caplog):
    crew, now_s, pauses = stage.ready_crew(), 0.0, []
    stage.scripts[0] = "raise SystemExit(3)"
    stage.kill(0)
    for _ in range(8):
        crew.look(now_s)
        since_s = now_s
        number = len(stage.started)
        while len(stage.started) == number:
            now_s += 0.5
            crew.look(now_s)
        pauses.append(now_s - since_s)
        stage.wait(-1)
    assert [1.0, 2.0, 4.0, 8.0, 16.0, RESTART_MAX_S, RESTART_MAX_S, RESTART_MAX_S] == pauses
    assert "worker 0 ended (exit code 3); another starts in 30 s" in caplog.text


def test_a_steady_life_forgives_the_deaths_before_it(stage):
    crew = stage.ready_crew()
    stage.kill(0)
    crew.look(0.0)
    crew.look(DUE)
    stage.kill(2)
    crew.look(DUE + STEADY_S)
    crew.look(DUE + STEADY_S + DUE)
    assert 4 == len(stage.started)


def test_the_second_that_cannot_be_started_is_the_end_of_the_first(stage):
    """Nobody would look after it."""
    stage.fails_after = 1
    with pytest.raises(BlockingIOError):
        stage.crew()
    assert [-signal.SIGKILL] == [process.poll() for process in stage.started]


def test_an_interrupt_is_passed_on_as_a_request_to_end(stage):
    """A Python that still imports dies of either, but of an interrupt with a traceback."""
    crew = stage.crew()
    crew.signal(signal.SIGINT, 1.0)
    stage.wait(0, 1)
    crew.look(1.0)
    assert [-signal.SIGTERM] * 2 == [process.poll() for process in stage.started]
    assert (False, 0) == (crew.running, crew.code)


def test_a_worker_that_cannot_be_started_just_now_is_tried_again(stage, caplog):
    crew = stage.ready_crew()
    stage.kill(0)
    crew.look(0.0)
    stage.fails = 1
    crew.look(DUE)
    crew.look(DUE + 2 * DUE)
    assert 3 == len(stage.started)
    assert "worker 0 cannot be started" in caplog.text
    assert "trying again in 2 s" in caplog.text


def test_a_stop_while_a_worker_is_missing_ends_the_rest_and_starts_nobody(stage):
    crew = stage.ready_crew()
    stage.kill(0)
    crew.look(5.0)
    crew.signal(signal.SIGTERM, 5.0)
    stage.wait(1)
    crew.look(5.0 + DUE)
    assert (2, False, 0) == (len(stage.started), crew.running, crew.code)


def test_a_hang_up_reaches_everybody_and_stops_nobody(stage):
    crew = stage.ready_crew()
    crew.signal(signal.SIGHUP, 5.0)  # these scripts die of it, as the gateway does not
    stage.wait(0, 1)
    crew.look(5.0)
    assert crew.running
    crew.look(5.0 + DUE)
    assert 4 == len(stage.started)


def test_workers_that_cannot_start_are_given_up_with_their_code(stage, caplog):
    stage.scripts[1] = "raise SystemExit(1)"
    crew = stage.crew()
    stage.wait(1)
    crew.look(1.0)
    stage.wait(0)
    crew.look(2.0)
    assert (2, False, 1) == (len(stage.started), crew.running, crew.code)
    assert "worker 1 could not start (exit code 1): stopping" in caplog.text


def test_a_worker_killed_after_it_listened_is_replaced_even_if_others_still_start(stage):
    crew = stage.crew()
    stage.up.add(Life(0, 0))
    crew.look(0.5)
    stage.kill(0)
    crew.look(1.0)
    crew.look(1.0 + DUE)
    assert (3, True) == (len(stage.started), crew.running)


def test_a_worker_that_listened_and_died_between_two_looks_could_start(stage):
    crew = stage.crew()
    stage.up.add(Life(0, 0))
    stage.kill(0)
    crew.look(1.0)
    crew.look(1.0 + DUE)
    assert (3, True) == (len(stage.started), crew.running)


def test_a_worker_that_never_listens_is_killed(stage, caplog):
    crew = stage.crew()
    crew.look(START_S)
    stage.wait(0, 1)
    crew.look(START_S)
    assert (False, 128 + signal.SIGKILL) == (crew.running, crew.code)
    assert "worker 0 is not listening after 60 s" in caplog.text


def test_a_worker_that_ends_badly_when_stopped_is_told_by_the_code(stage):
    stage.scripts[0] = "raise SystemExit(7)"
    crew = stage.crew()
    stage.wait(0)
    crew.signal(signal.SIGTERM, 0.0)
    stage.wait(1)
    crew.look(0.0)
    assert (False, 7) == (crew.running, crew.code)


def test_a_worker_killed_by_somebody_else_is_told_as_a_shell_would(stage):
    crew = stage.crew()
    stage.kill(0)
    crew.signal(signal.SIGTERM, 0.0)
    stage.wait(1)
    crew.look(0.0)
    assert (False, 128 + signal.SIGKILL) == (crew.running, crew.code)


def test_after_a_second_signal_a_worker_that_hears_none_is_killed(stage):
    stage.scripts[1] = DEAF
    crew = stage.crew()
    stage.started[1].stdout.readline()
    crew.signal(signal.SIGTERM, 1.0)
    stage.wait(0)
    crew.look(1000.0)
    assert crew.running  # one signal is a request: a drain may take long
    crew.signal(signal.SIGTERM, 1000.0)
    crew.look(1000.0 + LAST_S - 0.1)
    assert stage.started[1].poll() is None
    crew.look(1000.0 + LAST_S)
    stage.wait(1)
    crew.look(1000.0 + LAST_S)
    assert (False, 128 + signal.SIGKILL) == (crew.running, crew.code)
