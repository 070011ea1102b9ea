"""The first message of a turn leaves at once, the others at its end, in order, never to a transport that has closed."""

from __future__ import annotations

import asyncio

from proxy.outbox import JOIN_BELOW_BYTES, Outbox


class Wire:
    def __init__(self, log: list[tuple[str, bytes]], name: str) -> None:
        self.log, self.name, self.closed = log, name, False

    def is_closing(self) -> bool:
        return self.closed

    def write(self, data: bytes) -> None:
        self.log.append((self.name, data))


async def a_turn() -> None:
    """What was scheduled before this has run when it returns."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(done.set_result, None)
    await done


async def test_the_first_message_of_a_turn_leaves_at_once_and_the_others_together_at_its_end():
    log: list[tuple[str, bytes]] = []
    one, two = Wire(log, "one"), Wire(log, "two")
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(one, b"a")
    outbox.put(two, b"b")
    outbox.put(one, b"c")
    assert log == [("one", b"a")]
    await a_turn()
    assert log == [("one", b"a"), ("two", b"b"), ("one", b"c")]
    outbox.put(two, b"d")
    assert log[3:] == [("two", b"d")]


async def test_what_follows_for_the_same_transport_leaves_in_the_same_write():
    log: list[tuple[str, bytes]] = []
    one = Wire(log, "one")
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(one, b"before ")
    outbox.put(one, b"head ")
    outbox.put(one, b"body")
    await a_turn()
    assert log == [("one", b"before "), ("one", b"head body")]


async def test_what_has_become_large_is_not_copied_again():
    log: list[tuple[str, bytes]] = []
    one = Wire(log, "one")
    outbox = Outbox(asyncio.get_running_loop())
    large = bytes(JOIN_BELOW_BYTES + 1)
    for message in (b"first", large, b"a", b"b"):
        outbox.put(one, message)
    await a_turn()
    assert log == [("one", b"first"), ("one", large), ("one", b"ab")]
    assert log[1][1] is large


async def test_a_flush_sends_what_waits_and_the_turn_sends_it_no_second_time():
    log: list[tuple[str, bytes]] = []
    outbox = Outbox(asyncio.get_running_loop())
    one, two = Wire(log, "one"), Wire(log, "two")
    outbox.put(one, b"a")
    outbox.put(two, b"b")
    outbox.flush()
    assert log == [("one", b"a"), ("two", b"b")]
    await a_turn()
    assert log == [("one", b"a"), ("two", b"b")]


async def test_a_transport_that_closed_meanwhile_gets_nothing():
    log: list[tuple[str, bytes]] = []
    gone, here = Wire(log, "gone"), Wire(log, "here")
    outbox = Outbox(asyncio.get_running_loop())
    outbox.put(here, b"a")
    outbox.put(gone, b"b")
    outbox.put(here, b"c")
    gone.closed = True
    await a_turn()
    assert log == [("here", b"a"), ("here", b"c")]


async def test_both_ends_of_an_exchange_share_the_outbox_of_their_loop():
    loop = asyncio.get_running_loop()
    ours = Outbox.of(loop)
    assert Outbox.of(loop) is ours
    other = asyncio.new_event_loop()
    try:
        assert Outbox.of(other) is not ours
    finally:
        other.close()
