"""What is retried, where, and what the client is told when nothing helps."""

import asyncio
from dataclasses import replace

import pytest

from fakes.chat import chat_answer, chat_chunk, chat_stream, error_event, role_chunk, usage
from fakes.steps import SSE, Drop, Garble, Reset, Send, Stall, Status, Wait, answer, error_answer
from policies.round_robin import RoundRobin
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation
from proxy.exchange import Call
from proxy.facts import Outcome

GOOD = chat_answer("From the other one.", usage(7, 3))


def codes(gateway):
    return [(attempt.provider, attempt.code) for attempt in gateway.fact.attempts]


async def test_a_500_is_retried_once_here_and_succeeds(gateway, primary):
    primary.script(error_answer(500))
    primary.script(answer(chat_answer()))

    client = await gateway.chat()

    assert 200 == client.status
    assert [("primary", "upstream_server_error"), ("primary", "ok")] == codes(gateway)
    assert 'failed="primary/upstream-model upstream_server_error"' in client.headers["x-pointsman-route"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param((Reset(),), id="reset"),
        pytest.param((Drop(),), id="closed"),
        pytest.param((Garble(),), id="no HTTP"),
        pytest.param((error_answer(503),), id="503"),
        pytest.param((error_answer(429, "rate_limit_exceeded", "Slow down"),), id="429"),
        pytest.param((error_answer(429, "insufficient_quota", "You exceeded your current quota"),), id="no money"),
        pytest.param((error_answer(401, "invalid_api_key", "Incorrect API key"),), id="401"),
        pytest.param((error_answer(404, "model_not_found", "No such model"),), id="no such model"),
        pytest.param((Status(200, {}, b"<html>", "text/html"),), id="HTML"),
        pytest.param((Status(200, {}, b"", "application/json"),), id="empty"),
        pytest.param((Status(200, {}, b'{"error":{"message":"inner","code":"server_error"}}'),), id="error in a 200"),
        pytest.param((Status(302, {"location": "http://127.0.0.1:1/"}, b""),), id="redirect"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_before_the_first_content_is_invisible(make, primary, fallback, fault, stream):
    """The fallback answers; the client never learns of the primary but by the route header."""
    gateway = make(retries={"backoff_s": 0, "max": 2})
    primary.otherwise(*fault)
    fallback.otherwise(SSE(*chat_stream("Fine.")) if stream else answer(GOOD))

    client = await gateway.chat(stream=stream)

    assert 200 == client.status
    assert "chosen=fallback/other-model" in client.headers["x-pointsman-route"]
    assert "fallback" == gateway.fact.provider
    assert Outcome.COMPLETED is gateway.fact.outcome


@pytest.mark.parametrize(
    "events",
    [(role_chunk(),), (role_chunk(), error_event()), (error_event("You exceeded your quota", "insufficient_quota"),)],
    ids=["silence", "error", "no money"],
)
async def test_a_stream_that_fails_before_its_first_content_is_invisible(gateway, primary, fallback, events):
    primary.otherwise(SSE(*events))
    fallback.script(SSE(*chat_stream("Fine.")))

    client = await gateway.chat(stream=True)

    assert "Fine." == client.text
    assert "[DONE]" == client.events[-1]


async def test_failed_attempts_are_recorded_but_not_billed(gateway, primary, fallback):
    """The fallback's 1 and 3 USD a million: 7 and 3 tokens cost 16,000 nano-USD; the first listed one 160,000."""
    primary.otherwise(error_answer(503))
    fallback.script(answer(GOOD))

    await gateway.chat()

    assert [("primary", "upstream_overloaded"), ("fallback", "ok")] == codes(gateway)
    assert (16_000, 160_000) == (gateway.fact.cost_nano_usd, gateway.fact.baseline_nano_usd)


async def test_when_nobody_answers_the_client_hears_the_last_failure(gateway, primary, fallback):
    primary.otherwise(error_answer(503))
    fallback.otherwise(error_answer(503))

    client = await gateway.chat()

    assert 503 == client.status
    assert "upstream_overloaded" == client.json["error"]["code"]
    assert Outcome.FAILED is gateway.fact.outcome
    assert gateway.fact.cost_nano_usd is None


async def test_retries_end_where_the_route_says(make, primary):
    gateway = make(
        retries={"max": 1, "backoff_s": 0}, route={"deployments": [{"provider": "primary", "model": "upstream-model"}]}
    )
    primary.otherwise(error_answer(500))

    client = await gateway.chat()

    assert 502 == client.status
    assert 2 == len(primary.requests)


async def test_a_refused_request_is_never_retried_and_the_reason_reaches_the_client(gateway, primary, fallback):
    primary.script(error_answer(400, "unsupported_value", "`temperature` is not supported"))

    client = await gateway.chat()

    assert (400, "unsupported_value") == (client.status, client.json["error"]["code"])
    assert "`temperature` is not supported" == client.json["error"]["message"]
    assert [] == fallback.requests
    assert Outcome.REJECTED is gateway.fact.outcome


async def test_a_content_policy_refusal_is_never_routed_around(gateway, primary, fallback):
    primary.script(error_answer(400, "content_policy_violation", "Not allowed"))

    client = await gateway.chat()

    assert (400, "Not allowed") == (client.status, client.json["error"]["message"])
    assert [] == fallback.requests


async def test_too_long_a_prompt_goes_to_a_larger_window_only(gateway, primary, fallback):
    primary.script(error_answer(400, "context_length_exceeded", "maximum context length is 1000 tokens"))
    fallback.script(answer(GOOD))

    client = await gateway.chat()

    assert 200 == client.status


async def test_too_long_a_prompt_without_a_larger_window_is_the_providers_error(make, primary, fallback):
    gateway = make(
        route={
            "deployments": [
                {"provider": "primary", "model": "a", "context_window": 1000},
                {"provider": "fallback", "model": "b", "context_window": 500},
            ]
        }
    )
    primary.script(error_answer(400, "context_length_exceeded", "maximum context length is 1000 tokens"))

    client = await gateway.chat()

    assert (400, "context_length_exceeded") == (client.status, client.json["error"]["code"])
    assert [] == fallback.requests


async def test_the_gateways_own_bad_key_is_not_told_as_the_clients(make, primary):
    gateway = make(route={"deployments": [{"provider": "primary", "model": "a"}]})
    primary.otherwise(error_answer(401, "invalid_api_key", "Incorrect API key provided: sk-gateway-own-key-0001"))

    client = await gateway.chat()

    assert 502 == client.status
    assert b"sk-gateway" not in client.received
    assert "sk-gateway" not in gateway.fact.error_detail


async def test_a_refused_key_sets_every_deployment_of_its_provider_aside(make, primary, fallback):
    gateway = make()
    primary.otherwise(error_answer(401, "invalid_api_key", "Incorrect API key provided"))
    fallback.otherwise(answer(GOOD))

    await gateway.chat()
    client = await gateway.chat()

    assert 1 == len(primary.requests)
    assert "credential set aside" in client.headers["x-pointsman-route"]


async def test_a_short_retry_after_is_waited_out_and_the_same_deployment_asked_again(make, primary, fallback):
    gateway = make()
    primary.script(error_answer(429, "rate_limit_exceeded", "Slow down", headers={"retry-after-ms": "20"}))
    primary.script(answer(chat_answer()))

    client = await gateway.chat()

    assert 200 == client.status
    assert [("primary", "upstream_rate_limited"), ("primary", "ok")] == codes(gateway)
    assert gateway.fact.duration_s >= 0.02
    assert [] == fallback.requests


async def test_a_rate_limit_is_not_waited_out_twice_while_another_could_answer(gateway, primary, fallback):
    primary.otherwise(error_answer(429, "rate_limit_exceeded", "Slow down", headers={"retry-after-ms": "20"}))
    fallback.script(answer(GOOD))

    client = await gateway.chat()

    assert 200 == client.status
    assert ["primary", "primary", "fallback"] == [attempt.provider for attempt in gateway.fact.attempts]


async def test_a_long_retry_after_fails_over_at_once(gateway, primary, fallback):
    primary.script(error_answer(429, "rate_limit_exceeded", "Slow down", headers={"retry-after": "30"}))
    fallback.script(answer(GOOD))

    client = await gateway.chat()

    assert 200 == client.status
    assert 1 == len(primary.requests)


async def test_a_pause_that_outlasts_the_total_limit_is_not_begun(make, primary):
    gateway = make(
        route={"deployments": [{"provider": "primary", "model": "a"}]},
        timeouts={"total_s": 0.5},
        retries={"retry_after_max_s": 60},
    )
    primary.script(error_answer(429, "rate_limit_exceeded", "Slow down", headers={"retry-after": "20"}))

    client = await gateway.chat()

    assert (504, "upstream_total_timeout") == (client.status, client.json["error"]["code"])


async def test_a_silent_deployment_costs_one_timeout_and_is_not_asked_twice(make, primary, fallback):
    gateway = make(timeouts={"answer_s": 0.05, "total_s": 10})
    primary.otherwise(Stall())
    fallback.script(answer(GOOD))

    client = await gateway.chat()

    assert 200 == client.status
    assert 1 == len(primary.requests)
    assert ("primary", "upstream_first_token_timeout") == codes(gateway)[0]


async def test_the_total_limit_ends_the_search(make, primary, fallback):
    gateway = make(timeouts={"answer_s": 5, "total_s": 0.05})
    primary.otherwise(Stall())

    client = await gateway.chat()

    assert (504, "upstream_total_timeout") == (client.status, client.json["error"]["code"])
    assert [] == fallback.requests


@pytest.mark.parametrize("end", [Drop(), Reset()], ids=["closed", "reset"])
@pytest.mark.parametrize("surface", ["openai", "oneinfer", "oxen"])
async def test_a_stream_that_dies_after_content_never_looks_complete(gateway, primary, fallback, end, surface):
    """The client gets an explicit error event, no `[DONE]`, and is billed for what came."""
    gate = asyncio.Event()
    primary.script(Send(role_chunk()), Send(chat_chunk("Half an ans")), Wait(gate), end)

    client = gateway.client({"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True})
    serving = asyncio.ensure_future(gateway.serve(client, surface=surface))
    await client.first_piece.wait()
    gate.set()
    await serving

    assert b"[DONE]" not in client.received
    assert "error" in client.events[-1]
    assert Outcome.TRUNCATED is gateway.fact.outcome
    assert gateway.fact.usage.estimated
    assert gateway.fact.cost_nano_usd > 0
    assert "upstream_stream_broken" == gateway.fact.error_code
    assert "not spliced: upstream_server_error" in gateway.fact.error_detail
    assert 2 == len(fallback.requests), "it failed twice, and nobody else is left"


async def test_a_stream_that_stalls_after_content_is_ended_with_an_error(make, primary):
    gateway = make(timeouts={"idle_s": 0.05})
    primary.script(SSE(role_chunk(), chat_chunk("Half")), Stall())

    client = await gateway.chat(stream=True)

    assert "upstream_stream_stalled" == client.events[-1]["error"]["code"]


async def test_an_error_event_in_mid_stream_is_an_error_and_not_success(gateway, primary):
    primary.script(SSE(role_chunk(), chat_chunk("Half"), error_event("It broke"), b"data: [DONE]\n\n"))

    client = await gateway.chat(stream=True)

    assert b"[DONE]" not in client.received
    assert "error" in client.events[-1]
    assert Outcome.TRUNCATED is gateway.fact.outcome


async def test_many_failures_open_the_breaker_and_the_route_goes_on_without(make, primary, fallback):
    gateway = make(health={"failures": 2, "open_s": 60}, retries={"max": 1, "backoff_s": 0})
    primary.otherwise(error_answer(503))
    fallback.otherwise(answer(GOOD))

    for _ in range(5):
        await gateway.chat()

    assert 2 == len(primary.requests)
    assert 5 == len(fallback.requests)


async def test_a_route_with_nobody_left_to_ask_says_when_to_come_back(make, primary):
    gateway = make(
        health={"failures": 1, "open_s": 60},
        retries={"max": 0},
        route={"deployments": [{"provider": "primary", "model": "a"}]},
    )
    primary.otherwise(error_answer(503))

    await gateway.chat()
    client = await gateway.chat()

    assert (503, "no_deployment_available") == (client.status, client.json["error"]["code"])
    assert "1" == client.headers["Retry-After"]
    assert "breaker open" in gateway.finished[-1].error_detail


async def test_the_retry_budget_stops_a_storm(make, primary):
    gateway = make(route={"deployments": [{"provider": "primary", "model": "a"}]}, health={"failures": 1000})
    primary.otherwise(error_answer(500))
    gateway.budget.minimum = 0
    gateway.budget.share = 0.0

    client = await gateway.chat()

    assert 502 == client.status
    assert 1 == len(primary.requests)
    assert 1 == gateway.budget.denied


async def test_flex_waits_for_capacity_and_then_takes_the_default_tier(make, primary):
    """Twice no room, then `max_wait_s` is over: the default tier answers, and is billed."""
    price = {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30}
    gateway = make(
        {"name": "flex", "max_wait_s": 0.05, "backoff_s": 0.01, "seed": 1},
        providers={"openai": {"base_url": primary.base_url, "api_key": "sk-gateway-own-key-0001"}},
        route={
            "deployments": [
                {"provider": "openai", "model": "u", "price": price},
                {"provider": "openai", "model": "u", "tier": "flex", "price": price},
            ]
        },
        health={"rate_limited_s": 0.01},
    )

    class ByTier:
        async def run(self, peer):
            asked_for_flex = primary.requests[-1].json.get("service_tier") == "flex"
            no_room = error_answer(429, "resource_unavailable", "Resource Unavailable")
            standard = answer(chat_answer("Hi", usage(1, 1), service_tier="default"))
            await (no_room if asked_for_flex else standard).run(peer)

    primary.otherwise(ByTier())

    client = await gateway.chat(service_tier="flex")

    assert 200 == client.status
    assert len(primary.requests) >= 2
    assert "openai/u" == gateway.fact.deployment
    assert 40_000 == gateway.fact.cost_nano_usd


async def test_a_bug_of_ours_is_a_clean_500_and_settled(gateway, primary, caplog):
    class Broken(OpenAISurface):
        def decode(self, operation, body):
            raise ZeroDivisionError

    client = gateway.client()
    gateway.exchanges += 1
    await gateway.pipeline.serve(
        Call(surface=Broken(), operation=Operation.CHAT, token=None, content_type="application/json", request_id="r"),
        client,
    )

    assert 500 == client.status
    assert "internal_error" == client.json["error"]["code"]
    assert "ZeroDivisionError" in caplog.text


async def test_a_policy_that_fails_to_observe_costs_nobody_the_bill(gateway, primary, fallback, caplog):
    class Grumpy(RoundRobin):
        def observe(self, feedback):
            raise ZeroDivisionError

    route = replace(gateway.world.routes["m"], policy=Grumpy())
    gateway.world = replace(gateway.world, routes={"m": route})
    for upstream in (primary, fallback):
        upstream.otherwise(SSE(*chat_stream("Fine.")))

    client = await gateway.chat(stream=True)

    assert 200 == client.status
    assert Outcome.COMPLETED is gateway.fact.outcome
    assert gateway.fact.usage is not None
    assert "ZeroDivisionError" in caplog.text
