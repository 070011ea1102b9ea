"""Facts to tell sinks of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from proxy.facts import AttemptFact, Finished, Outcome
from proxy.usage import Usage

MakeFact = Callable[..., Finished]


@pytest.fixture
def attempt() -> Callable[..., AttemptFact]:
    """A good attempt, but for what a test changes."""

    def make(**changes: Any) -> AttemptFact:
        return AttemptFact(
            **{
                "deployment": "openai/gpt",
                "provider": "openai",
                "code": "ok",
                "status": 200,
                "duration_s": 1.25,
                "ttft_s": 0.25,
                "upstream_request_id": "req_up",
            }
            | changes
        )

    return make


@pytest.fixture
def fact(attempt: Callable[..., AttemptFact]) -> MakeFact:
    """A completed stream, but for what a test changes."""

    def make(**changes: Any) -> Finished:
        return Finished(
            **{
                "exchange_id": "req-1",
                "started_at_s": 1_790_000_000.5,
                "surface": "openai",
                "operation": "chat",
                "route": "gpt",
                "provider": "openai",
                "deployment": "openai/gpt",
                "upstream_model": "gpt-4o-mini",
                "key": "ci",
                "stream": True,
                "outcome": Outcome.COMPLETED,
                "status": 200,
                "error_code": None,
                "error_detail": None,
                "tier": "default",
                "lane": "default",
                "usage": Usage(input_tokens=70, output_tokens=50, cache_read_tokens=30, reasoning_tokens=20),
                "cost_nano_usd": 1_500_000,
                "baseline_nano_usd": None,
                "duration_s": 1.5,
                "ttft_s": 0.3,
                "tpot_s": 0.02,
                "upstream_s": 1.25,
                "queue_s": 0.125,
                "bytes_in": 300,
                "bytes_out": 9000,
                "finish_reason": "stop",
                "attempts": (attempt(),),
                "client_request_id": None,
            }
            | changes
        )

    return make
