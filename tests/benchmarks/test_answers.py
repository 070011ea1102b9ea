"""The canned answers are what their plan says."""

from __future__ import annotations

import orjson
import pytest

from benchmarks import answers
from benchmarks.answers import Plan


@pytest.mark.parametrize("plan", [Plan(), Plan(size=10_240, delay_ms=20), Plan(events=64, every_ms=20)])
def test_a_prompt_carries_its_plan(plan):
    assert plan == answers.plan_of(answers.request_body(plan, padding=400_000))


def test_a_prompt_without_a_plan_gets_the_default_answer():
    assert Plan() == answers.plan_of(b'{"messages":[{"role":"user","content":"[bench of oak]"}]}')


@pytest.mark.parametrize("size", [1024, 10_240])
def test_a_whole_answer_has_exactly_its_size(size):
    head, _, body = answers.whole(size).partition(b"\r\n\r\n")
    assert size == len(body)
    assert f"Content-Length: {size}".encode() in head
    assert "chat.completion" == orjson.loads(body)["object"]


@pytest.mark.parametrize("data", [b"", b"chatcmpl-0123456789abcdef0", answers.burst(3), answers.STAMP + b"12"])
def test_without_a_time_there_is_none(data):
    assert answers.stamp(data) is None


def test_a_stream_says_when_it_began_and_is_no_longer_for_it():
    first = answers.stream(3)[0]
    told = answers.stamped(first, 12_345.678901)
    assert (len(first), 12_345.678901) == (len(told), pytest.approx(answers.stamp(told)))


def test_a_stream_has_its_words_in_order_and_its_frame():
    plan = Plan(events=70)
    parts = answers.stream(plan.events)
    assert (plan.sent, b"".join(parts)) == (len(parts), answers.burst(plan.events))
    data = [part.partition(b"data: ")[2].partition(b"\n\n")[0] for part in parts]
    assert (b"[DONE]", b"0\r\n\r\n") == (data[-1], parts[-1][-5:])
    said = [orjson.loads(each)["choices"][0]["delta"]["content"] for each in data[1:-3]]
    assert [answers.word(number) for number in range(70)] == said
    assert (" word00", " word05") == (said[64], said[-1])
