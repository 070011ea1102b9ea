"""Sees that the configuration file has changed: content written, file replaced, or a symbolic link above it swapped.

Polling, because Kubernetes swaps the link `..data` and inotify does not follow it; one `stat` a second costs nothing.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL_S = 1.0

Fingerprint = tuple[int, int, int, int] | None


def fingerprint(path: Path) -> Fingerprint:
    """What changes when the file does; `None` while it is missing."""
    try:
        stat = os.stat(path)  # noqa: PTH116 - follows links, as intended
    except OSError:
        return None
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size


async def watch(path: Path, changed: Callable[[], None], poll_s: float = POLL_S) -> None:
    """Call `changed` after every change, for ever. A file that vanishes for a moment is waited for."""
    seen = fingerprint(path)
    while True:
        await asyncio.sleep(poll_s)
        now = fingerprint(path)
        if now is not None and now != seen:
            seen = now
            changed()
