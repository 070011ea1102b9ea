"""Base URLs: taken apart once, found in the environment, never led astray."""

import pytest

from proxy.providers.address import environment_address, parse_address, usual_address
from proxy.providers.table import lookup


@pytest.mark.parametrize(
    ("url", "origin", "host_header", "prefix"),
    [
        ("https://api.openai.com/v1", ("https", "api.openai.com", 443), "api.openai.com", "/v1"),
        ("https://API.example.com/v1/", ("https", "api.example.com", 443), "api.example.com", "/v1"),
        ("http://10.0.0.5:8000/v1", ("http", "10.0.0.5", 8000), "10.0.0.5:8000", "/v1"),
        ("http://host", ("http", "host", 80), "host", ""),
        ("https://host:443", ("https", "host", 443), "host", ""),
        ("http://[::1]:9000/v1", ("http", "::1", 9000), "[::1]:9000", "/v1"),
    ],
)
def test_a_base_url_is_taken_apart(url, origin, host_header, prefix):
    address = parse_address(url)
    assert address.origin == origin
    assert address.host_header == host_header
    assert address.prefix == prefix


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/v1",
        "host/v1",
        "https:///v1",
        "https://user:secret@host/v1",
        "https://host/v1?key=1",
        "https://host/v1#x",
        "https://host:99999/v1",
        "https://host:x/v1",
        "https://host/a b",
        "https://host//v1",
        "https://host/v1/../admin",
        "https://h\u00f6st/v1",
    ],
)
def test_a_base_url_that_could_mean_two_things_is_refused(url):
    with pytest.raises(ValueError, match=r".") as refused:
        parse_address(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:11434/v1"),
        ("gpu:9000", "http://gpu:9000/v1"),
        ("0.0.0.0", "http://localhost:11434/v1"),
        ("http://gpu", "http://gpu/v1"),
        ("https://ollama.example.com", "https://ollama.example.com/v1"),
        ("http://gpu:9000/v1", "http://gpu:9000/v1"),
        ("http://[::]:11434", "http://localhost:11434/v1"),
    ],
)
def test_a_server_address_is_completed_as_its_own_tools_do(value, address):
    ollama = lookup("ollama")
    assert ollama is not None
    assert environment_address(ollama, {"OLLAMA_HOST": value}) == address


def test_an_unusable_address_names_its_variable():
    ollama = lookup("ollama")
    assert ollama is not None
    with pytest.raises(ValueError, match="`OLLAMA_HOST`"):
        environment_address(ollama, {"OLLAMA_HOST": "http://"})


def test_placeholders_are_filled_from_the_environment():
    azure, bedrock = lookup("azure"), lookup("bedrock")
    assert azure is not None
    assert bedrock is not None
    assert usual_address(azure, {"AZURE_RESOURCE_NAME": "res"}) == "https://res.openai.azure.com/openai/v1"
    assert (
        usual_address(azure, {"AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com/"})
        == "https://res.openai.azure.com/openai/v1"
    )
    assert usual_address(bedrock, {"AWS_REGION": "eu-west-1"}) == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert usual_address(azure, {}) is None


def test_a_placeholder_cannot_lead_to_another_host():
    azure = lookup("azure")
    assert azure is not None
    with pytest.raises(ValueError, match="`AZURE_RESOURCE_NAME`"):
        usual_address(azure, {"AZURE_RESOURCE_NAME": "evil.example.com/"})


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_a_location_of_vertex_has_a_host_of_its_own(location, host):
    vertex = lookup("vertex")
    assert vertex is not None
    path = f"/v1beta1/projects/p-1/locations/{location}/publishers/google"
    given = {"project": "p-1", "location": location}
    assert usual_address(vertex, {}, given) == f"https://{host}{path}"
    assert usual_address(vertex, {"GOOGLE_CLOUD_PROJECT": "p-1"}, {"location": location}) == f"https://{host}{path}"
    assert usual_address(vertex, {"GOOGLE_CLOUD_PROJECT": "p-1"}) is None


def test_what_the_configuration_says_of_an_address_wins_over_the_environment():
    azure = lookup("azure")
    assert azure is not None
    environ = {"AZURE_OPENAI_ENDPOINT": "https://other.openai.azure.com/", "AZURE_RESOURCE_NAME": "third"}
    assert usual_address(azure, environ, {"resource": "res"}) == "https://res.openai.azure.com/openai/v1"
