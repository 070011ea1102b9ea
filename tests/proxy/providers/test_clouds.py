"""Providers of the clouds: where they are asked, what proves the gateway to them, and what may be configured."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from proxy.config import ProviderConfig
from proxy.dialects.names import DialectName
from proxy.dialects.request import Operation
from proxy.errors import CredentialPending
from proxy.providers.credential import KeyMode
from proxy.providers.environment import from_environment
from proxy.providers.provider import Provider
from proxy.providers.sources import (
    AZURE_IMDS,
    GOOGLE_METADATA,
    AwsChain,
    AwsKeys,
    EntraApplication,
    EntraManagedIdentity,
    GoogleFile,
    GoogleMetadata,
)

NOW_S = 1_440_938_160.0  # 20150830T123600Z
SECRET = "do-not-show-0123456789"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
COGNITIVE = "https://cognitiveservices.azure.com/.default"
VERTEX = {"project": "p-1", "location": "global"}
AWS = {"aws": {"access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET}}


def provider(name: str, environ: dict[str, str] | None = None, **fields: Any) -> Provider:
    return Provider.from_config(name, ProviderConfig(**fields), environ or {}, lambda: NOW_S)


def headers(head: bytes) -> dict[str, str]:
    lines = head.decode("ascii").split("\r\n")
    assert lines[-2:] == ["", ""]
    pairs = [line.split(": ", 1) for line in lines[1:-2]]
    assert len(pairs) == len({name.lower() for name, _ in pairs})
    return {name.lower(): value for name, value in pairs}


def path(asked: Provider, dialect: DialectName, model: str = "m", *, stream: bool = False) -> str:
    return asked.path(dialect, Operation.CHAT, model, stream=stream)


def test_claude_is_asked_by_its_key_and_a_version():
    claude = provider("anthropic", api_key=SECRET)
    where = path(claude, DialectName.ANTHROPIC)
    sent = headers(claude.request_head(where, b"{}"))

    assert "/v1/messages" == where
    assert (SECRET, "2023-06-01") == (sent["x-api-key"], sent["anthropic-version"])
    assert "authorization" not in sent


def test_the_clients_version_and_betas_go_before_ours():
    claude = provider("anthropic", api_key=SECRET)
    offered = {"anthropic-version": "2026-10-21", "anthropic-beta": "a-1,b-2", "cookie": "x"}
    sent = headers(claude.request_head("/v1/messages", b"{}", None, offered))

    assert ("2026-10-21", "a-1,b-2") == (sent["anthropic-version"], sent["anthropic-beta"])
    assert "cookie" not in sent
    harmful = headers(claude.request_head("/v1/messages", b"{}", None, {"anthropic-version": "a\r\nb: c"}))
    assert "2023-06-01" == harmful["anthropic-version"]


def test_a_version_of_the_configuration_goes_before_all_others():
    claude = provider("anthropic", api_key=SECRET, headers={"Anthropic-Version": "2024-01-01"})
    sent = headers(claude.request_head("/v1/messages", b"{}", None, {"anthropic-version": "2026-10-21"}))
    assert "2024-01-01" == sent["anthropic-version"]


def test_gemini_is_asked_in_its_own_dialect_with_its_own_header():
    gemini = provider("google", api_key=SECRET)
    assert "/v1beta/models/gemini-4:streamGenerateContent?alt=sse" == path(
        gemini, DialectName.GEMINI, "gemini-4", stream=True
    )
    assert SECRET == headers(gemini.request_head("/v1beta/models/m:generateContent", b"{}"))["x-goog-api-key"]


def test_vertex_names_project_place_and_model_in_the_path():
    vertex = provider("vertex", **VERTEX, credentials={"google": {"metadata": True}})
    assert ("https", "aiplatform.googleapis.com", 443) == vertex.origin
    assert (
        "/v1beta1/projects/p-1/locations/global/publishers/google/models/gemini-4:streamGenerateContent?alt=sse"
        == path(vertex, DialectName.GEMINI, "gemini-4", stream=True)
    )


def test_claude_on_vertex_is_asked_by_raw_predictions():
    claude = provider("vertex-anthropic", **VERTEX, credentials={"google": {"metadata": True}})
    start = "/v1/projects/p-1/locations/global/publishers/anthropic/models/claude-5%4020260101"
    model = "claude-5@20260101"
    assert f"{start}:rawPredict" == path(claude, DialectName.ANTHROPIC, model)
    assert f"{start}:streamRawPredict" == path(claude, DialectName.ANTHROPIC, model, stream=True)


def test_vertex_is_asked_for_flex_in_a_header():
    vertex = provider("vertex", api_key=SECRET, **VERTEX)
    assert "flex" == headers(vertex.request_head("/x", b"", tier="flex"))["x-vertex-ai-llm-shared-request-type"]
    assert "x-vertex-ai-llm-shared-request-type" not in headers(vertex.request_head("/x", b""))


def test_a_token_is_sent_once_it_has_come_and_not_after_its_end():
    now_s = NOW_S
    vertex = Provider.from_config(
        "vertex", ProviderConfig(**VERTEX, credentials={"google": {"metadata": True}}), {}, lambda: now_s
    )
    assert vertex.cell is not None
    with pytest.raises(CredentialPending, match="cannot be called at present") as pending:
        vertex.request_head("/x", b"{}")
    assert "no credential: none has come yet" == pending.value.detail

    vertex.cell.fill(SECRET, now_s + 60)
    assert f"Bearer {SECRET}" == headers(vertex.request_head("/x", b"{}"))["authorization"]
    assert SECRET not in repr(vertex) + repr(vertex.cell) + str(vertex.credential)

    now_s += 60
    with pytest.raises(CredentialPending) as expired:
        vertex.request_head("/x", b"{}")
    assert "no credential: the last one has expired" == expired.value.detail


def test_a_refused_token_is_wished_anew_and_a_key_is_not():
    wishes: list[str] = []
    vertex = provider("vertex", **VERTEX, credentials={"google": {"metadata": True}})
    assert vertex.cell is not None
    vertex.cell.tended_by(lambda: wishes.append("another"))
    vertex.credential_refused()
    provider("anthropic", api_key=SECRET).credential_refused()
    assert ["another"] == wishes


@pytest.mark.parametrize("token", ["", "two words", "a\r\nhost: evil"])
def test_a_token_no_header_can_carry_is_not_taken(token):
    vertex = provider("vertex", **VERTEX, credentials={"google": {"metadata": True}})
    assert vertex.cell is not None
    with pytest.raises(ValueError, match="the token is empty or holds"):
        vertex.cell.fill(token, NOW_S + 60)
    assert not vertex.cell.is_valid


def test_bedrock_is_asked_with_a_signature_of_the_very_request():
    bedrock = provider("bedrock", region="us-east-1", credentials=AWS)
    where = path(bedrock, DialectName.BEDROCK, "anthropic.claude-v1:0")
    one, two = (headers(bedrock.request_head(where, body)) for body in (b"{}", b"{ }"))

    assert "/model/anthropic.claude-v1%3A0/converse" == where
    assert "20150830T123600Z" == one["x-amz-date"]
    assert one["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request"
    )
    assert one["authorization"] != two["authorization"]
    assert SECRET not in repr(bedrock) + repr(bedrock.credential)
    assert bedrock.cell is None


def test_a_bearer_key_of_bedrock_is_sent_as_it_is():
    bedrock = provider("bedrock", {"AWS_BEARER_TOKEN_BEDROCK": SECRET}, region="us-east-1")
    sent = headers(bedrock.request_head("/model/m/converse", b"{}"))
    assert f"Bearer {SECRET}" == sent["authorization"]
    assert "x-amz-date" not in sent


@pytest.mark.parametrize(
    ("fields", "environ", "region"),
    [
        ({"base_url": "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"}, {}, "us-gov-west-1"),
        ({"base_url": "https://bedrock-runtime.eu-west-3.api.aws"}, {"AWS_REGION": "us-east-1"}, "eu-west-3"),
        ({"base_url": "https://vpce-1.internal", "region": "us-west-2"}, {}, "us-west-2"),
        ({"base_url": "https://vpce-1.internal"}, {"AWS_DEFAULT_REGION": "ap-south-1"}, "ap-south-1"),
    ],
)
def test_a_signature_names_the_region_of_the_address(fields, environ, region):
    bedrock = provider("bedrock", environ, credentials=AWS, **fields)
    sent = headers(bedrock.request_head("/model/m/converse", b"{}"))
    assert f"/20150830/{region}/bedrock/aws4_request" in sent["authorization"]


def test_a_signature_without_a_region_is_refused():
    with pytest.raises(ValueError, match="its region is not known: give `region`, or set `AWS_REGION`"):
        provider("bedrock", base_url="https://vpce-1.internal", credentials=AWS)


def test_the_other_endpoints_of_bedrock_sign_for_their_own_service():
    mantle = provider("bedrock-mantle", region="us-east-1", credentials=AWS)
    assert "/openai/v1/chat/completions" == path(mantle, DialectName.OPENAI_CHAT)
    assert "/anthropic/v1/messages" == path(mantle, DialectName.ANTHROPIC)
    assert "/bedrock-mantle/aws4_request" in headers(mantle.request_head("/x", b"{}"))["authorization"]

    openai = provider("bedrock-openai", region="us-east-1", credentials=AWS)
    assert "/openai/v1/chat/completions" == path(openai, DialectName.OPENAI_CHAT)
    assert "/bedrock/aws4_request" in headers(openai.request_head("/x", b"{}"))["authorization"]


def test_azure_has_deployments_in_the_path_when_a_version_is_given():
    classic = provider("azure", resource="res", api_version="2024-10-21", api_key=SECRET)
    assert "/openai/deployments/my%20gpt/chat/completions?api-version=2024-10-21" == path(
        classic, DialectName.OPENAI_CHAT, "my gpt"
    )
    assert "/openai/deployments/e/embeddings?api-version=2024-10-21" == classic.path(
        DialectName.OPENAI_CHAT, Operation.EMBEDDINGS, "e", stream=False
    )
    assert "/openai/v1/chat/completions" == path(
        provider("azure", resource="res", api_key=SECRET), DialectName.OPENAI_CHAT
    )


def test_a_version_may_be_written_as_yaml_reads_it():
    config = ProviderConfig(resource="res", api_version=date(2024, 10, 21), api_key=SECRET)
    assert "2024-10-21" == config.api_version


def test_a_token_of_entra_goes_in_place_of_azures_key():
    azure = provider("azure", resource="res", credentials={"entra": {"managed_identity": True}})
    assert azure.cell is not None
    azure.cell.fill(SECRET, NOW_S + 60)
    sent = headers(azure.request_head("/x", b"{}"))
    assert f"Bearer {SECRET}" == sent["authorization"]
    assert "api-key" not in sent


def test_claude_in_foundry_has_a_key_or_a_token_of_its_own():
    foundry = provider("azure-anthropic", resource="res", api_key=SECRET)
    assert ("https", "res.services.ai.azure.com", 443) == foundry.origin
    assert "/anthropic/v1/messages" == path(foundry, DialectName.ANTHROPIC)
    assert SECRET == headers(foundry.request_head("/x", b"{}"))["x-api-key"]
    by_token = provider("azure-anthropic", resource="res", credentials={"entra": {"managed_identity": "id-7"}})
    assert EntraManagedIdentity(AZURE_IMDS, "https://ai.azure.com/.default", "id-7") == by_token.credential.source


def test_who_speaks_two_dialects_is_asked_in_the_clients():
    deepseek = provider("deepseek", api_key=SECRET)
    assert {DialectName.OPENAI_CHAT, DialectName.ANTHROPIC} == deepseek.speaks
    assert "/anthropic/v1/messages" == path(deepseek, DialectName.ANTHROPIC)
    assert "/v1/chat/completions" == path(deepseek, DialectName.OPENAI_CHAT)


@pytest.mark.parametrize(
    ("base_url", "where"),
    [
        ("http://127.0.0.1:9/v1", "/anthropic/v1/messages"),
        ("https://proxy.example/deepseek/v1", "/deepseek/anthropic/v1/messages"),
    ],
)
def test_another_address_of_the_same_form_has_the_other_dialect_beside_it(base_url, where):
    deepseek = provider("deepseek", base_url=base_url)
    assert where == path(deepseek, DialectName.ANTHROPIC)


def test_another_address_of_another_form_is_only_asked_in_its_first_dialect():
    deepseek = provider("deepseek", base_url="https://proxy.example/llm")
    assert {DialectName.OPENAI_CHAT} == deepseek.speaks


def test_who_is_said_to_speak_one_dialect_speaks_no_other():
    openai = provider("openai", api_key=SECRET)
    assert {DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES} == openai.speaks
    for dialect in ("openai_chat", "openai_responses"):
        assert {dialect} == provider("openai", api_key=SECRET, dialect=dialect).speaks
    assert {DialectName.ANTHROPIC} == provider("deepseek", api_key=SECRET, dialect="anthropic_messages").speaks
    by_anthropic = provider("deepseek", api_key=SECRET, dialect="anthropic_messages")
    assert "/anthropic/v1/messages" == path(by_anthropic, DialectName.ANTHROPIC)


def test_a_provider_of_ones_own_may_speak_any_dialect():
    engine = provider("engine", base_url="http://10.0.0.5:8000", dialect="anthropic_messages")
    assert "/v1/messages" == path(engine, DialectName.ANTHROPIC)
    native = provider("ollama", base_url="http://10.0.0.5:11434/v1", dialect="ollama")
    assert "/api/chat" == path(native, DialectName.OLLAMA)
    assert "/api/chat" == path(provider("ollama-native", base_url="http://10.0.0.5:11434"), DialectName.OLLAMA)


SOURCES: list[tuple[str, dict[str, Any], dict[str, str], Any]] = [
    ("vertex", {"google": {"file": "/k.json"}}, {}, GoogleFile("/k.json", SCOPE)),
    ("vertex", {"google": {"metadata": True}}, {}, GoogleMetadata(GOOGLE_METADATA, SCOPE)),
    ("vertex", {"google": {}}, {"GOOGLE_APPLICATION_CREDENTIALS": "/e.json"}, GoogleFile("/e.json", SCOPE)),
    ("vertex", None, {"GOOGLE_APPLICATION_CREDENTIALS": "/e.json"}, GoogleFile("/e.json", SCOPE)),
    ("vertex", None, {"GCE_METADATA_HOST": "169.254.1.1"}, GoogleMetadata("http://169.254.1.1", SCOPE)),
    ("bedrock", {"aws": {"profile": "ci"}}, {}, AwsChain("ci")),
    ("bedrock", {"aws": {}}, {"AWS_PROFILE": "dev"}, AwsChain("dev")),
    ("bedrock", None, {}, AwsChain()),
    ("bedrock", None, {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", "AWS_SESSION_TOKEN": "t"},
     AwsKeys("A", "s", "t")),
    ("azure", {"entra": {"tenant_id": "t", "client_id": "c", "client_secret": "s"}}, {},
     EntraApplication("https://login.microsoftonline.com", "t", "c", COGNITIVE, client_secret="s")),
    ("azure", {"entra": {"tenant_id": "t", "client_id": "c", "federated_token_file": "/f"}},
     {"AZURE_AUTHORITY_HOST": "https://login.example/"},
     EntraApplication("https://login.example", "t", "c", COGNITIVE, token_file="/f")),
    ("azure", None, {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_FEDERATED_TOKEN_FILE": "/f"},
     EntraApplication("https://login.microsoftonline.com", "t", "c", COGNITIVE, token_file="/f")),
    ("azure", {"entra": {}}, {}, EntraManagedIdentity(AZURE_IMDS, COGNITIVE)),
    ("azure", {"entra": {"managed_identity": True}}, {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/", "IDENTITY_HEADER":
     "h"}, EntraManagedIdentity("http://127.0.0.1:1/", COGNITIVE, None, "h")),
]  # fmt: skip
PLACES = {"vertex": VERTEX, "bedrock": {"region": "us-east-1"}, "azure": {"resource": "res"}}


@pytest.mark.parametrize(("name", "credentials", "environ", "source"), SOURCES)
def test_credentials_are_looked_for_where_the_clouds_own_tools_look(name, credentials, environ, source):
    made = provider(name, environ, credentials=credentials, **PLACES[name])
    assert KeyMode.OWN is made.credential.mode
    assert source == made.credential.source


def test_the_file_a_login_left_behind_is_found_in_the_home(tmp_path):
    file = tmp_path / ".config" / "gcloud" / "application_default_credentials.json"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    assert GoogleFile(str(file), SCOPE) == provider("vertex", {"HOME": str(tmp_path)}, **VERTEX).credential.source


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("openai", {"credentials": AWS}, r"`openai` takes no `credentials`, but an `api_key`"),
    ("vertex", {**VERTEX, "credentials": AWS}, r"takes `credentials` of kind `google`, not `aws`"),
    ("vertex", {**VERTEX, "api_key": "k", "credentials": {"google": {}}}, r"`api_key` and `credentials` are two ways"),
    ("vertex", {"project": "p-1", "credentials": {"google": {}}}, r"give `base_url`, or `location`.*GOOGLE_CLOUD_LOCA"),
    ("openai", {"api_key": "k", "project": "p"}, r"`openai` has no `project` in its address"),
    ("openai", {"api_key": "k", "api_version": "1"}, r"`openai` has no API versions"),
    ("azure-classic", {"api_key": "k", "resource": "r"}, r"needs `api_version`, e.g. `api_version: 2024-10-21`"),
    ("azure", {"api_key": "k", "base_url": "https://r.openai.azure.com/openai/v1", "api_version": "1"},
     r"belongs to addresses that end in `/openai`"),
    ("azure", {"resource": "r"}, r"it has no key: give `api_key`, or `credentials: \{entra: ...\}`, or set `AZURE_OPE"),
    ("azure", {"resource": "r", "credentials": {"entra": {"client_id": "c"}}}, r"`managed_identity: true`"),
    ("azure", {"resource": "r", "credentials": {"entra": {"client_secret": "s"}}}, r"needs `tenant_id` and `client_"),
    ("bedrock", {"region": "us-east-1", "credentials": {"aws": {"access_key_id": "AKID", "secret_access_key": "a b"}}},
     r"the AWS key holds spaces"),
    ("bedrock", {"region": "us-east-1", "credentials": AWS, "headers": {"Authorization": "x"}}, r"keep one"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "fields", "message"), REFUSED)
def test_what_contradicts_itself_is_refused_with_the_way_out(name, fields, message):
    with pytest.raises(ValueError, match=message) as refused:
        provider(name, **fields)
    assert str(refused.value).startswith(f"`providers.{name}`")


MISTAKEN: list[tuple[dict[str, Any], str]] = [
    ({}, "needs exactly one of `google`, `entra` and `aws`"),
    ({"google": {}, "aws": {}}, "needs exactly one of"),
    ({"google": {"file": "/k", "metadata": True}}, "`file` and `metadata` are two ways"),
    ({"entra": {"client_secret": "s", "federated_token_file": "/f"}}, "two ways: keep one"),
    ({"entra": {"managed_identity": True, "client_id": "c"}}, "write its client id as its value"),
    ({"entra": {"tenant_id": "../x"}}, "tenant_id"),
    ({"aws": {"access_key_id": "AKID"}}, "`access_key_id` and `secret_access_key` go together"),
    ({"aws": {"session_token": "t"}}, "`session_token` needs"),
    ({"aws": {"profile": "p", "access_key_id": "AKID", "secret_access_key": "s"}}, "two ways: keep one"),
]


@pytest.mark.parametrize(("credentials", "message"), MISTAKEN)
def test_credentials_that_cannot_be_meant_are_refused_where_they_stand(credentials, message):
    with pytest.raises(ValidationError, match=message):
        ProviderConfig(credentials=credentials)


def test_secrets_of_the_configuration_never_show():
    config = ProviderConfig(credentials={"aws": {"access_key_id": "AKID", "secret_access_key": SECRET}})
    assert SECRET not in repr(config)


@pytest.mark.parametrize("place", ["evil.example.com/", "a b", "-x", ""])
def test_a_place_cannot_lead_to_another_host(place):
    with pytest.raises(ValidationError):
        ProviderConfig(location=place)


def found(environ: dict[str, str]) -> dict[str, Provider]:
    return {name: Provider.from_config(name, config, environ) for name, config in from_environment(environ)}


def test_a_machine_that_is_set_up_for_a_cloud_needs_no_file():
    environ = {
        "ANTHROPIC_API_KEY": "k1",
        "CO_API_KEY": "k2",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_REGION": "eu-west-1",
        "GOOGLE_APPLICATION_CREDENTIALS": "/k.json",
        "GOOGLE_CLOUD_PROJECT": "p-1",
        "GOOGLE_CLOUD_LOCATION": "global",
        "AZURE_TENANT_ID": "t",
        "AZURE_CLIENT_ID": "c",
        "AZURE_CLIENT_SECRET": "s",
        "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com",
    }
    machine = found(environ)

    assert {"anthropic", "cohere", "cohere-openai", "azure", "vertex", "bedrock"} == set(machine)
    assert DialectName.COHERE is machine["cohere"].profile.dialect
    assert isinstance(machine["azure"].credential.source, EntraApplication)
    assert GoogleFile("/k.json", SCOPE) == machine["vertex"].credential.source
    assert AwsKeys("AKID", "s") == machine["bedrock"].credential.source
    assert ("https", "bedrock-runtime.eu-west-1.amazonaws.com", 443) == machine["bedrock"].origin


@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_REGION": "us-east-1"},
        {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s"},
        {"GOOGLE_APPLICATION_CREDENTIALS": "/k.json", "GOOGLE_CLOUD_PROJECT": "p"},
        {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "global"},
        {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com"},
    ],
)
def test_half_a_set_up_enables_nothing(environ):
    assert {} == found(environ)
