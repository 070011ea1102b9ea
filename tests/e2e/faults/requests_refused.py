"""Rows 12, 13, 21 and 22: what a provider's own words mean, and who may learn of them."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from e2e.dialects import ONEINFER, OPENAI
from e2e.faults.stage import WHOLE, WINDOW, Given, Pair, Trial
from e2e.faults.table import row
from fakes.steps import Status, Step


def refusal(status: int, body: Any, **headers: str) -> Step:
    """An answer in a provider's own words."""
    return Status(status, {name.replace("_", "-"): value for name, value in headers.items()}, orjson.dumps(body))


def error(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


TOO_LONG: dict[str, tuple[int, Any, str]] = {
    name: (status, body, words)
    for name, status, body, words in (
        (
            "OpenAI",
            400,
            error(
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
                type="invalid_request_error",
                param="messages",
                code="context_length_exceeded",
            ),
            "9001 tokens",
        ),
        (
            "OpenAI, newer",
            400,
            error(
                "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens.",
                type="invalid_request_error",
                param="messages",
                code=None,
            ),
            "300000 tokens",
        ),
        (
            "vLLM",
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.",
                "type": "BadRequestError",
                "param": None,
                "code": 400,
            },
            "5000 tokens",
        ),
        (
            "Anthropic",
            400,
            {
                "type": "error",
                **error("prompt is too long: 210000 tokens > 200000 maximum", type="invalid_request_error"),
            },
            "210000 tokens",
        ),
        (
            "Gemini",
            400,
            [
                error(
                    "The input token count (1050000) exceeds the maximum number of tokens allowed (1048576).",
                    code=400,
                    status="INVALID_ARGUMENT",
                )
            ],
            "1050000",
        ),
        ("Bedrock", 400, {"message": "Input is too long for requested model."}, "too long"),
        (
            "Moonshot",
            400,
            error("Invalid request: Your request exceeded model token limit: 8192", type="invalid_request_error"),
            "8192",
        ),
        (
            "SGLang",
            400,
            {
                "object": "error",
                "message": "The input (9000 tokens) is longer than the model's context length (8192 tokens).",
                "type": "BadRequestError",
                "code": 400,
            },
            "9000 tokens",
        ),
        (
            "llama.cpp",
            400,
            error(
                "the request exceeds the available context size. try increasing the context size",
                code=400,
                type="exceed_context_size_error",
            ),
            "available context size",
        ),
        (
            "TGI",
            422,
            {
                "error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000",
                "error_type": "validation",
            },
            "4096",
        ),
        (
            "Cerebras",
            400,
            {
                "message": "Please reduce the length of the messages. Current length is 9000 while limit is 8192",
                "type": "invalid_request_error",
                "param": "messages",
                "code": "context_length_exceeded",
            },
            "9000",
        ),
        ("Z.ai", 400, error("Prompt exceeds max length", code="1261"), "max length"),
    )
}
LARGER = Given(fallback={"context_window": 16 * WINDOW})


@row("12", "400 context length, in each provider's words")
async def asks_only_a_larger_window(trial: Trial) -> None:
    def cases(name: str) -> list[tuple[str, Any, Given]]:
        status, body, words = TOO_LONG[name]

        async def larger(pair: Pair) -> None:
            pair.primary.otherwise(refusal(status, body))
            pair.fallback.otherwise(pair.fallback_answers())
            said = await pair.ask()
            said.whole()
            pair.saw(1, 1)

        async def equal(pair: Pair) -> None:
            pair.primary.otherwise(refusal(status, body))
            pair.fallback.otherwise(pair.fallback_answers())
            said = await pair.ask()
            code = said.refused(400 if pair.surface is not OPENAI else status, words)
            if pair.surface is OPENAI:
                assert "context_length_exceeded" == code
            pair.saw(1, 0)
            assert ["context_length_exceeded"] == await pair.codes(said)

        return [(f"{name}, larger window", larger, LARGER), (f"{name}, equal window", equal, Given())]

    first, *others = TOO_LONG
    await trial.all(cases(first))
    await trial.all([case for name in others for case in cases(name)], surfaces=(OPENAI,), forms=(WHOLE,))
    trial.notes.append(f"{len(TOO_LONG)} wordings")


POLICY: dict[str, tuple[int, Any, str]] = {
    "OpenAI": (
        400,
        error(
            "Your request was rejected as a result of our safety system.",
            type="invalid_request_error",
            code="content_policy_violation",
        ),
        "safety system",
    ),
    "Azure": (
        400,
        error(
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy.",
            type=None,
            param="prompt",
            code="content_filter",
            status=400,
            innererror={"code": "ResponsibleAIPolicyViolation"},
        ),
        "content management policy",
    ),
    "Anthropic": (
        400,
        {"type": "error", **error("Output blocked by content filtering policy", type="invalid_request_error")},
        "content filtering policy",
    ),
    "DashScope": (
        400,
        error("Input data may contain inappropriate content.", code="data_inspection_failed"),
        "inappropriate content",
    ),
    "OpenRouter": (
        403,
        error("Your input was flagged", code=403, metadata={"reasons": ["violence"], "flagged_input": "..."}),
        "was flagged",
    ),
    "Z.ai": (400, error("The input may contain unsafe content.", code="1301"), "unsafe content"),
}


@row("13", "400 content policy")
async def does_not_route_around_a_policy(trial: Trial) -> None:
    def cases(name: str) -> list[tuple[str, Any, Given]]:
        status, body, words = POLICY[name]

        async def refused(pair: Pair) -> None:
            pair.primary.otherwise(refusal(status, body))
            pair.fallback.otherwise(pair.fallback_answers())
            said = await pair.ask()
            assert said.status in {400, status}
            said.refused(said.status, words)
            pair.saw(1, 0)
            assert ["content_policy_violation"] == await pair.codes(said)

        async def opted_in(pair: Pair) -> None:
            pair.primary.otherwise(refusal(status, body))
            pair.fallback.otherwise(pair.fallback_answers())
            (await pair.ask()).whole()
            pair.saw(1, 1)

        rerouted = Given(route={"retries": {"max": 2, "reroute_content_policy": True}})
        return [(name, refused, Given()), (f"{name}, opted in", opted_in, rerouted)]

    first, *others = POLICY
    await trial.all(cases(first))
    await trial.all([case for name in others for case in cases(name)], surfaces=(OPENAI,), forms=(WHOLE,))
    trial.notes.append(f"{len(POLICY)} wordings")


KEY_REFUSED: dict[str, Step] = {
    "401": refusal(401, error("Incorrect API key provided", type="invalid_request_error", code="invalid_api_key")),
    "403": refusal(403, error("You do not have access to this model", type="permission_error", code="forbidden")),
}


@row("21", "401/403 for the gateway's own key")
async def sets_a_refused_key_aside(trial: Trial) -> None:
    def cases(name: str) -> list[tuple[str, Any, Given]]:
        async def fails_over(pair: Pair) -> None:
            await _set_aside(pair, KEY_REFUSED[name], "upstream_credential_rejected")
            said = f"provider `{pair.first}` is set aside: upstream_credential_rejected"
            await asyncio.to_thread(pair.stage.gateway.line, said)

        async def alone(pair: Pair) -> None:
            pair.primary.otherwise(KEY_REFUSED[name])
            said = await pair.ask()
            said.refused(500 if pair.surface is ONEINFER else 502)
            assert b"API key" not in said.body
            pair.saw(1, 0)

        return [(name, fails_over, Given()), (f"{name}, no fallback", alone, Given(alone=True))]

    await trial.all([case for name in KEY_REFUSED for case in cases(name)])


NO_MONEY: dict[str, tuple[Step, str | None]] = {
    "OpenAI": (
        refusal(
            429,
            error("You exceeded your current quota", type="insufficient_quota", param=None, code="insufficient_quota"),
        ),
        None,
    ),
    "DeepSeek": (refusal(402, error("Insufficient Balance", type="unknown_error", code="invalid_request_error")), None),
    "OpenRouter": (refusal(402, error("This request requires more credits", code=402)), None),
    "Anthropic": (
        refusal(
            400,
            {
                "type": "error",
                **error("Your credit balance is too low to access the API.", type="invalid_request_error"),
            },
        ),
        None,
    ),
    "xAI": (
        refusal(
            403,
            {
                "code": "The caller does not have permission to execute the specified operation",
                "error": "Your team has either used all available credits or reached its monthly spending limit.",
            },
        ),
        None,
    ),
    "Moonshot": (refusal(429, error("Your account is suspended", type="exceeded_current_quota_error")), None),
    "Z.ai": (refusal(429, error("Insufficient balance, please recharge", code="1113")), None),
    "Novita": (refusal(403, {"code": 403, "reason": "BILLING_BALANCE_NOT_ENOUGH", "message": "not enough"}), None),
    "MiniMax": (
        refusal(200, {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}),
        "minimax",
    ),
}


@row("22", "out of money, in each provider's form")
async def leaves_a_penniless_account_alone(trial: Trial) -> None:
    def case(name: str) -> tuple[str, Any, Given]:
        step, profile = NO_MONEY[name]

        async def fails_over(pair: Pair) -> None:
            await _set_aside(pair, step, "upstream_out_of_money")

        return name, fails_over, Given(profiles=(profile, None))

    first, *others = NO_MONEY
    await trial.all([case(first)])
    await trial.all([case(name) for name in others], surfaces=(OPENAI,))
    trial.notes.append(f"{len(NO_MONEY)} forms")


async def _set_aside(pair: Pair, step: Step, code: str) -> None:
    """The fallback answers at once, and again; the credential is asked once."""
    pair.primary.otherwise(step)
    pair.fallback.otherwise(pair.fallback_answers())
    said = await pair.ask()
    said.whole()
    pair.saw(1, 1)
    assert [code, "ok"] == await pair.codes(said)
    again = await pair.ask()
    again.whole()
    pair.saw(1, 2)
    skipped = again.headers["x-pointsman-route"].partition("skipped=")[2]
    assert f"{pair.first}/{pair.name}: credential set aside" in skipped
