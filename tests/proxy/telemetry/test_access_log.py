"""One JSON line a request."""

from __future__ import annotations

import orjson
import pytest

from proxy.facts import AttemptFact, Outcome
from proxy.telemetry.access_log import AccessLog, line
from proxy.usage import Usage


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
        "cost_other_usd": None,
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
        "recovered": None,
        "attempt_count": 1,
        "attempts": [
            {
                "deployment": "openai/gpt",
                "provider": "openai",
                "part": "answer",
                "code": "ok",
                "detail": None,
                "status": 200,
                "duration_ms": 1250.0,
                "ttft_ms": 250.0,
                "tokens": None,
                "cost_usd": None,
                "upstream_request_id": "req_up",
            }
        ],
    } == orjson.loads(lines[0])


@pytest.mark.parametrize("count", [0, 3, 40])
@pytest.mark.parametrize("character", ["x", "\x01", "\U0001f686"])
def test_a_line_that_must_be_short_shows_less_of_the_same(fact, count, character):
    """What several workers write to one pipe stays whole up to 4 KiB only."""
    attempt = AttemptFact("openai/gpt", "openai", "upstream_error", 503, 1.0, None, detail=character * 5000)
    one = fact(attempts=(attempt,) * count, error_detail=character * 5000, client_request_id="c" * 256)
    lines: list[bytes] = []
    AccessLog(lines.append, 4096).finished(one)
    assert len(lines[0]) <= 4096
    told = orjson.loads(lines[0])
    assert (count, "req-1", 200) == (told["attempt_count"], told["request_id"], told["status"])
    assert told["error_detail"].startswith(character)


def test_a_line_that_is_short_shows_all(fact):
    lines: list[bytes] = []
    AccessLog(lines.append, 4096).finished(fact())
    assert [line(fact())] == lines


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
        (Outcome.TRUNCATED, "upstream_error_in_stream", "UE"),
    ],
)
def test_a_flag_says_why_it_ended_badly(fact, outcome: Outcome, code: str | None, flag: str):
    assert flag == orjson.loads(line(fact(outcome=outcome, error_code=code)))["flags"]


def test_the_line_of_a_spliced_stream_says_who_broke_why_after_how_much_and_who_took_over(fact, attempt):
    broken = attempt(
        deployment="groq/gpt-oss", provider="groq", code="upstream_stream_broken", duration_s=0.75, ttft_s=0.125,
        upstream_request_id="req_broken", detail="the connection was reset", usage=Usage(70, 40, estimated=True),
        cost_nano_usd=250_000,
    )  # fmt: skip
    joined = attempt(
        part="splice", detail="took over after 163 characters", usage=Usage(70, 50, 30), cost_nano_usd=1_500_000
    )

    told = orjson.loads(line(fact(attempts=(broken, joined))))

    assert ("completed", "SP", "splice", 0.0015, 0.00025) == tuple(
        told[name] for name in ("outcome", "flags", "recovered", "cost_usd", "cost_other_usd")
    )
    assert [
        {
            "deployment": "groq/gpt-oss",
            "provider": "groq",
            "part": "answer",
            "code": "upstream_stream_broken",
            "detail": "the connection was reset",
            "status": 200,
            "duration_ms": 750.0,
            "ttft_ms": 125.0,
            "tokens": {"input": 70, "output": 40, "estimated": True},
            "cost_usd": 0.00025,
            "upstream_request_id": "req_broken",
        },
        {
            "deployment": "openai/gpt",
            "provider": "openai",
            "part": "splice",
            "code": "ok",
            "detail": "took over after 163 characters",
            "status": 200,
            "duration_ms": 1250.0,
            "ttft_ms": 250.0,
            "tokens": {"input": 100, "output": 50, "estimated": False},
            "cost_usd": 0.0015,
            "upstream_request_id": "req_up",
        },
    ] == told["attempts"]


@pytest.mark.parametrize(("part", "flag"), [("continuation", "SP"), ("hedge", "-"), ("answer", "-")])
def test_only_an_answer_of_two_pieces_is_flagged_as_spliced(fact, attempt, part: str, flag: str):
    told = orjson.loads(line(fact(attempts=(attempt(code="upstream_connection_lost"), attempt(part=part)))))

    assert flag == told["flags"]


def test_a_stream_that_nobody_could_go_on_with_has_the_flag_of_what_broke_it(fact, attempt):
    tries = (attempt(code="upstream_stream_stalled"), attempt(part="splice", code="upstream_diverged"))

    told = orjson.loads(line(fact(outcome=Outcome.TRUNCATED, error_code="upstream_stream_stalled", attempts=tries)))

    assert ("IT", None) == (told["flags"], told["recovered"])


def test_the_cost_of_all_that_did_not_answer_is_told_apart(fact, attempt):
    lost = attempt(deployment="b", code="hedge_lost", part="hedge", cost_nano_usd=400_000)
    failed = attempt(deployment="c", code="upstream_connection_lost", cost_nano_usd=None)
    broken = attempt(deployment="d", code="upstream_stream_broken", cost_nano_usd=100_000)
    answer = attempt(part="splice", cost_nano_usd=1_500_000)

    def cost(*attempts: AttemptFact) -> tuple[float, float]:
        told = orjson.loads(line(fact(attempts=attempts)))
        return told["cost_usd"], told["cost_other_usd"]

    assert (0.0015, 0.0005) == cost(lost, failed, broken, answer)
    assert (0.0015, None) == cost(failed, answer)


def test_a_providers_words_about_an_attempt_are_masked_and_cut(fact, attempt):
    failed = attempt(code="upstream_error", detail="api_key=abcdef123456 is bad" + " so bad" * 1000)

    (told, _) = orjson.loads(line(fact(attempts=(failed, attempt()))))["attempts"]

    assert told["detail"].startswith("api_key=[redacted] is bad so bad")
    assert len(told["detail"]) == 300


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
