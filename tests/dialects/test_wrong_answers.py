"""What a provider sends in the place of a word or a number reads as absent, or as damage: never as our own failure."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from proxy.dialects.anthropic.usage import read_usage
from proxy.dialects.dialect import Target
from proxy.dialects.meter import StreamMeter
from proxy.dialects.names import DialectName
from proxy.dialects.quirks import Quirks
from proxy.dialects.reading import parse
from proxy.dialects.spoken import SPOKEN
from proxy.dialects.translated import PassedMeter, TranslatedMeter

LIMIT = 1 << 22


def event(doc: Any) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(doc)


@pytest.mark.parametrize("kind", [TranslatedMeter, PassedMeter])
@pytest.mark.parametrize(
    ("dialect", "doc"),
    [
        (DialectName.COHERE, {"type": ["content-delta"]}),
        (DialectName.OPENAI_RESPONSES, {"type": {}}),
        (DialectName.OPENAI_RESPONSES, {"type": "response.output_item.added", "item": {"type": []}}),
        (DialectName.OPENAI_RESPONSES, {"type": "response.output_item.done", "item": {"type": []}}),
        (DialectName.OPENAI_RESPONSES, {"type": "response.output_text.delta", "output_index": [], "delta": "x"}),
        (DialectName.OPENAI_RESPONSES, {"type": "response.output_text.delta", "content_index": {}, "delta": "x"}),
        (DialectName.MISTRAL, {"choices": [{"index": [], "delta": {}, "finish_reason": "stop"}]}),
    ],
)
def test_an_event_with_a_wrong_type_is_survived(kind: type[TranslatedMeter], dialect: DialectName, doc: Any):
    meter = kind(SPOKEN[dialect], Target("m"), drop_usage=False, max_event_bytes=LIMIT)
    meter.feed(event(doc))
    meter.close()

    assert not meter.saw_done


def test_an_iteration_of_no_known_type_is_not_added_up():
    assert 3 == read_usage({"input_tokens": 3, "iterations": [{"type": [], "input_tokens": 5}]}).input_tokens


def test_an_event_that_is_nested_without_end_is_damaged():
    deep = b'{"a":' * 200_000
    meter = StreamMeter(Quirks(), drop_usage=False, max_event_bytes=LIMIT)
    meter.feed(b"data: %b\n\n" % deep)

    assert meter.damaged
    with pytest.raises(ValueError, match="deep"):
        parse(deep)
