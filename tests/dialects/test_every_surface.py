"""What every surface with a dialect of its own must take."""

from __future__ import annotations

from typing import Any

import pytest
from told import Said

from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.chunks import Chunks
from proxy.dialects.gemini.surface import GeminiSurface


@pytest.mark.parametrize("surface", [AnthropicSurface(), GeminiSurface("m", stream=True)], ids=lambda one: one.name)
def test_logprobs_nobody_asked_for_do_no_harm(surface: Any):
    made = Chunks()
    made.identify("c", "m")
    encoder = surface.stream(Said())
    scores = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]

    told = b"".join(encoder.feed(event) for event in (made.text("a"), made.logprobs(scores), made.finish("stop")))
    assert b'"a"' in told + encoder.end(Said())
