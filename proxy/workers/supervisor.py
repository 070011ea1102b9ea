"""The supervisor: it keeps the port and the folder, starts the workers, and passes signals on.

The kernel spreads connections over the workers (`SO_REUSEPORT`). Each worker is the same command again, so it inherits
nothing but the environment: no locks, no loops, no half-open files.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from proxy.app import TOKEN_SECRET_VARIABLE, url_of
from proxy.control.accounts import random_secret
from proxy.siblings.folder import Folder
from proxy.siblings.place import Place
from proxy.telemetry.folding import folded
from proxy.workers.crew import Crew
from proxy.workers.port import ReservedPort

if TYPE_CHECKING:
    from proxy.siblings.place import Life

log = logging.getLogger("pointsman")

POLL_S = 0.1
"""Between two looks at the workers."""


def supervise(count: int, listen: tuple[str, int], serves: str) -> int:
    """Run `count` workers at `listen` until SIGTERM or SIGINT; answers 0 when all of them ended well.

    Gives up, with their exit code, when they cannot start; `serves` is what is told when they have. Raises `OSError`
    when the address cannot be listened at.
    """
    received: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda number, _: received.append(number))
    host, port = listen
    with ReservedPort(host, port) as reserved:
        try:
            folder = Folder.create()
        except OSError as error:
            log.error("there is no place for the workers to meet: %s", error)  # noqa: TRY400 - its text says it all
            return 1
        crew = None
        try:
            workers = Workers(count, (host, reserved.number), folder)
            crew = Crew(count, workers, time.monotonic())
            while crew.running:
                was_ready = crew.is_ready
                time.sleep(POLL_S)
                while received:
                    crew.signal(received.pop(0), time.monotonic())
                crew.look(time.monotonic())
                if crew.is_ready and not was_ready:
                    log.info("listening on %s: %d workers, %s", url_of(host, reserved.number), count, serves)
            return crew.code
        finally:
            if crew is not None:
                crew.kill()
            folder.remove()


class Workers:
    """How workers are started and buried."""

    def __init__(self, count: int, listen: tuple[str, int], folder: Folder) -> None:
        self._count = count
        self._listen = listen
        self._folder = folder
        # -P and our own path: a `proxy` in the folder where somebody happens to be is not ours
        self._command = [sys.executable, "-P", "-m", "proxy", *sys.argv[1:]]
        self._environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        if not self._environ.get(TOKEN_SECRET_VARIABLE):
            self._environ[TOKEN_SECRET_VARIABLE] = random_secret()

    def spawn(self, life: Life) -> subprocess.Popen[bytes]:
        """Start one, in a group of its own: Ctrl-C reaches it once, through the supervisor."""
        place = Place(life, self._count, self._listen, self._folder.path, os.getpid())
        # a reload that comes before it can take it is kept for it; unheard, it would be its death
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
        try:
            return subprocess.Popen(  # noqa: S603 - our own command
                self._command, env={**self._environ, **place.environ()}, process_group=0
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})

    def is_up(self, life: Life) -> bool:
        """Whether it has said that it listens."""
        return self._folder.is_up(life)

    def bury(self, life: Life) -> None:
        """Keep its figures among those of the dead."""
        self._folder.bury(life, folded)
