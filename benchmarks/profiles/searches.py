"""How much can be served before it shows: two searches, each for the highest load that is still served well."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.answers import Plan
from benchmarks.load.streaming import LATE_S
from benchmarks.profiles.profile import Profile, Row, Value
from benchmarks.statistic import GROWTH, highest

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench, Use

FIRST_STEPS = 5
"""Of a search of the first round."""
LATER_STEPS = 3
"""Of one that knows where the others ended."""
LATER_GROWTH = 1.1
P99_S = 0.05
DELAYED = Plan(size=1024, delay_ms=20)
DELAYED_S = 2.0
WARM_S = 1.0
DELAYED_START = 64
MAX_CONNECTIONS = 2048
PACED = Plan(events=400, every_ms=20)
"""Longer than the window: none ends."""
LATE_WINDOW_S = 2.0
LATE_START = 256
CHEAPER = 1.6
MAX_STREAMS = 2048
RAMP_S = 1.0
SETTLE_S = 0.5
PAUSE_MS = 2
"""Between two looks of the client at its sockets: little beside what counts as late, and less work for the client."""
SPARE = 0.5
"""Of a core, not used by the system."""


def _delayed(bench: Bench) -> dict[str, Value]:
    rates: dict[int, float] = {}
    uses: dict[int, Use] = {}
    target = bench.target(DELAYED)

    def passes(connections: int) -> bool:
        if connections > max(uses, default=0):
            # so many first requests, all at once and each with a connection to open, are more than one in a hundred
            bench.ask(target, connections, WARM_S)
        found, uses[connections] = bench.used(lambda: bench.ask(target, connections, DELAYED_S))
        if found.p99_s <= P99_S and not found.errors:
            rates[connections] = found.count / found.seconds
        return connections in rates

    # a closed loop: so many are under way at the rate of instant answers, if they take half as long again
    instant = bench.known.get("json.rate")
    start = round(instant.figure * 1.5 * DELAYED.delay_ms / 1e3) if instant is not None else DELAYED_START
    at_least = _search(bench, "delayed.connections", start, MAX_CONNECTIONS, passes, uses)
    if not rates:
        return {}
    best = max(rates, key=rates.__getitem__)
    return {"rate": Value(rates[best], at_least), "connections": Value(best)}


def _late(bench: Bench) -> dict[str, Value]:
    uses: dict[int, Use] = {}
    passed = []

    def passes(streams: int) -> bool:
        times = ("--ramp-s", str(RAMP_S), "--settle-s", str(SETTLE_S), "--pause-ms", str(PAUSE_MS))
        options = ("--streams", str(streams), "--cut", *times)
        found, use = bench.used(lambda: bench.stream(PACED, LATE_WINDOW_S, *options))
        # shares within the window: those of the whole run would have the client's start and the ramp in them
        share = found["events"] / found["seconds"] / max(found["all_events"], 1)
        load_busy = found["busy"] + use.upstream_cpu_s * share
        uses[streams] = use._replace(system_busy=use.cpu_s * share, load_busy=load_busy)
        good = not found["late"] and not found["errors"]
        if good:
            passed.append(streams)
        return good

    event = bench.known.get("paced.cpu")
    # with many streams a wake-up serves several of them, and an event costs less than among a few
    start = round(CHEAPER * 1e6 / (event.figure * 1000 / PACED.every_ms)) if event is not None else LATE_START
    at_least = _search(bench, "late.streams", start, MAX_STREAMS, passes, uses)
    return {"streams": Value(max(passed), at_least)} if passed else {}


def _search(
    bench: Bench, key: str, start: int, ceiling: int, passes: Callable[[int], bool], uses: dict[int, Use]
) -> bool:
    """Whether the true end may lie higher: nothing failed, or what failed was the load."""
    earlier = [value.figure for value in bench.earlier.get(key, ())]
    if earlier:
        start = round(statistics.median(earlier))

    def passes_twice(number: int) -> bool:
        # a system with half a core to spare was not the reason: once more
        return passes(number) or (uses[number].system_busy < SPARE and passes(number))

    steps, growth = (LATER_STEPS, LATER_GROWTH) if earlier else (FIRST_STEPS, GROWTH)
    found = highest(passes_twice, start, ceiling=ceiling, steps=1 if bench.is_smoke else steps, growth=growth)
    return found.failed is None or uses[found.failed].is_limited_by_load


PROFILES = (
    Profile(
        "delayed",
        f"answers of 1 KB after {DELAYED.delay_ms} ms: the highest rate whose p99 is at most {P99_S * 1e3:.0f} ms, "
        "searched by the number of connections, each of which asks again as soon as it has its answer (closed loop)",
        (
            Row("rate", "20 ms provider, p99 <= 50 ms", "requests/s", 0, more=True, chart=True),
            Row("connections", "at so many connections", "connections", 0, ratio=False),
        ),
        _delayed,
    ),
    Profile(
        "late",
        f"the most streams of 50 events/s of which none has an event more than {LATE_S * 1e3:.0f} ms late, in a window "
        f"of {LATE_WINDOW_S:g} s, searched by the number of streams; late by the provider's "
        "own clock, or where a gateway takes that away, beside the stream's earliest event",
        (Row("streams", "streams without a late event", "streams", 0, more=True, chart=True),),
        _late,
    ),
)
