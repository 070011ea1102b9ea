"""One provider on a real socket, an `HttpUpstream` before it, and a check after each test that nothing is left busy."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from fakes.upstream import ScriptedUpstream
from proxy.upstream.connection import Connection

sys.path.insert(0, str(Path(__file__).parent))  # importlib mode does not make the modules beside the tests importable

from bench import Bench, RawServer
from wire import REQUEST, Wire


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


@pytest.fixture
async def raw() -> AsyncIterator[RawServer]:
    async with RawServer() as running:
        yield running


@pytest.fixture
async def make() -> AsyncIterator[Callable[..., Bench]]:
    """Build a bench for a base URL. Afterwards every connection must be idle or gone."""
    built: list[Bench] = []

    def build(base_url: str, **settings: object) -> Bench:
        bench = Bench(base_url, **settings)
        built.append(bench)
        return bench

    yield build
    for bench in built:
        await bench.quiet()
        bench.pools.close()
        assert 0 == bench.pools.open_connections


@pytest.fixture
def bench(make: Callable[..., Bench], upstream: ScriptedUpstream) -> Bench:
    return make(upstream.base_url)


@pytest.fixture
async def wire() -> Wire:
    return Wire()


@pytest.fixture
async def connection(wire: Wire) -> AsyncIterator[Connection]:
    made = Connection(asyncio.get_running_loop())
    made.connection_made(wire)  # type: ignore[arg-type]
    yield made
    made.abort()


@pytest.fixture
def sent(connection: Connection) -> Connection:
    connection.send(REQUEST, b"{}")
    return connection
