"""A stream that breaks off after content: somebody else goes on exactly where it ended, or the client is told."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from fakes.chat import (
    ANSWER_ID,
    DONE,
    chat_answer,
    chat_chunk,
    chat_stream,
    chunk,
    error_event,
    final_chunk,
    role_chunk,
    usage_chunk,
)
from fakes.steps import SSE, Drop, Reset, Send, Stall, Tell, Wait, answer, error_answer
from proxy.facts import Outcome

WORDS = ["The ", "quick ", "brown ", "fox ", "jumps."]
TEXT = "".join(WORDS)
BEGUN = (role_chunk(), *map(chat_chunk, WORDS[:2]))
OTHER = "other-model"


def other_stream(*texts: str) -> tuple[bytes, ...]:
    """The same answer from another provider: other chunks, other names."""
    changed = [event.replace(ANSWER_ID.encode(), b"other-id-7") for event in chat_stream(*texts, counts={"prompt": 9})]
    return tuple(event.replace(b"upstream-model", OTHER.encode()) for event in changed)


def parts(gateway: Any) -> list[tuple[str, str, str]]:
    return [(attempt.provider, attempt.part, attempt.code) for attempt in gateway.fact.attempts]


@pytest.mark.parametrize("end", [Drop(), Reset()], ids=["closed", "reset"])
@pytest.mark.parametrize("surface", ["openai", "oneinfer", "oxen"])
async def test_another_deployment_goes_on_where_a_stream_broke_off(gateway, primary, fallback, end, surface):
    """Cut anywhere else by the other provider, the text comes without gap or repeat, under one name."""
    gate = asyncio.Event()
    primary.script(*map(Send, BEGUN), Wait(gate), end)
    fallback.script(SSE(*other_stream("The qui", "ck brow", "n fox", " jumps.")))

    client = gateway.client({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})
    serving = asyncio.ensure_future(gateway.serve(client, surface=surface))
    await client.heard(b"quick")
    gate.set()
    await serving

    assert TEXT == text_of(client, surface)
    assert "[DONE]" == client.events[-1]
    assert Outcome.COMPLETED is gateway.fact.outcome
    assert [("primary", "answer", "upstream_stream_broken"), ("fallback", "splice", "ok")] == parts(gateway)
    if surface == "openai":
        chunks = [event for event in client.events if event != "[DONE]"]
        assert {(ANSWER_ID, "upstream-model")} == {(event["id"], event["model"]) for event in chunks}
        assert 1 == sum("role" in choice["delta"] for event in chunks for choice in event["choices"])


async def test_both_attempts_are_billed_apart(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*WORDS)))

    await gateway.chat(stream=True)

    broken, ok = gateway.fact.attempts
    assert broken.usage.estimated
    assert broken.cost_nano_usd > 0
    assert (9, 3, False) == (ok.usage.prompt_tokens, ok.usage.output_tokens, ok.usage.estimated)
    assert (ok.usage, ok.cost_nano_usd) == (gateway.fact.usage, gateway.fact.cost_nano_usd)
    assert ("fallback", "other-model") == (gateway.fact.provider, gateway.fact.upstream_model)


async def test_the_stream_and_the_log_tell_an_operator_what_happened(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert b": x-pointsman-route: policy=failover; chosen=fallback/other-model;" in client.received
    assert b'failed="primary/upstream-model upstream_stream_broken"' in client.received
    broken, ok = gateway.fact.attempts
    assert "closed" in broken.detail
    assert "took over after 10 characters" == ok.detail


async def test_the_client_has_one_usage_if_it_asked_for_it(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True, stream_options={"include_usage": True})

    told = [event["usage"] for event in client.events if event != "[DONE]" and event.get("usage")]
    assert [9] == [usage["prompt_tokens"] for usage in told]


async def test_a_stalled_stream_is_taken_over_too(make, primary, fallback):
    gateway = make(timeouts={"idle_s": 0.05})
    primary.script(SSE(*BEGUN), Stall())
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert [("primary", "answer", "upstream_stream_stalled"), ("fallback", "splice", "ok")] == parts(gateway)
    await asyncio.wait_for(primary.requests[0].peer_closed.wait(), 5)


async def test_a_damaged_chunk_is_a_break(gateway, primary, fallback):
    """What follows it has a gap before it: nothing of it may reach the client."""
    primary.script(SSE(*BEGUN, chat_chunk(WORDS[2])[:-25] + b"\n\n", *map(chat_chunk, WORDS[3:]), final_chunk(), DONE))
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert 2 == len(gateway.fact.attempts)


async def test_junk_between_events_is_no_break(gateway, primary, fallback):
    primary.script(SSE(*BEGUN, b"data: oops\n\n", *map(chat_chunk, WORDS[2:]), final_chunk(), DONE))

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert b"oops" not in client.received
    assert [] == fallback.requests


DOUBTFUL = b'data: {"oops": \n\n'


@pytest.mark.parametrize("at_once", [True, False])
async def test_in_doubt_of_what_an_event_was_another_answer_is_asked_for(gateway, primary, fallback, at_once):
    """It stands in the place of a piece of the answer here, which nobody can tell from the stream."""
    events = (*BEGUN, DOUBTFUL, *map(chat_chunk, WORDS[3:]), final_chunk(), DONE)
    primary.script(Send(b"".join(events)) if at_once else SSE(*events))
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert [("primary", "answer", "upstream_stream_broken"), ("fallback", "splice", "ok")] == parts(gateway)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    "other",
    [SSE(*other_stream("Some", "thing", "else")), error_answer(503), SSE(*other_stream(*WORDS)[:3])],
    ids=["diverges", "refuses", "breaks off"],
)
async def test_if_nobody_else_has_the_answer_the_doubtful_event_is_overlooked(
    gateway, primary, fallback, at_once, other
):
    events = (*BEGUN, DOUBTFUL, *map(chat_chunk, WORDS[2:]), DOUBTFUL, final_chunk(), DONE)
    primary.script(Send(b"".join(events)) if at_once else SSE(*events))
    fallback.script(other, Drop())

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert b"oops" not in client.received
    assert "[DONE]" == client.events[-1]
    assert "ok" == gateway.fact.attempts[0].code
    assert ("primary", Outcome.COMPLETED) == (gateway.fact.provider, gateway.fact.outcome)


async def test_a_stream_that_was_overlooked_and_breaks_off_then_is_told(gateway, primary, fallback):
    primary.script(SSE(*BEGUN, DOUBTFUL, chat_chunk(WORDS[2])), Drop())
    fallback.script(SSE(*other_stream("Some", "thing", "else")))
    fallback.otherwise(error_answer(503))

    client = await gateway.chat(stream=True)

    assert "The quick brown " == "".join(delta_texts(client))
    assert "upstream_stream_broken" == client.events[-1]["error"]["code"]


async def test_a_client_that_leaves_while_there_is_doubt_is_settled(gateway, primary, fallback):
    primary.script(SSE(*BEGUN, DOUBTFUL), Stall())
    fallback.script(SSE(*other_stream("The ")[:2]), Stall())
    client = gateway.client({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})

    serving = asyncio.ensure_future(gateway.serve(client))
    request = await fallback.received()
    serving.cancel()
    await asyncio.wait({serving})

    for each in (request, primary.requests[0]):
        await asyncio.wait_for(each.peer_closed.wait(), 5)
    assert ["cancelled", "cancelled"] == [attempt.code for attempt in gateway.fact.attempts]


@pytest.mark.parametrize("texts", [["The ", "slow ", "brown"], ["The "], ["The quick"]], ids=["other", "short", "cut"])
async def test_an_answer_that_does_not_begin_so_is_not_passed_on(gateway, primary, fallback, texts):
    """The client is told of the first failure: the second provider did nothing wrong."""
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*texts)))

    client = await gateway.chat(stream=True)

    assert "The quick " == "".join(delta_texts(client))
    assert "upstream_stream_broken" == client.events[-1]["error"]["code"]
    assert b"[DONE]" not in client.received
    assert Outcome.TRUNCATED is gateway.fact.outcome
    assert ("fallback", "splice", "upstream_diverged") == parts(gateway)[1]
    assert "upstream_diverged" in gateway.fact.error_detail
    assert not any(word in gateway.fact.error_detail for word in ("quick", "slow"))
    assert ("primary", "upstream-model") == (gateway.fact.provider, gateway.fact.upstream_model)
    assert gateway.fact.attempts[1].cost_nano_usd > 0


async def test_a_fallback_that_breaks_off_as_well_is_followed_no_further_than_it_went(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*WORDS)[:4]), Drop())

    client = await gateway.chat(stream=True)

    assert "The quick brown " == "".join(delta_texts(client))
    assert "upstream_stream_broken" == client.events[-1]["error"]["code"]
    assert [("primary", "answer", "upstream_stream_broken"), ("fallback", "splice", "upstream_stream_broken")] == parts(
        gateway
    )


async def test_a_fallback_that_refuses_leaves_the_first_failure_to_be_told(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(error_answer(400, "invalid_request", "no assistant prefill here"))

    client = await gateway.chat(stream=True)

    assert "upstream_stream_broken" == client.events[-1]["error"]["code"]
    assert "prefill" not in client.received.decode()


async def test_an_error_event_of_the_provider_is_told_and_nobody_else_is_asked(gateway, primary, fallback):
    primary.script(SSE(*BEGUN, error_event("It broke")))

    client = await gateway.chat(stream=True)

    assert "upstream_error_in_stream" == client.events[-1]["error"]["code"]
    assert [] == fallback.requests


async def test_tool_calls_are_compared_and_keep_their_id(gateway, primary, fallback):
    def call(arguments: str, call_id: str | None = None) -> bytes:
        named = {"id": call_id, "type": "function"} if call_id else {}
        function = {"arguments": arguments} | ({"name": "find"} if call_id else {})
        return chunk({"tool_calls": [{"index": 0, **named, "function": function}]})

    primary.script(SSE(role_chunk(), call("", "call_a"), call('{"ci')), Drop())
    fallback.script(
        SSE(
            role_chunk(),
            call("", "call_b"),
            call('{"'),
            call('city": "'),
            call('Oslo"}'),
            final_chunk("tool_calls"),
            DONE,
        )
    )

    client = await gateway.chat(stream=True)

    calls = [
        each
        for event in client.events
        if event != "[DONE]"
        for choice in event["choices"]
        for each in choice["delta"].get("tool_calls", ())
    ]
    assert '{"city": "Oslo"}' == "".join(each["function"]["arguments"] for each in calls)
    assert ["call_a"] == [each["id"] for each in calls if "id" in each]


@pytest.mark.parametrize(
    "settings",
    [{"retries": {"splice": False}}, {"retries": {"max": 0}}, {"limits": {"splice_stream_bytes": 300}}],
    ids=["switched off", "no retries", "too long"],
)
async def test_what_may_not_be_spliced_ends_in_an_error(make, primary, fallback, settings):
    gateway = make(**settings)
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert "upstream_stream_broken" == client.events[-1]["error"]["code"]
    assert [] == fallback.requests


async def test_several_choices_are_not_spliced(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())

    client = await gateway.chat(stream=True, n=2)

    assert "upstream_stream_broken" == client.events[-1]["error"]["code"]
    assert [] == fallback.requests


async def test_a_client_that_leaves_during_the_splice_stops_both(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream("The ")[:2]), Stall())
    client = gateway.client({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})

    serving = asyncio.ensure_future(gateway.serve(client))
    request = await fallback.received()
    serving.cancel()
    await asyncio.wait({serving})

    await asyncio.wait_for(request.peer_closed.wait(), 5)
    assert Outcome.ABANDONED is gateway.fact.outcome
    assert "cancelled" == gateway.fact.attempts[1].code


async def test_the_text_of_a_prefill_is_continued_where_the_operator_wants_it(make, primary, fallback):
    """llama.cpp goes on from a trailing assistant message: everything it sends is new."""
    gateway = make(
        providers={
            "primary": {"base_url": primary.base_url},
            "fallback": {"base_url": fallback.base_url, "profile": "llamacpp"},
        },
        retries={"continue_by_prefill": True},
    )
    primary.script(SSE(role_chunk(), chat_chunk("The quick brown"), chat_chunk(" fox")), Drop())
    fallback.script(SSE(role_chunk(), chat_chunk(" jum"), chat_chunk("ps."), final_chunk(), usage_chunk(12, 3), DONE))

    client = await gateway.chat(stream=True, max_tokens=50)

    assert TEXT == client.text
    assert ("fallback", "continuation", "ok") == parts(gateway)[1]
    asked = fallback.requests[0].json
    assert {"role": "assistant", "content": "The quick brown fox"} == {
        name: asked["messages"][-1][name] for name in ("role", "content")
    }
    assert 48 == asked["max_tokens"]


async def test_a_short_text_is_not_prefilled(make, primary, fallback):
    """Whether the other server went on or began anew could not be told."""
    gateway = make(
        providers={
            "primary": {"base_url": primary.base_url},
            "fallback": {"base_url": fallback.base_url, "profile": "llamacpp"},
        },
        retries={"continue_by_prefill": True},
    )
    primary.script(SSE(role_chunk(), chat_chunk("The quick")), Drop())
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert ("fallback", "splice", "ok") == parts(gateway)[1]


async def test_a_text_that_ends_in_a_space_is_not_prefilled(make, primary, fallback):
    """Chat templates trim it: the space would come twice, or not at all."""
    gateway = make(
        providers={
            "primary": {"base_url": primary.base_url},
            "fallback": {"base_url": fallback.base_url, "profile": "llamacpp"},
        },
        retries={"continue_by_prefill": True},
    )
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert ("fallback", "splice", "ok") == parts(gateway)[1]


async def test_without_the_operators_word_or_the_providers_skill_nothing_is_prefilled(make, primary, fallback):
    gateway = make(retries={"continue_by_prefill": True})
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream(*WORDS)))

    client = await gateway.chat(stream=True)

    assert TEXT == client.text
    assert ["user"] == [message["role"] for message in fallback.requests[0].json["messages"]]


async def test_a_whole_answer_that_breaks_off_is_asked_for_again(gateway, primary, fallback):
    whole = chat_answer()
    primary.otherwise(Send(whole[:40]), Drop())
    fallback.script(answer(whole))

    client = await gateway.chat()

    assert whole == client.received


def delta_texts(client: Any) -> list[str]:
    """Of an OpenAI stream, its last error aside."""
    chunks = [event for event in client.events if event != "[DONE]" and "choices" in event]
    return [choice["delta"].get("content") or "" for event in chunks for choice in event["choices"]]


def text_of(client: Any, surface: str) -> str:
    if surface == "oneinfer":
        return "".join(event["delta"] for event in client.events if event != "[DONE]")
    return client.text


async def test_our_own_limit_is_not_the_providers_fault(make, primary, fallback):
    gateway = make(timeouts={"total_s": 0.2}, health={"failures": 1, "open_s": 60})
    primary.script(SSE(*BEGUN), Stall())

    client = await gateway.chat(stream=True)

    assert "upstream_stream_timeout" == client.events[-1]["error"]["code"]
    assert [] == fallback.requests
    assert all(reading.up for reading in gateway.fleet.readings(time.monotonic()))


async def test_a_splice_that_a_client_leaves_is_paid_for(gateway, primary, fallback):
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(SSE(*other_stream("The ")[:2]), Stall())
    client = gateway.client({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})

    serving = asyncio.ensure_future(gateway.serve(client))
    await fallback.received()
    serving.cancel()
    await asyncio.wait({serving})

    assert gateway.fact.attempts[0].cost_nano_usd > 0


async def test_words_behind_the_finish_reason_are_part_of_the_answer(make, primary):
    """They set the clock back, and if silence follows nobody knows what is missing."""
    gateway = make(timeouts={"finish_s": 0.05, "idle_s": 0.2})
    primary.script(SSE(*BEGUN, final_chunk(), chat_chunk("and ")), Stall())

    client = await gateway.chat(stream=True)

    assert b"[DONE]" not in client.received
    assert "upstream_stream_stalled" == client.events[-1]["error"]["code"]


async def test_a_client_that_leaves_between_two_rescues_leaves_nothing_in_flight(gateway, primary, fallback):
    """The one that did not fit has ended, even if nobody is asked after it."""
    asked, go_on = asyncio.Event(), asyncio.Event()
    primary.script(SSE(*BEGUN), Drop())
    fallback.script(Tell(asked), Wait(go_on), SSE(*other_stream("Other")[:2]), Stall())
    serving = asyncio.ensure_future(gateway.chat(stream=True))
    await asyncio.wait_for(asked.wait(), 5)

    async with gateway.pipeline.rescuer.turn:
        go_on.set()
        await asyncio.wait_for(fallback.requests[0].peer_closed.wait(), 5)
        serving.cancel()
        await asyncio.wait({serving})

    assert "upstream_diverged" == gateway.fact.attempts[1].code
