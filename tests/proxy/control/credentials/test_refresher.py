"""Credentials are there before the first request and replaced before they end; failures are asked again ever slower."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from fakes.issuer import Issuer, issuing
from proxy.config import ProviderConfig
from proxy.control.credentials import refresher as room
from proxy.control.credentials.refresher import (
    BACKOFF_MAX_S,
    BACKOFF_S,
    EARLY_S,
    JITTER_S,
    LEAST_S,
    Refresher,
)
from proxy.errors import CredentialPending
from proxy.providers.provider import Provider

NOW_S = 1_800_000_000.0
LIFETIME_S = 3600.0


@dataclass
class Time:
    """A clock that stands still, and pauses that end when the test says so."""

    now_s: float = NOW_S
    pauses: list[tuple[float, asyncio.Event]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def clock(self) -> float:
        return self.now_s

    async def sleep(self, pause_s: float) -> None:
        over = asyncio.Event()
        self.pauses.append((pause_s, over))
        self.arrived.set()
        await over.wait()

    async def until_pause(self, number: int) -> float:
        """Seconds of the pause `number`, counted from 1, once somebody makes it."""
        while len(self.pauses) < number:
            self.arrived.clear()
            await self.arrived.wait()
        return self.pauses[number - 1][0]

    def end(self, number: int) -> None:
        pause_s, over = self.pauses[number - 1]
        self.now_s += pause_s
        over.set()


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def fresh() -> list[str]:
    return []


@pytest.fixture
async def refresher(time, fresh) -> AsyncIterator[Refresher]:
    made = Refresher(fresh.append, time.clock, random.Random(7), time.sleep)
    yield made
    await made.close()


def token(text: str) -> tuple[int, dict[str, Any]]:
    return 200, {"access_token": text, "expires_in": LIFETIME_S}


def machine(issuer: Issuer, time: Time, name: str = "vertex") -> Provider:
    """A provider that is called with the machine's own account."""
    config = ProviderConfig(
        profile="vertex", project="p", location="global", credentials={"google": {"metadata": True}}
    )
    environ = {"GCE_METADATA_HOST": issuer.url.removeprefix("http://")}
    return Provider.from_config(name, config, environ, time.clock)


def sent(provider: Provider) -> bytes:
    return provider.request_head("/x", b"{}")


async def test_the_first_token_is_there_before_the_first_request(refresher, time, fresh):
    async with issuing(token("one")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])

    assert b"Bearer one\r\n" in sent(vertex)
    assert ["vertex"] == fresh


async def test_a_token_is_replaced_before_it_ends(refresher, time, fresh):
    async with issuing(token("one"), token("two")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])
        first_s = await time.until_pause(1)
        time.end(1)
        second_s = await time.until_pause(2)
        assert LIFETIME_S - EARLY_S <= first_s + second_s <= LIFETIME_S - EARLY_S + JITTER_S
        time.end(2)
        await time.until_pause(3)

    assert b"Bearer two\r\n" in sent(vertex)
    assert ["vertex", "vertex"] == fresh


async def test_a_refused_token_is_replaced_early_and_just_once(refresher, time):
    """Wishes within `LEAST_S` of the last answer wait for its end, however many they are."""
    async with issuing(token("one"), token("two"), token("three")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])
        assert LEAST_S == await time.until_pause(1)
        for _ in range(5):
            vertex.credential_refused()
        assert 1 == len(issuer.asked)
        time.end(1)
        assert LEAST_S == await time.until_pause(3)

    assert b"Bearer two\r\n" in sent(vertex)
    assert 2 == len(issuer.asked)


async def test_a_wish_cuts_a_long_sleep_short(refresher, time):
    async with issuing(token("one"), token("two")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])
        await time.until_pause(1)
        time.end(1)
        await time.until_pause(2)
        vertex.credential_refused()
        await time.until_pause(3)

    assert b"Bearer two\r\n" in sent(vertex)


async def test_failures_are_asked_again_ever_more_slowly(refresher, time, caplog):
    async with issuing((503, "busy")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])
        pauses = []
        for number in range(1, 10):
            pauses.append(await time.until_pause(number))
            time.end(number)

    limits = [min(BACKOFF_MAX_S, BACKOFF_S * 2**failures) for failures in range(9)]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))
    assert "no credential for `vertex`" in caplog.text
    with pytest.raises(CredentialPending):
        sent(vertex)


async def test_what_is_wished_while_nothing_comes_is_no_reason_to_hurry(refresher, time):
    async with issuing((503, "busy")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])
        await time.until_pause(1)
        for _ in range(5):
            with pytest.raises(CredentialPending):
                sent(vertex)

        assert 1 == len(issuer.asked)


async def test_a_token_that_could_not_be_replaced_is_used_to_its_end(refresher, time):
    async with issuing(token("one"), (503, "busy")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])
        for number in (1, 2):
            await time.until_pause(number)
            time.end(number)
        await time.until_pause(3)

        assert b"Bearer one\r\n" in sent(vertex)
        time.now_s = NOW_S + LIFETIME_S
        with pytest.raises(CredentialPending):
            sent(vertex)


async def test_a_start_waits_no_longer_than_its_bound(refresher, time, monkeypatch):
    monkeypatch.setattr(room, "FIRST_TOKEN_S", 0.0)
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow(Issuer):
        async def answer(self, request):
            asked.set()
            await answer.wait()
            return await super().answer(request)

    async with issuing(token("one"), kind=Slow) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])
        with pytest.raises(CredentialPending):
            sent(vertex)
        await asked.wait()
        answer.set()
        await time.until_pause(1)

    assert b"Bearer one\r\n" in sent(vertex)


async def test_providers_with_the_same_account_share_its_token(refresher, time, fresh):
    async with issuing(token("one")) as issuer:
        first, second = machine(issuer, time, "first"), machine(issuer, time, "second")
        await refresher.start([first, second])

    assert 1 == len(issuer.asked)
    assert {"first", "second"} == set(fresh)
    assert b"Bearer one\r\n" in sent(first)
    assert b"Bearer one\r\n" in sent(second)


async def test_a_reload_hands_on_what_is_there(refresher, time):
    """No request of the new world finds its credential missing, and nobody is asked for it again."""
    async with issuing(token("one"), token("two")) as issuer:
        await refresher.start([machine(issuer, time)])
        reloaded = machine(issuer, time)
        refresher.adopt([reloaded])

        assert b"Bearer one\r\n" in sent(reloaded)
        assert 1 == len(issuer.asked)
        await time.until_pause(1)
        reloaded.credential_refused()
        time.end(1)
        await time.until_pause(3)

    assert b"Bearer two\r\n" in sent(reloaded)


async def test_a_source_nobody_names_any_more_is_asked_no_more(refresher, time):
    async with issuing(token("one")) as issuer:
        await refresher.start([machine(issuer, time)])
        refresher.adopt([])

    assert not refresher._keepers


async def test_a_token_that_cannot_be_sent_is_told_of_and_not_used(refresher, time, caplog):
    async with issuing(token("two words")) as issuer:
        vertex = machine(issuer, time)
        await refresher.start([vertex])

    assert "the credential for `vertex` cannot be used" in caplog.text
    assert "two words" not in caplog.text
    with pytest.raises(CredentialPending):
        sent(vertex)


async def test_keys_that_do_not_expire_need_nobody(refresher):
    providers = [
        Provider.from_config("anthropic", ProviderConfig(api_key="k"), {}),
        Provider.from_config(
            "bedrock",
            ProviderConfig(
                region="us-east-1", credentials={"aws": {"access_key_id": "AKID", "secret_access_key": "s"}}
            ),
            {},
        ),
    ]
    await refresher.start(providers)
    assert not refresher._keepers
