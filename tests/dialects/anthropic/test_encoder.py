"""The hub's stream as Anthropic's events."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from told import Said

from proxy.dialects.anthropic import encoder as encoding
from proxy.dialects.anthropic.blocks_told import MAX_LATE
from proxy.dialects.anthropic.dressing import entry_of
from proxy.dialects.anthropic.encoder import AnthropicStream
from proxy.dialects.anthropic.words import OWN
from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.hub import FOREIGN_STATE
from proxy.errors import ErrorInStream
from proxy.usage import Usage

TOLD = Said(usage=Usage(10, 7, 3, 2, 4))


def chunks() -> Chunks:
    made = Chunks()
    made.identify("chatcmpl-1", "gpt")
    return made


MADE = chunks()
MADE.begin()  # the role has been told
TEXT = MADE.text
THOUGHT = MADE.reasoning


def opens(index: int, call_id: str, name: str = "w", arguments: str = "", **extra: Any) -> bytes:
    return MADE.call(index, call_id, name, arguments, extra=extra)


def encode(*blocks: bytes, told: Said = TOLD) -> list[dict[str, Any]]:
    """The events' data; each has its name as its type."""
    stream = AnthropicStream(told)
    out = b"".join(stream.feed(block) for block in (chunks().begin(), *blocks)) + stream.end(told)
    found = []
    for event in out.split(b"\n\n")[:-1]:
        name, data = event.split(b"\n")
        doc = orjson.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + doc["type"].encode()
        found.append(doc)
    return found


def content(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a client gathers; asserts that blocks follow each other strictly."""
    blocks: list[dict[str, Any]] = []
    is_open = False
    for event in events:
        kind = event["type"]
        if kind == "content_block_start":
            assert (False, len(blocks)) == (is_open, event["index"])
            blocks.append({**event["content_block"], "json": ""})
            is_open = True
        elif kind == "content_block_delta":
            assert (True, len(blocks) - 1) == (is_open, event["index"])
            gather(blocks[-1], event["delta"])
        elif kind == "content_block_stop":
            assert is_open
            is_open = False
    assert not is_open
    for block in blocks:
        text = block.pop("json")
        if text:
            block["input"] = orjson.loads(text)
    return blocks


def gather(block: dict[str, Any], delta: dict[str, Any]) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "input_json_delta":
            block["json"] += delta["partial_json"]
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])


def use(call_id: str, given: dict[str, Any], name: str = "w") -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": given}


def test_a_plain_answer_has_every_event_in_its_order():
    events = encode(TEXT("Hel"), TEXT("lo"), MADE.finish("stop"), MADE.usage({"prompt_tokens": 1}), DONE)
    start, stop = events[0]["message"], events[-2]
    assert [
        "message_start", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
        "message_delta", "message_stop",
    ] == [event["type"] for event in events]  # fmt: skip
    assert ("msg_0123456789abcdef01234567", "gpt-4o-mini", [], "assistant", "message") == (
        start["id"], start["model"], start["content"], start["role"], start["type"],
    )  # fmt: skip
    assert {0} == set(start["usage"].values())
    assert {"stop_reason": "end_turn", "stop_sequence": None} == stop["delta"]
    assert {
        "input_tokens": 10, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 4},
    } == stop["usage"]  # fmt: skip
    assert [{"type": "text", "text": "Hello"}] == content(events)


def test_the_chunks_own_counts_serve_when_nothing_else_is_known():
    usage = {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}
    events = encode(TEXT("x"), MADE.finish("stop"), MADE.usage(usage), told=Said(usage=None))
    assert (5, 6) == (events[-2]["usage"]["input_tokens"], events[-2]["usage"]["output_tokens"])


@pytest.mark.parametrize(
    ("reason", "stop", "told"),
    [
        ("stop", None, ("end_turn", None)),
        ("stop", "END", ("stop_sequence", "END")),
        ("length", None, ("max_tokens", None)),
        ("tool_calls", None, ("tool_use", None)),
        ("function_call", None, ("tool_use", None)),
        ("content_filter", None, ("refusal", None)),
        ("novel", None, ("end_turn", None)),
    ],
)
def test_every_reason_has_a_name(reason, stop, told):
    delta = encode(TEXT("x"), MADE.finish(reason, stop=stop))[-2]["delta"]
    assert told == (delta["stop_reason"], delta["stop_sequence"])


def test_a_refusal_is_told_at_the_end():
    delta = encode(MADE.delta({"refusal": "I "}), MADE.delta({"refusal": "won't."}), MADE.finish("stop"))[-2]["delta"]
    assert ("refusal", "I won't.") == (delta["stop_reason"], delta["stop_details"]["explanation"])


def test_thoughts_are_closed_with_a_signature_before_text():
    events = encode(THOUGHT("hm"), THOUGHT("m"), TEXT("So."), MADE.finish("stop"))
    assert [{"type": "thinking", "thinking": "hmm", "signature": ""}, {"type": "text", "text": "So."}] == content(
        events
    )


def test_claudes_own_state_goes_back_into_its_blocks():
    signed = {"type": "reasoning.text", "text": "hmm", "signature": "sig==", "format": OWN}
    hidden = {"type": "reasoning.encrypted", "data": "enc==", "format": OWN}
    events = encode(THOUGHT("hmm"), MADE.details([signed]), MADE.details([hidden]), TEXT("So."), MADE.finish("stop"))
    assert [
        {"type": "thinking", "thinking": "hmm", "signature": "sig=="},
        {"type": "redacted_thinking", "data": "enc=="},
        {"type": "text", "text": "So."},
    ] == content(events)


def test_state_without_text_is_a_thought_of_its_own():
    withheld = {"type": "reasoning.text", "text": "", "signature": "sig==", "format": OWN}
    assert [{"type": "thinking", "thinking": "", "signature": "sig=="}] == content(encode(MADE.details([withheld])))


def test_thoughts_that_only_the_details_tell_are_told():
    pieces = [{"type": "reasoning.text", "text": text, "format": OWN} for text in ("h", "m")]
    last = {"type": "reasoning.text", "text": "", "signature": "sig==", "format": OWN}
    summary = {"type": "reasoning.summary", "summary": "in short", "format": "openai-responses-v1"}
    events = encode(*[MADE.details([piece]) for piece in pieces], MADE.details([last]), MADE.details([summary]))
    assert [("hm", "sig=="), ("in short", "")] == [(b["thinking"], b["signature"]) for b in content(events)]


SEALED = {"type": "reasoning.encrypted", "data": "enc==", "format": "google-gemini-v1"}


def test_state_that_comes_after_text_stands_before_the_next_call():
    events = encode(TEXT("So."), MADE.details([SEALED]), opens(0, "call_1", arguments="{}"), MADE.finish("tool_calls"))
    assert ["text", "redacted_thinking", "tool_use"] == [block["type"] for block in content(events)]


def test_state_is_never_an_answers_last_block():
    """Assistants print what the last block says."""
    events = encode(TEXT("So "), MADE.details([SEALED]), TEXT("be it."), MADE.details([SEALED]), MADE.finish("stop"))
    assert [{"type": "text", "text": "So be it."}] == content(events)


def test_state_after_text_is_held_within_a_bound():
    sealed = [MADE.details([{**SEALED, "data": str(number)}]) for number in range(2 * MAX_LATE)]
    blocks = content(encode(TEXT("So."), *sealed, opens(0, "call_1", arguments="{}"), MADE.finish("tool_calls")))
    assert MAX_LATE + 2 == len(blocks)


@pytest.mark.parametrize("text", ["hm", ""])
def test_state_of_other_models_is_dressed_and_comes_back_whole(text):
    entry = {"type": "reasoning.encrypted", "data": "enc==", "id": "rs_1", "format": "openai-responses-v1"}
    thoughts = [THOUGHT(text)] if text else []
    block = content(encode(*thoughts, MADE.details([entry]), TEXT("x")))[0]
    assert (block.get("signature") or block["data"]).startswith(FOREIGN_STATE)
    assert text == block.get("thinking", "")
    assert ("openai-responses-v1", entry) == entry_of(block)


def test_what_goes_with_a_call_is_dressed_before_it():
    extra = {"google": {"thought_signature": "sig"}}
    state, called = content(encode(opens(0, "a", arguments="{}", extra_content=extra)))
    assert ("call", {"id": "a", "extra_content": extra}) == entry_of(state)
    assert use("a", {}) == called


def test_calls_one_after_the_other_flow_as_they_come():
    stream = AnthropicStream(TOLD)
    stream.feed(chunks().begin() + opens(0, "a") + MADE.arguments(0, '{"x":'))
    assert b'"partial_json":"1}"' in stream.feed(MADE.arguments(0, "1}"))
    assert b'"id":"b"' in stream.feed(opens(1, "b"))
    assert b'"partial_json":"{}"' in stream.feed(MADE.arguments(1, "{}"))


def test_pieces_of_several_calls_at_a_time_are_put_in_order():
    blocks = (
        TEXT("Let me see."), opens(0, "a"), opens(1, "b"), opens(2, "c"),
        MADE.arguments(1, '{"x":{"y":'), MADE.arguments(0, '{"n":1'), MADE.arguments(2, "{}"), MADE.arguments(1, "2}}"),
        TEXT("Meanwhile"), MADE.arguments(0, "}"), MADE.finish("tool_calls"),
    )  # fmt: skip
    assert [
        {"type": "text", "text": "Let me see."}, use("a", {"n": 1}), use("b", {"x": {"y": 2}}), use("c", {}),
        {"type": "text", "text": "Meanwhile"},
    ] == content(encode(*blocks))  # fmt: skip
    assert content(encode(*blocks)) == content(encode(b"".join(blocks)))


def test_a_brace_is_not_yet_the_end_of_a_call():
    blocks = (
        opens(0, "a"),
        MADE.arguments(0, '{"x":{}'),
        opens(1, "b"),
        MADE.arguments(1, "{}"),
        MADE.arguments(0, "}"),
    )
    assert [use("a", {"x": {}}), use("b", {})] == content(encode(*blocks))


def test_calls_without_arguments_are_empty():
    assert [use("a", {}), use("b", {"x": 1}), use("c", {})] == content(
        encode(opens(0, "a"), opens(1, "b", arguments='{"x":1}'), opens(2, "c"), MADE.finish("tool_calls"))
    )


@pytest.mark.parametrize("arguments", ['{"x":', "[1]", "x"])
@pytest.mark.parametrize("end", [MADE.finish("tool_calls"), MADE.finish("stop"), b""])
def test_half_a_call_breaks_the_answer(arguments, end):
    """A client reads half an object as a call without arguments, and would make it."""
    with pytest.raises(ErrorInStream):
        encode(opens(0, "a"), MADE.arguments(0, arguments), opens(1, "b"), end)


def test_half_a_call_is_what_the_limit_leaves_of_it():
    events = encode(opens(0, "a"), MADE.arguments(0, '{"x":'), MADE.finish("length"))
    assert {"type": "input_json_delta", "partial_json": '{"x":'} in [event.get("delta") for event in events]
    assert "max_tokens" == events[-2]["delta"]["stop_reason"]


def test_a_call_that_goes_on_after_its_end_breaks_the_answer():
    with pytest.raises(ErrorInStream):
        encode(opens(0, "a", arguments="{}"), opens(1, "b"), MADE.arguments(0, "x"), MADE.arguments(1, "{}"))
    assert 2 == len(
        content(encode(opens(0, "a", arguments="{}"), opens(1, "b", arguments="{}"), MADE.arguments(0, " ")))
    )


def test_what_is_held_back_has_a_bound(monkeypatch):
    monkeypatch.setattr(encoding, "MAX_HELD_CHARS", 1_000)
    with pytest.raises(ErrorInStream):
        encode(opens(0, "a"), opens(1, "b"), *[MADE.arguments(1, "1" * 100)] * 9)
    with pytest.raises(ErrorInStream):
        encode(opens(0, "a"), *[MADE.arguments(0, "1" * 100)] * 11)
    with pytest.raises(ErrorInStream):
        encode(*[MADE.delta({"refusal": "1" * 100})] * 11)


def test_half_characters_are_joined_and_lost_ones_replaced():
    halves = "🎉".encode("utf-16-le", "surrogatepass")
    first, second = (half.decode("utf-16-le", "surrogatepass") for half in (halves[:2], halves[2:]))
    assert [{"type": "text", "text": "a🎉b"}] == content(encode(TEXT("a" + first), TEXT(second), TEXT("b")))
    assert "a\ufffd" == content(encode(TEXT("a" + first), MADE.finish("stop")))[0]["text"]
    assert "\ufffd" == content(encode(TEXT(first)))[0]["text"]


def test_images_and_sources_are_not_lost():
    source = {"type": "url_citation", "url_citation": {"url": "https://x.test", "title": "X"}}
    image = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
    events = encode(TEXT("Blue."), MADE.delta({"annotations": [source, 7]}), MADE.delta({"images": [image, {}]}))
    block = content(events)[0]
    assert "Blue.![image](https://x.test/a.png)" == block["text"]
    assert [("https://x.test", "X")] == [(cited["url"], cited["title"]) for cited in block["citations"]]


def test_log_probabilities_have_no_place():
    scored = {"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": -0.1}]}}
    block = b"data: " + orjson.dumps({"id": "i", "choices": [scored]}) + b"\n\n"
    assert [{"type": "text", "text": "a"}] == content(encode(block))


def test_other_choices_are_not_this_answer():
    assert [{"type": "text", "text": "a"}] == content(encode(TEXT("a"), chunks().text("b", 1)))


def test_an_answer_without_content_still_begins_and_ends():
    assert ["message_start", "message_delta", "message_stop"] == [
        event["type"] for event in encode(MADE.finish("stop"))
    ]
    assert ["message_start", "message_delta", "message_stop"] == [event["type"] for event in encode(DONE)]
