"""What a supervisor tells a worker: which it is, where all of them listen, and where they meet."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKER_VARIABLE = "POINTSMAN_WORKER"
"""In the environment of a worker: its `Place`."""


class Life(NamedTuple):
    """One process: the `number`-th, from 0, at its post."""

    post: int
    number: int

    def __str__(self) -> str:
        return f"{self.post}.{self.number}"

    @classmethod
    def read(cls, text: str) -> Life:
        """The reverse of `str`. Raises `ValueError`."""
        post, _, number = text.partition(".")
        return cls(int(post), int(number))


@dataclass(frozen=True, slots=True)
class Place:
    """One worker among several."""

    life: Life
    workers: int
    """How many there are, this one included."""
    listen: tuple[str, int]
    """The supervisor's word goes before a file that has changed since: all workers listen at one address."""
    folder: Path
    """Private to the gateway."""
    supervisor: int
    """Its process id."""

    @property
    def name(self) -> str:
        """For the log."""
        return f"worker {self.life.post}"

    def environ(self) -> dict[str, str]:
        """How a worker is told."""
        told = (tuple(self.life), self.workers, self.listen, str(self.folder), self.supervisor)
        return {WORKER_VARIABLE: orjson.dumps(told).decode()}

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Place | None:
        """What this process was told; `None` if it is no worker of a supervisor."""
        told = environ.get(WORKER_VARIABLE)
        if told is None:
            return None
        life, workers, (host, port), folder, supervisor = orjson.loads(told)
        return cls(Life(*life), workers, (host, port), Path(folder), supervisor)
