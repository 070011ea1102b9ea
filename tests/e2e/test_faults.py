"""Every way a provider can misbehave, on every surface and in both forms, against the real process on real sockets.

Each row is one test; its cases run at the same time, each with two scripted deployments of its own. The table with the
attempts that primary and fallback have seen is printed at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from e2e.faults import clients, connections, damage, outages, refusals, requests_refused, rescues, silence
from e2e.faults.stage import Stage, Trial
from e2e.faults.table import Row, result_of, rows_in_order
from e2e.gateway import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARTS = (refusals, connections, silence, rescues, damage, requests_refused, outages, clients)
"""Their rows are in the table."""
ROOM = {"retry_budget_min": 500}
"""Cases of many rows fail at the same time: they must not compete for the retries of the process."""
HEALTH: dict[str, dict[str, Any]] = {
    "usual": ROOM,
    "quick": {**ROOM, "failures": 5, "open_s": 0.3, "open_max_s": 0.6, "lockout_s": 0.5},
    "plain": {},
}
"""By stage: `quick` comes back to a deployment in less than a second, `plain` has nothing changed."""
BASE: dict[str, Any] = {
    "providers": {"nobody": {"base_url": "http://127.0.0.1:9/v1"}},
    "routes": {"nobody": {"deployments": [{"provider": "nobody"}]}},
    "telemetry": {"max_series": 50_000},
}


THREADS = 32
"""That wait for facts of the process."""


class House:
    """The stages, each with a process of its own that is started when a row needs it, and the rows under way."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, selected: list[Row]) -> None:
        self._folder = folder
        self._session = session
        self._slow = [entry for entry in selected if entry.is_slow]
        self._stages: dict[str, Stage] = {}
        self._opening = asyncio.Lock()
        self._playing: dict[str, asyncio.Task[None]] = {}
        self.results: dict[str, dict[str, Any]] = {}
        """By number, of rows that have ended in whatever way."""

    async def stage(self, name: str) -> Stage:
        async with self._opening:
            if name not in self._stages:
                gateway = Gateway(self._folder / f"{name}.yaml", {**BASE, "health": HEALTH[name]})
                self._stages[name] = Stage(await asyncio.to_thread(gateway.start), self._session)
            return self._stages[name]

    async def play(self, entry: Row) -> None:
        """Run one row. The first of those that wait for a limit starts them all."""
        for each in self._slow if entry.is_slow else [entry]:
            if each.number not in self._playing:
                self._playing[each.number] = asyncio.ensure_future(self._run(each))
        await self._playing[entry.number]

    async def _run(self, entry: Row) -> None:
        stage = await self.stage(entry.stage)
        trial = Trial(f"row-{entry.number}", stage)
        clock = asyncio.get_running_loop().time
        since_s, said = clock(), len(stage.gateway.said)
        try:
            await entry.play(trial)
            stage.gateway.check_unharmed(said)
        except AssertionError as failure:
            trial.failures.append(failure)
        finally:
            self.results[entry.number] = result_of(entry, trial, clock() - since_s)
        trial.verdict()

    async def close(self) -> None:
        for task in self._playing.values():
            task.cancel()
        await asyncio.gather(*self._playing.values(), return_exceptions=True)
        for stage in self._stages.values():
            assert 0 == await asyncio.to_thread(stage.gateway.stop)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    selected = [item.callspec.params["entry"] for item in request.session.items if item.path == request.path]
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=45)
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**20) as session:
        house = House(tmp_path_factory.mktemp("faults"), session, selected)
        yield house
        await house.close()


@pytest.mark.parametrize("entry", rows_in_order(), ids=lambda entry: entry.label)
async def test_faults(house: House, entry: Row, record_property):
    try:
        await house.play(entry)
    finally:
        record_property("fault", house.results.get(entry.number))
