"""From the hub to Anthropic's form and back: nothing is lost that both can say."""

from __future__ import annotations

from typing import Any

import orjson
from cutting import hear
from hypothesis import given, settings
from hypothesis import strategies as st
from told import Said

from dialects.anthropic.asking import DIALECT, target
from proxy.dialects.anthropic.decoder import AnthropicDecoder
from proxy.dialects.anthropic.encoder import AnthropicStream
from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.anthropic.words import OWN
from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Target
from proxy.dialects.openai_chat import decode
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.usage import Usage

SURFACE = AnthropicSurface()
few = settings(max_examples=60, derandomize=True, deadline=None, database=None)

words = st.text("aä🎉 x", min_size=1, max_size=8).filter(str.strip)
names = st.sampled_from(["w", "now", "look_up"])
inputs = st.dictionaries(st.sampled_from(["a", "b"]), st.one_of(st.integers(0, 9), words), max_size=2)
ids = st.integers(0, 10**6).map(lambda number: f"call_{number}")
images = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
    ]
)
contents = st.one_of(words, st.tuples(words, images).map(lambda pair: [{"type": "text", "text": pair[0]}, pair[1]]))
users = contents.map(lambda content: {"role": "user", "content": content})
thoughts = st.one_of(
    st.just([]),
    st.just([{"type": "reasoning.text", "text": "hm", "signature": "s", "format": OWN}]),
    st.just([{"type": "reasoning.encrypted", "data": "e", "format": OWN}]),
)


@st.composite
def answers(draw: Any) -> list[dict[str, Any]]:
    """What the assistant says, and what its tools answer."""
    calls = draw(st.lists(st.tuples(ids, names, inputs), max_size=3, unique_by=lambda call: call[0]))
    message: dict[str, Any] = {"role": "assistant", "content": draw(words)}
    if details := draw(thoughts):
        message["reasoning_details"] = details
        if details[0]["type"] == "reasoning.text":
            message["reasoning_content"] = details[0]["text"]
    if calls:
        message["tool_calls"] = [
            {"id": i, "type": "function", "function": {"name": name, "arguments": orjson.dumps(given_).decode()}}
            for i, name, given_ in calls
        ]
    return [message, *({"role": "tool", "tool_call_id": i, "content": draw(words)} for i, _, _ in calls)]


@st.composite
def talks(draw: Any) -> dict[str, Any]:
    turns = draw(st.lists(st.tuples(users, answers()), max_size=3))
    messages = [message for user, answer in turns for message in (user, *answer)]
    system = [{"role": "system", "content": draw(words)}] if draw(st.booleans()) else []
    doc: dict[str, Any] = {"model": "claude-opus-5", "messages": [*system, *messages, draw(users)]}
    doc["max_completion_tokens"] = draw(st.integers(1, 9_000))
    doc["tools"] = [
        {"type": "function", "function": {"name": "w", "description": "d", "parameters": {"type": "object"}}}
    ]
    optional = {
        "tool_choice": st.sampled_from(["auto", "none", "required", {"type": "function", "function": {"name": "w"}}]),
        "parallel_tool_calls": st.just(value=False),
        "stop": st.lists(words, min_size=1, max_size=2),
        "user": st.just("u"),
        "reasoning_effort": st.sampled_from(["low", "medium", "high", "xhigh", "max"]),
        "service_tier": st.sampled_from(["auto", "default"]),
    }
    for name, values in optional.items():
        if draw(st.booleans()):
            doc[name] = draw(values)
    if doc.get("tool_choice") == "none":
        doc.pop("parallel_tool_calls", None)  # then nothing is called at all
    return doc


def joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of the user that follow each other, as one: Anthropic's turns alternate."""
    found: list[dict[str, Any]] = []
    for message in messages:
        content = message["content"]
        parts = (
            [{"type": "text", "text": content}] if isinstance(content, str) and message["role"] == "user" else content
        )
        if message["role"] == "user" and found and found[-1]["role"] == "user":
            found[-1] = {"role": "user", "content": [*found[-1]["content"], *parts]}
        else:
            found.append({**message, "content": parts})
    return found


@few
@given(talks())
def test_a_request_loses_nothing(doc):
    body = DIALECT.encode(decode(Operation.CHAT, orjson.dumps(doc)), target())
    back = dict(SURFACE.decode(Operation.CHAT, body).hub.doc)
    assert joined(doc.pop("messages")) == joined(back.pop("messages"))
    if doc.get("parallel_tool_calls") is False:
        doc.setdefault("tool_choice", "auto")
    if "reasoning_effort" in doc:
        back.pop("reasoning", None)  # that the thoughts are to be shown
    assert doc == back


@st.composite
def streams(draw: Any) -> list[bytes]:
    """Chunks of one answer, each call's pieces anywhere among the others'."""
    made = Chunks()
    made.identify("id", "m")
    blocks = [made.begin()]
    blocks += [made.reasoning(piece) for piece in draw(st.lists(words, max_size=3))]
    blocks += [made.text(piece) for piece in draw(st.lists(words, max_size=3))]
    calls = draw(st.lists(st.tuples(names, inputs), max_size=3))
    blocks += [made.call(index, f"call_{index}", name) for index, (name, _) in enumerate(calls)]
    rest = [[orjson.dumps(given_).decode(), index] for index, (_, given_) in enumerate(calls)]
    while any(text for text, _ in rest):
        lane = draw(st.sampled_from([lane for lane in rest if lane[0]]))
        size = draw(st.integers(1, 6))
        blocks.append(made.arguments(lane[1], lane[0][:size]))
        lane[0] = lane[0][size:]
    blocks.append(made.finish("tool_calls" if calls else draw(st.sampled_from(["stop", "length", "content_filter"]))))
    return [*blocks, made.usage({"prompt_tokens": 1}), DONE]


@few
@given(streams())
def test_a_stream_says_the_same_after_both_ways(blocks):
    told = Said(usage=Usage(10, 7, 3, 2, 4))
    encoder, decoder = AnthropicStream(told), AnthropicDecoder()
    back = [decoder.feed(encoded) for block in blocks if (encoded := encoder.feed(block))]
    heard = hear([*back, decoder.feed(encoder.end(told))])
    before = hear(blocks)
    assert before.answer == heard.answer
    assert (before.finishes, before.call_ids, True) == (heard.finishes, heard.call_ids, heard.is_done)
    assert told.usage == usage_from_openai(heard.usages[-1], Quirks())


@few
@given(answers(), st.sampled_from(["stop", "length", "tool_calls"]))
def test_a_whole_answer_says_the_same_after_both_ways(messages, finish):
    doc = {"choices": [{"message": messages[0], "finish_reason": finish}]}
    there = orjson.loads(SURFACE.answer(orjson.dumps(doc), Said(usage=Usage(10, 7))))
    choice = DIALECT.answer(there, Target("claude-opus-5"))["choices"][0]
    assert {**messages[0], "refusal": None} == choice["message"]
    assert finish == choice["finish_reason"]
