"""Starts processes on a core of their own and reads from /proc what they used. Linux only."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

TICK_S = 0.01
"""A process that uses less while it is looked at is at rest."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
STOP_S = 10.0
"""After SIGTERM; then SIGKILL."""
LOOKS = 10
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cores:
    """Where things run; `None`: one core only, nothing is pinned."""

    system: int | None
    load: int | None
    upstream: int | None

    @property
    def are_shared(self) -> bool:
        """Whether the load and the upstream are on one core."""
        return self.load == self.upstream


def cores() -> Cores:
    """The first allowed core for the system under test, the next for the load, and one for the upstream if left."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(allowed[0], allowed[1], allowed[min(2, len(allowed) - 1)]) if len(allowed) > 1 else Cores(*[None] * 3)


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
    command: Sequence[str],
    core: int | None,
    *,
    pipe: bool = False,
    errors: IO[bytes] | None = None,
    root: Path = ROOT,
    environ: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run `command` from a repository's root until the block ends.

    Output is dropped unless `pipe`d; `errors` is a file for what it says of errors.
    """
    with pinned(core):
        process = subprocess.Popen(
            command,
            cwd=root,
            # of an installed Pointsman and the one in `root` it is the latter that runs
            env={**os.environ, "PYTHONPATH": str(root), **(environ or {})},
            stdin=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stdout=subprocess.PIPE if pipe else subprocess.DEVNULL,
            stderr=errors or (sys.stderr if pipe else subprocess.DEVNULL),
            text=True,
        )
    try:
        yield process
    finally:
        # its children as well: not every launcher passes a signal on
        members = family(process.pid)[1:]
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pid in members:
            with contextlib.suppress(OSError):
                os.kill(pid, 9)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


def cpu_s(pid: int) -> float:
    """User and system time of a process and its living descendants, of all their living threads, to the nanosecond."""
    return sum(_thread_cpu_s(each) for each in family(pid))


def _thread_cpu_s(pid: int) -> float:
    used_ns = 0
    for task in _listed(Path(f"/proc/{pid}/task")):
        with contextlib.suppress(OSError):
            used_ns += int((task / "schedstat").read_text().split()[0])
    return used_ns / 1e9


def rss_bytes(pid: int) -> int:
    """Resident memory of a process and its descendants; pages they share count for each."""
    pages = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
    return pages * PAGE_BYTES


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for each in found:
        found += children(each)
    return found


def children(pid: int) -> list[int]:
    """Processes started by `pid` that are alive."""
    found: list[int] = []
    for task in _listed(Path(f"/proc/{pid}/task")):
        with contextlib.suppress(OSError):
            found += map(int, (task / "children").read_text().split())
    return sorted(found)


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def settled(pid: int, *, seconds: float = 0.25) -> None:
    """Wait until what a load has left behind (closing sockets, flushing logs) uses next to no CPU."""
    for _ in range(LOOKS):
        before_s = cpu_s(pid)
        time.sleep(seconds)
        if cpu_s(pid) - before_s <= TICK_S:
            return


def raise_file_limit() -> None:
    """As many open files as the system allows; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
