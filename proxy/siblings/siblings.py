"""One worker's view of all of them: whichever is asked for the figures answers for everybody.

What a scraper has once seen never goes down again, even if the worker it came from is killed the next moment: a worker
keeps a snapshot in its file before it shows it to anybody. At most the last `KEEP_S` of a killed worker's counts are
lost, and those nobody has seen.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from proxy.admission.shared_limits import SharedLimits
from proxy.siblings import asking
from proxy.siblings.folder import Folder
from proxy.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.siblings.place import Life, Place

log = logging.getLogger("pointsman")

KEEP_S = 1.0
"""Between two looks at whether there is something new to keep."""
ANSWER_S = 1.0
"""For all siblings together to answer; who has not counts with what it kept last."""


class Gathered(NamedTuple):
    """Snapshots of all workers that ever were, each counted once."""

    live: list[bytes]
    """Of those that run: all their figures count."""
    departed: list[bytes]
    """Of those that do not: only what adds up over time."""


class Siblings:
    """A worker among others."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.limits = SharedLimits(Folder(place.folder).limits)
        """Requests a minute, of all workers together."""
        self._folder = Folder(place.folder)
        self._life = place.life
        self.is_leaving = False
        """Whether this worker is on its way to its end: then the end of its supervisor changes nothing."""
        self._snapshot: Callable[[], bytes] | None = None
        self._last = b""
        """What the file holds."""
        self._is_failing = False
        self._is_orphan = False
        self._ear: asyncio.Server | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def join(self, snapshot: Callable[[str], bytes]) -> None:
        """Be there to be asked; `snapshot` gives the figures of this worker under the name it is passed.

        Raises `OSError`.
        """
        self._snapshot = partial(snapshot, str(self._life.post))
        self._ear = await asking.listen(self._folder.ear(self._life), self._keep)
        self._keep()
        self._keeper = spawn(self._keep_on(), name="keep figures")

    def announce(self) -> None:
        """Tell the supervisor that this worker is listening for clients. Raises `OSError`."""
        self._folder.announce(self._life)

    async def gather(self) -> Gathered:
        """Everybody's figures. Waits at most `ANSWER_S`."""
        others = [life for life in self._folder.lives() if life != self._life]
        answers = await asyncio.gather(*(self._ask(life) for life in others))
        departed = [self._folder.departed(post) for post in range(self.place.workers)]  # last: see `Folder.departed`
        found = Gathered([self._keep()], [each.snapshot for each in departed if each.snapshot is not None])
        for life, (is_alive, snapshot) in zip(others, answers, strict=True):
            if snapshot is not None and life.number > departed[life.post].last:
                (found.live if is_alive else found.departed).append(snapshot)
        return found

    def close(self) -> None:
        """Leave the last figures behind."""
        if self._keeper is not None:
            self._keeper.cancel()
        if self._ear is not None:
            self._ear.close()
        if self._is_orphan:
            self._folder.remove()
        elif self._snapshot is not None:
            self._keep()
        self.limits.close()

    async def _ask(self, life: Life) -> tuple[bool, bytes | None]:
        """Whether it lives, and its figures: from itself, or the last it kept."""
        try:
            async with asyncio.timeout(ANSWER_S):
                return True, await asking.ask(self._folder.ear(life))
        except TimeoutError:  # before `OSError`, which it is one of
            return True, self._folder.kept(life)
        except OSError:
            return False, self._folder.kept(life)

    def _keep(self) -> bytes:
        """This worker's figures, in its file before anybody sees them."""
        assert self._snapshot is not None  # noqa: S101 - `join` comes first
        data = self._snapshot()
        if data != self._last and not self._is_orphan:
            try:
                self._folder.keep(self._life, data)
                self._last, self._is_failing = data, False
            except OSError as error:
                if not self._is_failing:
                    self._is_failing = True
                    log.error("the figures cannot be kept in `%s`: %s", self._folder.path, error)  # noqa: TRY400 - it goes on
        return data

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(KEEP_S)
            if os.getppid() != self.place.supervisor:
                log.error("the supervisor is gone: stopping")
                self._is_orphan = True
                if not self.is_leaving:  # else it would be a second signal, which means at once
                    os.kill(os.getpid(), signal.SIGTERM)
                return
            self._keep()
