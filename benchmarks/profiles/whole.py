"""Whole answers, as fast as they come: what a request costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.answers import Plan
from benchmarks.profiles.profile import Profile, Row, Value

if TYPE_CHECKING:
    from benchmarks.bench import Bench

CONNECTIONS = 32
LARGE_CONNECTIONS = 8
"""For large prompts: enough to keep a core busy."""
WARM_S = 1.0
SLOW = 8
"""Answers for each connection in a second: who gives fewer is asked over so many times fewer connections."""
PROMPT_BYTES = 400_000
SMALL = Plan(size=1024)


def _measured(bench: Bench, plan: Plan, connections: int = CONNECTIONS, padding: int = 0) -> tuple[float, float]:
    """CPU of a request in microseconds, requests a second."""
    target = bench.target(plan, padding=padding)
    if bench.ask(target, connections, WARM_S).count < SLOW * connections:
        # what is cut off at the end has cost but does not count: with fewer under way it is little again
        connections = max(1, connections // SLOW)
    found, use = bench.used(lambda: bench.ask(target, connections, bench.seconds))
    return use.cpu_s * 1e6 / max(found.count, 1), found.count / found.seconds


def _small(bench: Bench) -> dict[str, Value]:
    cpu_us, per_second = _measured(bench, SMALL)
    return {"cpu": Value(cpu_us), "rate": Value(per_second)}


def _larger(bench: Bench) -> dict[str, Value]:
    return {"cpu": Value(_measured(bench, Plan(size=10_240))[0])}


def _prompt(bench: Bench) -> dict[str, Value]:
    return {"cpu": Value(_measured(bench, SMALL, LARGE_CONNECTIONS, PROMPT_BYTES)[0])}


def _tls(bench: Bench) -> dict[str, Value]:
    with bench.over_tls() as secure:
        cpu_us, _ = _measured(secure, SMALL)
    plain = bench.known.get("json.cpu")
    plain_us = plain.figure if plain is not None else _measured(bench, SMALL)[0]
    return {"cpu": Value(cpu_us), "added": Value(cpu_us - plain_us)}


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
        f"the first profile with a provider that speaks TLS, its connections kept alive ({CONNECTIONS} clients)",
        (
            Row("cpu", "CPU, TLS to the provider", "us/request"),
            Row("added", "of that, added by TLS", "us/request"),
        ),
        _tls,
    ),
)
