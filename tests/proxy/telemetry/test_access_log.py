"""One JSON line a request."""

from __future__ import annotations

import orjson
import pytest

from proxy.facts import Outcome
from proxy.telemetry.access_log import AccessLog, line


def test_a_request_is_one_line_of_json(fact):
    lines: list[bytes] = []
    AccessLog(lines.append).finished(fact(client_request_id="mine-1"))

    assert lines[0].count(b"\n") == 1
    assert lines[0].endswith(b"\n")
    assert {
        "time": "2026-09-21T14:13:20.500000Z",
        "request_id": "req-1",
        "client_request_id": "mine-1",
        "surface": "openai",
        "operation": "chat",
        "model": "gpt",
        "provider": "openai",
        "deployment": "openai/gpt",
        "upstream_model": "gpt-4o-mini",
        "key": "ci",
        "status": 200,
        "outcome": "completed",
        "flags": "-",
        "stream": True,
        "tier": "default",
        "lane": "default",
        "tokens": {
            "input": 100,
            "input_cached": 30,
            "input_cache_write": 0,
            "output": 50,
            "output_reasoning": 20,
            "estimated": False,
        },
        "cost_usd": 0.0015,
        "ttft_ms": 300.0,
        "tpot_ms": 20.0,
        "duration_ms": 1500.0,
        "overhead_ms": 125.0,
        "queue_ms": 125.0,
        "bytes_in": 300,
        "bytes_out": 9000,
        "finish_reason": "stop",
        "error_code": None,
        "error_detail": None,
        "attempt_count": 1,
        "attempts": [
            {
                "deployment": "openai/gpt",
                "provider": "openai",
                "code": "ok",
                "status": 200,
                "duration_ms": 1250.0,
                "ttft_ms": 250.0,
                "upstream_request_id": "req_up",
            }
        ],
    } == orjson.loads(lines[0])


def test_what_is_not_known_is_null_and_not_zero(fact):
    told = orjson.loads(
        line(fact(usage=None, cost_nano_usd=None, ttft_s=None, tpot_s=None, provider="", deployment="", key=""))
    )

    unknown = ("tokens", "cost_usd", "ttft_ms", "tpot_ms", "provider", "deployment", "key")
    assert [None] * len(unknown) == [told[name] for name in unknown]


@pytest.mark.parametrize(
    ("outcome", "code", "flag"),
    [
        (Outcome.COMPLETED, None, "-"),
        (Outcome.ABANDONED, None, "DC"),
        (Outcome.FAILED, "upstream_connect_failed", "UF"),
        (Outcome.FAILED, "upstream_first_token_timeout", "UT"),
        (Outcome.FAILED, "overloaded", "UO"),
        (Outcome.REJECTED, "rate_limit_exceeded", "RL"),
        (Outcome.REJECTED, "model_not_found", "NR"),
        (Outcome.FAILED, "no_deployment_available", "UH"),
        (Outcome.TRUNCATED, "upstream_stream_broken", "UC"),
    ],
)
def test_a_flag_says_why_it_ended_badly(fact, outcome: Outcome, code: str | None, flag: str):
    assert flag == orjson.loads(line(fact(outcome=outcome, error_code=code)))["flags"]


def test_keys_in_errors_do_not_reach_the_log(fact):
    written = line(
        fact(
            outcome=Outcome.FAILED,
            error_code="upstream_credential_rejected",
            error_detail="Incorrect API key provided: sk-proj-abcdef123456.",
            client_request_id="sk-abcdef123456",
        )
    )

    assert b"abcdef" not in written
    assert b"Incorrect API key provided: [redacted]" in written


def test_a_request_with_very_many_attempts_is_still_a_short_line(fact, attempt):
    told = orjson.loads(line(fact(attempts=tuple(attempt(deployment=f"d{number}") for number in range(100)))))

    assert told["attempt_count"] == 100
    assert len(told["attempts"]) == 32
    assert told["attempts"][-1]["deployment"] == "d99"
