"""Two streams of one answer become one for the client, wherever the first broke off and however each was cut."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cutting import DONE, USAGE, Answer, Server, hear, joined, splice
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from fakes import chat
from proxy.dialects.splice import Delivered, Divergence, Splicer

many = settings(max_examples=300, deadline=None, derandomize=True)

TEXT = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from('\U0001f642\U0001f468\u200d\u0301e"\\\n\r\u2028{}ab')),
    max_size=60,
)
SEED = st.randoms(use_true_random=False)
CALLS = st.lists(st.tuples(st.sampled_from(["f", "weather"]), TEXT), max_size=3)
ANSWERS = st.builds(Answer, reasoning=TEXT, content=TEXT, refusal=TEXT, calls=CALLS)


def servers(seed: random.Random, *names: str) -> list[Server]:
    return [
        Server(
            name,
            seed,
            reasoning_field=seed.choice(("reasoning", "reasoning_content")),
            whole_calls=seed.random() < 0.3,
            merges=seed.random() < 0.5,
            line_end=seed.choice((b"\n", b"\r\n", b"\r")),
        )
        for name in names
    ]


def broken_off(server: Server, answer: Answer) -> list[bytes]:
    """What went to the client: the beginning of a stream, with some of its content."""
    content = server.content(answer)
    assume(content)
    return server.blocks([server.start(), b": ping\n\n", *content[: server.seed.randint(1, len(content))]])


@many
@given(text=TEXT.filter(bool), seed=SEED)
def test_any_text_cut_anywhere_is_heard_once_and_whole(text: str, seed: random.Random):
    first, second = servers(seed, "first", "second")
    answer = Answer(content=text)
    delivered = broken_off(first, answer)
    heard = hear(delivered + splice(delivered, second.stream(answer)))

    assert answer == heard.answer
    assert 1 == heard.roles
    assert {("id-first", "chat.completion.chunk", 5, "model-first", "fp-first")} == heard.identities
    assert (["stop"], [USAGE], True) == (heard.finishes, heard.usages, heard.is_done)


@many
@given(answer=ANSWERS, seed=SEED)
def test_reasoning_refusals_and_tool_calls_are_heard_once_and_whole(answer: Answer, seed: random.Random):
    first, second = servers(seed, "first", "second")
    delivered = broken_off(first, answer)
    known = len(Delivered.read(delivered).calls)
    heard = hear(delivered + splice(delivered, second.stream(answer)))

    assert answer == heard.answer
    assert [f"{'first' if place < known else 'second'}-{place}" for place in range(len(answer.calls))] == heard.call_ids
    assert 1 == heard.roles == len(heard.identities) == len(heard.usages)
    assert heard.is_done


@many
@given(answer=ANSWERS, seed=SEED)
def test_what_was_spliced_can_break_off_and_be_spliced_again(answer: Answer, seed: random.Random):
    first, second, third = servers(seed, "first", "second", "third")
    delivered = broken_off(first, answer)
    rest = splice(delivered, second.blocks([second.start(), *second.content(answer)]))
    delivered += [b": spliced\n\n", *rest[: seed.randint(0, len(rest))]]
    heard = hear(delivered + splice(delivered, third.stream(answer)))

    assert answer == heard.answer
    assert 1 == heard.roles == len(heard.identities)
    assert len(heard.call_ids) == len(set(heard.call_ids))


@many
@given(answer=ANSWERS, seed=SEED)
def test_one_other_character_is_a_divergence_and_nothing_passes(answer: Answer, seed: random.Random):
    first, second = servers(seed, "first", "second")
    said = Delivered.read(broken_off(first, answer))
    sizes = {segment.lane: len(segment.units) // 2 for segment in said.segments if hasattr(answer, segment.lane)}
    assume(sizes)
    lane = seed.choice(sorted(sizes))
    text = getattr(answer, lane)
    whole = len(text.encode("utf-16-le")[: 2 * sizes[lane]].decode("utf-16-le", "ignore"))
    assume(whole)
    at = seed.randrange(whole)
    other = Answer(**vars(answer) | {lane: text[:at] + ("y" if text[at] == "x" else "x") + text[at + 1 :]})
    splicer = Splicer(said)

    with pytest.raises(Divergence, match=f"differs at character {at} of {lane}"):
        assert not any(splicer.feed(block) for block in second.stream(other))
    assert not splicer.is_joined


@settings(many, max_examples=100)
@given(answer=st.builds(Answer, calls=CALLS.filter(bool)), seed=SEED)
def test_another_tool_call_is_a_divergence(answer: Answer, seed: random.Random):
    first, second = servers(seed, "first", "second")
    said = Delivered.read(broken_off(first, answer))
    assume(said.calls)
    place = seed.randrange(len(said.calls))
    (name, arguments), lane = answer.calls[place], f"tool call {place} arguments"
    if any(segment.lane == lane for segment in said.segments) and seed.random() < 0.5:
        changed = name, ("y" if arguments[0] == "x" else "x") + arguments[1:]
    else:
        changed = name + "_", arguments
        # a name that may still go on is no proof of another
        assume(said.segments[-1].lane != f"tool call {place} name")
    other = Answer(**vars(answer) | {"calls": [*answer.calls[:place], changed, *answer.calls[place + 1 :]]})
    splicer = Splicer(said)

    with pytest.raises(Divergence, match=f"of tool call {place}"):
        assert not any(splicer.feed(block) for block in second.stream(other))


@many
@given(answer=ANSWERS, seed=SEED)
def test_an_answer_that_ends_early_is_a_divergence(answer: Answer, seed: random.Random):
    (server,) = servers(seed, "only")
    content = server.content(answer)
    assume(content)
    size = seed.randint(1, len(content))
    said = Delivered.read(content[:size])
    shorter = content[: seed.randrange(size)]

    for end in (*server.end()[:1], DONE):
        splicer = Splicer(said)
        with pytest.raises(Divergence, match="the new answer ends at"):
            assert not any(map(splicer.feed, [server.start(), *shorter, end]))


@settings(many, max_examples=100)
@given(answer=ANSWERS, seed=SEED)
def test_the_official_client_accumulates_the_message_it_would_have_had(answer: Answer, seed: random.Random):
    first, second = (
        Server(name, seed, whole_calls=name == "second" and seed.random() < 0.5) for name in ("1st", "2nd")
    )
    delivered = [first.start(), *first.content(answer)]
    assume(len(delivered) > 1)
    unbroken = accumulated([*delivered, *first.end()])
    delivered = delivered[: seed.randint(2, len(delivered))]
    known = len(Delivered.read(delivered).calls)
    spliced = accumulated(delivered + splice(delivered, second.stream(answer)))
    for call in unbroken["choices"][0]["message"].get("tool_calls", [])[known:]:
        call["id"] = call["id"].replace("1st", "2nd")

    assert unbroken == spliced


def accumulated(blocks: list[bytes]) -> dict[str, Any]:
    state = ChatCompletionStreamState()
    for doc in hear(blocks).chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(doc))
    completion = state.get_final_completion().model_dump(exclude_none=True)
    message = completion["choices"][0]["message"]
    for name in ("content", "refusal", "reasoning_content"):
        if name in message:
            message[name] = joined(message[name])
    for call in message.get("tool_calls", ()):
        call["function"]["arguments"] = joined(call["function"]["arguments"])
    return completion


def test_every_cut_of_every_chunking_of_a_short_answer_splices():
    text = "a\U0001f642b\u0301\n"
    units = text.encode("utf-16-le")
    pieces = [[units[:at], units[at:]] for at in range(0, len(units) + 1, 2)]
    for ends in range(2, len(units) + 1, 2):
        delivered = [half_chunk(units[:ends])]
        for one, two in pieces:
            heard = hear(delivered + splice(delivered, [half_chunk(one), half_chunk(two), chat.final_chunk(), DONE]))
            assert text == heard.answer.content, (ends, one)
            assert ["stop"] == heard.finishes


def half_chunk(units: bytes) -> bytes:
    escapes = "".join(f"\\u{units[at + 1]:02x}{units[at]:02x}" for at in range(0, len(units), 2))
    return chat.chat_chunk("@").replace(b"@", escapes.encode())
