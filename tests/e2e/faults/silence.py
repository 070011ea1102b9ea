"""Rows 6, 7 and 9: silence before the head, before the first token and in the middle. Each waits for its limit."""

from __future__ import annotations

import asyncio

import httpx2

from e2e.dialects import ONEINFER, OPENAI
from e2e.faults.stage import STREAM, TIMEOUTS, WHOLE, Given, Pair, Trial
from e2e.faults.table import row
from e2e.faults.voice import OTHER, PIECES, PRIMARY, recut
from fakes.steps import JSON, Head, Send, Stall

LIMIT_S = 10.0
"""Each of the three limits."""
EARLY_S = 0.01
"""By so much a timer may fire early."""
BEGUN = 20
"""Tokens."""
ALIVE = Given(route={"timeouts": {**TIMEOUTS, "keepalive_s": 3}})
"""Two or three signs of life before the limit."""
HEDGE_S = 1.0
SIGN = b": keep-alive\n\n"


@row("6", "accepts, never answers", is_slow=True)
async def gives_up_on_the_silent_one_once(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        pair.primary.otherwise(Stall())
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        pair.saw(1, 1)
        assert -EARLY_S <= said.seconds - LIMIT_S < 3
        assert ["upstream_first_token_timeout", "ok"] == await pair.codes(said)
        assert pair.primary.requests[0].peer_closed.is_set()
        assert SIGN not in said.body, "nobody knew the status yet"

    async def nobody(pair: Pair) -> None:
        """The client has an honest status."""
        pair.primary.otherwise(Stall())
        said = await pair.ask()
        said.refused(500 if pair.surface is ONEINFER else 504 if pair.surface is OPENAI else 502)

    silent = Given(alone=True, route=ALIVE.route)
    await trial.all([("fallback", case, ALIVE), ("no fallback", nobody, silent)])


@row("7", "headers at once, first token after 20 s", is_slow=True)
async def the_whole_answer_within_fifteen_seconds(trial: Trial) -> None:
    async def case(pair: Pair) -> None:
        head = (Send(PRIMARY.begins()),) if pair.stream else (Head(content_type=JSON), Send(b"\n"))
        pair.primary.otherwise(*head, Stall())
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        assert said.seconds < 15
        assert (pair.stream and pair.given is ALIVE) == (said.body.count(SIGN) in {2, 3})
        assert pair.given is ALIVE or SIGN not in said.body
        pair.saw(1, 1)
        assert ["upstream_first_token_timeout", "ok"] == await pair.codes(said)
        assert pair.primary.requests[0].peer_closed.is_set()

    async def hedged(pair: Pair) -> None:
        """Where the operator wants it, the other one is asked much earlier."""
        head = (Send(PRIMARY.begins()),) if pair.stream else (Head(content_type=JSON), Send(b"\n"))
        pair.primary.otherwise(*head, Stall())
        pair.fallback.otherwise(pair.fallback_answers())
        said = await pair.ask()
        said.whole()
        assert HEDGE_S <= said.seconds < LIMIT_S / 2
        pair.saw(1, 1)
        assert ["hedge_lost", "ok"] == await pair.codes(said)
        await asyncio.wait_for(pair.primary.requests[0].peer_closed.wait(), 1)

    hedging = Given(route={"hedge": {"delay_s": HEDGE_S, "max_share": 1.0}})
    await trial.all([("usual", case, Given()), ("signs of life", case, ALIVE), ("hedged", hedged, hedging)])


@row("9", "silent after 20 tokens, connection open", is_slow=True)
async def goes_on_elsewhere_after_the_idle_limit(trial: Trial) -> None:
    async def spliced(pair: Pair) -> None:
        await _falls_silent(pair, *recut("".join(PIECES), 7))
        said = await pair.ask()
        said.whole()
        pair.saw(1, 1)
        assert -EARLY_S <= said.seconds - LIMIT_S < 3
        assert ["upstream_stream_stalled", "ok"] == await pair.codes(said)
        await _is_healthy(pair)

    async def told(pair: Pair) -> None:
        await _falls_silent(pair, OTHER)
        said = await pair.ask()
        said.told("upstream_stream_stalled")
        pair.saw(1, 1)
        fact = await pair.fact(said)
        assert ("truncated", "upstream_stream_stalled") == (fact["outcome"], fact["error_code"])
        await _is_healthy(pair)

    async def whole(pair: Pair) -> None:
        """Half of a whole answer, then nothing."""
        body = PRIMARY.body()
        pair.primary.otherwise(Head(content_type=JSON), Send(body[: len(body) // 2]), Stall())
        pair.fallback.otherwise(pair.fallback_answers())
        (await pair.ask()).whole()
        pair.saw(1, 1)

    streams = trial.all([("spliced", spliced, Given()), ("another text", told, Given())], forms=(STREAM,))
    await asyncio.gather(streams, trial.all([("half an answer", whole, Given())], forms=(WHOLE,)))


async def _falls_silent(pair: Pair, *pieces: str) -> None:
    pair.primary.script(Send(PRIMARY.begins()), *(Send(PRIMARY.says(piece)) for piece in PIECES[:BEGUN]), Stall())
    pair.fallback.otherwise(pair.fallback_answers(*pieces))


async def _is_healthy(pair: Pair) -> None:
    """The provider was cut off, the process is well, the route serves."""
    assert pair.primary.requests[0].peer_closed.is_set()
    reply = await asyncio.to_thread(pair.stage.gateway.get, "/healthz")
    assert httpx2.codes.OK == reply.status_code
    pair.primary.otherwise(pair.primary_answers())
    (await pair.ask()).whole()
