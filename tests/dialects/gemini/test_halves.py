"""What Google's clients get of an answer whose pieces are not whole: calls and characters."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from told import Said

from proxy.dialects.chunks import Chunks
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.request import Operation
from proxy.dialects.sse import data_of, events_of
from proxy.errors import MalformedAnswer

TOLD = Said()


def surface(*, thoughts: bool = False) -> GeminiSurface:
    """After it has read a request."""
    made = GeminiSurface("m", stream=True)
    thinking = {"thinkingConfig": {"includeThoughts": thoughts}}
    made.decode(Operation.CHAT, orjson.dumps({"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": thinking}))
    return made


def answered(message: dict[str, Any], reason: str) -> dict[str, Any]:
    hub = {"id": "c1", "choices": [{"index": 0, "message": message, "finish_reason": reason}]}
    found: dict[str, Any] = orjson.loads(surface().answer(orjson.dumps(hub), TOLD))
    return found


@pytest.mark.parametrize("reason", ["tool_calls", "stop"])
def test_half_a_call_breaks_the_answer(reason):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":'}}
    with pytest.raises(MalformedAnswer):
        answered({"content": "x", "tool_calls": [call]}, reason)


def test_a_call_that_the_limit_cut_off_is_left_out_and_the_reason_says_why():
    """As Google's own models do."""
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": given}} for given in ("{}", "{")]
    (candidate,) = answered({"content": "x", "tool_calls": calls}, "length")["candidates"]
    assert "MAX_TOKENS" == candidate["finishReason"]
    whole = {"functionCall": {"name": "f", "args": {}, "id": "c"}}
    assert [{"text": "x"}, whole] == candidate["content"]["parts"]
    chunks = Chunks()
    chunks.identify("c1", "m")
    encoder = surface().stream(TOLD)
    told = encoder.feed(chunks.call(0, "c", "f", "{") + chunks.call(1, "d", "f", "{}") + chunks.finish("length"))
    assert 1 == told.count(b"functionCall")
    assert b"MAX_TOKENS" in encoder.end(TOLD)


def test_half_an_emoji_waits_for_its_other_half():
    """Google's own client for Python does not join them."""
    chunks = Chunks()
    chunks.identify("c1", "m")
    encoder = surface(thoughts=True).stream(TOLD)
    halves = chunks.reasoning("t\ud83d") + chunks.text("a\ud83d") + chunks.text("\ude00b") + chunks.text("c\ud83d", 1)
    told = encoder.feed(halves + chunks.finish("stop")) + encoder.end(TOLD)
    docs = [orjson.loads(data_of(event) or b"") for event in events_of(told)]
    said = {}
    for candidate in (candidate for doc in docs for candidate in doc["candidates"]):
        for part in candidate["content"]["parts"]:
            lane = candidate["index"], part.get("thought", False)
            said[lane] = said.get(lane, "") + part["text"]
    assert {(0, True): "t\ufffd", (0, False): "a\U0001f600b", (1, False): "c\ufffd"} == said
