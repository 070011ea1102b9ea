"""Mixed load on a gateway with faults, cuts, reloads and kills; ends with what is left behind.

Prints a JSON line a minute, to a file as well. Ends with 1 when an exchange ended in a way that nothing explains, when
the gateway's log has a traceback, or when something stays open.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import orjson
import uvloop

from benchmarks.pointsman import KEY
from benchmarks.process import PAGE_BYTES, free_port, started
from benchmarks.soak import gateway, watching
from benchmarks.soak.callers import Callers
from benchmarks.soak.gateway import Trouble
from benchmarks.soak.outcomes import Ended, Outcomes
from benchmarks.soak.wire import Broken, Line

MIX = {
    "json": (16, 0.12),
    "paced": (24, 0.3),
    "burst": (2, 0.25),
    "cut": (4, 0.4),
    "slow": (3, 0.5),
    "garbage": (1, 0.3),
}
"""Clients of each kind, and seconds from one exchange of each to the next, on average."""
READY_S = 30.0
FINISH_S = 90.0
"""For exchanges under way when the time is up."""
QUIET_LOOKS = 60
LOOK_S = 1.0
"""So often and so far apart it is looked at what is still open, until nothing is."""
SPARE_FILES = 8
"""Descriptors of a worker beyond those of a fresh one and its connections to the provider."""


class Soak:
    """One run."""

    def __init__(self, args: argparse.Namespace, pid: int, port: int, upstream: int, file: Path) -> None:
        self.outcomes = Outcomes()
        self._args = args
        self._port = port
        self._upstream = upstream
        chance = random.Random(args.seed)
        self._chance = chance
        self._callers = Callers(port, chance)
        self._trouble = Trouble(pid, file, upstream, self.outcomes, chance)
        self._begun_s = time.monotonic()
        self._over = asyncio.Event()
        self._cpu: dict[int, float] = {}
        self._fresh_files = 0

    async def run(self) -> list[str]:
        """All of it; answers what is wrong at the end, nothing if all is well."""
        await self._ready()
        self._fresh_files = max(each.files for each in self._held().values())
        clients = [
            asyncio.ensure_future(self._client(kind, pause)) for kind, (n, pause) in MIX.items() for _ in range(n)
        ]
        others = [self._trouble.reload(), self._trouble.kill(self._args.kill_s), self._report()]
        running = [asyncio.ensure_future(each) for each in others]
        await asyncio.sleep(self._args.minutes * 60)
        self._over.set()
        for each in running:
            each.cancel()
        await asyncio.wait(running)
        _, late = await asyncio.wait(clients, timeout=FINISH_S)
        self._callers.close()
        left = await self._left()
        if late:
            left.append(f"{len(late)} exchanges did not end within {FINISH_S:.0f} s")
        for each in late:
            each.cancel()
        self._line({"left": left, "examples": list(self.outcomes.examples)})
        return left

    async def _ready(self) -> None:
        deadline_s = time.monotonic() + READY_S
        while True:
            with contextlib.suppress(Broken):
                line = await Line.open(self._port)
                line.send(b"GET /readyz HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n")
                await line.body()
                line.close()
                if line.status == 200:
                    return
            if time.monotonic() > deadline_s:
                raise SystemExit(f"the gateway is not ready after {READY_S:.0f} s: its log says why")
            await asyncio.sleep(0.1)

    async def _client(self, kind: str, pause_s: float) -> None:
        act = self._callers.acts[kind]
        while not self._over.is_set():
            begun_s = time.monotonic()
            try:
                ended = await act()
            except Broken as error:
                ended = Ended(kind, "broken", str(error))
            self.outcomes.note(ended, begun_s, time.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), self._chance.expovariate(1 / pause_s))

    async def _report(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s += self._args.report_s
            await asyncio.sleep(due_s - time.monotonic())
            self._line({})

    def _line(self, more: dict[str, Any]) -> None:
        held = self._held()
        used_s = sum(each.cpu_s - self._cpu.get(pid, 0.0) for pid, each in held.items())
        self._cpu = {pid: each.cpu_s for pid, each in held.items()}
        document = {
            "minute": round((time.monotonic() - self._begun_s) / 60, 2),
            "workers": {
                str(pid): {"rss_mb": round(each.rss_bytes / 1e6, 1), "files": each.files} for pid, each in held.items()
            },
            "cpu_s": round(used_s, 2),
            "own_rss_mb": round(int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_BYTES / 1e6, 1),
            "clients": watching.accepted(self._port),
            "upstream": watching.accepted(self._upstream),
            "reloads": self._trouble.reloads,
            "kills": self._trouble.kills,
            "outcomes": dict(sorted(self.outcomes.counts.items())),
            "unexpected": self.outcomes.unexpected,
            **more,
        }
        text = orjson.dumps(document).decode()
        print(text, flush=True)
        with self._args.log.open("a") as log:
            log.write(text + "\n")

    def _held(self) -> dict[int, watching.Held]:
        found = ((pid, watching.held(pid)) for pid in self._trouble.workers())
        return {pid: each for pid, each in found if each is not None}

    async def _left(self) -> list[str]:
        """What is still open once the gateway had time to let go."""
        left = await asyncio.to_thread(self._open)
        for _ in range(QUIET_LOOKS):
            if not left:
                break
            await asyncio.sleep(LOOK_S)
            left = await asyncio.to_thread(self._open)
        if self.outcomes.unexpected:
            left.append(f"{self.outcomes.unexpected} exchanges ended in a way that nothing explains")
        return left

    def _open(self) -> list[str]:
        found = [f"{name} is {value:g}" for name, value in watching.gauges(self._port, KEY).items() if value]
        if clients := watching.accepted(self._port):
            found.append(f"{clients} connections of clients")
        held, upstream = self._held(), watching.accepted(self._upstream)
        files = sum(each.files for each in held.values()) - upstream
        if files > len(held) * (self._fresh_files + SPARE_FILES):
            found.append(f"{files} descriptors beside {upstream} connections to the provider")
        return found


async def run(args: argparse.Namespace, folder: Path, pid: int, ports: tuple[int, int]) -> list[str]:
    """Soak what runs as `pid` on the first port, with the provider on the second."""
    return await Soak(args, pid, *ports, folder / "pointsman.yaml").run()


def main() -> int:
    """Command line."""
    args = _arguments()
    args.log.write_text("")
    said = args.log.with_suffix(".stderr")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soak-")))
        provider = [sys.executable, "-m", "benchmarks.soak.upstream", "--faults", str(args.faults)]
        upstream = stack.enter_context(started(provider, None, pipe=True))
        assert upstream.stdout is not None  # noqa: S101 - it was piped
        ports = (free_port(), int(upstream.stdout.readline()))
        gateway.write(folder / "pointsman.yaml", ports[1], 0)
        command = gateway.command(folder / "pointsman.yaml", ports[0], args.workers)
        errors = stack.enter_context(said.open("wb"))
        process = stack.enter_context(started(command, None, errors=errors))
        left = uvloop.run(run(args, folder, process.pid, ports))
    tracebacks = said.read_text(errors="replace").count("Traceback (most recent call last)")
    if tracebacks:
        left.append(f"{tracebacks} tracebacks in {said}")
    print("\n".join(left) if left else "nothing unexpected is left", file=sys.stderr)
    return 1 if left else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60.0, help="(%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the gateway (%(default)s)")
    parser.add_argument("--faults", type=float, default=0.02, help="share of the provider's answers (%(default)s)")
    parser.add_argument("--kill-s", type=float, default=gateway.KILL_S, help="between two kills (%(default)s)")
    parser.add_argument("--report-s", type=float, default=60.0, help="between two lines (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, default=Path("soak.jsonl"), help="a line a minute (%(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
