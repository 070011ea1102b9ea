"""One worker against two: `python -m benchmarks.scaling`.

Nothing is pinned: the gateway may use every core and shares them with the load and the provider, so with two cores the
rate cannot double. What a worker costs shows in CPU: requests for each second of it. Then a fixed number of requests,
each answer counted by the client, is compared with what `/metrics` says of all workers together.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.answers import Plan
from benchmarks.bench import NotReady, launched
from benchmarks.load import programs
from benchmarks.load.target import LoadFailed
from benchmarks.process import Cores, raise_file_limit, settled
from benchmarks.systems import gateway
from benchmarks.systems.system import Launch, Origin, System
from benchmarks.tables import grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bench import Bench

CONNECTIONS = 64
"""Enough for the kernel to give each worker about as many."""
COUNTED_CONNECTIONS = 32
ANYWHERE = Cores(None, None, None)
PLAN = Plan(size=1024)
REQUESTS = "pointsman_requests_total"
DURATIONS = "pointsman_request_duration_seconds_count"
CPU = "process_cpu_seconds_total"
"""One sample for each worker."""
SCRAPE_S = 10.0
ROWS = (
    ("rate", "requests/s", 0),
    ("CPU of the gateway", "us/request", 1),
    ("for each second of its CPU", "requests", 0),
    ("cores it used", "", 2),
    ("CPU of load and provider", "us/request", 1),
    ("CPU of its busiest worker", "share", 2),
    ("answers the client counted", "", 0),
    ("requests in /metrics", "", 0),
    ("durations in /metrics", "", 0),
    ("errors", "", 0),
)
"""Title, unit, digits; in the order of `_round`."""


def main() -> int:
    """Run the rounds and print the table; 1 when the counts differ."""
    args = _arguments()
    raise_file_limit()
    found: dict[int, list[list[float]]] = {number: [] for number in args.workers}
    for _ in range(args.rounds):
        # in rotation: what else the machine does meets all alike
        for workers in args.workers:
            with tempfile.TemporaryDirectory(prefix="benchmarks-") as folder:
                try:
                    with launched(_system(workers), ANYWHERE, args.seconds, Path(folder)) as bench:
                        found[workers].append(_round(bench, workers, args.requests))
                except (NotReady, LoadFailed) as error:
                    print(f"{workers} workers: {error}", file=sys.stderr)
                    return 1
    print(_table(found))
    wrong = [each for rounds in found.values() for each in rounds if len({*each[6:9]}) > 1]
    print(f"the counts differ in {len(wrong)} of {args.rounds * len(found)} rounds" if wrong else "all counts agree")
    return 1 if wrong else 0


def _system(workers: int) -> System:
    def launch(folder: Path, port: int, origin: Origin) -> Launch:
        one = gateway.launch(folder, port, origin)
        return replace(one, command=[*one.command, "--workers", str(workers)])

    return System(f"{workers} workers", gateway.WHAT, launch, lambda: None)


def _round(bench: Bench, workers: int, requests: int) -> list[float]:
    _await_all(bench, workers)
    before = _scrape(bench)
    answers, use = bench.used(lambda: bench.ask(bench.target(PLAN), CONNECTIONS, bench.seconds))
    by_worker = [now - was for now, was in zip(_scrape(bench)[CPU], before[CPU], strict=True)]
    settled(bench.pid)
    # wrk leaves what is under way when its time is up: this client does not
    before = _scrape(bench)
    counted, errors = _counted(bench, requests)
    after = _scrape(bench)
    others_s = use.load_busy * answers.seconds
    return [
        answers.count / answers.seconds,
        use.cpu_s / answers.count * 1e6,
        answers.count / use.cpu_s,
        use.system_busy,
        others_s / answers.count * 1e6,
        max(by_worker) / (sum(by_worker) or 1.0),
        counted,
        *(sum(after[name]) - sum(before[name]) for name in (REQUESTS, DURATIONS)),
        bench.errors + errors,
    ]


def _counted(bench: Bench, requests: int) -> tuple[float, float]:
    """Answers and errors of so many requests. Raises `LoadFailed`."""
    found = programs.count(bench.target(PLAN), COUNTED_CONNECTIONS, requests, bench.folder)
    return found["count"], found["errors"]


def _await_all(bench: Bench, workers: int) -> None:
    """The first answer comes from the first worker that is up. Raises `NotReady`."""
    deadline_s = time.monotonic() + bench.system.ready_s
    while len(_scrape(bench)[CPU]) < workers:
        if time.monotonic() > deadline_s:
            raise NotReady(f"not all workers are up after {bench.system.ready_s:.0f} s")


def _scrape(bench: Bench) -> dict[str, list[float]]:
    """The samples of the families that are looked at."""
    connection = HTTPConnection("127.0.0.1", bench.port, timeout=SCRAPE_S)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    found: dict[str, list[float]] = {name: [] for name in (REQUESTS, DURATIONS, CPU)}
    for line in lines:
        series, _, value = line.rpartition(" ")
        name = series.partition("{")[0]
        if name in found:
            found[name].append(float(value))
    return found


def _table(found: dict[int, list[list[float]]]) -> str:
    """Medians, with the lowest and the highest round, and how many times the first column's each is."""
    rows = [["", "unit", *(f"{number} worker{'s' if number > 1 else ''}" for number in found)]]
    for index, (title, unit, digits) in enumerate(ROWS):
        columns = [[each[index] for each in rounds] for rounds in found.values()]
        base = statistics.median(columns[0])
        rows.append([title, unit, *(_cell(column, base, digits, first=not at) for at, column in enumerate(columns))])
    return grid(rows)


def _cell(values: Sequence[float], base: float, digits: int, *, first: bool) -> str:
    median = statistics.median(values)
    text = f"{median:.{digits}f}"
    if min(values) < max(values):
        text += f" ({min(values):.{digits}f}..{max(values):.{digits}f})"
    return text if first or not base else f"{text} {median / base:.2f}x"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="(default: 1 2)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each load (default: %(default)s)")
    parser.add_argument("--requests", type=int, default=10_000, help="that are counted (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
