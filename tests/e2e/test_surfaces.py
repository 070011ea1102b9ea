"""The same prompt through every surface to two providers each."""

from __future__ import annotations

from typing import Any

import httpx2
import orjson
import pytest

from e2e.dialects import ONEINFER, OPENAI, OXEN
from e2e.gateway import Gateway
from e2e.given import ALPHA_PRICE, MODEL

PROMPT = [{"role": "user", "content": "Explain points in two sentences."}]
PROVIDERS = ("alpha", "beta")


def texts(reply: httpx2.Response) -> str:
    """What the model said, in whatever shape."""
    body = reply.json()
    return body["data"]["text"] if "data" in body else body["choices"][0]["message"]["content"]


def shape(value: Any) -> Any:
    """Keys and types, without values."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return float if isinstance(value, int | float) and not isinstance(value, bool) else type(value)


def via(gateway: Gateway, surface: str, provider: str, **fields: Any) -> httpx2.Response:
    """One request, pinned to a provider in the surface's own way."""
    body: dict[str, Any] = {"model": MODEL, "messages": PROMPT, **fields}
    if surface == "oneinfer":
        return gateway.post(ONEINFER.chat, {**body, "provider": provider})
    path = OPENAI.chat if surface == "openai" else OXEN.chat
    return gateway.post(path, {**body, "model": f"{provider}/{MODEL}"})


@pytest.mark.parametrize("provider", PROVIDERS)
def test_three_surfaces_say_the_same(gateway, provider):
    replies = [via(gateway, surface, provider) for surface in ("openai", "oneinfer", "oxen")]
    assert [200] * 3 == [reply.status_code for reply in replies]
    assert 1 == len(set(map(texts, replies)))
    facts = [gateway.fact(reply.headers["x-request-id"]) for reply in replies]
    assert ["openai", "oneinfer", "oxen"] == [fact["surface"] for fact in facts]
    assert [(provider, "prose")] * 3 == [(fact["provider"], fact["model"]) for fact in facts]
    assert 1 == len({orjson.dumps(fact["tokens"]) for fact in facts})
    assert 1 == len({fact["cost_usd"] for fact in facts})


@pytest.mark.parametrize("surface", ["openai", "oneinfer", "oxen"])
def test_two_providers_answer_in_one_shape(gateway, surface):
    first, second = (via(gateway, surface, provider) for provider in PROVIDERS)
    assert texts(first) != texts(second)
    assert shape(first.json()) == shape(second.json())


def test_oneinfer_switches_provider_by_two_fields_only(gateway, simulators):
    """The request differs in `provider` and `model` alone, and so does what the answer says of itself."""
    gateway.use(
        routes={
            "small": {"deployments": [{"provider": "alpha", "model": "a-1", "price": ALPHA_PRICE}]},
            "large": {"deployments": [{"provider": "beta", "model": "b-1", "price": ALPHA_PRICE}]},
        }
    )
    base = {"messages": PROMPT, "max_tokens": 64, "stream": False}
    replies = [
        gateway.post(ONEINFER.chat, {**base, "provider": provider, "model": model})
        for provider, model in (("alpha", "small"), ("beta", "large"))
    ]
    first, second = (reply.json() for reply in replies)
    assert shape(first) == shape(second)
    assert ("alpha", "small") == (first["data"]["provider"], first["data"]["model"])
    assert ("beta", "large") == (second["data"]["provider"], second["data"]["model"])
    assert {"api_status": "success", "api_message": "Chat completion generated successfully."} == first["api_details"]
    assert ({}, {}) == (first["error"], second["error"])
    named = {"id", "created", "text", "finish_reason", "provider", "model", "usage", "latency_ms"}
    assert named | {"is_context_length_full"} == set(first["data"])


def test_oneinfer_takes_a_form_and_defaults(gateway):
    """Messages as JSON in a form field; the provider left to the default."""
    fields = {"model": (None, MODEL), "messages": (None, orjson.dumps(PROMPT)), "max_tokens": (None, "5")}
    reply = httpx2.post(gateway.url + ONEINFER.chat, files=fields)
    data = reply.json()["data"]
    assert (200, "alpha", "length") == (reply.status_code, data["provider"], data["finish_reason"])
    assert 5 == data["usage"]["completion_tokens"]


def test_oneinfer_routes_by_endpoint_id(gateway):
    reply = gateway.post(ONEINFER.chat, {"messages": PROMPT, "endpoint_id": "ep-1", "provider": "beta", "model": "x"})
    assert (200, MODEL) == (reply.status_code, reply.json()["data"]["model"])
    assert 400 == gateway.post(ONEINFER.chat, {"messages": PROMPT, "endpoint_id": "ep-9"}).status_code


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/ula/generate-image"),
        ("GET", "/v1/ula/generate-video/7"),
        ("GET", "/v1/developer/me/get-credits"),
        ("POST", "/api/ai/images/generate"),
        ("DELETE", "/api/ai/queue/7"),
    ],
)
def test_what_is_not_served_yet_says_so(gateway, method, path):
    reply = httpx2.request(method, gateway.url + path)
    assert 501 == reply.status_code
    surface = ONEINFER if path.startswith("/v1/") else OXEN
    surface.code(reply.json())


def test_every_list_names_the_models(gateway):
    openai = {card["id"] for card in gateway.get("/v1/models").json()["data"]}
    assert MODEL in openai
    for path in ("/v1/developer/get-all-models", "/v1/ula/models", "/v1/ula/get-models"):
        assert openai == {card["model_id"] for card in gateway.get(path).json()["data"]["models"]}
    assert openai == {card["id"] for card in gateway.get("/api/ai/models").json()["data"]}
    assert [MODEL] == [card["id"] for card in gateway.get(f"/api/ai/models/search?search={MODEL}").json()["data"]]
    assert MODEL == gateway.get(f"/api/ai/models/{MODEL}").json()["id"]
    assert MODEL == gateway.get(f"/v1/models/{MODEL}").json()["id"]


@pytest.mark.parametrize(
    ("headers", "read"),
    [
        ({}, lambda doc: doc["error"]["code"]),
        ({"anthropic-version": "2023-06-01"}, lambda doc: doc["error"]["type"] + doc["type"]),
        ({"x-goog-api-key": "any"}, lambda doc: doc["error"]["status"]),
    ],
)
def test_an_unknown_model_is_told_in_the_words_of_whose_list_it_is(gateway, headers, read):
    """Three clients ask at one path."""
    reply = gateway.get("/v1/models/none-such", **headers)
    assert 404 == reply.status_code
    assert read(reply.json()) in {"model_not_found", "not_found_errorerror", "NOT_FOUND"}


def test_the_older_oxen_path_serves_chat(gateway):
    reply = gateway.post("/api/chat/completions", {"model": MODEL, "messages": PROMPT})
    assert (200, "chat.completion", MODEL) == (reply.status_code, reply.json()["object"], reply.json()["model"])


@pytest.mark.parametrize(("query", "kind"), [("", "application/json"), ("?alt=sse", "text/event-stream")])
def test_a_stream_of_google_s_is_of_the_type_it_was_asked_for(gateway, query, kind):
    asked = {"contents": [{"parts": [{"text": "Hi"}]}]}
    reply = gateway.post(f"/v1beta/models/{MODEL}:streamGenerateContent{query}", asked)
    assert (200, kind) == (reply.status_code, reply.headers["content-type"].partition(";")[0])
    if not query:
        assert isinstance(reply.json(), list)
