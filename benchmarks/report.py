"""The table of medians, for people and for `RESULTS.md`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import statistics
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import JSON_CONNECTIONS, STREAMS
from benchmarks.systems import nginx_path
from benchmarks.upstream import ANSWER_BYTES, EVENTS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from benchmarks.measure import Cost

RESULTS = Path(__file__).with_name("RESULTS.md")
BASELINE = "nginx"


@dataclass(slots=True)
class Rounds:
    """All measurements of one system."""

    name: str
    what: str
    whole: list[Cost] = field(default_factory=list)
    stream: list[Cost] = field(default_factory=list)
    rss_bytes: list[int] = field(default_factory=list)
    note: str | None = None
    """Why there are none."""


COLUMNS: tuple[tuple[str, Callable[[Rounds], list[float]], str], ...] = (
    ("us CPU/request", lambda rounds: [cost.cpu_us for cost in rounds.whole], "{:.1f}"),
    ("us CPU/event", lambda rounds: [cost.cpu_us for cost in rounds.stream], "{:.1f}"),
    ("requests/s", lambda rounds: [cost.per_second for cost in rounds.whole], "{:.0f}"),
    ("p50 ms", lambda rounds: [cost.p50_ms for cost in rounds.whole], "{:.2f}"),
    ("idle MB", lambda rounds: [each / 1e6 for each in rounds.rss_bytes], "{:.0f}"),
)
RATIOS = 2
"""The first so many columns are also told as ratios to the baseline."""


def table(measured: Sequence[Rounds]) -> str:
    """Medians with their spread and the ratios to nginx, as Markdown that reads well in a terminal."""
    base = next((rounds for rounds in measured if rounds.name == BASELINE and rounds.whole), None)
    header = ["system", *(name for name, _, _ in COLUMNS)]
    if base is not None:
        header += [f"{name} / {BASELINE}" for name, _, _ in COLUMNS[:RATIOS]]
    header.append("errors")
    rows = [header, *(_row(rounds, base, len(header)) for rounds in measured)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _row(rounds: Rounds, base: Rounds | None, length: int) -> list[str]:
    if not rounds.whole:
        return [rounds.name, rounds.note or "not measured", *[""] * (length - 2)]
    cells = [rounds.name]
    for _, values, form in COLUMNS:
        found = values(rounds)
        spread = f" ({form.format(min(found))}..{form.format(max(found))})" if len(found) > 1 else ""
        cells.append(form.format(statistics.median(found)) + spread)
    if base is not None:
        for _, values, _ in COLUMNS[:RATIOS]:
            below = statistics.median(values(base))
            cells.append(f"{statistics.median(values(rounds)) / below:.1f}" if below else "-")
    cells.append(str(sum(cost.errors for cost in [*rounds.whole, *rounds.stream])))
    return cells


def page(measured: Sequence[Rounds], args: argparse.Namespace, command: str) -> str:
    """The whole of `RESULTS.md`. `args` are the benchmarks' own options."""
    pace = f"one every {args.interval_ms:g} ms" if args.interval_ms else "in one burst"
    rounds = f"{args.rounds} rounds" if args.rounds > 1 else "one round"
    systems = "\n".join(f"- `{each.name}`: {each.what}." for each in measured)
    facts = "\n".join(f"- {fact}" for fact in environment())
    return f"""\
# Results

{datetime.now(UTC):%Y-%m-%d}, `{command}`, medians of {rounds} (lowest..highest), {args.seconds:g} s for each load.

{table(measured)}

CPU is user and system time of the system's own processes from `/proc`, divided by what it served: it counts the
gateway's work alone, and is steadier on shared machines than requests a second. Read the ratios, which come from the
same run; absolute figures belong to the machine.

Profiles:
- request: a chat completion of {ANSWER_BYTES} bytes over {JSON_CONNECTIONS} keep-alive connections, as fast as they go
  (asked by {"wrk" if shutil.which("wrk") else "our own client: wrk is not installed"}).
- event: {STREAMS} concurrent streams of {EVENTS} text deltas, {pace}; streams are not in step.

Systems, one at a time on a core of its own, upstream and load on another:
{systems}

Machine:
{facts}
"""


def environment() -> list[str]:
    """Where and with what it was measured."""
    packages = ("aiohttp", "uvloop", "httptools", "orjson")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    facts = [
        f"{_cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}, {found}",
    ]
    if (path := nginx_path()) is not None:
        said = subprocess.run([path, "-v"], capture_output=True, text=True, check=False).stderr
        facts.append(said.strip().removeprefix("nginx version: "))
    return facts


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
