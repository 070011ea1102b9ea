"""What clients are told when deployments lack something: nothing if another has it, else a 400 that says what."""

from __future__ import annotations

import pytest

from fakes.chat import chat_answer
from fakes.steps import answer, error_answer

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
LOOK = [{"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}]
BLIND = {"provider": "primary", "model": "blind", "lacks": ["vision"]}


async def test_an_image_passes_by_the_deployment_that_cannot_see(make, primary, fallback):
    gateway = make(route={"deployments": [BLIND, {"provider": "fallback", "model": "sees"}]})
    fallback.script(answer(chat_answer("A cat.")))

    client = await gateway.chat(messages=LOOK)

    assert 200 == client.status
    assert 'skipped="primary/blind: lacks vision"' in client.headers["x-pointsman-route"]
    assert 0 == primary.open_connections


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("surface", ["openai", "oneinfer"])
async def test_an_image_that_nobody_can_take_is_refused_at_once(make, surface, stream):
    gateway = make(route={"deployments": [BLIND]})

    client = await gateway.chat(surface, messages=LOOK, stream=stream, provider="primary")

    assert 400 == client.status
    assert "can take images (`vision`)" in client.received.decode()
    assert () == gateway.fact.attempts


async def test_the_refusal_names_the_need_the_model_and_the_field(make):
    gateway = make(route={"deployments": [BLIND]})

    client = await gateway.chat(messages=LOOK)

    assert {
        "message": "No deployment of `m` can take images (`vision`).",
        "type": "invalid_request_error",
        "param": "messages[0].content[1]",
        "code": "unsupported_capability",
    } == client.json["error"]


async def test_when_the_one_that_can_fails_its_failure_is_told(make, fallback):
    gateway = make(route={"deployments": [BLIND, {"provider": "fallback", "model": "sees"}]})
    fallback.otherwise(error_answer(503))

    client = await gateway.chat(messages=LOOK)

    assert 503 == client.status
    assert "vision" not in client.received.decode()


async def test_a_prompt_that_fits_nowhere_is_refused_with_the_code_clients_know(make):
    gateway = make()

    client = await gateway.chat(messages=[{"role": "user", "content": "x" * 200_000}])

    assert (400, "context_length_exceeded") == (client.status, client.json["error"]["code"])
    assert "maximum context length is 9000" in client.json["error"]["message"]


async def test_a_lenient_client_lets_the_provider_decide(make, primary):
    """What it needs and nobody has is no reason to refuse it here."""
    gateway = make(route={"deployments": [BLIND]})
    primary.script(answer(chat_answer("I see nothing.")))
    body = {"model": "m", "messages": LOOK}

    client = await gateway.serve(gateway.client(body), is_lenient=True)

    assert 200 == client.status


async def test_a_lenient_client_still_goes_to_the_one_that_can(make, fallback):
    gateway = make(route={"deployments": [BLIND, {"provider": "fallback", "model": "sees"}]})
    fallback.script(answer(chat_answer("A cat.")))
    body = {"model": "m", "messages": LOOK}

    client = await gateway.serve(gateway.client(body), is_lenient=True)

    assert "A cat." == client.json["choices"][0]["message"]["content"]
