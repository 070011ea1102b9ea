"""Keeps every credential that expires fresh: one keeper a source, however many providers use it.

A keeper fetches, fills the cells, and sleeps until a while before the end. What fails is asked again, ever more slowly.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

from proxy.control.credentials import aws, entra, google
from proxy.control.credentials.fetching import Endpoints, FetchFailed, Issued
from proxy.providers.sources import (
    AwsChain,
    AwsKeys,
    EntraApplication,
    EntraManagedIdentity,
    GoogleFile,
    GoogleMetadata,
    RefreshedSource,
)
from proxy.tasks import spawn

if TYPE_CHECKING:
    from proxy.providers.cell import Cell
    from proxy.providers.provider import Provider

log = logging.getLogger("pointsman")

FIRST_TOKEN_S = 5.0
"""A start waits at most so long for every source to be asked once; what comes later is used when it comes."""
EARLY_S = 220.0
"""Before its end a credential is replaced. Google's metadata server hands out the old one until five minutes before."""
JITTER_S = 40.0
"""Taken off at random: several workers do not ask in the same moment."""
LEAST_S = 30.0
"""Between two good answers at least, whatever lifetime they tell and whoever wishes for another."""
BACKOFF_S = 1.0
"""First pause after a failure; doubles."""
BACKOFF_MAX_S = 60.0

Fetch = Callable[[Any, Endpoints, Callable[[], float]], Awaitable[Issued]]
Sleep = Callable[[float], Awaitable[None]]

FETCH: dict[type, Fetch] = {
    AwsChain: aws.from_chain,
    EntraApplication: entra.for_application,
    EntraManagedIdentity: entra.for_machine,
    GoogleFile: google.from_file,
    GoogleMetadata: google.from_metadata,
}
"""Kind of source -> who asks it."""


class Refresher:
    """The keepers of all sources that the present configuration names."""

    def __init__(
        self,
        on_fresh: Callable[[str], None],
        clock: Callable[[], float],
        rng: random.Random | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """`on_fresh` is told the name of each provider that has a new credential; `clock` tells Unix time."""
        self._on_fresh = on_fresh
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._sleep = sleep
        self._endpoints = Endpoints()
        self._keepers: dict[RefreshedSource, _Keeper] = {}

    async def start(self, providers: Iterable[Provider]) -> None:
        """Adopt `providers`, and wait until each source has been asked once, at most `FIRST_TOKEN_S`."""
        self.adopt(providers)
        first = [asyncio.ensure_future(keeper.asked.wait()) for keeper in self._keepers.values()]
        if first:
            _, late = await asyncio.wait(first, timeout=FIRST_TOKEN_S)
            for waiting in late:
                waiting.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def adopt(self, providers: Iterable[Provider]) -> None:
        """From now on keep the credentials of these, and of no others. What is in hand already is handed on."""
        wanted: dict[RefreshedSource, list[tuple[str, Cell[Any, Any]]]] = {}
        for provider in providers:
            source, cell = provider.credential.source, provider.cell
            if cell is not None and source is not None and not isinstance(source, AwsKeys):
                wanted.setdefault(source, []).append((provider.name, cell))
        for source in [source for source in self._keepers if source not in wanted]:
            self._keepers.pop(source).stop()
        for source, users in wanted.items():
            keeper = self._keepers.get(source)
            if keeper is None:
                keeper = self._keepers[source] = _Keeper(
                    source, self._fetch, self._pause_s, self._on_fresh, self._sleep
                )
            keeper.serve(users)

    async def close(self) -> None:
        """Stop, and let go of the connections."""
        keepers, self._keepers = list(self._keepers.values()), {}
        for keeper in keepers:
            keeper.stop()
        await asyncio.gather(*(keeper.task for keeper in keepers), return_exceptions=True)
        await self._endpoints.close()

    async def _fetch(self, source: RefreshedSource) -> Issued:
        return await FETCH[type(source)](source, self._endpoints, self._clock)

    def _pause_s(self, issued: Issued | None, failures: int) -> float:
        """Until the next look: ahead of the end, or after `failures` in a row."""
        if issued is None:
            pause_s = min(BACKOFF_MAX_S, BACKOFF_S * 2.0 ** min(failures - 1, 16))
            return pause_s * self._rng.uniform(0.5, 1.0)
        left_s = issued.expires_s - self._clock()
        return max(LEAST_S, left_s - EARLY_S + self._rng.uniform(0.0, JITTER_S))


class _Keeper:
    """Asks one source again and again, and fills the cells of all providers that use it."""

    def __init__(
        self,
        source: RefreshedSource,
        fetch: Callable[[RefreshedSource], Awaitable[Issued]],
        pause_s: Callable[[Issued | None, int], float],
        on_fresh: Callable[[str], None],
        sleep: Sleep,
    ) -> None:
        self._source = source
        self._fetch = fetch
        self._pause_s = pause_s
        self._on_fresh = on_fresh
        self._sleep = sleep
        self._users: list[tuple[str, Cell[Any, Any]]] = []
        self._issued: Issued | None = None
        self._wished = asyncio.Event()
        self.asked = asyncio.Event()
        """Set when the first try has ended, well or not."""
        self.task = spawn(self._keep(), name=f"credential {type(source).__name__}")

    def serve(self, users: list[tuple[str, Cell[Any, Any]]]) -> None:
        """Fill these cells from now on, and at once with what is in hand."""
        self._users = users
        for name, cell in users:
            cell.tended_by(self._wished.set)
            if self._issued is not None:
                self._hand(name, cell, self._issued)

    def stop(self) -> None:
        """Ask no more."""
        self.task.cancel()

    async def _keep(self) -> None:
        failures = 0
        while True:
            issued: Issued | None = None
            try:
                issued = await self._fetch(self._source)
            except FetchFailed as failure:
                failures += 1
                log.warning("no credential for %s: %s", self._names(), failure)
            except Exception:
                # the outermost handler of a task that must not end: without it nobody would ever ask again
                failures += 1
                log.exception("asking for the credential of %s failed inside the gateway", self._names())
            if issued is not None:
                failures = 0
                self._issued = issued
                for name, cell in self._users:
                    self._hand(name, cell, issued)
            self.asked.set()
            self._wished.clear()
            await self._until(self._pause_s(issued, failures), is_early=issued is not None)

    async def _until(self, pause_s: float, *, is_early: bool) -> None:
        """Sleep; a wish for another cuts a long sleep short, but never the pause after an answer or a failure."""
        least_s = min(pause_s, LEAST_S) if is_early else pause_s
        await self._sleep(least_s)
        if pause_s <= least_s:
            return
        sleeping = asyncio.ensure_future(self._sleep(pause_s - least_s))
        wishing = asyncio.ensure_future(self._wished.wait())
        try:
            await asyncio.wait({sleeping, wishing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            wishing.cancel()
            await asyncio.gather(sleeping, wishing, return_exceptions=True)

    def _names(self) -> str:
        return ", ".join(f"`{name}`" for name, _ in self._users)

    def _hand(self, name: str, cell: Cell[Any, Any], issued: Issued) -> None:
        try:
            cell.fill(issued.secret, issued.expires_s)
        except ValueError as error:
            log.error("the credential for `%s` cannot be used: %s", name, error)  # noqa: TRY400 - its text says it all
            return
        self._on_fresh(name)
