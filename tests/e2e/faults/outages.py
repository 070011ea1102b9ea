"""Rows 15, 22 and 23: deployments that are away for a while, and one that dies under load."""

from __future__ import annotations

import asyncio

from e2e.dialects import OPENAI
from e2e.faults.stage import STREAM, Given, Pair, Trial
from e2e.faults.table import row
from e2e.faults.voice import PIECES, PRIMARY
from fakes.steps import Send, Stall, error_answer

FAILURES, OPEN_S, OPEN_MAX_S = 5, 0.3, 0.6
"""As the `quick` stage has them: all times of row 15 are a hundredth of the usual."""
WAVES, A_WAVE = 3, 5
SLACK_S = 0.6
"""For one busy machine to notice."""


async def until_admitted(pair: Pair) -> None:
    """Wait until the primary may be asked, as the gauge has it."""
    gateway, upstream = pair.stage.gateway, f"{pair.first}/{pair.name}"

    def is_up() -> bool:
        return gateway.metric("pointsman_upstream_up", upstream=upstream) == 1

    await asyncio.to_thread(gateway.wait_for, is_up, f"the return of `{upstream}`")


@row("15", "503 for a while, then healthy: twenty requests", stage="quick")
async def comes_back_within_one_probe_interval(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        clock = asyncio.get_running_loop().time
        pair.primary.otherwise(error_answer(503, "overloaded"))
        pair.fallback.otherwise(pair.fallback_answers())
        since_s = clock()
        for _ in range(FAILURES):
            (await pair.ask()).whole()
        pair.saw(FAILURES, FAILURES)
        for _ in range(WAVES):
            await until_admitted(pair)
            for _ in range(A_WAVE):
                said = await pair.ask()
                said.whole()
        probes, answered = len(pair.primary.requests) - FAILURES, len(pair.fallback.requests)
        assert FAILURES + WAVES * A_WAVE == answered == 20
        assert WAVES <= probes <= 1 + (clock() - since_s) / OPEN_S
        if pair.surface is OPENAI and pair.stream:
            trial.shown.append(("x-pointsman-route", said.headers["x-pointsman-route"]))
        pair.primary.otherwise(pair.primary_answers())
        healthy_s = clock()
        await until_admitted(pair)
        assert clock() - healthy_s < OPEN_MAX_S + SLACK_S
        for number in range(1, 4):
            (await pair.ask()).whole()
            assert FAILURES + probes + number == len(pair.primary.requests)
        assert 20 == len(pair.fallback.requests)
        trial.notes.append(f"{probes} probes")

    await trial.each(case)
    trial.notes[:] = sorted(set(trial.notes))


@row("22b", "out of money, then paid up", stage="quick")
async def is_asked_again_after_the_cool_down(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        pair.primary.script(error_answer(402, "payment_required", "Insufficient Balance"))
        pair.primary.otherwise(pair.primary_answers())
        pair.fallback.otherwise(pair.fallback_answers())
        (await pair.ask()).whole()
        pair.saw(1, 1)
        await until_admitted(pair)
        (await pair.ask()).whole()
        pair.saw(2, 1)

    await trial.each(case)


STREAMS = 34
"""On each of three surfaces."""
WITHIN_S = 5.0


async def _dies(pair: Pair) -> list[bool]:
    """Which of the streams are whole. Each has ended in time, and told the truth about itself."""
    clock = asyncio.get_running_loop().time
    begun = [Send(PRIMARY.begins()), *(Send(PRIMARY.says(piece)) for piece in PIECES[:20])]
    pair.primary.otherwise(*begun, Stall())
    pair.fallback.otherwise(pair.fallback_answers())
    began = asyncio.Semaphore(0)
    streams = [asyncio.ensure_future(pair.ask(began)) for _ in range(STREAMS)]
    for _ in range(STREAMS):
        await asyncio.wait_for(began.acquire(), 10)
    died_s = clock()
    await pair.primary.stop()
    answers = await asyncio.gather(*streams)
    assert clock() - died_s < WITHIN_S
    for said in answers:
        if said.is_whole:
            said.whole()
        else:
            said.told("upstream_stream_broken")
    return [said.is_whole for said in answers]


@row("23", "dies while 100 streams run")
async def each_ends_completely_or_explicitly(trial: Trial) -> None:
    async def rescued(pair: Pair) -> None:
        assert all(await _dies(pair))

    async def told(pair: Pair) -> None:
        assert not any(await _dies(pair))

    async def first_words(pair: Pair) -> None:
        """Of those that wait for their first token when it dies, nobody notices."""
        pair.primary.otherwise(Stall())
        pair.fallback.otherwise(pair.fallback_answers())
        waiting = [asyncio.ensure_future(pair.ask()) for _ in range(STREAMS)]
        await pair.primary.received(STREAMS)
        await pair.primary.stop()
        for said in await asyncio.gather(*waiting):
            said.whole()

    await trial.all([("under way", rescued, Given()), ("no fallback", told, Given(alone=True))], forms=(STREAM,))
    await trial.all([("waiting", first_words, Given())])


@row("23b", "the same, with the usual retry budget", stage="plain")
async def those_the_budget_has_no_room_for_are_told(trial: Trial) -> None:
    whole: list[bool] = []

    async def case(pair: Pair) -> None:
        whole.extend(await _dies(pair))

    await trial.each(case, forms=(STREAM,))
    assert 0 < sum(whole) < len(whole)
    trial.notes.append(f"{sum(whole)} whole, {len(whole) - sum(whole)} told")
