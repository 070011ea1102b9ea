"""The gateway under soak, and the trouble an operator makes for it: reloads good and bad, killed workers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

from benchmarks import pointsman
from benchmarks.process import children

if TYPE_CHECKING:
    import random
    from pathlib import Path

    from benchmarks.soak.outcomes import Outcomes

FIRST_TOKEN_S = 2.0
IDLE_S = (2.0, 2.5)
"""Of the two documents that take turns."""
RELOAD_S = 20.0
"""Between two reloads, one way after the other."""
KILL_S = 180.0
"""Between two kills, and before the first: a worker that dies within seconds of the start ends the whole."""
BAD_S = 3.0
"""For which a bad file lies there; the gateway looks at it every second."""


def command(file: Path, port: int, workers: int) -> list[str]:
    """To start it."""
    listen = f"127.0.0.1:{port}"
    options = ["--config", str(file), "--listen", listen, "--workers", str(workers)]
    return [sys.executable, "-m", "proxy", "serve", *options]


def write(file: Path, upstream: int, turn: int) -> None:
    """The document of this turn: waits are short, so that stalls are met often."""
    content = pointsman.document(f"http://127.0.0.1:{upstream}/v1")
    content["timeouts"] = {"first_token_s": FIRST_TOKEN_S, "answer_s": FIRST_TOKEN_S, "idle_s": IDLE_S[turn % 2]}
    pointsman.write(file, content)


class Trouble:
    """Keeps making it until cancelled."""

    def __init__(self, pid: int, file: Path, upstream: int, outcomes: Outcomes, chance: random.Random) -> None:
        self.reloads = self.kills = 0
        self._pid = pid
        self._file = file
        self._upstream = upstream
        self._outcomes = outcomes
        self._chance = chance

    def workers(self) -> list[int]:
        """The processes that serve: the gateway's children, or itself."""
        return children(self._pid) or [self._pid]

    async def reload(self) -> None:
        """By signal, by another file, by a bad file that has to be refused."""
        while True:
            await asyncio.sleep(RELOAD_S)
            turn, self.reloads = self.reloads, self.reloads + 1
            if turn % 3 == 0:
                os.kill(self._pid, signal.SIGHUP)
            elif turn % 3 == 1:
                write(self._file, self._upstream, turn)
            else:
                self._file.write_text("routes: [this is, no map")
                await asyncio.sleep(BAD_S)
                write(self._file, self._upstream, turn)

    async def kill(self, every_s: float) -> None:
        """Kill a worker where there are several, one at a time."""
        while True:
            await asyncio.sleep(every_s)
            workers = self.workers()
            if workers != [self._pid]:
                self._outcomes.killed(time.monotonic())
                os.kill(self._chance.choice(workers), signal.SIGKILL)
                self.kills += 1
