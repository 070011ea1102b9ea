"""Google's official client, unmodified but for its base URL, in front of providers that speak OpenAI's dialect."""

from __future__ import annotations

import base64
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import orjson
import pytest
from openai import AsyncOpenAI

from e2e.gateway import Gateway
from e2e.given import KEY, MODEL
from fakes.steps import Head, Send, Status
from fakes.upstream import ScriptedUpstream

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it warns of what Python will do one day
    from google import genai
    from google.genai import errors, types

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

VERSIONS = ("v1", "v1beta")
ASK = "Which way?"
PICTURE = b"\xfb\xff\x00"
RAW = {"provider": "raw"}
TOOLS: list[Any] = [{"type": "function", "function": {"name": "set_points", "parameters": {"type": "object"}}}]
NO_RETRIES = types.HttpRetryOptions(attempts=1)


def made(url: str, version: str = "v1beta", key: str = "any") -> genai.Client:
    options = types.HttpOptions(base_url=url, api_version=version, retry_options=NO_RETRIES)
    return genai.Client(api_key=key, http_options=options)


GEMINI_ANSWER = {
    "candidates": [
        {
            "content": {"parts": [{"text": "Left.", "thoughtSignature": "Eg=="}], "role": "model"},
            "finishReason": "STOP",
            "index": 0,
            "avgLogprobs": -0.5,
        }
    ],
    "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 9, "thoughtsTokenCount": 3},
    "modelVersion": "gemini-3.5-flash",
    "responseId": "r-1",
}
"""With fields that no other dialect has."""


@pytest.fixture(params=VERSIONS)
def client(request: pytest.FixtureRequest, gateway: Gateway) -> Iterator[genai.Client]:
    with made(gateway.url, request.param) as client:
        yield client


@pytest.fixture
async def scripted(gateway: Gateway, upstream: ScriptedUpstream) -> AsyncIterator[genai.client.AsyncClient]:
    """With a model `raw` behind which a test says what happens."""
    gateway.use(
        providers={"raw": {"dialect": "openai_chat", "base_url": upstream.base_url}},
        routes={"raw": {"deployments": [RAW], "retries": {"max": 0}}},
    )
    async with made(gateway.url).aio as client:
        yield client


def streamed(*chunks: dict[str, Any]) -> tuple[Any, ...]:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    events = [b"data: %b\n\n" % orjson.dumps(head | chunk) for chunk in chunks]
    return Head(), Send(b"".join(events) + b"data: [DONE]\n\n")


def delta(fields: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": reason}]}


def whole(message: dict[str, Any], reason: str = "stop") -> Status:
    answer = {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": None} | message, "finish_reason": reason}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }  # fmt: skip
    return Status(200, {"content-type": "application/json"}, orjson.dumps(answer))


def test_a_question_is_answered_and_counted(client, gateway):
    answer = client.models.generate_content(model=MODEL, contents=ASK)

    assert answer.text
    assert types.FinishReason.STOP is answer.candidates[0].finish_reason
    tokens = gateway.fact(answer.response_id)["tokens"]
    counted = answer.usage_metadata
    assert (tokens["input"], tokens["output"]) == (counted.prompt_token_count, counted.candidates_token_count)


def test_a_stream_says_the_same_as_the_whole_answer(client):
    answer = client.models.generate_content(model=MODEL, contents=ASK)
    chunks = list(client.models.generate_content_stream(model=MODEL, contents=ASK))

    assert answer.text == "".join(chunk.text or "" for chunk in chunks)
    assert types.FinishReason.STOP is chunks[-1].candidates[0].finish_reason
    assert answer.usage_metadata.total_token_count == chunks[-1].usage_metadata.total_token_count


def test_a_model_nobody_serves_is_the_clients_error(client):
    with pytest.raises(errors.ClientError) as told:
        client.models.generate_content(model="nothing/like:this", contents=ASK)

    assert (404, "NOT_FOUND") == (told.value.code, told.value.status)


def test_tokens_are_counted(client):
    assert 7 == client.models.count_tokens(model=MODEL, contents="twelve bytes").total_tokens


@pytest.mark.parametrize("version", VERSIONS)
def test_models_are_listed(gateway, version):
    with made(gateway.url, version) as client:
        assert f"models/{MODEL}" in [model.name for model in client.models.list()]
        assert f"models/{MODEL}" == client.models.get(model=MODEL).name


def test_a_wrong_key_is_told_as_google_tells_it(keyed):
    with made(keyed.url, key="wrong") as client, pytest.raises(errors.ClientError) as told:
        client.models.generate_content(model=MODEL, contents=ASK)
    assert (401, "UNAUTHENTICATED") == (told.value.code, told.value.status)

    with made(keyed.url, key=KEY) as client:
        assert client.models.generate_content(model=MODEL, contents=ASK).text


BODY = {"contents": [{"parts": [{"text": ASK}]}]}


def test_the_key_may_be_in_the_query_and_is_never_logged(keyed):
    path = f"{keyed.url}/v1beta/models/{MODEL}"
    answer = httpx2.post(f"{path}:generateContent?key={KEY}", json=BODY)

    assert 200 == answer.status_code
    assert 200 == httpx2.post(f"{path}:countTokens?key={KEY}", json=BODY).status_code
    keyed.fact(answer.headers["x-request-id"])
    assert not any(KEY.encode() in line for line in keyed.raw_facts)
    assert not any(KEY in line for line in keyed.said)


def test_without_server_sent_events_a_stream_is_one_array(gateway):
    answer = httpx2.post(f"{gateway.url}/v1/models/{MODEL}:streamGenerateContent", json=BODY)

    assert "application/json" == answer.headers["content-type"]
    *pieces, last = answer.json()
    assert pieces
    assert "STOP" == last["candidates"][0]["finishReason"]


def test_a_count_says_that_it_is_a_guess(gateway):
    answer = httpx2.post(f"{gateway.url}/v1beta/models/{MODEL}:countTokens", json=BODY)

    assert {"totalTokens": 7, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 7}]} == answer.json()
    assert "true" == answer.headers["x-pointsman-estimated"]


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("POST", "/v1/models/no%2Fthing:generateContent", 404, "NOT_FOUND"),
        ("POST", "/v1/tunedModels/nothing:generateContent", 404, "NOT_FOUND"),
        ("POST", "/v1/models/nothing:countTokens", 404, "NOT_FOUND"),
        ("POST", f"/v1/models/{MODEL}:countTokens", 400, "INVALID_ARGUMENT"),
        ("POST", f"/v1/models/{MODEL}:generateContent", 400, "INVALID_ARGUMENT"),
        ("POST", f"/v1beta/models/{MODEL}:sing", 405, "UNIMPLEMENTED"),
        ("GET", "/v1beta/models/nothing", 404, "NOT_FOUND"),
        ("GET", "/v1beta/corpora", 404, "NOT_FOUND"),
    ],
)
def test_what_goes_wrong_is_told_as_google_tells_it(gateway, method, path, status, name):
    body = BODY if "no" in path else {"contents": []}
    answer = httpx2.request(method, gateway.url + path, json=body)

    assert (status, name) == (answer.status_code, answer.json()["error"]["status"])


async def test_a_tool_is_called_with_its_arguments_and_its_answer_goes_back(scripted, upstream):
    call = {"index": 0, "id": "call_7", "type": "function", "function": {"name": "set_points", "arguments": '{"le'}}
    more = {"index": 0, "function": {"arguments": 'ver": 3}'}}
    upstream.script(*streamed(delta({"tool_calls": [call]}), delta({"tool_calls": [more]}), delta({}, "tool_calls")))
    upstream.script(whole({"content": "Done."}))
    lever = types.Schema(type=types.Type.OBJECT, properties={"lever": types.Schema(type=types.Type.INTEGER)})
    tool = types.Tool(function_declarations=[types.FunctionDeclaration(name="set_points", parameters=lever)])
    config = types.GenerateContentConfig(tools=[tool], automatic_function_calling={"disable": True})
    chat = scripted.chats.create(model="raw", config=config)

    chunks = [chunk async for chunk in await chat.send_message_stream(ASK)]
    (asked,) = [found for chunk in chunks for found in chunk.function_calls or ()]
    assert ("call_7", "set_points", {"lever": 3}) == (asked.id, asked.name, asked.args)
    answer = await chat.send_message(types.Part.from_function_response(name=asked.name, response={"output": "moved"}))

    assert "Done." == answer.text
    first, second = (request.json for request in upstream.requests)
    function = first["tools"][0]["function"]
    assert {"type": "object", "properties": {"lever": {"type": "integer"}}} == function["parameters"]
    assert ["user", "assistant", "tool"] == [message["role"] for message in second["messages"]]
    assert {"role": "tool", "tool_call_id": "call_7", "content": "moved"} == second["messages"][2]


async def test_reasoning_state_of_another_provider_comes_back_as_it_was(scripted, upstream):
    detail = {"type": "reasoning.text", "text": "Hm.", "signature": "c2ln/+==", "format": "anthropic-claude-v1"}
    upstream.script(
        *streamed(
            delta({"role": "assistant", "reasoning_content": "Hm."}),
            delta({"reasoning_details": [{**detail, "text": ""}]}),
            delta({"content": "Left."}),
            delta({}, "stop"),
        )
    )
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    chat = scripted.chats.create(model="raw", config=config)

    chunks = [chunk async for chunk in await chat.send_message_stream(ASK)]

    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts]
    assert "Hm." == "".join(part.text for part in parts if part.thought)
    assert "Left." == "".join(part.text for part in parts if not part.thought)
    (signature,) = [part.thought_signature for part in parts if part.thought_signature]
    assert signature.startswith(b"pointsman.anthropic-claude-v1.")


async def test_an_image_and_a_schema_are_passed_on(scripted, upstream):
    upstream.script(whole({"content": '{"line": "U1"}'}))
    picture = types.Part.from_bytes(data=PICTURE, mime_type="image/png")
    config = types.GenerateContentConfig(
        response_mime_type="application/json",
        response_json_schema={"type": "object", "properties": {"line": {"type": "string"}}},
        max_output_tokens=64,
        stop_sequences=["END"],
    )

    answer = await scripted.models.generate_content(model="raw", contents=[picture, "What is it?"], config=config)

    assert {"line": "U1"} == orjson.loads(answer.text)
    sent = upstream.requests[0].json
    url = sent["messages"][0]["content"][0]["image_url"]["url"]
    assert f"data:image/png;base64,{base64.b64encode(PICTURE).decode()}" == url
    assert "json_schema" == sent["response_format"]["type"]
    assert ["END"] == sent["stop"]


async def test_a_stream_that_fails_midway_raises(scripted, upstream):
    error = {"error": {"message": "The server fell over.", "type": "server_error", "code": "server_error"}}
    event = b"data: %b\n\n"
    upstream.script(Head(), Send(event % orjson.dumps(delta({"content": "Lef"})) + event % orjson.dumps(error)))
    stream = await scripted.models.generate_content_stream(model="raw", contents=ASK)
    first = await anext(stream)

    with pytest.raises(errors.ServerError) as told:
        await anext(stream)

    assert "Lef" == first.text
    assert "UNAVAILABLE" == told.value.status


def google(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    """A model `raw` of a provider that speaks Google's dialect."""
    address = upstream.base_url.replace("/v1", "/v1beta")
    gateway.use(
        providers={"raw": {"dialect": "gemini", "base_url": address, "api_key": "its-own"}},
        routes={"raw": {"deployments": [RAW | {"model": "gemini-3.5-flash"}], "retries": {"max": 0}}},
    )


def events(*answers: dict[str, Any]) -> tuple[Any, ...]:
    return Head(), Send(b"".join(b"data: %b\r\n\r\n" % orjson.dumps(answer) for answer in answers))


async def test_googles_own_provider_is_passed_through(gateway, upstream):
    google(gateway, upstream)
    upstream.script(Status(200, {"content-type": "application/json"}, orjson.dumps(GEMINI_ANSWER)))
    upstream.script(*events(GEMINI_ANSWER))
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]

    async with made(gateway.url).aio as client:
        config = types.GenerateContentConfig(safety_settings=settings)
        whole = await client.models.generate_content(model="raw", contents=ASK, config=config)
        chunks = [one async for one in await client.models.generate_content_stream(model="raw", contents=ASK)]

    assert [-0.5, -0.5] == [one.candidates[0].avg_logprobs for one in (whole, *chunks)]
    assert b"\x12" == whole.candidates[0].content.parts[0].thought_signature
    first, second = upstream.requests
    assert "/v1beta/models/gemini-3.5-flash:generateContent" == first.target
    assert settings == first.json["safetySettings"]
    assert "/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse" == second.target


async def test_tokens_are_counted_by_the_provider_that_can(gateway, upstream):
    google(gateway, upstream)
    upstream.script(Status(200, {"content-type": "application/json"}, b'{"totalTokens": 31, "other": 1}'))

    async with httpx2.AsyncClient() as client:
        answer = await client.post(f"{gateway.url}/v1beta/models/raw:countTokens", json=BODY)

    assert {"totalTokens": 31, "other": 1} == answer.json()
    assert "x-pointsman-estimated" not in answer.headers
    (asked,) = upstream.requests
    assert ("/v1beta/models/gemini-3.5-flash:countTokens", BODY) == (asked.target, asked.json)


async def test_openais_client_reaches_googles_provider(gateway, upstream):
    google(gateway, upstream)
    call = {"functionCall": {"name": "set_points", "args": {"lever": 3}}, "thoughtSignature": "Eg=="}
    asking = {**GEMINI_ANSWER, "candidates": [{"content": {"parts": [call], "role": "model"}, "finishReason": "STOP"}]}
    upstream.script(*events(asking))
    upstream.script(Status(200, {"content-type": "application/json"}, orjson.dumps(GEMINI_ANSWER)))
    asked: list[Any] = [{"role": "user", "content": ASK}]

    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        options = {"include_usage": True}
        stream = await client.chat.completions.create(
            model="raw", messages=asked, stream=True, stream_options=options, tools=TOOLS
        )
        chunks = [chunk async for chunk in stream]
        (called,) = [chunk.choices[0].delta.tool_calls[0] for chunk in chunks if _has_call(chunk)]
        # a client that knows nothing of signatures
        said = {
            "role": "assistant",
            "tool_calls": [{"id": called.id, "type": "function", "function": called.function.model_dump()}],
        }
        result = {"role": "tool", "tool_call_id": called.id, "content": "moved"}
        answer = await client.chat.completions.create(model="raw", messages=[*asked, said, result], tools=TOOLS)

    assert (4, 5, 3) == (
        chunks[-1].usage.prompt_tokens,
        chunks[-1].usage.completion_tokens,
        chunks[-1].usage.completion_tokens_details.reasoning_tokens,
    )
    assert "Left." == answer.choices[0].message.content
    sent = upstream.requests[1].json["contents"]
    assert "Eg==" == sent[1]["parts"][0]["thoughtSignature"]
    assert {"output": "moved"} == sent[2]["parts"][0]["functionResponse"]["response"]


def _has_call(chunk: Any) -> bool:
    return bool(chunk.choices) and bool(chunk.choices[0].delta.tool_calls)
