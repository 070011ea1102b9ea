"""How many workers this machine, or what a container was given of it, can run at once.

Sources: sched_getaffinity(2); Linux, "Control Group v2", `cpu.max`; Linux, "CFS Bandwidth Control", `cpu.cfs_quota_us`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from proxy.config import MAX_WORKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def usable_cores(root: Path = Path("/")) -> int:
    """Cores this process may run on, within the smallest quota above it: at least 1, at most `MAX_WORKERS`.

    A quota is rounded down: one worker too many would have all of them throttled in turns.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = min(_quotas(root), default=float(allowed))
    return max(1, min(allowed, int(quota), MAX_WORKERS))


def _quotas(root: Path) -> Iterator[float]:
    """In cores, of this process's group and of those above it, in either version of control groups."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, named = line.partition(":")
        controllers, _, group = named.partition(":")
        if controllers == "":
            yield from _along(root / "sys/fs/cgroup", group, _unified)
        elif "cpu" in controllers.split(","):
            yield from _along(root / "sys/fs/cgroup/cpu", group, _legacy)


def _along(mount: Path, group: str, quota: Callable[[Path], float | None]) -> Iterator[float]:
    folder = mount / group.lstrip("/")
    for each in (folder, *folder.parents):
        if not each.is_relative_to(mount):
            return
        found = quota(each)
        if found is not None:
            yield found


def _unified(folder: Path) -> float | None:
    quota, _, period = _text(folder / "cpu.max").partition(" ")
    return int(quota) / int(period) if quota.isdecimal() else None


def _legacy(folder: Path) -> float | None:
    quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota.isdecimal() else None  # -1: none


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
