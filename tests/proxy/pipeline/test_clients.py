"""Clients that are not allowed, ask for what is not there, or leave."""

import asyncio
import contextlib

import pytest

from fakes.chat import chat_answer, chat_chunk, role_chunk
from fakes.steps import Send, Stall, answer
from proxy.facts import Outcome


async def test_without_a_valid_key_nothing_is_read_or_sent(make, primary):
    gateway = make(auth={"keys": [{"name": "ci", "key": "a-long-client-key"}]})

    refused = await gateway.serve(gateway.client(never_sends_body=True), token="another")
    missing = await gateway.serve(gateway.client(never_sends_body=True))

    assert [401, 401] == [refused.status, missing.status]
    assert [] == primary.requests
    assert {Outcome.REJECTED} == {fact.outcome for fact in gateway.finished}


async def test_a_valid_key_is_named_in_the_fact_and_never_shown(make, primary):
    gateway = make(auth={"keys": [{"name": "ci", "key": "a-long-client-key"}]})
    primary.script(answer(chat_answer()))

    await gateway.serve(gateway.client(), token="a-long-client-key")

    assert "ci" == gateway.fact.key
    assert "a-long-client-key" not in repr(gateway.fact)
    assert b"a-long-client-key" not in (await primary.received()).body
    assert "Bearer sk-gateway-own-key-0001" == (await primary.received()).headers["authorization"]


async def test_a_key_over_its_rate_is_told_when_to_come_back(make, primary):
    gateway = make(auth={"keys": [{"name": "ci", "key": "a-long-client-key", "rpm": 1}]})
    primary.otherwise(answer(chat_answer()))

    first = await gateway.serve(gateway.client(), token="a-long-client-key")
    second = await gateway.serve(gateway.client(), token="a-long-client-key")

    assert [200, 429] == [first.status, second.status]
    assert 60 == int(second.headers["Retry-After"]), "rounded up: who comes early is refused again"
    assert ["0", "0"] == [client.headers["x-ratelimit-remaining-requests"] for client in (first, second)]


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_that_is_not_announced_as_json_is_refused(gateway, content_type):
    client = await gateway.serve(gateway.client(), content_type=content_type)

    assert 415 == client.status
    assert "application/json" in client.json["error"]["message"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b'{"model": "m" // comment\n}', 400, "invalid_json"),
        (b"[]", 400, "invalid_json"),
        ({"messages": [{"role": "user", "content": "hi"}]}, 400, "missing_required_parameter"),
        ({"model": "m"}, 400, "missing_required_parameter"),
        ({"model": "m", "messages": "hi"}, 400, "invalid_type"),
        ({"model": "nobody", "messages": [{"role": "user", "content": "hi"}]}, 404, "model_not_found"),
        ({"model": "../../admin", "messages": [{"role": "user", "content": "hi"}]}, 404, "model_not_found"),
        ({"model": "primary/nobody", "messages": [{"role": "user", "content": "hi"}]}, 404, "model_not_found"),
    ],
)
async def test_a_wrong_request_gets_a_clear_error_and_goes_nowhere(gateway, primary, body, status, code):
    client = await gateway.serve(gateway.client(body))

    assert (status, code) == (client.status, client.json["error"]["code"])
    assert [] == primary.requests
    assert gateway.fact.route in {"unknown", "m"}


async def test_a_pinned_provider_is_the_only_one_asked(gateway, primary, fallback):
    fallback.otherwise(answer(chat_answer()))

    by_name = await gateway.chat(model="fallback/m")
    by_its_own_name = await gateway.chat(model="fallback/other-model")

    assert [200, 200] == [by_name.status, by_its_own_name.status]
    assert [] == primary.requests


async def test_any_other_name_goes_to_the_wildcard_and_passes_on(make, primary):
    gateway = make(routes={"*": {"deployments": [{"provider": "primary"}]}})
    primary.otherwise(answer(chat_answer()))

    await gateway.chat(model="never-heard-of")
    escape = await gateway.chat(model="../../admin")

    assert "never-heard-of" == (await primary.received()).json["model"]
    assert 404 == escape.status
    assert "*" == gateway.finished[0].route


async def test_a_client_that_leaves_in_mid_stream_stops_the_provider_and_pays_for_what_came(gateway, primary):
    primary.script(Send(role_chunk()), Send(chat_chunk("Hel")), Send(chat_chunk("lo")), Stall())

    await gateway.serve(
        gateway.client({"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}, leaves_after=0)
    )

    await asyncio.wait_for((await primary.received()).peer_closed.wait(), 5)
    assert Outcome.ABANDONED is gateway.fact.outcome
    assert 499 == gateway.fact.status
    assert gateway.fact.usage.estimated


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_while_it_waits_stops_the_provider(gateway, primary, stream):
    primary.script(Stall())
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": stream}

    serving = asyncio.ensure_future(gateway.serve(gateway.client(body)))
    request = await primary.received()
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving

    await asyncio.wait_for(request.peer_closed.wait(), 5)
    assert Outcome.ABANDONED is gateway.fact.outcome
    assert "cancelled" == gateway.fact.attempts[0].code
    assert "client_disconnect" == gateway.fact.error_code


async def test_a_client_that_leaves_before_its_whole_answer_is_billed_for_it(gateway, primary):
    primary.script(answer(chat_answer()))

    await gateway.serve(gateway.client(leaves_before_answer=True))

    assert Outcome.ABANDONED is gateway.fact.outcome
    assert 160_000 == gateway.fact.cost_nano_usd


async def test_a_client_that_leaves_before_its_error_is_only_noted(gateway):
    await gateway.serve(gateway.client(b"{", leaves_before_answer=True))

    assert Outcome.ABANDONED is gateway.fact.outcome


async def test_a_session_of_the_client_reaches_the_policy(make, primary, fallback):
    """Affinity sends one session to one deployment, however often it asks."""
    gateway = make("affinity")
    primary.otherwise(answer(chat_answer()))
    fallback.otherwise(answer(chat_answer()))

    for _ in range(6):
        await gateway.serve(gateway.client(), session="one-conversation")

    assert {6, 0} == {len(primary.requests), len(fallback.requests)}


async def test_a_policy_may_refuse(make, primary):
    gateway = make({"name": "flex", "mode": "strict", "max_price_usd": 0.000000001})

    client = await gateway.chat(service_tier="flex")

    assert (429, "policy_refused") == (client.status, client.json["error"]["code"])
    assert [] == primary.requests
