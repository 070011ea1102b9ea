"""Rows 8 and 14: streams that die after content, and whether another deployment can go on where they ended."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from e2e.dialects import OPENAI
from e2e.faults.stage import MESSAGES, STREAM, TIMEOUTS, WHOLE, Given, Pair, Trial, request_bytes
from e2e.faults.table import row
from e2e.faults.voice import BROKEN, DELIVERED, FALLBACK, OTHER, PIECES, PRIMARY, TEXT, Voice, begun, recut
from e2e.wire import Wire
from fakes.chat import DONE
from fakes.steps import JSON, SSE, Drop, Framing, Head, Raw, Reset, Send, Stall, Step, error_answer

DEATHS: dict[str, tuple[Step, ...]] = {
    "closed": (Drop(),),
    "reset": (Reset(),),
    "ended without a finish": (),
    "in the middle of an event": (Send(PRIMARY.says(PIECES[DELIVERED])[:60]), Drop()),
    "no HTTP any more": (Raw(b"zz\r\n"), Stall()),
}
AT_ONCE = (Send(PRIMARY.begins() + PRIMARY.says(*PIECES[:DELIVERED])), Drop())
"""Everything in one write."""
OTHER_CUTS: dict[str, tuple[str, ...]] = {
    "the same pieces": PIECES,
    "pieces of seven": recut(TEXT, 7),
    "single characters": recut(TEXT, 1),
    "one piece": (TEXT,),
}
OTHER_TEXTS: dict[str, tuple[str, ...]] = {
    "another text": (OTHER,),
    "a shorter text": PIECES[: DELIVERED - 1],
    "another text from the first word on": ("Left", *PIECES[1:]),
}


@row("8", "dies after 40 of 60 tokens")
async def goes_on_where_it_ended(trial: Trial) -> None:
    def spliced(name: str, dying: tuple[Step, ...], pieces: tuple[str, ...]) -> tuple[str, Any, Given]:
        async def play(pair: Pair) -> None:
            pair.primary.otherwise(*dying)
            pair.fallback.otherwise(pair.fallback_answers(*pieces))
            said = await pair.ask()
            said.whole()
            pair.saw(1, 1)
            assert [BROKEN, "ok"] == await pair.codes(said)
            assert b"\n: x-pointsman-route: " in said.body
            if pair.surface is OPENAI:
                assert 1 == sum(bool(chunk.get("usage")) for chunk in said.events[:-1])
            fact = await pair.fact(said)
            assert ("completed", None) == (fact["outcome"], fact["error_code"])
            assert ["answer", "splice"] == [attempt["part"] for attempt in fact["attempts"]]
            if pair.surface is OPENAI and not trial.shown:
                comment = said.body.partition(b": x-pointsman-route: ")[2].partition(b"\n")[0]
                trial.shown.append(("x-pointsman-route", comment.decode()))
                trial.shown.append(("access log", orjson.dumps(fact).decode()))

        return name, play, Given()

    def told(pieces: tuple[str, ...]) -> Any:
        async def play(pair: Pair) -> None:
            pair.primary.otherwise(*begun(Drop()))
            pair.fallback.otherwise(pair.fallback_answers(*pieces))
            await _is_told(pair)
            pair.saw(1, 1)

        return play

    deaths = [spliced(name, begun(*death), PIECES) for name, death in DEATHS.items()]
    deaths.append(spliced("all in one write", AT_ONCE, PIECES))
    deaths.append(spliced("after one token", begun(Drop(), tokens=1), PIECES))
    deaths.append(spliced("after all tokens but no finish", begun(Drop(), tokens=60), PIECES))
    cuts = [spliced(name, begun(Drop()), pieces) for name, pieces in OTHER_CUTS.items()]
    await trial.all([*deaths, *cuts, ("both at once", _both_at_once, Given())], forms=(STREAM,))
    others = [(name, told(pieces), Given()) for name, pieces in OTHER_TEXTS.items()]
    await trial.all(
        [*others, ("both die", _both_die, Given()), ("nobody left", _nobody_left, Given())], forms=(STREAM,)
    )
    await trial.all([("3 MB delivered", _too_long_to_keep, Given())], forms=(STREAM,))
    await trial.all([("two choices", _two_choices, Given())], surfaces=(OPENAI,), forms=(STREAM,))
    lively = Given(route={"timeouts": {**TIMEOUTS, "keepalive_s": KEEPALIVE_S}})
    await trial.each(_nothing_follows, lively, forms=(STREAM,))
    await trial.all([("tool calls", _calls_spliced, Given())], surfaces=(OPENAI,), forms=(STREAM,))
    await trial.all([("tool calls that differ", _calls_differ, Given())], surfaces=(OPENAI,), forms=(STREAM,))
    await trial.all([("half a whole answer", _half_an_answer, Given())], forms=(WHOLE,))


async def _both_at_once(pair: Pair) -> None:
    """The other answer comes whole, in one read."""
    pair.primary.otherwise(*begun(Drop()))
    pair.fallback.otherwise(SSE(b"".join(FALLBACK.stream())))
    (await pair.ask()).whole()
    pair.saw(1, 1)


async def _both_die(pair: Pair) -> None:
    pair.primary.otherwise(*begun(Drop()))
    pair.fallback.otherwise(Send(FALLBACK.begins() + FALLBACK.says(*PIECES[:50])), Drop())
    await _is_told(pair, pieces=50)


async def _nobody_left(pair: Pair) -> None:
    pair.primary.otherwise(*begun(Drop()))
    pair.fallback.otherwise(error_answer(503, "overloaded"))
    await _is_told(pair)
    pair.saw(1, 1)


async def _is_told(pair: Pair, pieces: int = DELIVERED) -> None:
    """Of the first failure, whatever came after it."""
    said = await pair.ask()
    said.told(BROKEN)
    fact = await pair.fact(said)
    assert ("truncated", BROKEN) == (fact["outcome"], fact["error_code"])
    assert BROKEN == fact["attempts"][0]["code"]
    assert len("".join(PIECES[:pieces])) >= len("".join(_texts(said.events)))


def _texts(events: list[Any]) -> list[str]:
    return [str(chunk.get("text") or "") if "text" in chunk else _delta(chunk) for chunk in events[:-1]]


def _delta(chunk: dict[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])


LONG = "z" * (3 << 20)
"""More than `limits.splice_stream_bytes`."""


async def _too_long_to_keep(pair: Pair) -> None:
    """What was delivered is not kept any more: nobody is asked who could not be compared with it."""
    pair.primary.otherwise(
        Send(PRIMARY.begins()), *[Send(PRIMARY.says(piece)) for piece in recut(LONG, 1 << 16)], Drop()
    )
    pair.fallback.otherwise(pair.fallback_answers(LONG, "."))
    (await pair.ask()).told(BROKEN, LONG)
    pair.saw(1, 0)


async def _two_choices(pair: Pair) -> None:
    """Two texts in one stream cannot be gone on with."""
    pair.primary.otherwise(*begun(Drop()))
    pair.fallback.otherwise(pair.fallback_answers())
    (await pair.ask(n=2)).told(BROKEN)
    pair.saw(1, 0)


KEEPALIVE_S = 0.1


async def _nothing_follows(pair: Pair) -> None:
    """After the end of an answer the connection is the next request's: no sign of life may go out there."""
    pair.primary.otherwise(*begun(Drop()))
    pair.fallback.otherwise(pair.fallback_answers(OTHER))
    async with Wire(pair.stage.gateway.port) as wire:
        await wire.send(request_bytes(pair))
        told = await wire.answer()
        assert (True, False) == (told.whole, b"[DONE]" in told.body)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wire.reader.read(1), 5 * KEEPALIVE_S)


ARGUMENTS = orjson.dumps({"from": "\u5de6", "to": "yard", "lever": 7, "why": TEXT[:60]}).decode()


def _calls(voice: Voice, arguments: str, size: int, *, whole: bool) -> list[bytes]:
    """A stream of one tool call, its arguments in pieces of `size`; without its end unless `whole`."""
    named = {"index": 0, "id": f"call_{voice.name}", "type": "function"}
    first = voice.chunk({"tool_calls": [{**named, "function": {"name": "switch", "arguments": ""}}]})
    pieces = [
        voice.chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        for piece in recut(arguments, size)
    ]
    end = [voice.ends("tool_calls"), voice.counts(), DONE] if whole else []
    return [voice.begins(), first, *(pieces if whole else pieces[:-3]), *end]


async def _ask_for_a_call(pair: Pair, second: str) -> list[Any]:
    pair.primary.otherwise(*map(Send, _calls(PRIMARY, ARGUMENTS, 5, whole=False)), Drop())
    pair.fallback.otherwise(SSE(*_calls(FALLBACK, second, 9, whole=True)))
    tools = [{"type": "function", "function": {"name": "switch", "parameters": {"type": "object"}}}]
    said = await pair.ask(tools=tools)
    assert (200, False) == (said.status, said.cut)
    pair.saw(1, 1)
    return said.events


async def _calls_spliced(pair: Pair) -> None:
    """The arguments go on as text does: one call, one id, one name."""
    *chunks, last = await _ask_for_a_call(pair, ARGUMENTS)
    assert last == "[DONE]"
    assert 1 == len({chunk["id"] for chunk in chunks})
    calls = [call for chunk in chunks for choice in chunk["choices"] for call in choice["delta"].get("tool_calls", ())]
    assert ["call_first"] == [call["id"] for call in calls if call.get("id")]
    assert ["switch"] == [call["function"]["name"] for call in calls if call["function"].get("name")]
    assert {0} == {call["index"] for call in calls}
    assert ARGUMENTS == "".join(call["function"].get("arguments", "") for call in calls)


async def _calls_differ(pair: Pair) -> None:
    *_, last = await _ask_for_a_call(pair, ARGUMENTS.replace("yard", "port"))
    assert BROKEN == last["error"]["code"]


async def _half_an_answer(pair: Pair) -> None:
    body = PRIMARY.body()
    head = Head(content_type=JSON, framing=Framing.LENGTH, length=len(body))
    pair.primary.otherwise(head, Send(body[: len(body) * 2 // 3]), Drop())
    pair.fallback.otherwise(pair.fallback_answers())
    (await pair.ask()).whole()
    pair.saw(2, 1)


CONTINUES = {"max": 2, "continue_by_prefill": True}
NO_PREFILL = error_answer(400, "invalid_request", "Assistant prefill is not supported by this model.")


@row("14", "as 8, and the fallback rejects a prefill")
async def the_first_failure_is_told(trial: Trial) -> None:
    """Continuing is opted in: what decides is what the fallback's profile says it can do."""

    async def asked_anew(pair: Pair) -> None:
        pair.primary.otherwise(*begun(Drop()))
        pair.fallback.otherwise(pair.fallback_answers())
        (await pair.ask()).whole()
        pair.saw(1, 1)
        assert MESSAGES == pair.fallback.requests[0].json["messages"]

    async def rejected(pair: Pair) -> None:
        pair.primary.otherwise(*begun(Drop()))
        pair.fallback.otherwise(NO_PREFILL)
        await _is_told(pair)
        assert 1 == len(pair.primary.requests)
        assert 1 <= len(pair.fallback.requests) <= 2
        if pair.given.profiles[1] is None:
            assert [MESSAGES] == [request.json["messages"] for request in pair.fallback.requests]

    async def continued(pair: Pair) -> None:
        pair.primary.otherwise(*begun(Drop()))
        pair.fallback.otherwise(pair.fallback_answers(*PIECES[DELIVERED:]))
        said = await pair.ask()
        said.whole()
        pair.saw(1, 1)
        prefill = {"role": "assistant", "content": "".join(PIECES[:DELIVERED])}
        assert [*MESSAGES, prefill] == pair.fallback.requests[0].json["messages"]
        assert "continuation" == (await pair.fact(said))["attempts"][-1]["part"]

    unable = Given(route={"retries": CONTINUES})
    able = Given(route={"retries": CONTINUES}, profiles=(None, "llamacpp"))
    cases = [("cannot, answers anew", asked_anew, unable), ("cannot, rejects", rejected, unable)]
    cases += [("says it can, rejects", rejected, able), ("can", continued, able)]
    await trial.all(cases, forms=(STREAM,))
