"""The gate: how many may be inside, and who is next."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

import pytest

from proxy.admission.gate import Gate
from proxy.config import LimitsConfig
from proxy.errors import Overloaded


def gate(inflight: int = 1, flex: int = 1, waiting: int = 8, wait_s: float = 60.0) -> Gate:
    return Gate(max_inflight=inflight, max_inflight_flex=flex, max_waiting=waiting, max_wait_s=wait_s)


class Visitors:
    """People at the gate, who stay inside until told to go."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.inside: list[str] = []
        self.lanes: dict[str, str] = {}

    def come(self, name: str, lane: str = "default") -> asyncio.Task[None]:
        self.lanes[name] = lane

        async def enter() -> None:
            await self.gate.acquire(lane)
            self.inside.append(name)

        return asyncio.get_running_loop().create_task(enter())

    def go(self, name: str) -> None:
        self.inside.remove(name)
        self.gate.release(self.lanes[name])


async def settle() -> None:
    """Let everything that can run now run: a woken waiter needs two rounds of the loop."""
    for _ in range(5):
        await asyncio.sleep(0)


def step_once(coroutine) -> None:
    """Run a coroutine that must end without waiting for anything."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


def test_with_room_nobody_is_suspended():
    room = gate()

    step_once(room.acquire("default"))

    assert 1 == room.inflight


def test_a_full_room_lets_nobody_in_and_counts_nobody():
    room = gate(inflight=2, flex=1)

    assert [True, False, True, False] == [room.enter(lane) for lane in ("flex", "flex", "default", "default")]
    assert (2, 1) == (room.inflight, room.inflight_flex)
    room.release("flex")
    room.release("default")
    assert (0, 0) == (room.inflight, room.inflight_flex)


async def test_a_visitor_waits_for_its_turn():
    room = gate()
    room.enter("default")
    visitor = asyncio.ensure_future(room.acquire("default"))
    await settle()

    assert not visitor.done()
    room.release("default")

    await visitor
    assert 1 == room.inflight


async def test_those_who_wait_are_served_in_order():
    people = Visitors(gate())
    for name in "abcd":
        people.come(name)
        await settle()
    seen = []
    for name in "abcd":
        assert [name] == people.inside
        seen.append(name)
        people.go(name)
        await settle()

    assert people.gate.inflight == 0


async def test_the_default_lane_is_served_before_flex():
    people = Visitors(gate())
    for name, lane in [("first", "default"), ("patient", "flex"), ("hurried", "default")]:
        people.come(name, lane)
        await settle()

    people.go("first")
    await settle()

    assert ["hurried"] == people.inside
    people.go("hurried")
    await settle()
    assert ["patient"] == people.inside


async def test_flex_never_takes_more_than_its_part():
    people = Visitors(gate(inflight=3, flex=1))
    people.come("f1", "flex")
    people.come("f2", "flex")
    people.come("d1")
    await settle()

    assert ["f1", "d1"] == people.inside
    assert people.gate.waiting("flex") == 1
    people.go("d1")
    await settle()
    assert ["f1"] == people.inside
    people.go("f1")
    await settle()
    assert ["f2"] == people.inside


async def test_a_slot_that_is_handed_over_cannot_be_taken_by_a_newcomer():
    people = Visitors(gate())
    people.come("first")
    await settle()
    waiter = people.come("waiting")
    await settle()

    people.go("first")

    assert not people.gate.enter("default")
    await waiter
    assert ["waiting"] == people.inside


async def test_a_full_waiting_room_turns_newcomers_away_at_once():
    people = Visitors(gate(waiting=1, wait_s=7.0))
    people.come("inside")
    people.come("waiting")
    await settle()

    with pytest.raises(Overloaded) as refusal:
        await people.gate.acquire("default")

    assert refusal.value.retry_after_s == 7.0
    assert refusal.value.detail == "the waiting room is full: 1 in flight"


async def test_no_waiting_room_means_no_waiting():
    room = gate(waiting=0)
    await room.acquire("default")

    with pytest.raises(Overloaded):
        await room.acquire("default")


async def test_in_a_full_waiting_room_the_newest_of_flex_gives_way_to_the_default_lane():
    people = Visitors(gate(waiting=2))
    people.come("inside")
    people.come("older", "flex")
    newer = people.come("newer", "flex")
    await settle()

    people.come("hurried")
    await settle()

    with pytest.raises(Overloaded):
        await newer
    assert (1, 1) == (people.gate.waiting("default"), people.gate.waiting("flex"))
    with pytest.raises(Overloaded):
        await people.gate.acquire("flex")


async def test_nobody_waits_longer_than_allowed():
    room = gate(wait_s=0.001)
    await room.acquire("default")

    with pytest.raises(Overloaded) as refusal:
        await room.acquire("default")

    assert refusal.value.retry_after_s == 1.0
    assert room.waiting("default") == 0
    room.release("default")
    assert room.inflight == 0


async def test_a_cancelled_waiter_leaves_the_line():
    people = Visitors(gate())
    people.come("inside")
    waiter = people.come("leaving")
    people.come("staying")
    await settle()

    waiter.cancel()
    await settle()
    people.go("inside")
    await settle()

    assert ["staying"] == people.inside
    assert people.gate.waiting("default") == 0


@pytest.mark.parametrize("lane", ["default", "flex"])
@pytest.mark.parametrize("cancelled_first", [True, False])
async def test_a_waiter_cancelled_in_the_moment_of_its_turn_leaks_nothing(lane: str, *, cancelled_first: bool):
    people = Visitors(gate())
    people.come("inside", lane)
    await settle()
    waiter = people.come("leaving", lane)
    await settle()

    if cancelled_first:
        waiter.cancel()
        people.go("inside")
    else:
        people.go("inside")
        waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter

    assert [] == people.inside
    assert (0, 0) == (people.gate.inflight, people.gate.inflight_flex)
    assert people.gate.enter(lane)


async def test_a_slot_given_to_a_cancelled_waiter_goes_on_to_the_next():
    people = Visitors(gate())
    people.come("inside")
    leaving = people.come("leaving")
    people.come("next")
    await settle()

    people.go("inside")
    leaving.cancel()
    await settle()

    assert ["next"] == people.inside


async def test_a_waiter_turned_away_and_cancelled_at_once_leaves_no_unheard_error():
    people = Visitors(gate(waiting=1))
    people.come("inside")
    flex = people.come("flex", "flex")
    await settle()
    people.come("hurried")
    await asyncio.sleep(0)

    flex.cancel()
    with suppress(asyncio.CancelledError, Overloaded):
        await flex

    assert people.gate.waiting("flex") == 0


async def test_raised_limits_let_the_waiting_in():
    people = Visitors(gate())
    for name in "abc":
        people.come(name)
    await settle()

    people.gate.adopt(LimitsConfig(max_inflight=2, max_inflight_flex=1))
    await settle()

    assert ["a", "b"] == people.inside


async def test_lowered_limits_take_effect_as_people_leave():
    people = Visitors(gate(inflight=3))
    for name in "abcd":
        people.come(name)
    await settle()
    people.gate.adopt(LimitsConfig(max_inflight=1))

    people.go("a")
    people.go("b")
    await settle()
    assert ["c"] == people.inside
    people.go("c")
    await settle()

    assert ["d"] == people.inside


@pytest.mark.parametrize("seed", range(20))
async def test_no_slot_is_lost_whatever_the_order_of_coming_going_and_cancelling(seed: int):
    rng = random.Random(seed)
    people = Visitors(gate(inflight=3, flex=2, waiting=6))
    tasks: list[asyncio.Task[None]] = []
    for number in range(300):
        act = rng.random()
        if act < 0.45:
            tasks.append(people.come(str(number), rng.choice(["default", "flex"])))
        elif act < 0.7 and people.inside:
            people.go(rng.choice(people.inside))
        elif act < 0.85 and tasks:
            rng.choice(tasks).cancel()
        elif act < 0.95:
            await asyncio.sleep(0)
        assert people.gate.inflight <= 3
        assert people.gate.inflight_flex <= 2
        assert people.gate.waiting("default") + people.gate.waiting("flex") <= 6
    while people.inside or any(not task.done() for task in tasks):
        await settle()
        for name in list(people.inside):
            people.go(name)
    await asyncio.gather(*tasks, return_exceptions=True)

    assert (0, 0) == (people.gate.inflight, people.gate.inflight_flex)
    assert (0, 0) == (people.gate.waiting("default"), people.gate.waiting("flex"))
