"""Credentials that expire, in the real process: fetched before the first request, and missed without harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from e2e.given import MODEL
from fakes.chat import chat_answer
from fakes.issuer import Issuer, issuing
from fakes.steps import answer
from fakes.upstream import ScriptedUpstream

GOOD = {"model": MODEL, "messages": [{"role": "user", "content": "Which way?"}]}
TOKEN = "eyJ.a-token-of-entra"


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuing((200, {"access_token": TOKEN, "expires_in": "86399"})) as running:
        yield running


def document(cloud: str, other: str) -> dict[str, object]:
    """Azure by the machine's identity, and a provider of one's own behind it."""
    return {
        "providers": {
            "azure": {"base_url": cloud, "credentials": {"entra": {"managed_identity": True}}},
            "engine": {"base_url": other},
        },
        "routes": {MODEL: {"policy": "failover", "deployments": [{"provider": "azure"}, {"provider": "engine"}]}},
    }


async def test_the_token_is_there_for_the_first_request(serve, upstream: ScriptedUpstream, issuer: Issuer):
    inside = {"IDENTITY_ENDPOINT": f"{issuer.url}/msi", "IDENTITY_HEADER": "inside"}
    gateway = await asyncio.to_thread(serve, document(upstream.base_url, upstream.base_url), **inside)
    upstream.script(answer(chat_answer("Left.")))
    reply = await asyncio.to_thread(gateway.post, "/v1/chat/completions", GOOD)

    assert 200 == reply.status_code
    assert f"Bearer {TOKEN}" == (await upstream.received()).headers["authorization"]
    assert "inside" == issuer.asked[0].headers["x-identity-header"]
    assert TOKEN not in "\n".join(gateway.said)


async def test_without_a_token_another_provider_is_asked(serve, upstream: ScriptedUpstream, issuer: Issuer):
    issuer.answers = [(400, {"error": "invalid_request", "error_description": "Identity not found"})]
    inside = {"IDENTITY_ENDPOINT": f"{issuer.url}/msi", "IDENTITY_HEADER": "inside"}
    gateway = await asyncio.to_thread(serve, document("http://127.0.0.1:9/v1", upstream.base_url), **inside)
    upstream.script(answer(chat_answer("Left.")))
    reply = await asyncio.to_thread(gateway.post, "/v1/chat/completions", GOOD)

    assert 200 == reply.status_code
    assert any("no credential for `azure`" in line and "Identity not found" in line for line in gateway.said)
