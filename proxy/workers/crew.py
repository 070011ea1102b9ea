"""The workers of one gateway: who dies is replaced, ever more slowly; who cannot start ends it for all."""

from __future__ import annotations

import logging
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from proxy.siblings.place import Life

if TYPE_CHECKING:
    import subprocess

log = logging.getLogger("pointsman")

RESTART_PAUSE_S = 1.0
"""Before a dead worker is replaced; doubles each time: a crash must not become a storm."""
RESTART_MAX_S = 30.0
"""The longest pause."""
MAX_DOUBLINGS = 16
"""More would only make the figure grow."""
STEADY_S = 60.0
"""A worker that lived as long as this has shown that it can: the next pause is the first one again."""
START_S = 60.0
"""To be listening; a worker that takes longer is killed and counts as dead."""
LAST_S = 15.0
"""After a second signal, for workers to end by themselves; then they are killed."""


class Keeper(Protocol):
    """What the crew asks of the world around it."""

    def spawn(self, life: Life) -> subprocess.Popen[bytes]:
        """Start a worker."""

    def is_up(self, life: Life) -> bool:
        """Whether it listens."""

    def bury(self, life: Life) -> None:
        """It has died."""


@dataclass(slots=True)
class Post:
    """One worker's place, manned or not."""

    index: int
    number: int = 0
    """Of the life that is here or comes next."""
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    is_up: bool = False
    deaths: int = 0
    """In a row, without a steady life among them."""
    due_s: float | None = None
    """When the next one starts; `None` if none is to."""

    @property
    def life(self) -> Life:
        """Who is here, or comes next."""
        return Life(self.index, self.number)


class Crew:
    """All posts. A signal only notes itself; all that follows happens in `look`, so none is lost on the way."""

    def __init__(self, count: int, keeper: Keeper, now_s: float) -> None:
        """Start them. Raises `OSError` when one cannot be started, and leaves none."""
        self.code = 0
        """Of the first worker that did not end well."""
        self.is_ready = False
        """Whether all have been listening at one time."""
        self._keeper = keeper
        self._sent: set[int] = set()
        """Signals passed on; a worker that dies of one has done as it was told."""
        self._is_stopping = False
        self._kill_s: float | None = None
        """When the last patience ends."""
        self._posts = [Post(index) for index in range(count)]
        try:
            for post in self._posts:
                self._start(post, now_s)
        except OSError:
            self.kill()
            raise

    @property
    def running(self) -> bool:
        """Whether there is anything left to look after."""
        return any(post.process is not None or post.due_s is not None for post in self._posts)

    def signal(self, number: int, now_s: float) -> None:
        """Pass a signal on; all but SIGHUP mean the end, and the second of them means at once.

        The end is passed on as SIGTERM: SIGINT would have workers that still import tell of where it found them.
        """
        if number != signal.SIGHUP:
            number = signal.SIGTERM
            if self._is_stopping and self._kill_s is None:
                self._kill_s = now_s + LAST_S
            self._is_stopping = True
            for post in self._posts:
                post.due_s = None
        self._sent.add(number)
        for post in self._posts:
            if post.process is not None:
                post.process.send_signal(number)

    def look(self, now_s: float) -> None:
        """Bury the dead, and replace them unless it is the end."""
        for post in self._posts:
            if post.process is not None:
                code = post.process.poll()
                if code is not None:
                    self._ended(post, code, now_s)
                else:
                    self._watch(post, post.process, now_s)
            elif post.due_s is not None and now_s >= post.due_s:
                self._start(post, now_s)
        self.is_ready = self.is_ready or all(post.is_up for post in self._posts)

    def kill(self) -> None:
        """End them at once, for want of anybody to look after them."""
        for post in self._posts:
            if post.process is not None:
                post.process.kill()
                post.process.wait()

    def _start(self, post: Post, now_s: float) -> None:
        post.started_s, post.due_s, post.is_up = now_s, None, False
        try:
            post.process = self._keeper.spawn(post.life)
        except OSError as error:  # no memory or no process to be had just now
            if not self.is_ready:
                raise
            log.error("worker %d cannot be started (%s); trying again in %g s", post.index, error, _later(post, now_s))  # noqa: TRY400 - its text says it all

    def _watch(self, post: Post, process: subprocess.Popen[bytes], now_s: float) -> None:
        if not post.is_up and self._keeper.is_up(post.life):
            post.is_up = True
            if post.number:
                log.info("worker %d is back", post.index)
        if self._kill_s is not None and now_s >= self._kill_s:
            process.kill()
        elif not post.is_up and now_s - post.started_s >= START_S:
            log.error("worker %d is not listening after %g s", post.index, START_S)
            process.kill()

    def _ended(self, post: Post, code: int, now_s: float) -> None:
        post.process = None
        could_start = self.is_ready or post.number or post.is_up or self._keeper.is_up(post.life)
        post.is_up = False
        self._keeper.bury(post.life)
        if self._is_stopping:
            self.code = self.code or (0 if -code in self._sent else _exit_code(code))
        elif not could_start:
            log.error("worker %d could not start (%s): stopping", post.index, _how(code))
            self.signal(signal.SIGTERM, now_s)
            self.code = _exit_code(code) or 1
        else:
            post.number += 1
            log.error("worker %d ended (%s); another starts in %g s", post.index, _how(code), _later(post, now_s))


def _later(post: Post, now_s: float) -> float:
    """Have it manned after a pause; the answer is how long, in seconds."""
    if now_s - post.started_s >= STEADY_S:
        post.deaths = 0
    pause_s = min(RESTART_MAX_S, RESTART_PAUSE_S * 2.0 ** min(post.deaths, MAX_DOUBLINGS))
    post.deaths += 1
    post.due_s = now_s + pause_s
    return pause_s


def _how(code: int) -> str:
    """How a process ended."""
    return f"exit code {code}" if code >= 0 else f"killed by {_signal_name(-code)}"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _exit_code(code: int) -> int:
    """As a shell tells of a process that a signal has killed."""
    return code if code >= 0 else 128 - code
