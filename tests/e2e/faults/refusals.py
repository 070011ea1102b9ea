"""Rows 1 to 4 and 16: a provider that answers with a status other than 200, and may or may not mean it."""

from __future__ import annotations

import asyncio
from functools import partial

import orjson
import pytest

from e2e.dialects import ONEINFER, OPENAI, OXEN
from e2e.faults.said import Said
from e2e.faults.stage import Given, Pair, Trial
from e2e.faults.table import row
from e2e.faults.voice import FALLBACK
from e2e.given import BETA_PRICE
from fakes.steps import error_answer

RETRY_AFTER_S = 2.0
RATE_LIMITED = ("rate_limit_exceeded", "Rate limit reached for requests")


@row("1", "429 with Retry-After: 2, then fine")
async def waits_out_a_short_retry_after(trial: Trial) -> None:
    async def short(pair: Pair) -> None:
        pair.primary.script(error_answer(429, *RATE_LIMITED, kind="requests", headers={"retry-after": "2"}))
        pair.primary.otherwise(pair.primary_answers())
        said = await pair.ask()
        said.whole()
        pair.saw(2, 0)
        refused, served = pair.primary.requests
        assert served.came_s - refused.ended_s >= RETRY_AFTER_S
        assert ["upstream_rate_limited", "ok"] == await pair.codes(said)

    async def long(pair: Pair) -> None:
        pair.primary.otherwise(error_answer(429, *RATE_LIMITED, kind="requests", headers={"retry-after": "4"}))
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        assert said.seconds < RETRY_AFTER_S
        pair.saw(1, 1)

    await trial.all([("2 s are waited out", short, Given()), ("4 s fail over at once", long, Given())])


@row("2", "429 for ever, no header")
async def backs_off_then_fails_over(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        pair.primary.otherwise(error_answer(429, *RATE_LIMITED, kind="requests"))
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        assert said.seconds < 3.0
        assert sum(pair.seen()) <= 4
        pair.saw(2, 1)
        assert ["upstream_rate_limited", "upstream_rate_limited", "ok"] == await pair.codes(said)

    await trial.each(case)


@row("3", "500 once")
async def asks_the_same_deployment_again(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        pair.primary.script(error_answer(500))
        pair.primary.otherwise(pair.primary_answers())
        said = await pair.ask()
        said.whole()
        pair.saw(2, 0)
        assert ["upstream_server_error", "ok"] == await pair.codes(said)

    await trial.each(case)


@row("4", "503 for ever")
async def fails_over(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        pair.primary.otherwise(error_answer(503, "overloaded", "The engine is overloaded"))
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        pair.saw(1, 1)
        assert f"chosen={pair.second}/{pair.name}" in said.headers["x-pointsman-route"]
        assert f"{pair.first}/{pair.name} upstream_overloaded" in said.headers["x-pointsman-route"]
        if pair.surface is OPENAI and pair.stream:
            trial.shown.append(("x-pointsman-route", said.headers["x-pointsman-route"]))

    async def everywhere(pair: Pair) -> None:
        """Nobody answers: the caller learns it after no more attempts than the budget of the route has."""
        for upstream in (pair.primary, pair.fallback):
            upstream.otherwise(error_answer(503, "overloaded", "The engine is overloaded"))
        said = await pair.ask()
        said.refused(500 if pair.surface is ONEINFER else 503 if pair.surface is OPENAI else 502)
        pair.saw(1, 1)

    await trial.all([("of the primary", case, Given()), ("of both", everywhere, Given())])


@row("16", "primary 503: model and usage are the fallback's")
async def names_and_bills_who_answered(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        pair.primary.otherwise(error_answer(503, "overloaded", "The engine is overloaded"))
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        pair.saw(1, 1)
        hidden = pair.stream and pair.surface is OXEN  # nobody asked for it
        assert (None if hidden else FALLBACK.prompt) == _prompt_tokens(pair, said)
        fact = await pair.fact(said)
        assert (pair.second, "completed") == (fact["provider"], fact["outcome"])
        tokens = fact["tokens"]
        assert (FALLBACK.prompt, FALLBACK.completion, False) == (
            tokens["input"],
            tokens["output"],
            tokens["estimated"],
        )
        price = BETA_PRICE["input_usd_per_mtok"] * FALLBACK.prompt
        price += BETA_PRICE["output_usd_per_mtok"] * FALLBACK.completion
        assert price / 1e6 == pytest.approx(fact["cost_usd"])
        failed, answered = fact["attempts"]
        assert (pair.first, "upstream_overloaded", 503) == (failed["provider"], failed["code"], failed["status"])
        assert (pair.second, "ok", 200) == (answered["provider"], answered["code"], answered["status"])
        assert not failed.get("cost_usd")
        total = partial(pair.stage.gateway.metric, "pointsman_tokens_total", model=pair.name)
        billed = [await asyncio.to_thread(total, provider=name) for name in (pair.first, pair.second)]
        assert [0, FALLBACK.prompt + FALLBACK.completion] == billed

    await trial.each(case)


def _prompt_tokens(pair: Pair, said: Said) -> int | None:
    """As the answer tells them, `None` where it need not; checks on the way whose answer it says it is."""
    if pair.surface is ONEINFER:
        told = said.events[-2] if pair.stream else orjson.loads(said.body)["data"]
        assert (pair.second, pair.name) == (told["provider"], told["model"])
        return int(told["usage"]["prompt_tokens"])
    docs = said.events[:-1] if pair.stream else [orjson.loads(said.body)]
    assert {FALLBACK.model if pair.surface is OPENAI else pair.name} == {doc["model"] for doc in docs}
    return next((doc["usage"]["prompt_tokens"] for doc in docs if doc.get("usage")), None)
