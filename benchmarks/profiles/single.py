"""One client, one connection: what a system adds to an answer's time, and what it takes to be there at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.answers import Plan
from benchmarks.profiles.profile import Profile, Row, Value

if TYPE_CHECKING:
    from benchmarks.bench import Bench

WARM_S = 1.0
PLAN = Plan(size=1024)


def _latency(bench: Bench) -> dict[str, Value]:
    bench.ask(bench.target(PLAN), 1, WARM_S)
    direct = bench.ask(bench.target(PLAN, direct=True), 1, min(bench.seconds, 2.0))
    through = bench.ask(bench.target(PLAN), 1, bench.seconds)
    return {
        "p50": Value((through.p50_s - direct.p50_s) * 1e6),
        "p99": Value((through.p99_s - direct.p99_s) * 1e6),
        "direct": Value(direct.p50_s * 1e6),
    }


def _start(bench: Bench) -> dict[str, Value]:
    return {"ready": Value(bench.ready_s), "idle": Value(bench.idle_bytes / 1e6)}


PROFILES = (
    Profile(
        "single",
        "answers of 1 KB over one connection, against the same asked of the provider itself just before",
        (
            Row("p50", "added latency, p50", "us", 0, chart=True),
            Row("p99", "added latency, p99", "us", 0),
            Row("direct", "the provider itself, p50", "us", 0, ratio=False),
        ),
        _latency,
    ),
    Profile(
        "start",
        "from the start of the process to its first right answer, and memory at rest after it",
        (
            Row("ready", "start to ready", "s", 2),
            Row("idle", "memory, idle", "MB", chart=True),
        ),
        _start,
    ),
)
