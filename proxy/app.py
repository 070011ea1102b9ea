"""The composition root: builds every object from the configuration and wires it to the others. No logic of its own."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from proxy.admission.gate import Gate
from proxy.admission.limits import RequestLimits
from proxy.admission.shares import share
from proxy.control.accounts import Accounts, random_secret
from proxy.control.catalogue import Catalogue
from proxy.control.credentials.refresher import Refresher
from proxy.control.publish import publish
from proxy.control.source import ConfigProblems
from proxy.control.watch import watch
from proxy.downstream.server import Server
from proxy.fleet.live import Fleet
from proxy.fleet.retry_budget import RetryBudget
from proxy.following import Followers
from proxy.journal import JournalBudget
from proxy.pipeline import Pipeline
from proxy.rescue import Rescuer
from proxy.sending import Sender
from proxy.surfaces import anthropic, gemini, health, oneinfer, openai, oxen
from proxy.surfaces.calls import Desk
from proxy.surfaces.router import Router
from proxy.tasks import spawn
from proxy.telemetry.merging import merged
from proxy.telemetry.metrics import Connections, Gauges
from proxy.telemetry.telemetry import Telemetry
from proxy.upstream.client import HttpUpstream
from proxy.upstream.counting import TokenCounter
from proxy.upstream.pool import Pools
from proxy.upstream.proxies import Proxies

if TYPE_CHECKING:
    from pathlib import Path

    from proxy.config import Config
    from proxy.control.fetching import Fetcher
    from proxy.siblings.siblings import Siblings
    from proxy.telemetry.sinks import Sink
    from proxy.world import World

log = logging.getLogger("pointsman")

SWEEP_S = 10.0
"""Between two looks for idle connections."""
PRICES_S = 3600.0
"""At most, between two looks at whether prices have changed."""
DRAIN_REPORT_S = 5.0
CUT_OFF_S = 5.0
"""For exchanges to settle after they were cut off at the drain's end."""
TOKEN_SECRET_VARIABLE = "POINTSMAN_TOKEN_SECRET"  # noqa: S105 - its name
"""Shared by the workers of one supervisor."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the configuration comes from."""

    load: Callable[[], Config]
    file: Path | None = None
    """Watched for changes, if there is one."""
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ, repr=False)
    sinks: tuple[Sink, ...] = ()
    """More takers of facts: the demo's table, a test."""
    siblings: Siblings | None = None
    """The other workers, if this is one of several."""


class Gateway:
    """One process's gateway. `start`, then `drain`; `run` does both around a signal."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._siblings = siblings = settings.siblings
        config = self._load()
        self.catalogue = Catalogue.load(at=datetime.now(UTC))
        self.fleet = Fleet(config.health)
        self.world = self._publish(config, None)
        self.gate = Gate(
            max_inflight=config.limits.max_inflight,
            max_inflight_flex=config.limits.max_inflight_flex,
            max_waiting=config.limits.max_waiting,
            max_wait_s=config.limits.max_wait_s,
        )
        self.retry_budget = RetryBudget(
            lambda: self.gate.inflight, share=config.health.retry_budget, minimum=config.health.retry_budget_min
        )
        self.journals = JournalBudget(config.limits.splice_total_bytes)
        self.pools = Pools(proxies=Proxies.from_environment(settings.environ))
        self.refresher = Refresher(lambda name: self.fleet.credential(name).lift(), time.time)
        self.draining = False
        self.address: tuple[str, int] = config.host_port if siblings is None else siblings.place.listen
        """Where it listens, once started: the port is real even if the file says 0."""
        self._server: asyncio.Server | None = None
        self._http: Server | None = None
        self._fetcher: Fetcher | None = None

    async def start(self) -> None:
        """Listen. Raises `OSError` when the address is taken."""
        loop = asyncio.get_running_loop()
        config = self.world.config
        self.telemetry = Telemetry(config, self._gauges(), self._settings.sinks, of_several=self._siblings is not None)
        accounts = Accounts(time.time, os.environ.get(TOKEN_SECRET_VARIABLE) or random_secret())
        clock = time.monotonic  # an event loop may tick in milliseconds
        upstream = HttpUpstream(self.pools, lambda: self.world.config.limits, clock, fetch=self._fetch)
        sender = Sender(upstream, clock)
        self._followers = Followers(clock)
        self._pipeline = pipeline = Pipeline(
            world=lambda: self.world,
            sender=sender,
            rescuer=Rescuer(sender, self.journals, clock),
            followers=self._followers,
            gate=self.gate,
            limits=RequestLimits() if self._siblings is None else self._siblings.limits,
            retry_budget=self.retry_budget,
            authenticate=accounts.authenticate,
            emit=self.telemetry.finished,
            in_flight=self.telemetry.metrics.in_flight,
            clock=clock,
            wall_clock=time.time,
        )
        desk = Desk(
            world=lambda: self.world, pipeline=pipeline, accounts=accounts, counter=TokenCounter(self.pools, clock)
        )
        router = Router()
        openai.mount(router, desk)
        anthropic.mount(router, desk)
        oneinfer.mount(router, desk)
        oxen.mount(router, desk)
        gemini.mount(router, desk)
        health.mount(router, draining=lambda: self.draining, render_metrics=self._render_metrics)
        self._http = Server(router, lambda: self.world.config.limits)
        await self.refresher.start(self.world.providers.values())
        if self._siblings is not None:
            await self._siblings.join(self.telemetry.metrics.snapshot)
        host, port = self.address
        self._server = await loop.create_server(
            self._http, host, port, reuse_port=self._siblings is not None or None, backlog=socket.SOMAXCONN
        )
        self.address = self._server.sockets[0].getsockname()[:2]
        self.telemetry.start()
        for problem in self.pools.proxies.problems:
            log.warning("%s; nothing is sent where it should lead", problem)
        spawn(self._sweep(), name="sweep")
        spawn(self._follow_prices(), name="prices")
        if self._settings.file is not None:
            spawn(watch(self._settings.file, self.reload), name="watch")

    def reload(self) -> None:
        """Read the configuration again. A bad one changes nothing but a metric and the log."""
        try:
            config = self._load()
            world = self._publish(config, self.world)
        except ConfigProblems as problems:
            self.telemetry.metrics.reload_failed()
            log.error("the new configuration is not used; the old one stays in force:\n%s", problems)  # noqa: TRY400 - its text says it all
            return
        for name in ("listen", "workers"):
            if getattr(config, name) != getattr(self.world.config, name):
                log.warning("`%s` has changed: that takes a restart", name)
        self.gate.adopt(config.limits)
        self.journals.limit = config.limits.splice_total_bytes
        self.retry_budget.share, self.retry_budget.minimum = config.health.retry_budget, config.health.retry_budget_min
        self.refresher.adopt(world.providers.values())
        self.world = world
        self.telemetry.reloaded(config)
        log.info("configuration reloaded: %s", summary(world))

    async def drain(self) -> None:
        """Not ready, then deaf, then wait for what runs; what is left after `drain.timeout_s` is cut off."""
        drain = self.world.config.drain
        self.draining = True
        if self._siblings is not None:
            self._siblings.is_leaving = True
        if self._http is not None:
            self._http.is_draining = True
        await asyncio.sleep(drain.delay_s)
        if self._server is not None:
            self._server.close()
        if self._http is not None:
            self._http.close_idle()
        is_quiet = await self._until_quiet(drain.timeout_s)
        if self._http is not None and is_quiet:
            await self._http.shut(CUT_OFF_S)  # the last answers may still be on their way out
        else:
            await self._cut_off()

    async def close(self) -> None:
        """Let go of everything."""
        if self._server is not None:
            self._server.close()
        await self._cut_off()
        if self._fetcher is not None:
            await self._fetcher.close()
        await self.refresher.close()
        self.pools.close()
        self.telemetry.close()
        if self._siblings is not None:
            self._siblings.close()

    async def _fetch(self, urls: Sequence[str]) -> Mapping[str, str]:
        """What a client names by address, as `data:` URLs. Raises `Unsupported`."""
        if self._fetcher is None:
            from proxy.control.fetching import Fetcher  # noqa: PLC0415 - brings aiohttp along, which few need

            self._fetcher = Fetcher(lambda: self.world.config.media)
        return await self._fetcher.fetch(urls)

    async def _cut_off(self) -> None:
        """End what still runs: every client is told, every exchange settled."""
        if self._http is not None:
            self._pipeline.is_closing = self._followers.is_closing = True
            await self._http.cut_off(CUT_OFF_S)
            await self._followers.cut_off()

    def _load(self) -> Config:
        """Raises `ConfigProblems`."""
        config = self._settings.load()
        return config if self._siblings is None else share(config, self._siblings.place.workers)

    async def _render_metrics(self) -> bytes:
        """Of all workers, whichever is asked."""
        if self._siblings is None:
            return self.telemetry.metrics.render()
        live, departed = await self._siblings.gather()
        # in a thread: with several workers and thousands of series it takes as long as many requests do
        return await asyncio.to_thread(merged, live, departed)

    def _gauges(self) -> Gauges:
        return Gauges(
            upstreams=lambda: self.fleet.readings(time.monotonic()),
            connections=lambda: (Connections(*reading) for reading in self.pools.by_origin()),
            queued=lambda: {lane: self.gate.waiting(lane) for lane in ("default", "flex")},
            streams_open=lambda: self._pipeline.streams_open,
            retries_denied=lambda: self.retry_budget.denied,
            hedges_denied=lambda: {label: hedging.denied for label, hedging in self.world.hedged()},
            dropped=lambda: self.telemetry.dropped(),  # noqa: PLW0108 - `telemetry` is made with these gauges
            draining=lambda: self.draining,
        )

    async def _until_quiet(self, timeout_s: float) -> bool:
        loop = asyncio.get_running_loop()
        until_s, report_s = loop.time() + timeout_s, loop.time() + DRAIN_REPORT_S
        while self._pipeline.exchanges_open and loop.time() < until_s:
            await asyncio.sleep(0.02)
            if loop.time() >= report_s:
                report_s += DRAIN_REPORT_S
                log.info("draining: %d requests are still running", self._pipeline.exchanges_open)
        if self._pipeline.exchanges_open:
            log.warning("draining took too long: %d requests are cut off", self._pipeline.exchanges_open)
        return not self._pipeline.exchanges_open

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.pools.sweep()

    async def _follow_prices(self) -> None:
        """Some providers' prices change with the hour: compile them anew when the next change is due."""
        while True:
            now = datetime.now(UTC)
            rows = {provider.profile.name for provider in self.world.providers.values()}
            due = min((at for row in rows if (at := self.catalogue.valid_until(row)) is not None), default=None)
            wait_s = PRICES_S if due is None else min(PRICES_S, (due - now).total_seconds() + 1)
            await asyncio.sleep(max(1.0, wait_s))
            if due is not None and datetime.now(UTC) >= due:
                # in a thread: compiling takes as long as many requests do
                self.catalogue = await asyncio.to_thread(Catalogue.load, at=datetime.now(UTC))
                self.reload()

    def _publish(self, config: Config, previous: World | None) -> World:
        return publish(
            config,
            catalogue=self.catalogue,
            fleet=self.fleet,
            environ=self._settings.environ,
            previous=previous,
        )


async def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain; a second signal ends it at once. SIGHUP reloads."""
    loop = asyncio.get_running_loop()
    stop, now = asyncio.Event(), asyncio.Event()

    def on_stop() -> None:
        (now if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_stop)
    gateway = Gateway(settings)
    loop.add_signal_handler(signal.SIGHUP, gateway.reload)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # a supervisor's, kept until it can be heard
    await gateway.start()
    gc.collect()
    gc.freeze()  # what start-up built stays: the collector need not walk it again and again
    if settings.siblings is None:
        log.info("listening on %s: %s", url_of(*gateway.address), summary(gateway.world))
    else:
        settings.siblings.announce()  # the supervisor tells of all
    await stop.wait()
    log.info("stopping: %d requests are running", gateway.gate.inflight)
    drained = spawn(gateway.drain(), name="drain")
    hurry = spawn(now.wait(), name="second signal")
    await asyncio.wait({drained, hurry}, return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    drained.cancel()
    await gateway.close()


def url_of(host: str, port: int) -> str:
    """Where it listens, for people."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def summary(world: World) -> str:
    """One line on what is served."""
    models = _counted(len(world.routes), "model") + (" and any other name" if world.wildcard else "")
    keys = "no key needed" if world.keys.is_open else "keys required"
    return f"{models} at {_counted(len(world.providers), 'provider')}, {keys}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
