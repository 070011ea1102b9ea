"""Starts processes on a core of their own and reads from /proc what they used. Linux only."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STOP_S = 10.0
"""After SIGTERM; then SIGKILL."""
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cores:
    """Where things run; `None`: one core only, nothing is pinned."""

    gateway: int | None
    load: int | None


def cores() -> Cores:
    """The first allowed core for the system under test, the next for the upstream and the load."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1]) if len(allowed) > 1 else Cores(None, None)


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Children started inside inherit `core`, with all their threads and workers."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def started(
    command: Sequence[str], core: int | None, *, pipe: bool = False, root: Path = ROOT
) -> Iterator[subprocess.Popen[str]]:
    """Run `command` from a repository's root until the block ends. Output is dropped unless `pipe`d."""
    with pinned(core):
        process = subprocess.Popen(
            command,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},  # of an installed Pointsman and `root` it is `root` that runs
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stderr=sys.stderr if pipe else subprocess.DEVNULL,
            text=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def cpu_s(pid: int) -> float:
    """User and system time of a process, its living descendants, and the children these have waited for."""
    return sum(sum(map(int, _stat(each)[11:15])) for each in family(pid)) * TICK_S


def rss_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; pages they share count for each."""
    return sum(int(_stat(each)[21]) for each in family(pid)) * PAGE_BYTES


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, LookupError):
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(parents.get(each, ()))
    return found


def settled(pid: int, *, seconds: float = 0.5) -> None:
    """Wait until what a load has left behind (closing sockets, flushing logs) uses no more than a tick of CPU."""
    for _ in range(10):
        before = cpu_s(pid)
        time.sleep(seconds)
        if cpu_s(pid) - before <= TICK_S:
            return


def _stat(pid: int) -> list[str]:
    """`/proc/PID/stat` from the state on: parent 1, utime to cstime 11 to 14, rss 21. Source: proc(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
