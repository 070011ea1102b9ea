"""A configured provider: its headers, its key, and what happens when the configuration is not enough."""

from typing import Any

import pytest
from pydantic import SecretStr

from proxy import __version__
from proxy.config import ProviderConfig
from proxy.errors import Unauthenticated
from proxy.providers.credential import Credential, KeyMode
from proxy.providers.environment import from_environment
from proxy.providers.provider import Provider

SECRET = "sk-do-not-show-0123456789"


def provider(name: str = "openai", environ: dict[str, str] | None = None, **fields: Any) -> Provider:
    if "api_key" in fields:
        fields["api_key"] = SecretStr(fields["api_key"])
    return Provider.from_config(name, ProviderConfig(**fields), environ or {})


def headers(head: bytes) -> dict[str, str]:
    lines = head.decode("ascii").split("\r\n")
    assert lines[-2:] == ["", ""]
    return dict(line.split(": ", 1) for line in lines[1:-2])


def test_a_request_head_is_complete():
    head = provider(api_key=SECRET).request_head("/v1/chat/completions", b"x" * 17)
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
    assert headers(head) == {
        "host": "api.openai.com",
        "user-agent": f"pointsman/{__version__}",
        "accept": "*/*",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "authorization": f"Bearer {SECRET}",
        "content-length": "17",
    }


def test_azure_takes_its_key_in_a_header_of_its_own():
    azure = provider("azure", {"AZURE_RESOURCE_NAME": "res"}, api_key=SECRET)
    sent = headers(azure.request_head("/chat/completions", b"{}"))
    assert sent["api-key"] == SECRET
    assert "authorization" not in sent
    assert azure.origin == ("https", "res.openai.azure.com", 443)


def test_a_provider_of_ones_own_needs_only_an_address():
    engine = provider("engine", base_url="http://10.0.0.5:8000/v1/")
    assert engine.profile.name == "generic"
    assert engine.otel_name == "engine"
    assert engine.base_url == "http://10.0.0.5:8000/v1"
    assert "authorization" not in headers(engine.request_head("/chat/completions", b"{}"))


def test_quirks_of_a_row_can_be_lent_to_another_name():
    engine = provider("engine", base_url="http://10.0.0.5:8000/v1", profile="vllm")
    assert engine.profile.name == "vllm"
    assert engine.name == "engine"
    assert engine.otel_name == "vllm"


def test_configured_headers_go_along_and_replace_ours():
    sent = headers(
        provider(
            api_key=SECRET, headers={"X-Team": SecretStr("blue"), "User-Agent": SecretStr("other/1")}
        ).request_head("/embeddings", b"{}")
    )
    assert sent["x-team"] == "blue"
    assert sent["user-agent"] == "other/1"


@pytest.mark.parametrize("api_key", [SECRET, "client"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "x"),
        ("Content-Length", "1"),
        ("X-Team", "a\r\nb: c"),
        ("X-Team", "\u00e9"),
        ("Authorization", "Basic x"),
    ],
)
def test_headers_that_would_break_the_request_are_refused(name, value, api_key):
    with pytest.raises(ValueError, match=rf"`providers\.openai`: `headers\.{name}`"):
        provider(api_key=api_key, headers={name: SecretStr(value)})


def test_the_secret_never_shows():
    shown = provider(api_key=SECRET, headers={"X-Extra": SecretStr(SECRET)})
    assert SECRET not in repr(shown)
    assert SECRET not in str(shown)
    assert SECRET not in repr(shown.credential)
    assert SECRET not in f"{shown.credential}"
    assert shown.credential.secret == SECRET


@pytest.mark.parametrize("key", ["", "two words", "line\nbreak", "caf\u00e9", "x" * 5000])
def test_a_key_no_header_can_carry_is_refused_without_showing_it(key):
    with pytest.raises(ValueError, match=r"`providers\.openai`: the key") as refused:
        provider(api_key=key)
    assert not key or key not in str(refused.value)


def test_a_credential_is_either_ours_with_a_secret_or_another_without():
    with pytest.raises(ValueError, match="secret"):
        Credential(KeyMode.OWN)
    with pytest.raises(ValueError, match="secret"):
        Credential(KeyMode.CLIENT, "x")


def test_the_clients_own_key_passes_through():
    passing = provider(api_key="client")
    assert passing.credential.mode is KeyMode.CLIENT
    assert headers(passing.request_head("/chat/completions", b"{}", "sk-client"))["authorization"] == "Bearer sk-client"


@pytest.mark.parametrize("key", [None, "", "a b", "x\r\nhost: evil"])
def test_a_missing_or_harmful_client_key_is_refused(key):
    passing = provider(api_key="client")
    with pytest.raises(Unauthenticated, match="`openai`"):
        passing.request_head("/chat/completions", b"{}", key)


def test_our_own_key_is_never_swapped_for_the_clients():
    assert b"sk-client" not in provider(api_key=SECRET).request_head("/chat/completions", b"{}", "sk-client")


def test_only_allowed_client_headers_go_upstream():
    offered = {
        "http-referer": "https://app.example",
        "x-title": "bad\r\nvalue: 1",
        "openai-organization": "org-1",
        "traceparent": "00-1-1-01",
        "cookie": "a=b",
    }
    router = headers(provider("openrouter", api_key=SECRET).request_head("/chat/completions", b"{}", None, offered))
    assert router["http-referer"] == "https://app.example"
    assert not {"x-title", "openai-organization", "traceparent", "cookie"} & set(router)

    own = headers(provider(api_key=SECRET).request_head("/chat/completions", b"{}", None, offered))
    assert "openai-organization" not in own  # it names the account of the client's key, not of ours
    passed = headers(provider(api_key="client").request_head("/chat/completions", b"{}", "sk-client", offered))
    assert passed["openai-organization"] == "org-1"


def test_an_unknown_provider_gets_a_suggestion():
    with pytest.raises(
        ValueError, match=r"`providers\.opnai`: no such row in the provider table; did you mean `openai`\?"
    ):
        provider("opnai", api_key=SECRET)
    with pytest.raises(ValueError, match="Give `base_url` for one of your own"):
        provider("zzzzzzzz", api_key=SECRET)
    with pytest.raises(ValueError, match=r"`profile: vlm`; did you mean `vllm`\?"):
        provider("engine", base_url="http://x/v1", profile="vlm")


def test_a_missing_key_or_address_names_the_variable_to_set():
    with pytest.raises(ValueError, match=r"`providers\.openai`: it has no key.*`OPENAI_API_KEY`"):
        provider()
    with pytest.raises(ValueError, match="`AZURE_RESOURCE_NAME`"):
        provider("azure", api_key=SECRET)


def test_the_usual_key_is_used_at_the_usual_address_only():
    environ = {"OPENAI_API_KEY": SECRET}
    assert provider(environ=environ).credential.secret == SECRET
    assert provider(environ=environ, base_url="https://elsewhere.example/v1").credential.mode is KeyMode.NONE


def test_a_simulated_provider_takes_no_key():
    assert provider("simulated", base_url="http://127.0.0.1:9/v1").credential.mode is KeyMode.NONE
    with pytest.raises(ValueError, match="takes no `api_key`"):
        provider("simulated", base_url="http://127.0.0.1:9/v1", api_key=SECRET)


def test_a_machine_that_is_set_up_needs_no_file():
    environ = {
        "OPENAI_API_KEY": "k1",
        "GOOGLE_API_KEY": "k2",
        "XAI_API_KEY": " ",
        "AZURE_OPENAI_API_KEY": "k3",
        "AWS_BEARER_TOKEN_BEDROCK": "k4",
        "AWS_REGION": "us-east-1",
        "OLLAMA_HOST": "0.0.0.0",
        "VLLM_API_KEY": "k5",
        "GROQ_API_KEY": "k6",
    }
    found = dict(from_environment(environ))
    assert list(found) == ["openai", "google", "google-openai", "groq", "bedrock", "ollama"]
    built = {name: Provider.from_config(name, config, {}) for name, config in found.items()}
    assert built["google"].credential.secret == "k2"
    assert built["ollama"].credential.mode is KeyMode.NONE
    assert built["ollama"].origin == ("http", "localhost", 11434)
    assert from_environment({}) == []


def test_azure_is_found_once_its_resource_is_known():
    environ = {"AZURE_OPENAI_API_KEY": "k", "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/"}
    [(name, config)] = from_environment(environ)
    assert name == "azure"
    assert config.base_url == "https://res.openai.azure.com/openai/v1"
