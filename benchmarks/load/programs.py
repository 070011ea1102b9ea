"""Runs the clients, each a process of its own on the load's core, and reads what they print."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.load import wrk
from benchmarks.load.target import LoadFailed
from benchmarks.load.wrk import Answers
from benchmarks.process import ROOT, pinned, started

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.load.target import Target

SPARE_S = 60.0
"""For a client to come to its end."""

COUNT_S = 60.0
"""At most, for a fixed number of requests."""


def ask(target: Target, connections: int, seconds: float, core: int | None, folder: Path) -> Answers:
    """Whole answers as fast as they come, with `wrk` where it is. Raises `LoadFailed`."""
    if wrk.is_here():
        return wrk.ask(target, connections, seconds, core, folder)
    options = ["--connections", str(connections), "--seconds", str(seconds)]
    found = _run(command("asking", target, folder, *options), core, seconds)
    return Answers(int(found["count"]), int(found["errors"]), found["seconds"], found["p50_s"], found["p99_s"])


def count(target: Target, connections: int, requests: int, folder: Path) -> dict[str, Any]:
    """So many whole answers, none of them left under way. Raises `LoadFailed`."""
    options = ["--connections", str(connections), "--requests", str(requests), "--seconds", str(COUNT_S)]
    return _run(command("asking", target, folder, *options), None, COUNT_S)


def stream(target: Target, core: int | None, seconds: float, folder: Path, *options: str) -> dict[str, Any]:
    """Streams, with `benchmarks.load.streaming`'s options. Raises `LoadFailed`."""
    return _run(command("streaming", target, folder, "--seconds", str(seconds), *options), core, seconds)


@contextlib.contextmanager
def held(target: Target, core: int | None, folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Streams that stay open as long as the block runs. Raises `LoadFailed`."""
    with started(command("streaming", target, folder, "--hold", *options), core, pipe=True) as process:
        assert process.stdout is not None  # noqa: S101 - it was piped
        yield _read(process.stdout.readline())


def command(name: str, target: Target, folder: Path, *options: str) -> list[str]:
    """To run one of our clients; the request lies in the folder then."""
    file = folder / "request.http"
    file.write_bytes(target.request)
    module = f"benchmarks.load.{name}"
    return [sys.executable, "-m", module, "--port", str(target.port), "--request", str(file), *options]


def _run(command: list[str], core: int | None, seconds: float) -> dict[str, Any]:
    with pinned(core):
        try:
            done = subprocess.run(
                command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True, timeout=seconds + SPARE_S
            )
        except subprocess.SubprocessError as error:
            raise LoadFailed(str(error)[-200:]) from error
    return _read(done.stdout)


def _read(line: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LoadFailed(f"the load said: {line[-200:]!r}") from error
    return found
