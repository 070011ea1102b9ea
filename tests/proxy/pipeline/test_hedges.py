"""A second attempt beside a slow one: the first content wins, the loser is cut off, and its cost is put down."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fakes.chat import chat_answer, chat_stream
from fakes.steps import SSE, Drop, Head, Stall, Tell, Wait, answer, error_answer
from proxy.facts import Outcome

HEDGE = {"hedge": {"delay_s": 0.01, "max_share": 1}}
GOOD = chat_stream("Hel", "lo", counts={})


def ends(gateway: Any) -> list[tuple[str, str, str]]:
    return [(attempt.provider, attempt.part, attempt.code) for attempt in gateway.fact.attempts]


async def test_a_provider_that_is_slow_to_begin_is_overtaken(make, primary, fallback):
    gateway = make(route=HEDGE)
    primary.script(Head(), Stall())
    fallback.script(SSE(*GOOD))

    client = await gateway.chat(stream=True)

    assert "Hello" == client.text
    assert [("primary", "answer", "hedge_lost"), ("fallback", "hedge", "ok")] == ends(gateway)
    await asyncio.wait_for(primary.requests[0].peer_closed.wait(), 5)
    lost, won = gateway.fact.attempts
    assert lost.usage.estimated
    assert lost.cost_nano_usd > 0
    assert won.cost_nano_usd == gateway.fact.cost_nano_usd
    assert "chosen=fallback/other-model" in client.headers["x-pointsman-route"]
    assert 'why="hedge after' in client.headers["x-pointsman-route"]


async def test_a_provider_that_answers_in_time_is_not_hedged(make, primary, fallback):
    gateway = make(route={"hedge": {"delay_s": 5, "max_share": 1}})
    primary.script(SSE(*GOOD))

    await gateway.chat(stream=True)

    assert [("primary", "answer", "ok")] == ends(gateway)
    assert [] == fallback.requests


async def test_whole_answers_are_hedged_as_well(make, primary, fallback):
    gateway = make(route=HEDGE)
    primary.script(Stall())
    fallback.script(answer(chat_answer("Hi.")))

    client = await gateway.chat()

    assert b"Hi." in client.received
    assert [("primary", "answer", "hedge_lost"), ("fallback", "hedge", "ok")] == ends(gateway)


async def test_the_first_may_still_win(make, primary, fallback):
    gateway = make(route=HEDGE)
    go_on = asyncio.Event()
    primary.script(Wait(go_on), SSE(*GOOD))
    fallback.script(Tell(go_on), Stall())

    client = await gateway.chat(stream=True)

    assert "Hello" == client.text
    assert [("primary", "answer", "ok"), ("fallback", "hedge", "hedge_lost")] == ends(gateway)
    assert "primary" == gateway.fact.provider
    await asyncio.wait_for(fallback.requests[0].peer_closed.wait(), 5)


@pytest.mark.parametrize("failure", [error_answer(503), error_answer(400), Drop()], ids=["503", "400", "closed"])
async def test_a_hedge_that_fails_harms_nobody(make, primary, fallback, failure):
    gateway = make(route=HEDGE)
    go_on = asyncio.Event()
    primary.script(Wait(go_on), SSE(*GOOD))
    fallback.script(Tell(go_on), failure)

    client = await gateway.chat(stream=True)

    assert "Hello" == client.text
    assert "ok" == gateway.fact.attempts[0].code


async def test_when_both_fail_the_search_goes_on(make, primary, fallback):
    gateway = make(route=HEDGE, retries={"max": 2, "backoff_s": 0})
    go_on = asyncio.Event()
    primary.script(Wait(go_on), error_answer(500))
    fallback.script(Tell(go_on), error_answer(503))
    primary.script(SSE(*GOOD))

    client = await gateway.chat(stream=True)

    assert "Hello" == client.text
    assert 3 == len(gateway.fact.attempts)


async def test_a_client_that_leaves_ends_both(make, primary, fallback):
    gateway = make(route=HEDGE)
    primary.script(Stall())
    fallback.script(Stall())

    serving = asyncio.ensure_future(gateway.chat(stream=True))
    second = await fallback.received()
    serving.cancel()
    await asyncio.wait({serving})

    for request in (primary.requests[0], second):
        await asyncio.wait_for(request.peer_closed.wait(), 5)
    assert [("primary", "answer", "cancelled"), ("fallback", "hedge", "cancelled")] == ends(gateway)
    assert Outcome.ABANDONED is gateway.fact.outcome


async def test_a_share_of_the_requests_is_hedged_and_no_more(make, primary, fallback):
    """At a half, the first request has no hedge: it waits for its only attempt."""
    gateway = make(route={"hedge": {"delay_s": 0.01, "max_share": 0.5}}, timeouts={"first_token_s": 0.05})
    primary.otherwise(Stall())
    fallback.otherwise(SSE(*GOOD))

    for _ in range(4):
        await gateway.chat(stream=True)

    second = [fact.attempts[1] for fact in gateway.finished if len(fact.attempts) > 1]
    assert ["answer", "hedge", "answer", "hedge"] == [attempt.part for attempt in second]


async def test_without_measurements_there_is_no_p95_to_wait_for(make, primary, fallback):
    gateway = make(route={"hedge": {"max_share": 1}}, timeouts={"first_token_s": 0.05})
    primary.script(Stall())
    fallback.script(SSE(*GOOD))

    await gateway.chat(stream=True)

    assert [("primary", "answer", "upstream_first_token_timeout"), ("fallback", "answer", "ok")] == ends(gateway)


async def test_after_enough_answers_the_p95_is_waited_for(make, primary, fallback):
    gateway = make(route={"hedge": {"max_share": 1}})
    primary.otherwise(SSE(*GOOD))
    for _ in range(20):
        await gateway.chat(stream=True)
    primary.otherwise(Stall())
    fallback.script(SSE(*GOOD))

    await gateway.chat(stream=True)

    assert ["hedge_lost", "ok"] == [attempt.code for attempt in gateway.finished[-1].attempts]


async def test_a_refusal_is_not_routed_around_by_a_hedge(make, primary, fallback):
    gateway = make(route=HEDGE)
    go_on = asyncio.Event()
    primary.script(Wait(go_on), error_answer(400, "content_policy_violation", "Not this."))
    fallback.script(Tell(go_on), Stall())

    client = await gateway.chat(stream=True)

    assert (400, "content_policy_violation") == (client.status, client.json["error"]["code"])
    assert [("primary", "answer", "content_policy_violation"), ("fallback", "hedge", "hedge_lost")] == ends(gateway)
    await asyncio.wait_for(fallback.requests[0].peer_closed.wait(), 5)


async def test_whole_answers_are_not_measured_by_the_first_tokens_of_streams(make, primary, fallback):
    gateway = make(route={"hedge": {"max_share": 1}}, timeouts={"answer_s": 0.3})
    primary.otherwise(SSE(*GOOD))
    for _ in range(20):
        await gateway.chat(stream=True)
    primary.otherwise(Stall())
    fallback.script(answer(chat_answer()))

    await gateway.chat()

    assert ["answer", "answer"] == [attempt.part for attempt in gateway.finished[-1].attempts]


async def test_a_splice_does_not_earn_another_hedge(make, primary, fallback):
    gateway = make(route={"hedge": {"delay_s": 5, "max_share": 0.5}})
    primary.script(SSE(*GOOD[:2]), Drop())
    fallback.script(SSE(*GOOD))

    await gateway.chat(stream=True)

    hedging = gateway.world.routes["m"].hedging
    assert ["answer", "splice"] == [attempt.part for attempt in gateway.fact.attempts]
    assert not hedging.acquire(), "one request at a half is half a hedge"
