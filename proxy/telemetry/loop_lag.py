"""How late the event loop is: the sign of saturation that no request can show of itself."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from proxy.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

INTERVAL_S = 0.1


def start(observe: Callable[[float], None]) -> asyncio.Task[None]:
    """Tell `observe` every 100 ms how late the loop was, until the task is cancelled."""
    return spawn(watch(observe, asyncio.get_running_loop().time, asyncio.sleep), name="loop lag")


async def watch(
    observe: Callable[[float], None], clock: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
) -> None:
    """Sleep, and see how much longer it took. Seconds, never negative."""
    while True:
        due_s = clock() + INTERVAL_S
        await sleep(INTERVAL_S)
        observe(max(0.0, clock() - due_s))
