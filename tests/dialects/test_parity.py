"""The same answer streamed and whole has the same usage, cost and end: a table of providers, read as the relay does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from foreign import hear

from policies.api import Price
from proxy.dialects.dialect import Target
from proxy.dialects.names import DialectName
from proxy.dialects.spoken import SPOKEN
from proxy.dialects.translated import TranslatedMeter, read_translated
from proxy.usage import Usage, cost_nano_usd

PRICE = Price(1_000_000_000, 4_000_000_000, 250_000_000)
LIMIT = 1 << 16
STRIDE = 7
"""Bytes that come at a time."""


def events(*docs: dict[str, Any]) -> bytes:
    return b"".join(b"data: %b\n\n" % orjson.dumps(doc) for doc in docs)


def lines(*docs: dict[str, Any]) -> bytes:
    return b"".join(orjson.dumps(doc) + b"\n" for doc in docs)


@dataclass(frozen=True)
class Told:
    """One answer, twice."""

    dialect: DialectName
    stream: bytes
    whole: dict[str, Any]
    usage: Usage
    finish: str


COUNTED = {"billed_units": {"input_tokens": 100, "output_tokens": 7},
           "tokens": {"input_tokens": 1500, "output_tokens": 9}, "cached_tokens": 1400}  # fmt: skip
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
MADE = {"model": "m", "created_at": "2026-08-04T08:52:19Z"}
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
HEAD = {"id": "i", "object": "chat.completion.chunk", "created": 1, "model": "m"}
COUNTS = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14, "service_tier": "standard"}
ANSWERS = [
    Told(
        DialectName.COHERE,
        events(
            {"type": "message-start", "id": "i"},
            {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": CALL}}},
            {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": COUNTED}},
        ),
        {"id": "i", "finish_reason": "TOOL_CALL", "message": {"tool_calls": [CALL]}, "usage": COUNTED},
        Usage(100, 9, 1400, billed=(100, 7)),
        "tool_calls",
    ),
    Told(
        DialectName.OLLAMA,
        lines(
            {**MADE, "message": {"content": "Hi"}, "done": False},
            {**MADE, "message": {"content": ""}, "done": True, "done_reason": "length", "prompt_eval_count": 5,
             "eval_count": 9},
        ),
        {**MADE, "message": {"content": "Hi"}, "done": True, "done_reason": "length", "prompt_eval_count": 5,
         "eval_count": 9},
        Usage(5, 9),
        "length",
    ),
    Told(
        DialectName.MISTRAL,
        events(
            {**HEAD, "choices": [{"index": 0, "delta": {"content": [THOUGHT]}, "finish_reason": None}]},
            {**HEAD, "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": "stop"}], "usage": COUNTS},
        )
        + b"data: [DONE]\n\n",
        {**HEAD, "object": "chat.completion", "usage": COUNTS, "choices": [
            {"index": 0, "finish_reason": "stop",
             "message": {"role": "assistant", "content": [THOUGHT, {"type": "text", "text": "Hi"}]}}]},
        Usage(5, 9, tier="standard"),
        "stop",
    ),
]  # fmt: skip


@pytest.mark.parametrize("told", ANSWERS, ids=[told.dialect for told in ANSWERS])
def test_usage_cost_and_end_are_the_same_streamed_and_whole(told: Told):
    dialect, target = SPOKEN[told.dialect], Target("m")
    meter = TranslatedMeter(dialect, target, drop_usage=False, max_event_bytes=LIMIT)
    pieces = [told.stream[start : start + STRIDE] for start in range(0, len(told.stream), STRIDE)]
    passed = b"".join([meter.feed(piece) for piece in pieces]) + meter.close()
    answer, _ = read_translated(orjson.dumps(told.whole), dialect, target)

    assert meter.is_complete
    assert told.usage == meter.usage == answer.usage
    assert told.finish == meter.finish_reason == answer.finish_reason == hear(passed).finish
    assert cost_nano_usd(told.usage, PRICE) == cost_nano_usd(meter.usage, PRICE)  # which is what is billed
    assert meter.saw_content
    assert answer.text_bytes == meter.text_bytes


@pytest.mark.parametrize("told", ANSWERS, ids=[told.dialect for told in ANSWERS])
def test_a_stream_cut_short_is_never_complete(told: Told):
    """Wherever it stops before its finish reason is told; the end of a last line may be missing."""
    for end in range(len(told.stream.removesuffix(b"data: [DONE]\n\n")) - 2):
        meter = TranslatedMeter(SPOKEN[told.dialect], Target("m"), drop_usage=False, max_event_bytes=LIMIT)
        meter.feed(told.stream[:end])
        meter.close()
        assert not meter.is_complete, end
