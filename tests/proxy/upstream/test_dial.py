"""A connection is opened to whichever address answers first, and to where the name leads now."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvloop
from bench import GUARD_S, RawServer, failure, response, until

from proxy.upstream import dial
from proxy.upstream import pool as pool_module
from proxy.upstream.connection import Connection
from proxy.upstream.faults import ConnectionFault
from proxy.upstream.pool import Pool

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"

Address = tuple[int, int, int, str, tuple[Any, ...]]


def at(port: int, host: str = "127.0.0.1") -> Address:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)


class Names:
    """Stands for DNS. `known`: what it says next; `asked`: how often. Silent until `go` is set."""

    def __init__(self) -> None:
        self.known: list[Address] = []
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()

    async def getaddrinfo(self, host: str, port: int, **_: object) -> list[Address]:
        self.asked += 1
        known = self.known
        await self.go.wait()
        if not known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known


@pytest.fixture
async def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    made = Names()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", made.getaddrinfo)
    return made


@pytest.fixture
async def pool(raw: RawServer) -> AsyncIterator[Pool]:
    raw.otherwise = [response(b"{}")]
    made = Pool("provider.example", 80, None, 100)
    yield made
    made.close()
    assert made.is_unused


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port where connecting neither succeeds nor fails: its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


async def serve(connection: Connection) -> None:
    connection.send(REQUEST, b"{}")
    assert b"{}" == (await connection.whole(GUARD_S, lambda _: True, 1000)).body


async def test_an_address_that_is_silent_holds_nobody_up(pool, raw, names, black_hole, monkeypatch):
    monkeypatch.setattr(dial, "NEXT_ADDRESS_S", 0.01)
    names.known = [at(black_hole), at(raw.port)]
    await serve(await pool.acquire(GUARD_S))


async def test_an_address_that_refuses_is_passed_over(pool, raw, names, unused_tcp_port):
    names.known = [at(unused_tcp_port, "::1"), at(unused_tcp_port), at(raw.port)]
    await serve(await pool.acquire(GUARD_S))


async def test_nothing_is_left_of_the_addresses_that_lost(pool, raw, names, black_hole, monkeypatch):
    monkeypatch.setattr(dial, "NEXT_ADDRESS_S", 0.01)
    made: list[socket.socket] = []
    create = socket.socket

    def noted(*args: Any, **options: Any) -> socket.socket:
        made.append(create(*args, **options))
        return made[-1]

    monkeypatch.setattr(socket, "socket", noted)
    names.known = [at(black_hole), at(raw.port)]
    connection = await pool.acquire(GUARD_S)
    assert 2 <= len(made)
    connection.abort()
    await until(lambda: all(each.fileno() < 0 for each in made))


async def test_every_new_connection_goes_where_the_name_leads_now(pool, raw, names):
    names.known = [at(raw.port)]
    first = await pool.acquire(GUARD_S)
    await serve(first)
    async with RawServer() as moved:
        moved.otherwise = [response(b"{}")]
        names.known = [at(moved.port)]
        second = await pool.acquire(GUARD_S)
        await serve(second)
        assert (1, 1, 2) == (raw.connections, moved.connections, names.asked)
        second.abort()


async def test_a_crowd_that_connects_at_once_asks_for_the_name_once(pool, raw, names):
    names.known = [at(raw.port)]
    names.go.clear()
    crowd = [asyncio.ensure_future(pool.acquire(GUARD_S)) for _ in range(50)]
    await until(lambda: names.asked)
    crowd[0].cancel()  # who began it may leave
    names.go.set()
    results = await asyncio.gather(*crowd, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert all(isinstance(each, Connection) for each in results[1:])
    assert 1 == names.asked


async def test_a_name_nobody_knows_is_a_fault_for_each_and_is_asked_for_again(pool, raw, names):
    crowd = await asyncio.gather(*[failure(pool.acquire(GUARD_S)) for _ in range(3)])
    assert all(isinstance(fault, ConnectionFault) and "not known" in str(fault) for fault in crowd)
    names.known = [at(raw.port)]
    await serve(await pool.acquire(GUARD_S))


async def test_looking_up_a_name_has_a_time_limit_of_its_own(pool, names, monkeypatch):
    monkeypatch.setattr(dial, "RESOLVE_S", 0.01)
    names.known = [at(1)]
    names.go.clear()
    with pytest.raises(ConnectionFault, match="not resolved in time"):
        await pool.acquire(GUARD_S)
    assert pool.is_unused
    names.go.set()


def lend(pool: Pool, connection: Connection) -> Connection | None:
    pool.release(connection)
    return pool.take()


async def test_a_connection_serves_until_its_age_and_then_makes_room(pool, raw, names):
    names.known = [at(raw.port)]
    connection = await pool.acquire(GUARD_S)
    await serve(connection)
    assert connection is lend(pool, connection)
    await serve(connection)
    connection.retires_s -= pool_module.MAX_AGE_S
    assert lend(pool, connection) is None
    assert connection.closed


async def test_an_idle_connection_past_its_age_is_swept(pool, raw, names):
    names.known = [at(raw.port)]
    connections = [await pool.acquire(GUARD_S) for _ in range(2)]
    for connection in connections:
        await serve(connection)
        pool.release(connection)
    connections[0].retires_s -= pool_module.MAX_AGE_S
    pool.sweep()
    assert (1, 1) == (pool.open_connections, pool.idle_connections)
    assert connections[0].closed


async def test_connections_opened_together_do_not_all_retire_together(pool, raw, names):
    names.known = [at(raw.port)]
    opened_s = asyncio.get_running_loop().time()
    ages = [(await pool.acquire(GUARD_S)).retires_s - opened_s for _ in range(10)]
    assert all(pool_module.MAX_AGE_S * 3 / 4 <= age <= pool_module.MAX_AGE_S + GUARD_S for age in ages)
    assert max(ages) - min(ages) > pool_module.MAX_AGE_S / 5


def test_a_crowd_connects_on_uvloop_too():
    async def main() -> None:
        async with RawServer() as raw:
            raw.otherwise = [response(b"{}")]
            made = Pool("localhost", raw.port, None, 10)
            connections = await asyncio.gather(*[made.acquire(GUARD_S) for _ in range(5)])
            for connection in connections:
                await serve(connection)
            made.close()
            await raw.all_closed()

    uvloop.run(main())
