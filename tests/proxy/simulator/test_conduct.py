"""Faults, limits, tiers and the counters that tell of them."""

from __future__ import annotations

import asyncio

import aiohttp
import openai
import pytest

from proxy.simulator.ask import Ask, Refusal
from proxy.simulator.conduct import Budget, Conduct
from proxy.simulator.spec import SimulatedProvider

ASK = {"model": "any", "messages": [{"role": "user", "content": "Go."}]}


async def test_the_first_requests_fail_and_then_none(provider, sdk):
    running = await provider(fail_first=2)
    client = await sdk(running)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError) as caught:
            await client.chat.completions.create(**ASK)
        assert 503 == caught.value.status_code
    await client.chat.completions.create(**ASK)
    assert (3, 2, 1) == tuple(running.stats()[name] for name in ("requests", "refused", "answered"))


async def test_the_error_rate_is_kept_and_repeats_with_the_seed():
    def fates(seed: int) -> list[bool]:
        conduct = Conduct(SimulatedProvider(seed=seed, error_rate=0.3), now_s=0)
        return [_refused(conduct) for _ in range(1000)]

    assert fates(1) == fates(1)
    assert fates(1) != fates(2)
    assert 250 <= sum(fates(1)) <= 350


def _refused(conduct: Conduct) -> bool:
    try:
        conduct.admit(0)
    except Refusal as refusal:
        return refusal.status == 500
    return False


async def test_the_rate_limit_tells_when_to_come_back(provider, sdk):
    client = await sdk(await provider(rpm=2))
    first = await client.chat.completions.with_raw_response.create(**ASK)
    assert ("2", "1") == tuple(first.headers[f"x-ratelimit-{name}-requests"] for name in ("limit", "remaining"))
    await client.chat.completions.create(**ASK)
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(**ASK)
    assert ("rate_limit_exceeded", "requests") == (caught.value.code, caught.value.type)
    headers = caught.value.response.headers
    assert 0 < int(headers["retry-after-ms"]) <= 30_000
    assert 0 < int(headers["retry-after"]) <= 30


def test_a_budget_refills_with_time_up_to_its_limit():
    budget = Budget(rpm=60, now_s=0)
    assert [0.0] * 60 == [budget.take(0) for _ in range(60)]
    assert 1 == pytest.approx(budget.take(0))
    assert 0 == budget.take(1)
    assert [0.0] * 60 == [budget.take(1000) for _ in range(60)]
    assert budget.take(1000) > 0


@pytest.mark.parametrize(("sold", "asked", "served"), [(True, "flex", "flex"), (False, "flex", "default"),
                                                       (True, "auto", "default"), (True, None, "default")])  # fmt: skip
async def test_the_answer_names_the_tier_that_served_it(provider, sdk, sold, asked, served):
    client = await sdk(await provider(flex=sold))
    options = {} if asked is None else {"service_tier": asked}
    assert served == (await client.chat.completions.create(**ASK, **options)).service_tier


async def test_flex_without_room_is_a_429_and_the_default_tier_still_answers(provider, sdk):
    client = await sdk(await provider(flex=True, flex_unavailable=1))
    with pytest.raises(openai.RateLimitError, match="Resource Unavailable"):
        await client.chat.completions.create(**ASK, service_tier="flex")
    assert "default" == (await client.chat.completions.create(**ASK)).service_tier


async def test_another_key_is_refused(provider, sdk):
    running = await provider(api_key="sk-right")
    with pytest.raises(openai.AuthenticationError) as caught:
        await (await sdk(running, "sk-wrong")).chat.completions.create(**ASK)
    assert "invalid_api_key" == caught.value.code
    await (await sdk(running, "sk-right")).chat.completions.create(**ASK)


async def test_a_broken_stream_is_cut_without_its_end(provider):
    running = await provider(break_rate=1)
    url = f"{running.base_url}/chat/completions"
    received = b""
    async with aiohttp.ClientSession() as session, session.post(url, json=ASK | {"stream": True}) as reply:
        with pytest.raises(aiohttp.ClientPayloadError):  # noqa: PT012 - what came before counts
            async for data in reply.content.iter_any():
                received += data
    assert b'"content":' in received
    assert b"[DONE]" not in received
    assert (1, 1, 0) == tuple(running.stats()[name] for name in ("streams", "broken", "answered"))


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_is_counted(provider, stream):
    running = await provider(ttft_s=600 if not stream else 0, tokens_per_second=0.001, jitter=0)
    url = f"{running.base_url}/chat/completions"
    async with aiohttp.ClientSession() as session:
        asked = asyncio.ensure_future(session.post(url, json=ASK | {"stream": stream}))
        await _until(running, "streams" if stream else "in_flight", 1)
        if stream:
            (await asked).close()
        else:
            asked.cancel()
        await _until(running, "cancelled", 1)
    assert 0 == running.stats()["in_flight"]
    await _until(running, "open_connections", 0)


async def _until(running, name: str, value: int) -> None:
    async with asyncio.timeout(10):
        while running.stats()[name] != value:  # noqa: ASYNC110 - the fact lies in the peer's counters
            await asyncio.sleep(0)


async def test_the_counters_are_served(provider):
    running = await provider(name="east")
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{running.base_url}/chat/completions", json=ASK):
            pass
        async with session.get(running.base_url.removesuffix("/v1") + "/_simulator/stats") as reply:
            stats = await reply.json()
    assert ("east", 1, 1, 1) == tuple(stats[name] for name in ("name", "requests", "answered", "open_connections"))


def test_delays_stay_within_the_jitter_and_unpaced_means_none():
    conduct = Conduct(SimulatedProvider(ttft_s=1, tokens_per_second=10, jitter=0.5), now_s=0)
    first = [conduct.first_delay_s() for _ in range(100)]
    assert 0.5 <= min(first) < max(first) <= 1.5
    tokens = [conduct.token_delay_s() for _ in range(100)]
    assert 0.05 <= min(tokens) < max(tokens) <= 0.15
    assert 0 == Conduct(SimulatedProvider(tokens_per_second=None), now_s=0).token_delay_s()


def test_a_provider_that_sells_no_flex_draws_no_lot_for_it():
    conduct = Conduct(SimulatedProvider(flex=False, flex_unavailable=1), now_s=0)
    assert "default" == conduct.tier(Ask(model="m", prompt="", prompt_tokens=0, tier="flex"))
