"""Has `wrk` ask for whole answers, as fast as they come."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.load.target import LoadFailed
from benchmarks.process import pinned

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.load.target import Target

SPARE_S = 60.0
"""For wrk to come to its end."""
_REQUESTS = re.compile(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h)\b")
_QUANTILES = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s|m|h)\s*$", re.MULTILINE)
_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
_SOCKETS = re.compile(r"Socket errors: (.*)")
_UNITS_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Answers:
    """What came of asking."""

    count: int
    errors: int
    seconds: float
    p50_s: float
    p99_s: float


def is_here() -> bool:
    """Whether it is installed."""
    return shutil.which("wrk") is not None


def ask(target: Target, connections: int, seconds: float, core: int | None, folder: Path) -> Answers:
    """Run it. wrk counts whole seconds, at least one. Raises `LoadFailed`."""
    script = folder / "post.lua"
    script.write_text(script_for(target))
    times = [f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    command = ["wrk", "-t1", *times, "--latency", "-s", str(script), f"http://127.0.0.1:{target.port}{target.path}"]
    with pinned(core):
        done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=seconds + SPARE_S)
    return read(done.stdout + done.stderr)


def script_for(target: Target) -> str:
    """The Lua of one request."""
    headers = "".join(f"wrk.headers['{name}'] = '{value}'\n" for name, value in target.headers.items())
    return f"wrk.method = 'POST'\n{headers}wrk.body = [==[{target.body.decode()}]==]\n"


def read(text: str) -> Answers:
    """What wrk printed. Raises `LoadFailed` with its end when that is no result."""
    requests, quantiles = _REQUESTS.search(text), dict[str, float]()
    for share, value, unit in _QUANTILES.findall(text):
        quantiles[share] = float(value) * _UNITS_S[unit]
    if requests is None or len(quantiles) < 2:
        raise LoadFailed(f"wrk said: {text[-200:]}")
    errors = sum(map(int, _STATUS.findall(text)))
    for sockets in _SOCKETS.findall(text):
        errors += sum(map(int, re.findall(r"\d+", sockets)))
    seconds = float(requests[2]) * _UNITS_S[requests[3]]
    return Answers(int(requests[1]), errors, seconds, quantiles["50"], quantiles["99"])
