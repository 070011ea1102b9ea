"""The official client, unmodified but for its base URL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from e2e.gateway import Gateway
from e2e.given import KEY, MODEL
from fakes.chat import error_body
from fakes.steps import Status, error_answer
from fakes.upstream import ScriptedUpstream

ASK = [{"role": "user", "content": "Which way?"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "set_points",
            "parameters": {
                "type": "object",
                "properties": {"lever": {"type": "integer"}},
                "required": ["lever"],
            },
        },
    }
]
BASES = ("/v1", "/api/ai")


class Route(BaseModel):
    line: str
    minutes: int


@pytest.fixture(params=BASES)
def client(request, gateway: Gateway) -> Iterator[OpenAI]:
    """On each surface that OpenAI's client can speak to."""
    with OpenAI(base_url=gateway.url + request.param, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def sdk(gateway: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_sdk(gateway: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def test_chat_is_answered_and_counted(client, gateway):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=ASK)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert "stop" == answer.choices[0].finish_reason
    tokens = gateway.fact(raw.headers["x-request-id"])["tokens"]
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (tokens["input"], tokens["output"])


def test_a_stream_says_the_same_as_the_whole_answer(client):
    whole = client.chat.completions.create(model=MODEL, messages=ASK)
    with client.chat.completions.create(model=MODEL, messages=ASK, stream=True) as stream:
        chunks = list(stream)
    assert whole.choices[0].message.content == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "stop" == chunks[-1].choices[0].finish_reason
    assert [None] * len(chunks) == [chunk.usage for chunk in chunks]


def test_a_stream_tells_its_usage_when_asked(client):
    options = {"include_usage": True}
    with client.chat.completions.create(model=MODEL, messages=ASK, stream=True, stream_options=options) as stream:
        *chunks, last = stream
    assert ([], True) == (last.choices, last.usage.completion_tokens > 0)
    assert [None] * len(chunks) == [chunk.usage for chunk in chunks]


def test_a_tool_is_called_and_its_result_taken(client):
    asked = [{"role": "user", "content": "Please set points 3."}]
    message = client.chat.completions.create(model=MODEL, messages=asked, tools=TOOLS).choices[0].message
    call = message.tool_calls[0]
    assert ("set_points", True) == (call.function.name, '"lever"' in call.function.arguments)
    told = [*asked, message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "set"}]
    assert client.chat.completions.create(model=MODEL, messages=told, tools=TOOLS).choices[0].message.content


def test_a_tool_call_is_streamed(sdk):
    asked = [{"role": "user", "content": "Please set points 3."}]
    with sdk.chat.completions.stream(model=MODEL, messages=asked, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    assert "set_points" == final.choices[0].message.tool_calls[0].function.name
    assert "tool_calls" == final.choices[0].finish_reason


def test_structured_output_is_parsed(sdk):
    parsed = sdk.chat.completions.parse(model=MODEL, messages=ASK, response_format=Route).choices[0].message.parsed
    assert isinstance(parsed, Route)


def test_a_json_object_is_answered(client):
    answer = client.chat.completions.create(model=MODEL, messages=ASK, response_format={"type": "json_object"})
    assert answer.choices[0].message.content.startswith("{")


def test_embeddings(sdk):
    reply = sdk.embeddings.create(model=MODEL, input=["one", "two"])
    assert [0, 1] == [each.index for each in reply.data]
    assert len(reply.data[0].embedding) == len(reply.data[1].embedding) > 0


def test_models_are_listed_and_shown(client):
    assert MODEL in [model.id for model in client.models.list()]
    assert MODEL == client.models.retrieve(MODEL).id


def test_a_legacy_completion_whole_and_streamed(sdk):
    whole = sdk.completions.create(model=MODEL, prompt="Which way?")
    with sdk.completions.create(model=MODEL, prompt="Which way?", stream=True) as stream:
        assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in stream)


def test_a_response_whole_and_streamed(sdk):
    whole = sdk.responses.create(model=MODEL, input="Which way?")
    with sdk.responses.create(model=MODEL, input="Which way?", stream=True) as stream:
        events = list(stream)
    assert whole.output_text == "".join(each.delta for each in events if each.type == "response.output_text.delta")
    assert "response.completed" == events[-1].type
    assert whole.usage.output_tokens == events[-1].response.usage.output_tokens


async def test_the_asynchronous_client_streams(async_sdk):
    stream = await async_sdk.chat.completions.create(model=MODEL, messages=ASK, stream=True)
    pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    whole = await async_sdk.chat.completions.create(model=MODEL, messages=ASK)
    assert whole.choices[0].message.content == "".join(pieces)


def test_an_unknown_model_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nobody-has-it", messages=ASK)
    assert "nobody-has-it" in str(caught.value)


def test_an_unknown_model_names_the_field(sdk):
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.chat.completions.create(model="nobody-has-it", messages=ASK)
    assert ("model_not_found", "model") == (caught.value.code, caught.value.param)
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("nobody-has-it")


def test_a_bad_request_names_the_field(sdk):
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model=MODEL, messages=[])
    assert ("missing_required_parameter", "messages") == (caught.value.code, caught.value.param)
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model=MODEL, messages="Which way?")
    assert ("invalid_type", "messages") == (caught.value.code, caught.value.param)


@pytest.mark.parametrize("base", BASES)
def test_a_wrong_key_is_an_authentication_error(keyed, base):
    with OpenAI(base_url=keyed.url + base, api_key="pk-wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model=MODEL, messages=ASK)
        with pytest.raises(openai.AuthenticationError):
            client.models.list()
        assert client.with_options(api_key=KEY).chat.completions.create(model=MODEL, messages=ASK).choices


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (
            error_answer(429, "rate_limit_exceeded", kind="requests", headers={"retry-after": "60"}),
            openai.RateLimitError,
            "rate_limit_exceeded",
        ),
        (error_answer(500), openai.InternalServerError, "upstream_server_error"),
        (error_answer(400, "content_policy_violation"), openai.BadRequestError, "content_policy_violation"),
        (error_answer(401, "invalid_api_key"), openai.InternalServerError, "upstream_credential_rejected"),
        (Status(503, {}, b"<html>"), openai.InternalServerError, None),
        (error_answer(422, "unprocessable"), openai.UnprocessableEntityError, "unprocessable"),
        (Status(404, {}, error_body("gone", "model_not_found")), openai.NotFoundError, "model_not_found"),
    ],
)
async def test_a_providers_failure_keeps_its_class(
    gateway: Gateway, upstream: ScriptedUpstream, async_sdk: AsyncOpenAI, answer, kind, code
):
    """Its own words are shown where they may be; a key of the operator's is never the client's 401."""
    gateway.use(
        providers={"scripted": {"base_url": upstream.base_url}},
        routes={"scripted": {"retries": {"max": 0}, "deployments": [{"provider": "scripted"}]}},
    )
    upstream.script(answer)
    with pytest.raises(kind) as caught:
        await async_sdk.chat.completions.create(model="scripted", messages=ASK)
    assert isinstance(caught.value.code, str)
    assert code is None or code == caught.value.code
    assert caught.value.request_id
    assert 1 == len(upstream.requests)
