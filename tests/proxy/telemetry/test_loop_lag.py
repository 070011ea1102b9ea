"""The event loop's lateness."""

from __future__ import annotations

import asyncio

import pytest

from proxy.telemetry import loop_lag


async def test_it_observes_how_much_longer_a_pause_took():
    lags: list[float] = []
    clock_s = 0.0
    delays = iter([0.1, 0.35, 0.0999])

    async def sleep(seconds: float) -> None:
        nonlocal clock_s
        assert seconds == 0.1
        delay_s = next(delays, None)
        if delay_s is None:
            raise asyncio.CancelledError
        clock_s += delay_s

    with pytest.raises(asyncio.CancelledError):
        await loop_lag.watch(lags.append, lambda: clock_s, sleep)

    assert lags == pytest.approx([0.0, 0.25, 0.0])


async def test_it_runs_until_it_is_cancelled():
    first = asyncio.get_running_loop().create_future()

    def observe(lag_s: float) -> None:
        if not first.done():
            first.set_result(lag_s)

    task = loop_lag.start(observe)

    assert await first >= 0.0
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
