"""What the gateway's processes hold, read from /proc and from its metrics. Linux only."""

from __future__ import annotations

import re
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

from benchmarks.process import PAGE_BYTES, cpu_s

ESTABLISHED = "01"
SCRAPES = 8
"""Connections asked for metrics: with several workers each may reach another."""
SCRAPE_S = 5.0
_GAUGES = re.compile(
    r"^pointsman_(requests_in_flight|streams_open|upstream_in_flight|requests_queued)(?:\{[^}]*\})? (\S+)", re.MULTILINE
)


class Held(NamedTuple):
    """By one process."""

    rss_bytes: int
    files: int
    """Open descriptors, sockets among them."""
    cpu_s: float


def held(pid: int) -> Held | None:
    """`None`: it has just ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return Held(pages * PAGE_BYTES, len(list(Path(f"/proc/{pid}/fd").iterdir())), cpu_s(pid))
    except (OSError, LookupError):
        return None


def accepted(port: int) -> int:
    """Connections established with the listener of a port on loopback, seen from its side."""
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(row[3] == ESTABLISHED and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def gauges(port: int, key: str) -> dict[str, float]:
    """What the metrics say is under way: the most that any of a few answers says, by metric."""
    most: dict[str, float] = {}
    for _ in range(SCRAPES):
        for name, value in _scraped(port, key).items():
            most[name] = max(value, most.get(name, 0.0))
    return most


def _scraped(port: int, key: str) -> dict[str, float]:
    connection = HTTPConnection("127.0.0.1", port, timeout=SCRAPE_S)
    try:
        connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {key}", "Connection": "close"})
        text = connection.getresponse().read().decode()
    except (OSError, HTTPException):
        return {}
    finally:
        connection.close()
    found: dict[str, float] = {}
    for name, value in _GAUGES.findall(text):
        found[name] = found.get(name, 0.0) + float(value)
    return found
