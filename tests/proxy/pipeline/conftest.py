"""A pipeline with everything real behind it, scripted providers in front, and its books checked after each test."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from fakes.client import FakeClient
from fakes.upstream import ScriptedUpstream
from proxy import tasks
from proxy.admission.gate import Gate
from proxy.admission.limits import RequestLimits
from proxy.control.accounts import Accounts
from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import validate
from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.oneinfer import OneInferSurface
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.oxen import OxenSurface
from proxy.dialects.request import Operation
from proxy.exchange import Call, Surface
from proxy.facts import Finished
from proxy.fleet.live import Fleet
from proxy.fleet.retry_budget import RetryBudget
from proxy.following import Followers
from proxy.journal import JournalBudget
from proxy.pipeline import Pipeline
from proxy.rescue import Rescuer
from proxy.sending import Sender
from proxy.upstream.client import Fetch, HttpUpstream
from proxy.upstream.pool import Pools
from proxy.world import World

SURFACES: dict[str, Surface] = {
    "openai": OpenAISurface(),
    "oneinfer": OneInferSurface(),
    "oxen": OxenSurface(),
    "anthropic": AnthropicSurface(),
}
DEAR = {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30}
CHEAP = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 3}


class Harness:
    """One gateway without a server: `serve` is what an HTTP handler would call."""

    def __init__(self, catalogue: Catalogue, settings: dict[str, Any], fetch: Fetch | None = None) -> None:
        config = validate(settings)
        self.fleet = Fleet(config.health)
        self.world: World = publish(config, catalogue=catalogue, fleet=self.fleet, environ={})
        self.pools = Pools()
        self.gate = Gate(max_inflight=100, max_inflight_flex=50, max_waiting=10, max_wait_s=5.0)
        self.budget = RetryBudget(lambda: self.gate.inflight)
        self.finished: list[Finished] = []
        self.news = asyncio.Event()
        self.in_flight: dict[str, int] = {}
        self.exchanges = 0
        self.kept = JournalBudget(config.limits.splice_total_bytes)
        upstream = HttpUpstream(self.pools, lambda: config.limits, time.monotonic, fetch=fetch)
        sender = Sender(upstream, time.monotonic)
        self.followers = Followers(time.monotonic)
        self.pipeline = Pipeline(
            world=lambda: self.world,
            sender=sender,
            rescuer=Rescuer(sender, self.kept, time.monotonic),
            followers=self.followers,
            gate=self.gate,
            limits=RequestLimits(),
            retry_budget=self.budget,
            authenticate=Accounts(time.time).authenticate,
            emit=self._finish,
            in_flight=self._count,
            clock=time.monotonic,
            wall_clock=time.time,
            rng=random.Random(7),
        )

    def _finish(self, fact: Finished) -> None:
        self.finished.append(fact)
        self.news.set()

    async def settlement(self) -> Finished:
        """Wait for the fact of the one exchange there was."""
        async with asyncio.timeout(5):
            await self.news.wait()
        return self.fact

    def _count(self, label: str, by: int) -> None:
        self.in_flight[label] = self.in_flight.get(label, 0) + by

    @property
    def fact(self) -> Finished:
        """Of the one exchange there was."""
        assert 1 == len(self.finished)
        return self.finished[0]

    def client(self, body: Any = None, **traits: Any) -> FakeClient:
        """A client with a chat request, or with any body."""
        document = {"model": "m", "messages": [{"role": "user", "content": "hi"}]} if body is None else body
        return FakeClient(document if isinstance(document, bytes) else orjson.dumps(document), **traits)

    async def serve(self, client: FakeClient, *, surface: str = "openai", **fields: Any) -> FakeClient:
        """Run one exchange to its end."""
        self.exchanges += 1
        defaults: dict[str, Any] = {
            "operation": Operation.CHAT,
            "token": None,
            "content_type": "application/json",
            "request_id": f"req_test_{self.exchanges}",
        }
        await self.pipeline.serve(Call(surface=SURFACES[surface], **{**defaults, **fields}), client)
        return client

    async def chat(self, surface: str = "openai", **fields: Any) -> FakeClient:
        """A chat request with these fields."""
        body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}
        return await self.serve(self.client(body), surface=surface)

    async def settled(self) -> None:
        """The books must be even, whatever the test did."""
        async with asyncio.timeout(5):
            while self.pools.busy_connections:  # noqa: ASYNC110 - a pool tells nobody when a last byte has come
                await asyncio.sleep(0)
        assert self.exchanges == len(self.finished), "one fact for each exchange"
        assert 0 == self.gate.inflight
        assert 0 == self.budget.inflight
        assert 0 == self.pipeline.streams_open
        assert 0 == self.kept.used
        assert not any(self.in_flight.values())
        for reading in self.fleet.readings(time.monotonic()):
            assert 0 == reading.inflight, reading.upstream
        assert not tasks.running()


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return Catalogue.load(at=datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
async def primary() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def fallback() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
async def make(catalogue, primary, fallback):
    """Build a gateway: route `m` over `primary` (dear) and `fallback` (cheap), with any setting replaced."""
    built: list[Harness] = []

    def build(policy: Any = "failover", fetch: Fetch | None = None, **settings: Any) -> Harness:
        deployments = [
            {"provider": "primary", "model": "upstream-model", "price": DEAR, "context_window": 1000},
            {"provider": "fallback", "model": "other-model", "price": CHEAP, "context_window": 9000},
        ]
        route = {"policy": policy, "deployments": deployments, **settings.pop("route", {})}
        defaults = {
            "providers": {
                "primary": {"base_url": primary.base_url, "api_key": "sk-gateway-own-key-0001"},
                "fallback": {"base_url": fallback.base_url},
            },
            "routes": {"m": route},
            "retries": {"backoff_s": 0},
            "timeouts": {"connect_s": 2, "first_token_s": 5, "answer_s": 5, "idle_s": 5, "total_s": 10},
        }
        harness = Harness(catalogue, {**defaults, **settings}, fetch)
        built.append(harness)
        return harness

    yield build
    for harness in built:
        await harness.settled()
        harness.pools.close()


@pytest.fixture
def gateway(make) -> Harness:
    """The plain one."""
    return make()
