"""Microsoft's tokens: an application's proof, and a machine's identity."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError

from fakes.issuer import issuing
from proxy.config_credentials import EntraCredentials
from proxy.control.credentials import entra
from proxy.control.credentials.fetching import Endpoints, FetchFailed
from proxy.providers.sources import EntraApplication, EntraManagedIdentity

NOW_S = 1_800_000_000.0
SCOPE = "https://cognitiveservices.azure.com/.default"
TOKEN = {"token_type": "Bearer", "expires_in": 3599, "access_token": "eyJ.one"}


def clock() -> float:
    return NOW_S


@pytest.fixture
async def endpoints() -> AsyncIterator[Endpoints]:
    made = Endpoints()
    yield made
    await made.close()


async def test_an_application_proves_itself_with_its_secret(endpoints):
    async with issuing((200, TOKEN)) as issuer:
        source = EntraApplication(issuer.url, "tenant", "app", SCOPE, client_secret="s3cret")
        issued = await entra.for_application(source, endpoints, clock)

    assert ("eyJ.one", NOW_S + 3599) == (issued.secret, issued.expires_s)
    assert "/tenant/oauth2/v2.0/token" == issuer.asked[0].path
    assert {
        "grant_type": "client_credentials",
        "client_id": "app",
        "scope": SCOPE,
        "client_secret": "s3cret",
    } == issuer.asked[0].form
    assert "s3cret" not in repr(source)
    assert "eyJ" not in repr(issued)


async def test_a_pod_proves_itself_with_the_token_it_was_given_last(tmp_path, endpoints):
    """The file is rotated: each time it is read anew."""
    file = tmp_path / "token"
    async with issuing((200, TOKEN)) as issuer:
        source = EntraApplication(issuer.url, "tenant", "app", SCOPE, token_file=str(file))
        for proof in ("first", "second"):
            file.write_text(f"{proof}\n")
            await entra.for_application(source, endpoints, clock)

    assert ["first", "second"] == [asked.form["client_assertion"] for asked in issuer.asked]
    assert {entra.ASSERTION_TYPE} == {asked.form["client_assertion_type"] for asked in issuer.asked}
    assert "client_secret" not in issuer.asked[0].form


@pytest.mark.parametrize(("content", "message"), [(None, "No such file"), (b" \n", "is empty"), (b"\xff", "no token")])
async def test_a_pod_without_a_token_is_told_of(content, message, tmp_path, endpoints):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    source = EntraApplication("https://login.example", "tenant", "app", SCOPE, token_file=str(file))
    with pytest.raises(FetchFailed, match=message):
        await entra.for_application(source, endpoints, clock)


async def test_a_machine_is_asked_for_its_identity(endpoints):
    """A lifetime written as text, as the machine's endpoint does."""
    async with issuing((200, {**TOKEN, "expires_in": "86399"})) as issuer:
        issued = await entra.for_machine(EntraManagedIdentity(f"{issuer.url}/id", SCOPE), endpoints, clock)

    assert NOW_S + 86_399 == issued.expires_s
    asked = issuer.asked[0]
    assert ("GET", "/id", "true") == (asked.method, asked.path, asked.headers["metadata"])
    assert {"resource": "https://cognitiveservices.azure.com", "api-version": "2018-02-01"} == asked.query


async def test_an_app_proves_that_it_asks_from_inside(endpoints):
    async with issuing((200, TOKEN)) as issuer:
        source = EntraManagedIdentity(f"{issuer.url}/msi/token", SCOPE, "client-7", "inside")
        await entra.for_machine(source, endpoints, clock)

    asked = issuer.asked[0]
    assert "inside" == asked.headers["x-identity-header"]
    assert ("2019-08-01", "client-7") == (asked.query["api-version"], asked.query["client_id"])
    assert "inside" not in repr(source)


async def test_a_refusal_is_told_in_the_authoritys_words(endpoints):
    refusal = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
    async with issuing((401, refusal)) as issuer:
        source = EntraApplication(issuer.url, "tenant", "app", SCOPE, client_secret="s3cret")
        with pytest.raises(FetchFailed, match=r"status 401 \(invalid_client: AADSTS7000215") as failed:
            await entra.for_application(source, endpoints, clock)
    assert "s3cret" not in str(failed.value)


@pytest.mark.parametrize(
    ("authority", "is_taken"),
    [
        ("https://login.microsoftonline.us", True),
        ("http://127.0.0.1:8080/x", True),
        ("http://localhost", True),
        ("http://login.example.org", False),
        ("http://127.0.0.1.example.org", False),
        ("https://user@example.org", False),
    ],
)
def test_a_secret_is_never_sent_in_clear_but_on_this_machine(authority: str, is_taken: bool):  # noqa: FBT001 - a case
    try:
        EntraCredentials(authority=authority)
    except ValidationError:
        assert not is_taken
    else:
        assert is_taken
