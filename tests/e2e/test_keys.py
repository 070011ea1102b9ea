"""Who may call, whose key goes where, and that no key is ever told to anybody."""

from __future__ import annotations

import asyncio
import hashlib

import aiohttp
import jwt
import pytest

from e2e.dialects import ONEINFER, OPENAI, SURFACES
from e2e.gateway import Gateway
from e2e.given import KEY, MODEL
from fakes.chat import chat_answer
from fakes.steps import answer
from fakes.upstream import ScriptedUpstream

GOOD = {"model": MODEL, "messages": [{"role": "user", "content": "Which way?"}]}
HASHED = "pk-hashed-0123456789"
LIMITED = "pk-limited-0123456789"
CLIENTS_OWN = "sk-clients-own-0123456789"
PROVIDERS = "sk-providers-0123456789"
TOKEN_SECRET = "a-signing-secret-of-thirty-two-bytes"
SECRETS = (KEY, HASHED, LIMITED, CLIENTS_OWN, PROVIDERS, TOKEN_SECRET)


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture
def ring(keyed: Gateway) -> Gateway:
    """Three keys: one in clear, one known by its digest, one for two requests a minute."""
    keys = [
        {"name": "ci", "key": KEY},
        {"name": "hashed", "key": "sha256:" + hashlib.sha256(HASHED.encode()).hexdigest()},
        {"name": "limited", "key": LIMITED, "rpm": 2},
    ]
    keyed.use(auth={"keys": keys}, oneinfer={"default_provider": "alpha", "token_secret": TOKEN_SECRET})
    return keyed


@pytest.fixture(params=SURFACES, ids=lambda surface: surface.name)
def surface(request):
    return request.param


UNAUTHORISED = {"openai": "invalid_api_key", "oneinfer": "unauthorized", "oxen": "unauthenticated"}


@pytest.mark.parametrize(
    "headers", [{}, bearer("pk-wrong"), {"Authorization": "Bearer"}, {"Authorization": f"Basic {KEY}"}]
)
def test_without_a_good_key_nothing_is_served(ring, surface, headers):
    silent = {"Authorization": "", **headers}
    for reply in (ring.post(surface.chat, GOOD, **silent), ring.get(surface.models, **silent)):
        assert (401, UNAUTHORISED[surface.name]) == (reply.status_code, surface.code(reply.json()))


def test_a_digest_is_no_key(ring):
    digest = hashlib.sha256(HASHED.encode()).hexdigest()
    for key in (digest, f"sha256:{digest}"):
        assert 401 == ring.post(OPENAI.chat, GOOD, **bearer(key)).status_code


@pytest.mark.parametrize(
    "headers",
    [bearer(KEY), bearer(HASHED), {"Authorization": "", "x-api-key": KEY}, {**bearer("any"), "x-pointsman-key": KEY}],
    ids=["clear", "hashed", "x-api-key", "x-pointsman-key"],
)
def test_a_good_key_serves(ring, surface, headers):
    reply = ring.post(surface.chat, GOOD, **headers)
    assert 200 == reply.status_code
    assert ("hashed" if HASHED in str(headers) else "ci") == ring.fact(reply.headers["x-request-id"])["key"]


def test_probes_and_metrics_need_no_key(ring):
    for path in ("/livez", "/readyz", "/healthz", "/metrics"):
        assert 200 == ring.get(path, Authorization="").status_code


def test_a_key_over_its_limit_is_told_when_to_come_back(ring, surface):
    ring.use(auth={"keys": [{"name": f"only-{surface.name}", "key": LIMITED, "rpm": 2}, {"name": "ci", "key": KEY}]})
    replies = [ring.post(surface.chat, GOOD, **bearer(LIMITED)) for _ in range(3)]
    assert [200, 200, 429] == [reply.status_code for reply in replies]
    code = "rate_limit_exceeded" if surface is OPENAI else "rate_limited"
    assert code == surface.code(replies[-1].json())
    assert 1 <= int(replies[-1].headers["retry-after"]) <= 60


def test_oneinfer_exchanges_a_key_for_a_token(ring):
    reply = ring.post(f"/v1/ula/oauth-authentication?api_key={KEY}", None, Authorization="")
    token = reply.json()["access_token"]
    assert (200, token) == (reply.status_code, reply.json()["data"]["access_token"])
    chat = ring.post(ONEINFER.chat, {**GOOD, "provider": "alpha"}, **bearer(token))
    assert (200, "ci") == (chat.status_code, ring.fact(chat.headers["x-request-id"])["key"])
    assert 200 == ring.get(ONEINFER.models, **bearer(token)).status_code


def test_oneinfer_refuses_a_bad_key_with_403(ring):
    reply = ring.post("/v1/ula/oauth-authentication?api_key=pk-wrong", None, Authorization="")
    assert 403 == reply.status_code
    ONEINFER.code(reply.json())
    assert 400 == ring.post("/v1/ula/oauth-authentication", None, Authorization="").status_code


@pytest.mark.parametrize(
    "token",
    [
        "garbage",
        "a.b.c",
        jwt.encode({"developer_id": "ci", "exp": 1}, TOKEN_SECRET, "HS256"),
        jwt.encode({"developer_id": "ci", "exp": 2**40}, "another-secret-of-thirty-two-bytes!!", "HS256"),
        jwt.encode({"developer_id": "nobody", "exp": 2**40}, TOKEN_SECRET, "HS256"),
        jwt.encode({"developer_id": "ci"}, TOKEN_SECRET, "HS256"),
        jwt.encode({"developer_id": "ci", "exp": 2**40}, "", "none"),
    ],
    ids=["garbage", "dots", "expired", "forged", "unknown key", "endless", "unsigned"],
)
def test_a_bad_token_is_refused(ring, token):
    reply = ring.post(ONEINFER.chat, GOOD, **bearer(token))
    assert (401, "unauthorized") == (reply.status_code, ONEINFER.code(reply.json()))


@pytest.fixture
def passing(ring: Gateway, upstream: ScriptedUpstream) -> Gateway:
    """One provider called with the client's own key, one with the operator's."""
    upstream.otherwise(answer(chat_answer()))
    ring.use(
        auth={"keys": [{"name": "ci", "key": KEY}]},
        providers={
            "theirs": {"base_url": upstream.base_url, "api_key": "client"},
            "ours": {"base_url": upstream.base_url, "api_key": PROVIDERS, "headers": {"X-Team": "rail"}},
        },
        routes={name: {"deployments": [{"provider": name}]} for name in ("theirs", "ours")},
    )
    return ring


PRIVATE = {
    "Cookie": "session=1",
    "X-Forwarded-For": "203.0.113.7",
    "Forwarded": "for=203.0.113.7",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "X-Api-Key": KEY,
    "X-Request-Id": "client-chosen-1",
    "Referer": "http://intranet/",
    "User-Agent": "client/1",
    "X-Team": "forged",
    "Proxy-Authorization": "Basic eDp5",
    "OpenAI-Organization": "org-1",
}
SENT = {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length"}


async def chat(gateway: Gateway, model: str, headers: dict[str, str]) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(gateway.url + OPENAI.chat, json={**GOOD, "model": model}, headers=headers) as reply,
    ):
        await reply.read()
        return reply.status


async def test_a_providers_own_key_goes_to_it_and_no_header_of_the_client(passing, upstream):
    assert 200 == await chat(passing, "ours", {**PRIVATE, **bearer(KEY)})
    headers = (await upstream.received()).headers
    assert SENT | {"authorization", "x-team"} == set(headers)
    assert (f"Bearer {PROVIDERS}", "rail") == (headers["authorization"], headers["x-team"])
    assert "client" not in headers["user-agent"]
    assert not any(secret in str(headers) for secret in (KEY, "session=1", "203.0.113.7"))


async def test_the_clients_own_key_goes_upstream_and_the_gateways_does_not(passing, upstream):
    assert 200 == await chat(passing, "theirs", {"x-pointsman-key": KEY, **bearer(CLIENTS_OWN), "Cookie": "session=1"})
    headers = (await upstream.received()).headers
    assert SENT | {"authorization"} == set(headers)
    assert f"Bearer {CLIENTS_OWN}" == headers["authorization"]


async def test_without_a_key_of_its_own_the_client_is_not_served_with_anothers(passing, upstream):
    """The key that opens the gateway must not leave it as if it were the provider's."""
    assert 401 == await chat(passing, "theirs", {"x-pointsman-key": KEY})
    assert 401 == await chat(passing, "theirs", {"x-api-key": KEY})
    assert not upstream.requests


async def test_the_gateways_key_in_the_place_of_the_providers_stays_here(passing, upstream):
    """A client that sends only the gateway's key as its bearer token has none for the provider."""
    assert 401 == await chat(passing, "theirs", bearer(KEY))
    assert not upstream.requests


async def test_another_of_the_gateways_keys_in_the_place_of_the_providers_stays_here(passing, upstream):
    token = passing.post(f"/v1/ula/oauth-authentication?api_key={KEY}", {}).json()["access_token"]
    assert 401 == await chat(passing, "theirs", {"x-pointsman-key": KEY, **bearer(token)})
    assert 401 == await chat(passing, "theirs", {"x-pointsman-key": token, **bearer(KEY)})
    assert not upstream.requests


async def test_no_secret_is_ever_told(passing, upstream):
    """Neither in the access log, nor in metrics, nor on standard error, nor in an answer."""
    for headers in (bearer(KEY), bearer(HASHED), {"x-pointsman-key": KEY, **bearer(CLIENTS_OWN)}, bearer(LIMITED)):
        for model in ("ours", "theirs", CLIENTS_OWN, KEY):
            await chat(passing, model, {**headers, "X-Client-Request-Id": headers.get("Authorization", "-")})
    last = passing.post(OPENAI.chat, GOOD).headers["x-request-id"]
    await asyncio.to_thread(passing.fact, last)
    told = b"".join(passing.raw_facts).decode() + "\n".join(passing.said) + passing.get("/metrics").text
    assert not [secret for secret in SECRETS if secret in told]
