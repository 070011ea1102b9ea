"""N worker processes on one port, and the supervisor that keeps them running.

The kernel spreads connections over the workers (`SO_REUSEPORT`). Each worker is the same command again, so it inherits
nothing but the environment: no locks, no loops, no half-open files. Limits and metrics are each worker's own.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from proxy.app import TOKEN_SECRET_VARIABLE
from proxy.control.accounts import random_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger("pointsman")

WORKER_VARIABLE = "POINTSMAN_WORKER"
POLL_S = 0.1
RESTART_PAUSE_S = 1.0
"""Before a dead worker is replaced: a crash must not become a storm."""
STARTED_S = 5.0
"""A first worker that fails within this time failed to start: so would the next, and the reason is on the screen."""


def is_worker() -> bool:
    """Whether this process is a worker of a supervisor."""
    return WORKER_VARIABLE in os.environ


def supervise(count: int) -> int:
    """Run `count` workers until SIGTERM or SIGINT; answers 0 when all of them ended well.

    Gives up, with their exit code, when they cannot start.
    """
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: received.append(number))
    environ = {TOKEN_SECRET_VARIABLE: random_secret(), **os.environ}
    crew = Crew(count, lambda index: _spawn(index, environ), time.monotonic())
    log.info("supervising %d workers", count)
    while crew.running:
        time.sleep(POLL_S)
        while received:
            crew.signal(received.pop(0))
        crew.look(time.monotonic())
    return crew.code


class Crew:
    """The workers. A signal only notes itself; all that follows happens here, so none is lost while one is replaced."""

    def __init__(self, count: int, spawn: Callable[[int], subprocess.Popen[bytes]], now_s: float) -> None:
        self.code = 0
        """Of the first worker that did not end well."""
        self._spawn = spawn
        self._started_s = now_s
        self._sent: set[int] = set()
        """Signals passed on; a worker that dies of one has done as it was told."""
        self._stopping = False
        self._workers = {index: spawn(index) for index in range(count)}
        self._due_s: dict[int, float] = {}
        """When to replace a worker that has died."""

    @property
    def running(self) -> bool:
        """Whether there is anything left to look after."""
        return bool(self._workers or self._due_s)

    def signal(self, number: int) -> None:
        """Pass a signal on; all but SIGHUP mean the end."""
        if number != signal.SIGHUP:
            self._stopping = True
            self._due_s.clear()
        self._sent.add(number)
        for worker in self._workers.values():
            worker.send_signal(number)

    def look(self, now_s: float) -> None:
        """Bury the dead, and replace them unless it is the end."""
        for index, worker in list(self._workers.items()):
            code = worker.poll()
            if code is not None:
                del self._workers[index]
                self._ended(index, code, now_s)
        for index in [index for index, due_s in self._due_s.items() if now_s >= due_s]:
            del self._due_s[index]
            self._workers[index] = self._spawn(index)

    def _ended(self, index: int, code: int, now_s: float) -> None:
        if self._stopping:
            self.code = self.code or (0 if -code in self._sent else _exit_code(code))
        elif now_s - self._started_s < STARTED_S:
            log.error("worker %d could not start: stopping the others", index)
            self.signal(signal.SIGTERM)
            self.code = _exit_code(code) or 1
        else:
            log.error("worker %d ended with %d: starting another", index, code)
            self._due_s[index] = now_s + RESTART_PAUSE_S


def _exit_code(code: int) -> int:
    """As a shell tells of a process that a signal has killed."""
    return code if code >= 0 else 128 - code


def _spawn(index: int, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "proxy", *sys.argv[1:]]
    # a group of its own: Ctrl-C reaches it once, through the supervisor, and not a second time that cuts streams off
    return subprocess.Popen(command, env={**environ, WORKER_VARIABLE: str(index)}, process_group=0)  # noqa: S603 - our own command
