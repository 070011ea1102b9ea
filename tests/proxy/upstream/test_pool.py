"""A pool lends a connection to one borrower at a time, in order, and loses none."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator

import pytest
from bench import GUARD_S, RawServer, failure, response, until

from proxy.upstream import pool as pool_module
from proxy.upstream.connection import Connection
from proxy.upstream.faults import ConnectionFault, ConnectTimeout, NoneFree
from proxy.upstream.pool import MAX_WAITERS, Pool, Pools

REQUEST = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n"


@pytest.fixture
async def pool(raw: RawServer) -> AsyncIterator[Pool]:
    raw.otherwise = [response(b"{}")]
    made = Pool("127.0.0.1", raw.port, None, 2)
    yield made
    made.close()
    assert made.is_unused


async def serve(connection: Connection) -> None:
    """One request and its answer."""
    connection.send(REQUEST, b"{}")
    await connection.head(GUARD_S)
    while await connection.read(GUARD_S):
        pass


async def borrow(pool: Pool, **options: bool) -> Connection:
    connection = await pool.acquire(GUARD_S, **options)
    await serve(connection)
    return connection


async def waiting(pool: Pool, timeout_s: float = GUARD_S, **options: bool) -> asyncio.Task[Connection]:
    """Ask, and come to the wait."""
    task = asyncio.ensure_future(pool.acquire(timeout_s, **options))
    await asyncio.sleep(0)
    return task


async def test_the_connection_given_back_last_is_lent_first(pool):
    first, second = await borrow(pool), await borrow(pool)
    pool.release(first)
    pool.release(second)
    assert second is await pool.acquire(GUARD_S)
    assert first is await pool.acquire(GUARD_S)
    assert (2, 0) == (pool.open_connections, pool.idle_connections)


async def test_a_connection_given_back_twice_is_lent_once(pool):
    connection = await borrow(pool)
    pool.release(connection)
    pool.release(connection)
    assert 1 == pool.idle_connections
    assert connection is await pool.acquire(GUARD_S)
    assert connection is not await pool.acquire(GUARD_S)


async def test_an_unfinished_connection_is_closed(pool):
    connection = await pool.acquire(GUARD_S)
    pool.release(connection)
    assert connection.closed
    assert pool.is_unused


async def test_waiters_are_served_in_order_and_not_overtaken(pool):
    held = [await borrow(pool), await borrow(pool)]
    waiters = [await waiting(pool) for _ in range(3)]
    for connection in held:
        pool.release(connection)
    late = await waiting(pool)
    done, _ = await asyncio.wait(waiters[:2], timeout=GUARD_S)
    assert 2 == len(done)
    assert not waiters[2].done()
    waiters[0].result().abort()
    assert 0 == (await waiters[2]).served
    assert not late.done()
    await serve(waiters[1].result())
    pool.release(waiters[1].result())
    assert waiters[1].result() is await late


async def test_never_more_connections_than_the_limit(pool, raw):
    async def one() -> None:
        connection = await borrow(pool)
        assert pool.open_connections <= 2
        pool.release(connection)

    async with asyncio.timeout(GUARD_S):
        await asyncio.gather(*[one() for _ in range(50)])
    assert raw.connections <= 2


async def test_who_waits_too_long_is_told_and_takes_nothing_along(pool):
    held = [await borrow(pool), await borrow(pool)]
    with pytest.raises(NoneFree, match="in time"):
        await pool.acquire(0.01)
    pool.release(held[0])
    assert held[0] is await pool.acquire(GUARD_S)


async def test_too_many_waiters_are_refused(pool, monkeypatch):
    monkeypatch.setattr(pool_module, "MAX_WAITERS", 1)
    assert MAX_WAITERS > 1
    held = [await borrow(pool), await borrow(pool)]
    waiter = await waiting(pool)
    with pytest.raises(NoneFree, match="too many"):
        await pool.acquire(GUARD_S)
    pool.release(held[0])
    assert held[0] is await waiter


@pytest.mark.parametrize("gives", ["connection", "place"])
async def test_a_waiter_cancelled_in_the_moment_of_its_turn_passes_it_on(pool, gives):
    held = [await borrow(pool), await borrow(pool)]
    first, second = await waiting(pool), await waiting(pool)
    if gives == "connection":
        pool.release(held[0])
    else:
        held[0].abort()
    first.cancel()
    connection = await second
    assert (connection is held[0]) == (gives == "connection")
    assert first.cancelled()
    assert 2 == pool.open_connections


async def test_a_cancelled_waiter_is_skipped(pool):
    held = [await borrow(pool), await borrow(pool)]
    first, second = await waiting(pool), await waiting(pool)
    first.cancel()
    pool.release(held[0])
    assert held[0] is await second


async def test_a_connection_that_dies_while_it_is_handed_over_is_replaced(pool):
    held = [await borrow(pool), await borrow(pool)]
    waiter = await waiting(pool)
    pool.release(held[0])
    held[0].abort()
    assert held[0] is not await waiter
    assert 2 == pool.open_connections


async def test_fresh_takes_the_place_of_an_idle_one_when_there_is_no_room(pool):
    held = [await borrow(pool), await borrow(pool)]
    for connection in held:
        pool.release(connection)
    fresh = await pool.acquire(GUARD_S, fresh=True)
    assert 0 == fresh.served
    assert held[0].closed
    assert (2, 1) == (pool.open_connections, pool.idle_connections)


async def test_fresh_that_waits_makes_a_new_connection_out_of_a_used_one(pool):
    held = [await borrow(pool), await borrow(pool)]
    fresh, next_one = await waiting(pool, fresh=True), await waiting(pool)
    pool.release(held[0])
    assert 0 == (await fresh).served
    assert held[0].closed
    assert not next_one.done()
    pool.release(held[1])
    assert held[1] is await next_one


async def test_a_refused_connection_frees_its_place(unused_tcp_port):
    pool = Pool("127.0.0.1", unused_tcp_port, None, 1)
    faults = await asyncio.gather(*[failure(pool.acquire(GUARD_S)) for _ in range(5)])
    assert all(isinstance(fault, ConnectionFault) and "cannot connect" in str(fault) for fault in faults)
    assert pool.is_unused


async def test_a_host_that_is_no_name_is_a_fault_like_others():
    pool = Pool("x" * 64 + ".invalid", 1, None, 1)
    assert isinstance(await failure(pool.acquire(GUARD_S)), ConnectionFault)
    assert pool.is_unused


async def silent_tls_pool(raw: RawServer) -> Pool:
    """Connecting never ends: a TLS handshake with a server that says nothing."""
    return Pool("127.0.0.1", raw.port, ssl.create_default_context(), 1)


async def test_connecting_has_a_time_limit(raw):
    pool = await silent_tls_pool(raw)
    with pytest.raises(ConnectTimeout):
        await pool.acquire(0.05)
    assert pool.is_unused
    await raw.all_closed()


async def test_a_cancelled_connect_leaves_nothing_and_the_next_waiter_goes_on(raw):
    pool = await silent_tls_pool(raw)
    first, second = await waiting(pool), await waiting(pool)
    await until(lambda: raw.connections)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    await until(lambda: raw.connections >= 2)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert pool.is_unused
    await raw.all_closed()


@pytest.mark.parametrize("turns", range(12))
async def test_cancelled_at_any_turn_of_the_loop_it_holds_nothing(pool, turns):
    task = asyncio.ensure_future(pool.acquire(GUARD_S))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, Connection):
        pool.release(result)
    assert pool.is_unused


async def test_a_random_crowd_that_often_leaves_loses_no_connection(pool, raw):
    rng = random.Random(11)

    async def one() -> None:
        connection = await pool.acquire(GUARD_S, fresh=rng.random() < 0.2)
        try:
            await serve(connection)
        except BaseException:
            connection.abort()
            raise
        (pool.release if rng.random() < 0.8 else Connection.abort)(connection)

    tasks: list[asyncio.Task[None]] = []
    async with asyncio.timeout(GUARD_S):
        for _ in range(400):
            tasks.append(asyncio.ensure_future(one()))
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)
            rng.choice(tasks).cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    faults = [r for r in results if r is not None and not isinstance(r, asyncio.CancelledError)]
    assert [] == faults
    assert results.count(None) > 50
    assert pool.open_connections == pool.idle_connections <= 2


async def test_idle_connections_are_swept_by_age(pool, raw):
    old, young = await borrow(pool), await borrow(pool)
    pool.release(old)
    pool.release(young)
    old.idle_since_s -= pool_module.IDLE_LIMIT_S + 1
    pool.sweep()
    assert old.closed
    assert 1 == pool.idle_connections
    assert young is await pool.acquire(GUARD_S)


async def test_an_idle_connection_past_its_age_is_not_lent(pool):
    connections = [await borrow(pool), await borrow(pool)]
    for connection in connections:
        pool.release(connection)
        connection.idle_since_s -= pool_module.IDLE_LIMIT_S + 1
    assert 0 == (await pool.acquire(GUARD_S)).served
    assert all(connection.closed for connection in connections)


async def test_an_idle_connection_that_the_provider_closes_leaves_the_pool(pool, raw):
    raw.answers = [[response(b"{}"), None]]
    pool.release(await borrow(pool))
    await raw.all_closed()
    await until(lambda: pool.is_unused)


async def test_bytes_on_an_idle_connection_end_it(pool, raw):
    go = asyncio.Event()

    async def serve_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(response(b"{}"))
        await go.wait()
        writer.write(response(b"evil"))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve_twice, "127.0.0.1", 0)
    pool = Pool(*server.sockets[0].getsockname(), None, 1)
    pool.release(await borrow(pool))
    assert 1 == pool.idle_connections
    go.set()
    await until(lambda: pool.is_unused)
    server.close()
    await server.wait_closed()


async def test_a_stream_that_is_over_is_given_back_when_its_framing_is(pool, raw):
    rest = asyncio.Event()

    async def slow_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"{}")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await rest.wait()
        writer.write(b"0\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(slow_end, "127.0.0.1", 0)
    pool = Pool(*server.sockets[0].getsockname(), None, 1)
    connection = await pool.acquire(GUARD_S)
    connection.send(REQUEST, b"{}")
    assert b"a" == await connection.read(GUARD_S)
    pool.release_when_complete(connection)
    assert 0 == pool.idle_connections
    waiter = await waiting(pool)
    rest.set()
    assert connection is await waiter
    pool.close()
    server.close()
    await server.wait_closed()


async def test_a_stream_whose_framing_never_ends_is_cut(pool, raw, monkeypatch):
    monkeypatch.setattr(pool_module, "FINISH_GRACE_S", 0.0)
    raw.answers = [[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"]]
    connection = await pool.acquire(GUARD_S)
    connection.send(REQUEST, b"{}")
    await connection.read(GUARD_S)
    pool.release_when_complete(connection)
    await raw.all_closed()
    assert pool.is_unused


async def test_closed_for_good_it_tells_waiters_and_newcomers(raw):
    raw.otherwise = [response(b"{}")]
    pool = Pool("127.0.0.1", raw.port, None, 1)
    held = await borrow(pool)
    waiter = await waiting(pool)
    pool.close()
    assert held.closed
    for fault in (await failure(waiter), await failure(pool.acquire(GUARD_S))):
        assert isinstance(fault, ConnectionFault)
        assert "closing" in str(fault)
    pool.release(held)
    assert pool.is_unused


async def test_a_connection_made_while_the_pool_closes_is_cut(raw):
    pool = Pool("127.0.0.1", raw.port, None, 1)
    task = await waiting(pool)
    pool.close()
    assert "closing" in str(await failure(task))
    await raw.all_closed()
    assert pool.is_unused


async def test_a_smaller_limit_closes_what_is_given_back_and_a_larger_one_lets_waiters_in(pool):
    held = [await borrow(pool), await borrow(pool)]
    waiter = await waiting(pool)
    pool.adopt(1)
    pool.release(held[0])
    assert held[0].closed
    assert not waiter.done()
    pool.adopt(3)
    assert 0 == (await waiter).served
    assert 2 == pool.open_connections


async def test_one_pool_an_origin_and_unused_ones_are_forgotten(raw):
    raw.otherwise = [response(b"{}")]
    pools = Pools()
    origin = ("http", "127.0.0.1", raw.port)
    pool = pools.get(origin, 2)
    connection = await borrow(pool)
    assert (1, 1) == (pools.open_connections, pools.busy_connections)
    pool.release(connection)
    assert (1, 0) == (pools.open_connections, pools.busy_connections)
    pools.sweep()
    assert pool is pools.get(origin, 5)
    assert 5 == pool.limit
    assert pool is not pools.get(("http", "localhost", raw.port), 2)
    connection.abort()
    pools.sweep()
    assert pool is not pools.get(origin, 2)
    pools.close()


async def test_a_server_that_speaks_first_is_not_listened_to(raw):
    raw.first_words = response(b"evil")
    pool = Pool("127.0.0.1", raw.port, None, 1)
    connection = await pool.acquire(GUARD_S)
    await until(lambda: connection.closed)
    with pytest.raises(ConnectionFault):
        connection.send(REQUEST, b"{}")
    assert pool.is_unused
