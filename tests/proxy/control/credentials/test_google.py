"""Google's tokens: what is asked, by whom it is signed, and what is made of the answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fakes.issuer import issuing
from proxy.control.credentials import google
from proxy.control.credentials.fetching import DEFAULT_LIFETIME_S, MAX_ANSWER_BYTES, Endpoints, FetchFailed
from proxy.providers.sources import GoogleFile, GoogleMetadata

NOW_S = 1_800_000_000.0
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
TOKEN = {"access_token": "ya29.one", "expires_in": 3599, "token_type": "Bearer"}
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()


def clock() -> float:
    return NOW_S


@pytest.fixture
async def endpoints() -> AsyncIterator[Endpoints]:
    made = Endpoints()
    yield made
    await made.close()


def key_file(folder: Path, **fields: Any) -> GoogleFile:
    path = folder / "key.json"
    path.write_bytes(orjson.dumps(fields))
    return GoogleFile(str(path), SCOPE)


def service_account(folder: Path, token_uri: str, **fields: Any) -> GoogleFile:
    given = {
        "type": "service_account",
        "client_email": "ci@project.iam.gserviceaccount.com",
        "private_key": PEM,
        "private_key_id": "k1",
        "token_uri": token_uri,
    }
    return key_file(folder, **given | fields)


async def test_a_service_account_signs_who_it_is(tmp_path, endpoints):
    async with issuing((200, TOKEN)) as issuer:
        url = f"{issuer.url}/token"
        issued = await google.from_file(service_account(tmp_path, url), endpoints, clock)

    assert ("ya29.one", NOW_S + 3599) == (issued.secret, issued.expires_s)
    asked = issuer.asked[0]
    assert ("POST", "/token", google.JWT_BEARER) == (asked.method, asked.path, asked.form["grant_type"])
    proof = asked.form["assertion"]
    assert {"alg": "RS256", "kid": "k1", "typ": "JWT"} == jwt.get_unverified_header(proof)
    claims = jwt.decode(
        proof, KEY.public_key(), algorithms=["RS256"], audience=url, options={"verify_exp": False, "verify_iat": False}
    )
    assert {
        "iss": "ci@project.iam.gserviceaccount.com",
        "scope": SCOPE,
        "aud": url,
        "iat": int(NOW_S),
        "exp": int(NOW_S) + 3600,
    } == claims


async def test_a_users_login_is_renewed_with_its_refresh_token(tmp_path, endpoints):
    async with issuing((200, TOKEN)) as issuer:
        source = key_file(
            tmp_path,
            type="authorized_user",
            client_id="id.apps.example",
            client_secret="s3cret",
            refresh_token="1//r",
            token_uri=f"{issuer.url}/token",
        )
        issued = await google.from_file(source, endpoints, clock)

    assert "ya29.one" == issued.secret
    assert {
        "grant_type": "refresh_token",
        "client_id": "id.apps.example",
        "client_secret": "s3cret",
        "refresh_token": "1//r",
    } == issuer.asked[0].form


async def test_the_metadata_server_is_asked_for_the_machines_own_account(endpoints):
    async with issuing((200, TOKEN)) as issuer:
        issued = await google.from_metadata(GoogleMetadata(issuer.url, SCOPE), endpoints, clock)

    assert "ya29.one" == issued.secret
    asked = issuer.asked[0]
    assert ("GET", google.METADATA_PATH, {"scopes": SCOPE}) == (asked.method, asked.path, asked.query)
    assert "Google" == asked.headers["metadata-flavor"]


async def test_a_metadata_server_is_never_asked_through_a_proxy(endpoints, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with issuing((200, TOKEN)) as issuer:
        issued = await google.from_metadata(GoogleMetadata(issuer.url, SCOPE), endpoints, clock)

    assert "ya29.one" == issued.secret


@pytest.mark.parametrize("lifetime", [None, "soon", "nan", [], {}])
async def test_a_token_that_tells_no_lifetime_gets_the_usual_one(lifetime, endpoints):
    async with issuing((200, {"access_token": "t", "expires_in": lifetime})) as issuer:
        issued = await google.from_metadata(GoogleMetadata(issuer.url, SCOPE), endpoints, clock)

    assert NOW_S + DEFAULT_LIFETIME_S == issued.expires_s


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "external_account"}, "is of type `external_account`"),
        ({}, "is of type `None`"),
        ({"type": "authorized_user", "client_id": "x"}, "lacks `client_secret`"),
        ({"type": "service_account", "private_key": PEM}, "lacks `client_email`"),
        (
            {"type": "service_account", "client_email": "a@b", "private_key": "no key"},
            "its `private_key` cannot be used",
        ),
        ({"type": "service_account", "token_uri": "http://tokens.example/"}, "must begin with `https://`"),
    ],
)
async def test_a_key_file_that_cannot_be_used_is_told_of_by_name(fields, message, tmp_path, endpoints):
    source = key_file(tmp_path, **fields)
    with pytest.raises(FetchFailed, match=r"key\.json") as failed:
        await google.from_file(source, endpoints, clock)
    assert message in str(failed.value)
    assert "PRIVATE KEY" not in str(failed.value)


async def test_a_file_that_is_no_key_file_is_told_of_by_name(tmp_path, endpoints):
    (tmp_path / "text").write_text("hello")
    with pytest.raises(FetchFailed, match="not JSON"):
        await google.from_file(GoogleFile(str(tmp_path / "text"), SCOPE), endpoints, clock)
    with pytest.raises(FetchFailed, match="No such file"):
        await google.from_file(GoogleFile(str(tmp_path / "nowhere"), SCOPE), endpoints, clock)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((400, {"error": "invalid_grant", "error_description": "Bad Request"}), r"status 400 \(invalid_grant: Bad Req"),
        ((503, "<html>"), "status 503$"),
        ((200, "<html>"), "without an `access_token`"),
        ((200, []), "without an `access_token`"),
        ((200, {"access_token": 7}), "without an `access_token`"),
        ((200, "x" * (MAX_ANSWER_BYTES + 1)), "without an `access_token`"),
        ((302, {}), "status 302"),
    ],
)
async def test_an_answer_without_a_token_is_a_failure_that_says_why(answer, message, endpoints):
    async with issuing(answer) as issuer:
        with pytest.raises(FetchFailed, match=message):
            await google.from_metadata(GoogleMetadata(issuer.url, SCOPE), endpoints, clock)


async def test_an_endpoint_that_is_not_there_is_a_failure(endpoints):
    async with issuing((200, TOKEN)) as issuer:
        url = issuer.url
    with pytest.raises(FetchFailed, match="cannot be reached"):
        await google.from_metadata(GoogleMetadata(url, SCOPE), endpoints, clock)
