"""Streams under way: what an event costs, what an idle stream holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benchmarks.answers import Plan
from benchmarks.load import programs
from benchmarks.process import rss_bytes, settled
from benchmarks.profiles.profile import Profile, Row, Value

if TYPE_CHECKING:
    from benchmarks.bench import Bench

STREAMS = 64
BURSTS = 8
"""At a time: enough to keep a core busy."""
IDLE = 1000
IDLE_RAMP_S = 1.5
IDLE_S = 1.0
"""Before their memory is looked at."""
PACED = Plan(events=64, every_ms=20)
BURST = Plan(events=512)
SILENT = Plan(events=2, every_ms=120_000)
"""A first word, and minutes until the next."""


def _paced(bench: Bench) -> dict[str, Value]:
    # ramp and settling belong to it: what is divided is all CPU by all events
    options = ("--streams", str(STREAMS), "--ramp-s", "1.3", "--settle-s", "0")
    found, use = bench.used(lambda: bench.stream(PACED, bench.seconds, *options))
    first_ms = found["first_p50_s"] * 1e3
    return {"cpu": Value(use.cpu_s * 1e6 / max(found["all_events"], 1)), "first": Value(first_ms)}


def _burst(bench: Bench) -> dict[str, Value]:
    options = ("--streams", str(BURSTS), "--ramp-s", "0.1", "--settle-s", "0")
    found, use = bench.used(lambda: bench.stream(BURST, bench.seconds, *options))
    return {"cpu": Value(use.cpu_s * 1e6 / max(found["all_events"], 1))}


def _idle(bench: Bench) -> dict[str, Value]:
    before = rss_bytes(bench.pid)
    options = ("--streams", str(IDLE), "--events", "0", "--ramp-s", str(IDLE_RAMP_S))
    with programs.held(bench.target(SILENT), bench.cores.load, bench.folder, *options) as found:
        bench.errors += int(found["errors"])
        if found["errors"]:
            return {}
        time.sleep(IDLE_S)
        settled(bench.pid)
        held = rss_bytes(bench.pid)
    settled(bench.pid)
    return {"each": Value((held - before) / IDLE / 1e3), "all": Value(held / 1e6)}


PROFILES = (
    Profile(
        "paced",
        f"{STREAMS} streams at a time of {PACED.events} text deltas, one every {PACED.every_ms} ms, not in step",
        (
            Row("cpu", "CPU, event of 64 paced streams", "us/event", chart=True),
            Row("first", "time to the first byte, p50", "ms", 2),
        ),
        _paced,
    ),
    Profile(
        "burst",
        f"{BURSTS} streams at a time of {BURST.events} text deltas, each stream written at once",
        (Row("cpu", "CPU, event of a burst", "us/event", 2, chart=True),),
        _burst,
    ),
    Profile(
        "idle",
        f"{IDLE} streams open and silent after their first word",
        (
            Row("each", "memory of an idle stream", "KB"),
            Row("all", f"memory with {IDLE} idle streams", "MB"),
        ),
        _idle,
    ),
)
