"""One system up and running, with its provider, and the means to put a load on it and to see what that cost."""

from __future__ import annotations

import contextlib
import resource
import subprocess
import sys
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import trustme

from benchmarks.answers import Plan
from benchmarks.load import programs
from benchmarks.load.target import Target, target
from benchmarks.process import Cores, cpu_s, free_port, rss_bytes, settled, started
from benchmarks.systems.system import Origin, System

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from benchmarks.load.wrk import Answers
    from benchmarks.profiles.profile import Value

T = TypeVar("T")

LOOK_S = 0.005
"""Between two tries whether a system is ready."""
ASK_S = 10.0
SATURATED = 0.9
"""Of a core: who uses more is the limit."""
WHOLE = Plan(size=1024)
STREAM = Plan(events=16)


class NotReady(Exception):
    """The system did not come up, or does not answer as it should."""


class Use(NamedTuple):
    """Of the cores, by one load."""

    cpu_s: float
    """By the system, until it had come to rest."""
    system_busy: float
    """Share of a core while the load ran; of a system with several threads it may be above 1."""
    load_busy: float
    """The same of the load, with the provider where they share a core."""
    upstream_cpu_s: float
    """By the provider; 0 where it has a core of its own."""

    @property
    def is_limited_by_load(self) -> bool:
        """Whether more load might have been served."""
        return self.load_busy > SATURATED > self.system_busy


@dataclass(slots=True)
class Bench:
    """What a profile gets."""

    system: System
    port: int
    pid: int
    origins: tuple[Origin, Origin]
    """Of the provider, plain and with TLS."""
    upstream_pid: int
    cores: Cores
    seconds: float
    """For a load that is not a search."""
    folder: Path
    ready_s: float = 0.0
    """From the start to the first right answer."""
    idle_bytes: int = 0
    frame_events: int = 0
    """Events of a stream beside its text deltas: not every gateway passes all of them on."""
    known: dict[str, Value] = field(default_factory=dict)
    """Of this round, by profile and row."""
    earlier: Mapping[str, list[Value]] = field(default_factory=dict)
    """Of the rounds before."""
    errors: int = 0
    is_smoke: bool = False
    """Searches end after one step: does it run?"""

    def target(self, plan: Plan, *, padding: int = 0, direct: bool = False) -> Target:
        """The request for a plan; `direct`: to the provider."""
        system, origin = self.system, self.origins[0]
        if direct:
            return target(origin.port, plan, key=system.key, padding=padding)
        return target(
            self.port,
            plan,
            key=system.key,
            path=system.path,
            model=system.model,
            headers=system.headers(self.origin),
            padding=padding,
        )

    @property
    def origin(self) -> Origin:
        """The one the system was started with."""
        return self.origins[0]

    def events(self, plan: Plan) -> int:
        """How many of a stream arrive."""
        return plan.events + self.frame_events

    def ask(self, asked: Target, connections: int, seconds: float) -> Answers:
        """Whole answers as fast as they come; errors are counted. Raises `LoadFailed`."""
        found = programs.ask(asked, connections, seconds, self.cores.load, self.folder)
        self.errors += found.errors
        return found

    def stream(self, plan: Plan, seconds: float, *options: str) -> dict[str, float]:
        """Streams, with `benchmarks.load.streaming`'s options; errors are counted. Raises `LoadFailed`."""
        options = ("--events", str(self.events(plan)), "--every-ms", str(plan.every_ms), *options)
        found = programs.stream(self.target(plan), self.cores.load, seconds, self.folder, *options)
        self.errors += int(found["errors"])
        return found

    def used(self, load: Callable[[], T]) -> tuple[T, Use]:
        """Run a load, and see what it cost. Startup of the client counts as the load's own."""
        begun_s, system_s, upstream_s, load_s = self._times()
        found = load()
        now_s, system_end_s, upstream_end_s, load_end_s = self._times()
        seconds = now_s - begun_s
        upstream_s = upstream_end_s - upstream_s if self.cores.are_shared else 0.0
        load_busy = (load_end_s - load_s + upstream_s) / seconds
        settled(self.pid)
        return found, Use(cpu_s(self.pid) - system_s, (system_end_s - system_s) / seconds, load_busy, upstream_s)

    def _times(self) -> tuple[float, float, float, float]:
        own = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.monotonic(), cpu_s(self.pid), cpu_s(self.upstream_pid), own.ru_utime + own.ru_stime

    @contextlib.contextmanager
    def over_tls(self) -> Iterator[Bench]:
        """Another instance of the system, whose provider speaks TLS. Raises `NotReady`."""
        folder = self.folder / "tls"
        folder.mkdir(mode=0o755, exist_ok=True)
        with running(self.system, self.origins[::-1], self.cores, folder) as (port, pid, _):
            bench = Bench(
                self.system, port, pid, self.origins[::-1], self.upstream_pid, self.cores, self.seconds, folder
            )
            _answers(bench)
            settled(pid)
            yield bench
            self.errors += bench.errors


@contextlib.contextmanager
def launched(system: System, cores: Cores, seconds: float, folder: Path) -> Iterator[Bench]:
    """A provider and the system in front of it, at rest after a first answer. Raises `NotReady`."""
    with upstream(cores, folder) as (origins, upstream_pid):
        begun_s = time.monotonic()
        with running(system, origins, cores, folder) as (port, pid, _):
            bench = Bench(system, port, pid, origins, upstream_pid, cores, seconds, folder)
            bench.ready_s = time.monotonic() - begun_s
            _answers(bench)
            settled(pid)
            bench.idle_bytes = rss_bytes(pid)
            yield bench


@contextlib.contextmanager
def upstream(cores: Cores, folder: Path) -> Iterator[tuple[tuple[Origin, Origin], int]]:
    """The provider: its addresses, plain and with TLS, and its process."""
    authority = trustme.CA()
    ca, certificate, key = folder / "ca.pem", folder / "certificate.pem", folder / "key.pem"
    authority.cert_pem.write_to_path(ca)
    issued = authority.issue_cert("localhost", "127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    ca.chmod(0o644)
    command = [sys.executable, "-m", "benchmarks.upstream", "--tls", str(certificate), str(key)]
    with started(command, cores.upstream, pipe=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was piped
        ports = process.stdout.readline().split()
        yield (Origin(int(ports[0])), Origin(int(ports[1]), ca)), process.pid


@contextlib.contextmanager
def running(
    system: System, origins: tuple[Origin, Origin], cores: Cores, folder: Path
) -> Iterator[tuple[int, int, subprocess.Popen[str]]]:
    """The system in front of the first of the origins, once it answers: its port and process. Raises `NotReady`."""
    port = free_port()
    launch = system.launch(folder, port, origins[0])
    with (folder / "stderr").open("wb") as errors:
        starting = started(launch.command, cores.system, errors=errors, root=system.root, environ=launch.environ)
        with starting as process:
            probe = Bench(system, port, process.pid, origins, 0, cores, 0.0, folder)
            _await_answer(probe, process, launch.port_file)
            yield probe.port, process.pid, process


def _await_answer(bench: Bench, process: subprocess.Popen[str], port_file: Path | None) -> None:
    deadline_s = time.monotonic() + bench.system.ready_s
    while True:
        if process.poll() is not None:
            said = (bench.folder / "stderr").read_text(errors="replace").strip().splitlines()
            raise NotReady(f"it ended with code {process.returncode}: {said[-1][:200] if said else 'without a word'}")
        try:
            if port_file is not None:
                bench.port = int(port_file.read_text())
            status, body = _once(bench.target(WHOLE))
            if status == 200 and b"x" * 100 in body:
                return
            reason = f"it answered with {status}: {body[:200]!r}"
        except (OSError, ValueError, HTTPException) as error:
            reason = str(error)
        if time.monotonic() > deadline_s:
            raise NotReady(f"no right answer within {bench.system.ready_s:.0f} s: {reason}")
        time.sleep(LOOK_S)


def _answers(bench: Bench) -> None:
    """Learn how many events of a stream arrive. Raises `NotReady` for less than all its words."""
    status, body = _once(bench.target(STREAM))
    found = body.count(b"\n\n")
    if status != 200 or found < STREAM.events:
        raise NotReady(f"a stream of {found} events came with {status}, not of {STREAM.sent}: {body[:200]!r}")
    bench.frame_events = found - STREAM.events


def _once(asked: Target) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", asked.port, timeout=ASK_S)
    try:
        connection.request("POST", asked.path, asked.body, dict(asked.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
