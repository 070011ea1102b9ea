"""What reaches the client when all goes well, and what is billed for it."""

import orjson
import pytest

from fakes.chat import DONE, chat_answer, chat_chunk, chat_stream, final_chunk, role_chunk, usage, usage_chunk
from fakes.steps import SSE, Head, Send, Status, answer
from proxy.dialects.request import Operation
from proxy.facts import Outcome


async def test_a_whole_answer_passes_as_the_very_bytes(gateway, primary):
    body = chat_answer("Hello.", usage(7, 3))
    primary.script(answer(body))

    client = await gateway.chat()

    assert 200 == client.status
    assert body == client.received
    assert "application/json" == client.headers["Content-Type"]


async def test_the_client_is_told_which_deployment_answered_and_why(gateway, primary):
    primary.script(answer(chat_answer(), x_ratelimit_remaining_requests="99"))

    client = await gateway.chat()

    assert "chosen=primary/upstream-model" in client.headers["x-pointsman-route"]
    assert "attempts=1" in client.headers["x-pointsman-route"]
    assert "req_test_1" == client.headers["x-request-id"]
    assert client.headers["Server-Timing"].startswith("queue;dur=")
    assert "99" == client.headers["x-ratelimit-remaining-requests"]


@pytest.mark.parametrize(
    "header", ["x-ratelimit-remaining-requests", "anthropic-ratelimit-tokens-remaining", "openai-processing-ms"]
)
async def test_what_clients_read_of_the_provider_is_passed_on(gateway, primary, header):
    primary.script(answer(chat_answer(), **{header.replace("-", "_"): "7"}))

    assert "7" == (await gateway.chat()).headers[header]


async def test_the_operators_account_is_not_told_to_the_client(gateway, primary):
    primary.script(answer(chat_answer(), openai_organization="org-1", openai_project="proj-1", openai_version="1"))

    client = await gateway.chat()

    assert "1" == client.headers["openai-version"]
    assert not {"openai-organization", "openai-project"} & set(client.headers)


async def test_tokens_and_cost_are_those_the_provider_reports(gateway, primary):
    """10 USD a million in, 30 USD a million out: 7 and 3 tokens cost 70,000 + 90,000 nano-USD."""
    primary.script(answer(chat_answer("Hello.", usage(7, 3))))

    await gateway.chat()

    assert Outcome.COMPLETED is gateway.fact.outcome
    assert (7, 3) == (gateway.fact.usage.prompt_tokens, gateway.fact.usage.output_tokens)
    assert 160_000 == gateway.fact.cost_nano_usd
    assert 160_000 == gateway.fact.baseline_nano_usd


async def test_the_model_name_is_the_deployments_and_nothing_else_of_the_body_changes(gateway, primary):
    primary.script(answer(chat_answer()))

    await gateway.chat(temperature=0.25, unheard_of={"kept": True})

    sent = (await primary.received()).json
    assert {"model": "upstream-model", "temperature": 0.25, "unheard_of": {"kept": True}}.items() <= sent.items()


async def test_a_body_that_need_not_change_is_forwarded_as_it_came(make, primary):
    gateway = make()
    primary.script(answer(chat_answer()))
    body = b'{ "model":  "upstream-model", "messages": [{"role":"user","content":"hi"}] }'

    gateway.world.routes["upstream-model"] = gateway.world.routes["m"]
    await gateway.serve(gateway.client(body))

    assert body == (await primary.received()).body


async def test_a_stream_passes_as_the_very_bytes_less_the_usage_nobody_asked_for(gateway, primary):
    events = chat_stream("Hel", "lo.", counts={"prompt": 7, "completion": 2})
    primary.script(SSE(*events))

    client = await gateway.chat(stream=True)

    assert b"".join(event for event in events if b'"usage"' not in event) == client.received
    assert client.finished
    assert {"include_usage": True} == (await primary.received()).json["stream_options"]
    assert 2 == gateway.fact.usage.output_tokens
    assert not gateway.fact.usage.estimated


async def test_a_client_that_asks_for_usage_gets_its_chunk(gateway, primary):
    events = chat_stream("Hello.", counts={"prompt": 7, "completion": 2})
    primary.script(SSE(*events))

    client = await gateway.chat(stream=True, stream_options={"include_usage": True})

    assert b"".join(events) == client.received


async def test_a_stream_without_usage_is_billed_by_an_estimate_that_says_so(gateway, primary):
    primary.script(SSE(*chat_stream("Hello there, this is a text.")))

    await gateway.chat(stream=True)

    assert gateway.fact.usage.estimated
    assert gateway.fact.usage.output_tokens > 0
    assert gateway.fact.cost_nano_usd > 0


async def test_a_complete_stream_gets_the_done_its_provider_forgot(gateway, primary):
    primary.script(SSE(role_chunk(), chat_chunk("Hello."), final_chunk()))

    client = await gateway.chat(stream=True)

    assert client.received.endswith(DONE)
    assert Outcome.COMPLETED is gateway.fact.outcome


async def test_the_next_request_uses_the_same_connection(gateway, primary):
    primary.otherwise(SSE(*chat_stream("Hello.")))

    for _ in range(3):
        await gateway.chat(stream=True)
        await gateway.settled()

    assert 3 == len(primary.requests)
    assert 1 == primary.connections


async def test_an_embedding_is_metered_too(gateway, primary):
    body = orjson.dumps(
        {"object": "list", "data": [{"embedding": [0.5]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    )
    primary.script(answer(body))

    client = await gateway.serve(gateway.client({"model": "m", "input": "hi"}), operation=Operation.EMBEDDINGS)

    assert body == client.received
    assert "/v1/embeddings" == (await primary.received()).target
    assert 40_000 == gateway.fact.cost_nano_usd


async def test_the_tier_that_answered_is_the_one_billed(make, primary):
    """A flex deployment that is served as `default` costs the default price: 20 and 60 USD here."""
    gateway = make(
        "flex",
        providers={"openai": {"base_url": primary.base_url, "api_key": "sk-gateway-own-key-0001"}},
        route={
            "deployments": [
                {"provider": "openai", "model": "u", "price": {"input_usd_per_mtok": 20, "output_usd_per_mtok": 60}},
                {
                    "provider": "openai",
                    "model": "u",
                    "tier": "flex",
                    "price": {"input_usd_per_mtok": 10, "output_usd_per_mtok": 30},
                },
            ]
        },
    )
    for tier in ("flex", "default", "priority"):
        primary.script(answer(chat_answer("Hello.", usage(1, 1), service_tier=tier)))
        await gateway.chat(service_tier="flex")

    assert ["flex"] * 3 == [request.json["service_tier"] for request in primary.requests]
    assert [40_000, 80_000, None] == [fact.cost_nano_usd for fact in gateway.finished]


async def test_a_deployment_without_a_price_is_unpriced_and_not_free(make, primary):
    gateway = make(route={"deployments": [{"provider": "primary", "model": "nobody-knows"}]})
    primary.script(answer(chat_answer()))

    await gateway.chat()

    assert gateway.fact.cost_nano_usd is None
    assert gateway.fact.baseline_nano_usd is None


@pytest.mark.parametrize("stream", [False, True])
async def test_oneinfer_and_oxen_speak_their_own_shapes(gateway, primary, stream):
    reply = SSE(*chat_stream("Hello.")) if stream else answer(chat_answer("Hello."))
    primary.otherwise(reply)

    oneinfer = await gateway.chat("oneinfer", stream=stream, provider="primary")
    oxen = await gateway.chat("oxen", stream=stream)

    if stream:
        assert ["Hello.", ""] == [event["text"] for event in oneinfer.events[:-1]]
        assert ["[DONE]", "[DONE]"] == [oneinfer.events[-1], oxen.events[-1]]
        assert {"m"} == {event["model"] for event in oxen.events[:-1]}
    else:
        assert ("Hello.", "primary") == (oneinfer.json["data"]["text"], oneinfer.json["data"]["provider"])
        assert "m" == oxen.json["model"]


async def test_a_stream_that_says_nothing_but_ends_properly_is_an_answer(gateway, primary):
    primary.script(SSE(role_chunk(), final_chunk("length"), DONE))

    client = await gateway.chat(stream=True)

    assert client.received.endswith(DONE)
    assert "length" == gateway.fact.finish_reason


async def test_blank_lines_before_a_whole_answer_are_only_waiting(gateway, primary):
    body = b"\n\n\n" + chat_answer()
    primary.script(Status(200, {}, body))

    client = await gateway.chat()

    assert 200 == client.status


async def test_a_close_delimited_answer_is_read_to_its_end(gateway, primary):
    primary.script(Head(content_type="application/json", framing=Head().framing.CLOSE), Send(chat_answer()))

    client = await gateway.chat()

    assert chat_answer() == client.received


async def test_usage_in_pieces_of_one_byte_is_still_seen(gateway, primary):
    primary.one_byte_at_a_time = True
    primary.script(SSE(role_chunk(), chat_chunk("Hello."), final_chunk(), usage_chunk(9, 4), DONE))

    client = await gateway.chat(stream=True)

    assert "Hello." == client.text
    assert 4 == gateway.fact.usage.output_tokens
