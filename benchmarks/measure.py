"""One measurement: load on a running system, and what that cost it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

import orjson

from benchmarks.load import BODY
from benchmarks.process import ROOT, cpu_s, pinned, settled
from benchmarks.systems import KEY
from benchmarks.upstream import ANSWER_BYTES, EVENTS_SENT

if TYPE_CHECKING:
    from pathlib import Path

READY_S = 30.0
"""For a system to answer its first request."""
JSON_CONNECTIONS = 32
STREAMS = 64
_REQUESTS = re.compile(r"(\d+) requests in")
_P50 = re.compile(r"50%\s+([\d.]+)(us|ms|s)")
_ERRORS = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.*)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one load."""

    cpu_us: float
    """A request, or an event for streams."""
    per_second: float
    """Requests or events."""
    p50_ms: float
    """Of a whole answer, or of a stream's first byte."""
    count: int
    errors: int


class NotReady(Exception):
    """The system did not come up or does not answer as it should."""


def await_ready(process: subprocess.Popen[str], port: int) -> None:
    """Wait for a right answer and a right stream. Raises `NotReady`."""
    deadline = time.monotonic() + READY_S
    while True:
        if process.poll() is not None:
            raise NotReady(f"it ended with code {process.returncode}")
        try:
            body = _ask(port, stream=False)
            break
        except (OSError, HTTPException):
            if time.monotonic() > deadline:
                raise NotReady(f"no answer within {READY_S:.0f} s") from None
            time.sleep(0.1)
    if len(body) != ANSWER_BYTES:
        raise NotReady(f"an answer of {len(body)} bytes came, not of {ANSWER_BYTES}: {body[:200]!r}")
    events = _ask(port, stream=True).count(b"\n\n")
    if events != EVENTS_SENT:
        raise NotReady(f"a stream of {events} events came, not of {EVENTS_SENT}")


def _ask(port: int, *, stream: bool) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        body = orjson.dumps(BODY | ({"stream": True} if stream else {}))
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        connection.request("POST", "/v1/chat/completions", body, headers)
        return connection.getresponse().read()
    finally:
        connection.close()


def json_cost(pid: int, port: int, seconds: float, core: int | None, folder: Path) -> Cost:
    """Whole answers of 1 KB, over 32 connections: with `wrk` if there is one, else with our own client."""
    before = cpu_s(pid)
    if shutil.which("wrk"):
        count, errors, per_second, p50_s = _wrk(port, seconds, core, folder)
    else:
        result = _load(port, seconds, core, "--connections", str(JSON_CONNECTIONS))
        count, errors = int(result["requests"]), int(result["errors"])
        per_second, p50_s = count / result["seconds"], result["p50_s"]
    settled(pid)
    return Cost((cpu_s(pid) - before) * 1e6 / max(count, 1), per_second, p50_s * 1e3, count, errors)


def stream_cost(pid: int, port: int, seconds: float, core: int | None) -> Cost:
    """64 streams at a time, counted by their events."""
    before = cpu_s(pid)
    result = _load(port, seconds, core, "--connections", str(STREAMS), "--stream")
    settled(pid)
    count = int(result["events"])
    cpu_us = (cpu_s(pid) - before) * 1e6 / max(count, 1)
    return Cost(cpu_us, count / result["seconds"], result["first_p50_s"] * 1e3, count, int(result["errors"]))


def _load(port: int, seconds: float, core: int | None, *options: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.load", "--port", str(port), "--key", KEY, "--seconds", str(seconds)]
    with pinned(core):
        done = subprocess.run([*command, *options], cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=seconds + 60)
    result: dict[str, Any] = orjson.loads(done.stdout)
    return result


def _wrk(port: int, seconds: float, core: int | None, folder: Path) -> tuple[int, int, float, float]:
    """Requests, errors, requests a second, median latency in seconds."""
    script = folder / "post.lua"
    body = orjson.dumps(BODY).decode()
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = [==[{body}]==]\n"
        f"wrk.headers['Content-Type'] = 'application/json'\nwrk.headers['Authorization'] = 'Bearer {KEY}'\n"
    )
    whole_seconds = str(max(1, round(seconds)))
    command = ["wrk", "-t1", f"-c{JSON_CONNECTIONS}", f"-d{whole_seconds}s", "--latency", "-s", str(script)]
    with pinned(core):
        done = subprocess.run(
            [*command, f"http://127.0.0.1:{port}/v1/chat/completions"],
            stdout=subprocess.PIPE,
            check=True,
            text=True,
            timeout=seconds + 60,
        )
    requests, median = _REQUESTS.search(done.stdout), _P50.search(done.stdout)
    if requests is None or median is None:
        raise NotReady(f"wrk said: {done.stdout[-200:]}")
    errors = 0
    for status, sockets in _ERRORS.findall(done.stdout):
        errors += int(status or 0) + sum(map(int, re.findall(r"\d+", sockets)))
    count = int(requests[1])
    return count, errors, count / float(whole_seconds), float(median[1]) * _UNITS[median[2]]
