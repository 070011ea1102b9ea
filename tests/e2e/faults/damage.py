"""Rows 10, 11 and 17: streams that are damaged, lack their end, or report an error after content."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from e2e.dialects import ONEINFER, OPENAI
from e2e.faults.stage import STREAM, WHOLE, Given, Pair, Trial
from e2e.faults.table import row
from e2e.faults.voice import BROKEN, OTHER, PIECES, PRIMARY, TEXT, begun
from fakes.chat import DONE, error_event, event
from fakes.steps import SSE, Drop, Send, Stall, Status, Step

JUNK = {
    "a word": b"data: undefined\n\n",
    "a page": b"data: <html><body>busy</body></html>\n\n",
}
DOUBTFUL = {
    "half an object": b'data: {"oops": \n\n',
    "no UTF-8": b'data: {"note": "\xff\xfe"}\n\n',
    "two lines": b"data: {'a'\ndata: 'b'}\n\n",
}
LOST = {
    "half a chunk": PRIMARY.says(PIECES[9])[:-40] + b"\n\n",
    "two chunks in one": PRIMARY.says(PIECES[9]).rstrip() + PRIMARY.says(PIECES[10]).removeprefix(b"data:"),
    "a chunk that lost its head": b"data: " + PRIMARY.says(PIECES[9])[60:],
}


def doubtful(junk: bytes, fallback: str, *, instead: int) -> Any:
    """Between the events (`instead` is 0) or in the place of one, which only another answer can tell."""

    async def play(pair: Pair) -> None:
        events = list(PRIMARY.stream())
        events[9 : 9 + instead] = [junk]
        pair.primary.otherwise(SSE(*events))
        pair.fallback.otherwise(pair.fallback_answers(fallback))
        said = await pair.ask()
        said.whole()
        pair.saw(1, 1)
        assert "completed" == (await pair.fact(said))["outcome"]

    return play


@row("10", "the tenth event is not JSON")
async def nothing_unparsable_reaches_the_caller(trial: Trial) -> None:
    def dropped(junk: bytes) -> Any:
        async def play(pair: Pair) -> None:
            events = PRIMARY.stream()
            pair.primary.otherwise(SSE(*events[:9], junk, *events[9:]))
            pair.fallback.otherwise(pair.fallback_answers())
            said = await pair.ask()
            said.whole()
            pair.saw(1, 0)
            assert "completed" == (await pair.fact(said))["outcome"]

        return play

    def replaced(damaged: bytes, fallback: str, *, at_once: bool) -> Any:
        async def play(pair: Pair) -> None:
            events = list(PRIMARY.stream())
            lost = 2 if PIECES[10].encode() in damaged else 1
            events[10 : 10 + lost] = [damaged]
            pair.primary.otherwise(SSE(b"".join(events)) if at_once else SSE(*events))
            pair.fallback.otherwise(pair.fallback_answers(fallback))
            said = await pair.ask()
            if fallback is TEXT:
                said.whole()
            else:
                said.told(BROKEN)
            pair.saw(1, 1)

        return play

    cases = [(name, dropped(junk), Given()) for name, junk in JUNK.items()]
    for name, junk in DOUBTFUL.items():
        cases.append((f"{name}, inserted", doubtful(junk, TEXT, instead=0), Given()))
        cases.append((f"{name}, inserted, no rescue", doubtful(junk, OTHER, instead=0), Given()))
        cases.append((f"{name}, in the place of a chunk", doubtful(junk, TEXT, instead=1), Given()))
    for name, damaged in LOST.items():
        for at_once in (False, True):
            called = f"{name}, {'all' if at_once else 'each'} in one write"
            cases.append((called, replaced(damaged, TEXT, at_once=at_once), Given()))
            cases.append((f"{called}, no rescue", replaced(damaged, OTHER, at_once=at_once), Given()))
    await trial.all(cases, forms=(STREAM,))


COMPLETE = (PRIMARY.begins(), *map(PRIMARY.says, PIECES), PRIMARY.ends())
UNFINISHED: dict[str, tuple[tuple[Step, ...], bool]] = {
    "ended": ((Send(PRIMARY.counts()),), True),
    "closed": ((Send(PRIMARY.counts()), Drop()), True),
    "kept open after the usage": ((Send(PRIMARY.counts()), Stall()), True),
    "kept open after the finish": ((Stall(),), False),
    "ended after the finish": ((), False),
}
"""How it goes on after the finish reason, and whether usage has come."""


@row("11", "complete, but no [DONE]")
async def is_finished_for_the_caller(trial: Trial) -> None:
    def case(name: str) -> tuple[str, Any, Given]:
        end, counted = UNFINISHED[name]

        async def play(pair: Pair) -> None:
            pair.primary.otherwise(*map(Send, COMPLETE), *end)
            said = await pair.ask()
            said.whole()
            assert said.seconds < 5, "it waited for the idle limit"
            pair.saw(1, 0)
            fact = await pair.fact(said)
            assert ("completed", "stop", not counted) == (
                fact["outcome"],
                fact["finish_reason"],
                fact["tokens"]["estimated"],
            )
            assert fact["tokens"]["output"] > 0
            if counted and pair.surface is not ONEINFER:
                assert (pair.surface is OPENAI) == any(chunk.get("usage") for chunk in said.events[:-1])
            await asyncio.wait_for(pair.primary.requests[0].ended.wait(), 5)

        return name, play, Given()

    await trial.all([case(name) for name in UNFINISHED], forms=(STREAM,))


def with_error(**fields: Any) -> bytes:
    """A chunk that has an `error` beside its choices (OpenRouter)."""
    choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
    head = {"id": "chatcmpl-first", "object": "chat.completion.chunk", "created": 1, "model": PRIMARY.model}
    return event({**head, "choices": [choice], **fields})


_TOOL = {
    "message": "Failed to call a function.",
    "type": "invalid_request_error",
    "code": "tool_use_failed",
    "failed_generation": "<function=switch",
    "status_code": 400,
}
IN_STREAM: dict[str, tuple[tuple[Step, ...], str | None]] = {
    "error key, then kept open": ((Send(error_event()), Stall()), None),
    "error key, then [DONE]": ((Send(error_event() + DONE),), None),
    "error as a string": ((Send(event({"error": "CUDA out of memory", "error_type": "generation"})),), None),
    "event: error": ((Send(event({"error": _TOOL}, name="error")),), None),
    "type error": ((Send(event({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})),), None),
    "error and choices": ((Send(with_error(error={"code": 502, "message": "Provider disconnected"}) + DONE),), None),
    "finish reason error": ((Send(PRIMARY.ends("error") + DONE),), None),
    "bare JSON": ((Send(b'{\n  "error": {\n    "code": 503,\n    "message": "overloaded"\n  }\n}\n'),), None),
    "bare JSON in a list": ((Send(b'[{\n  "error": {"code": 503, "message": "overloaded"}\n}]\n\n'),), None),
    "base_resp": ((Send(event({"base_resp": {"status_code": 1000, "status_msg": "unknown error"}})),), "minimax"),
}
"""By the providers' forms, and the profile where only that one has it."""
IN_STREAM_CODE = "upstream_error_in_stream"
FAILURES = 5
"""`health.failures`."""


@row("17", "an error event in the middle of a 200 stream")
async def an_error_is_never_a_success(trial: Trial) -> None:
    def told(name: str) -> tuple[str, Any, Given]:
        steps, profile = IN_STREAM[name]

        async def play(pair: Pair) -> None:
            pair.primary.otherwise(*begun(*steps, tokens=20))
            pair.fallback.otherwise(pair.fallback_answers())
            said = await pair.ask()
            said.told(IN_STREAM_CODE)
            pair.saw(1, 0)
            fact = await pair.fact(said)
            assert ("truncated", IN_STREAM_CODE) == (fact["outcome"], fact["error_code"])
            assert [IN_STREAM_CODE] == [attempt["code"] for attempt in fact["attempts"]]

        return name, play, Given(profiles=(profile, None))

    def told_at_once(name: str) -> tuple[str, Any, Given]:
        steps, profile = IN_STREAM[name]
        sent = b"".join(step.data for step in begun(*steps, tokens=20) if isinstance(step, Send))

        async def play(pair: Pair) -> None:
            """With a good end behind it, all of it in one write."""
            pair.primary.otherwise(SSE(sent + b"\n" + PRIMARY.ends() + DONE))
            (await pair.ask()).told(IN_STREAM_CODE)
            pair.saw(1, 0)

        return f"{name}, all in one write", play, Given(profiles=(profile, None))

    def unseen(name: str) -> tuple[str, Any, Given]:
        steps, profile = IN_STREAM[name]

        async def play(pair: Pair) -> None:
            """Before any content it is a failure like any other."""
            pair.primary.otherwise(*begun(*steps, tokens=0))
            pair.fallback.otherwise(pair.fallback_answers())
            (await pair.ask()).whole()
            primary, fallback = pair.seen()
            assert (True, 1) == (1 <= primary <= 2, fallback)

        return f"{name}, before content", play, Given(profiles=(profile, None))

    async def noted(pair: Pair) -> None:
        """After so many the deployment is set aside."""
        pair.primary.otherwise(*begun(Send(error_event()), tokens=20))
        pair.fallback.otherwise(pair.fallback_answers())
        for _ in range(FAILURES):
            (await pair.ask()).told(IN_STREAM_CODE)
        said = await pair.ask()
        said.whole()
        pair.saw(FAILURES, 1)
        assert "breaker open" in said.headers["x-pointsman-route"]

    async def of_a_whole_answer(pair: Pair) -> None:
        pair.primary.otherwise(Status(200, {}, orjson.dumps({"error": {"message": "x", "code": "server_error"}})))
        pair.fallback.otherwise(pair.fallback_answers())
        (await pair.ask()).whole()
        pair.saw(2, 1)

    cases = [case for name in IN_STREAM for case in (told(name), told_at_once(name), unseen(name))]
    await trial.all([*cases, ("health", noted, Given())], forms=(STREAM,))
    await trial.all([("inside a whole answer", of_a_whole_answer, Given())], forms=(WHOLE,))
    trial.notes.append(f"{len(IN_STREAM)} forms")
