"""Whole answers, as fast as they come: what a request costs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmarks.answers import Plan
from benchmarks.profiles.profile import Profile, Row, Value

if TYPE_CHECKING:
    from benchmarks.bench import Bench
    from benchmarks.load.target import Target

CONNECTIONS = 32
LARGE_CONNECTIONS = 8
"""For large prompts: enough to keep a core busy."""
WARM_S = 1.0
SLOW = 8
"""Answers for each connection in a second: who gives fewer is asked over so many times fewer connections."""
TURNS = 2
"""Of the plain and of the TLS provider, one after the other."""
PROMPT_BYTES = 400_000
SMALL = Plan(size=1024)


def _measured(bench: Bench, plan: Plan, connections: int = CONNECTIONS, padding: int = 0) -> tuple[float, float]:
    """CPU of a request in microseconds, requests a second."""
    target = bench.target(plan, padding=padding)
    connections = _warmed(bench, target, connections)
    found, use = bench.used(lambda: bench.ask(target, connections, bench.seconds))
    return use.cpu_s * 1e6 / max(found.count, 1), found.count / found.seconds


def _warmed(bench: Bench, target: Target, connections: int) -> int:
    """Over how many connections it is to be asked."""
    if bench.ask(target, connections, WARM_S).count < SLOW * connections:
        # what is cut off at the end has cost but does not count: with fewer under way it is little again
        return max(1, connections // SLOW)
    return connections


def _small(bench: Bench) -> dict[str, Value]:
    cpu_us, per_second = _measured(bench, SMALL)
    return {"cpu": Value(cpu_us), "rate": Value(per_second)}


def _larger(bench: Bench) -> dict[str, Value]:
    return {"cpu": Value(_measured(bench, Plan(size=10_240))[0])}


def _prompt(bench: Bench) -> dict[str, Value]:
    return {"cpu": Value(_measured(bench, SMALL, LARGE_CONNECTIONS, PROMPT_BYTES)[0])}


def _tls(bench: Bench) -> dict[str, Value]:
    # a small difference of two large figures: measured in turns, so that what else the machine does meets both
    with bench.over_tls() as secure:
        both = (bench, bench.target(SMALL)), (secure, secure.target(SMALL))
        connections = min(_warmed(each, target, CONNECTIONS) for each, target in both)
        cpu_s, count = [0.0, 0.0], [0, 0]
        for turn in range(TURNS * len(both)):
            place = turn % len(both)
            each, target = both[place]
            found, use = each.used(functools.partial(each.ask, target, connections, bench.seconds / TURNS))
            cpu_s[place] += use.cpu_s
            count[place] += found.count
        plain_us, secure_us = (used_s * 1e6 / max(answers, 1) for used_s, answers in zip(cpu_s, count, strict=True))
    return {"cpu": Value(secure_us), "added": Value(secure_us - plain_us)}


PROFILES = (
    Profile(
        "json",
        f"answers of 1 KB over {CONNECTIONS} keep-alive connections, as fast as they go",
        (
            Row("cpu", "CPU, 1 KB answer", "us/request", chart=True),
            Row("rate", "throughput, 1 KB answer", "requests/s", 0, more=True),
        ),
        _small,
    ),
    Profile(
        "json10k",
        f"the same with answers of 10 KB, {CONNECTIONS} connections",
        (Row("cpu", "CPU, 10 KB answer", "us/request", chart=True),),
        _larger,
    ),
    Profile(
        "prompt",
        f"a prompt of {PROMPT_BYTES // 1000} KB, an answer of 1 KB, {LARGE_CONNECTIONS} connections",
        (Row("cpu", "CPU, 400 KB prompt", "us/request", chart=True),),
        _prompt,
    ),
    Profile(
        "tls",
        f"answers of 1 KB over {CONNECTIONS} connections, from a provider that speaks TLS, its connections kept, in "
        "turns with the same without TLS",
        (
            Row("cpu", "CPU, TLS to the provider", "us/request"),
            Row("added", "of that, added by TLS", "us/request"),
        ),
        _tls,
    ),
)
