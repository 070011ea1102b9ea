"""A real inference server as the provider: llama.cpp's own, with a model this test writes itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import openai
import orjson
import pytest
from openai import AsyncOpenAI, OpenAI

from e2e.dialects import OPENAI, SURFACES
from e2e.gateway import Gateway
from e2e.llama_server import SLOTS, LlamaServer

pytestmark = pytest.mark.real_llm

ASK = [{"role": "user", "content": "the lamp, the points"}]
GREEDY = {"temperature": 0, "seed": 1, "max_tokens": 24}
ENDLESS_TOKENS = 20_000
ENDLESS = {"temperature": 0, "seed": 1, "max_tokens": ENDLESS_TOKENS}
"""At a thousand tokens a second far longer than any test waits."""


@pytest.fixture
def served(gateway: Gateway, llama: LlamaServer) -> Gateway:
    price = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
    gateway.use(
        # one of its threads belongs to each connection, for five idle seconds too
        providers={"llama": {"profile": "llamacpp", "base_url": llama.base_url, "max_connections": SLOTS}},
        routes={"tiny": {"deployments": [{"provider": "llama", "price": price}]}},
    )
    return gateway


@pytest.fixture
def sdk(served: Gateway) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def direct(llama: LlamaServer) -> Iterator[OpenAI]:
    with OpenAI(base_url=llama.base_url, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
async def async_sdk(served: Gateway) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def counts(usage: Any) -> tuple[int, int, int]:
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


def check_billed(gateway: Gateway, request_id: str, usage: Any) -> None:
    """The access log counts what the server counts, and bills it."""
    fact = gateway.fact(request_id)
    tokens = fact["tokens"]
    assert (usage.prompt_tokens, usage.completion_tokens) == (tokens["input"], tokens["output"])
    assert not tokens["estimated"]
    assert pytest.approx((usage.prompt_tokens + 2 * usage.completion_tokens) / 1e6) == fact["cost_usd"]


async def idle(llama: LlamaServer, deadline_s: float = 10) -> bool:
    """Whether the server stops computing."""
    until_s = time.monotonic() + deadline_s
    while time.monotonic() < until_s:
        if not await asyncio.to_thread(llama.metric, "requests_processing"):
            return True
        await asyncio.sleep(0.02)
    return False


def test_a_whole_answer_is_the_servers_own(served, sdk, direct):
    raw = sdk.chat.completions.with_raw_response.create(model="tiny", messages=ASK, **GREEDY)
    answer = raw.parse()
    own = direct.chat.completions.create(model="tiny", messages=ASK, **GREEDY)
    assert own.choices[0].message.content == answer.choices[0].message.content
    assert own.choices[0].finish_reason == answer.choices[0].finish_reason
    assert counts(own.usage) == counts(answer.usage)
    check_billed(served, raw.headers["x-request-id"], answer.usage)


@pytest.mark.parametrize("asked", [True, False], ids=["usage asked", "not asked"])
def test_a_stream_is_the_servers_own(served, sdk, direct, asked):
    options = {"stream_options": {"include_usage": True}} if asked else {}
    raw = sdk.chat.completions.with_raw_response.create(model="tiny", messages=ASK, stream=True, **GREEDY, **options)
    with raw.parse() as stream:
        chunks = list(stream)
    own = direct.chat.completions.create(model="tiny", messages=ASK, **GREEDY)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert own.choices[0].message.content == said
    assert asked == (chunks[-1].usage is not None)
    if asked:
        assert counts(own.usage) == counts(chunks[-1].usage)
    check_billed(served, raw.headers["x-request-id"], own.usage)


@pytest.mark.parametrize("stream", [True, False], ids=["streams", "whole answers"])
def test_a_server_that_closes_its_connections_is_never_noticed(sdk, llama, stream):
    """llama.cpp closes after every stream while its head says keep-alive."""
    for _ in range(40):
        answer = sdk.chat.completions.create(model="tiny", messages=ASK, temperature=0, max_tokens=2, stream=stream)
        assert len(list(answer)) > 1 if stream else answer.usage.completion_tokens


async def test_many_at_once_are_all_answered(async_sdk):
    def one(number: int):
        fields = {"model": "tiny", "messages": ASK, "temperature": 0, "max_tokens": 4}
        return async_sdk.chat.completions.create(**fields, stream=bool(number % 2))

    replies = await asyncio.gather(*map(one, range(24)))
    for number, reply in enumerate(replies):
        assert [chunk async for chunk in reply] if number % 2 else reply.choices


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
async def test_a_client_that_leaves_stops_the_computing(served, llama, surface):
    before = llama.metric("tokens_predicted_total")
    body = {"model": "tiny", "provider": "llama", "messages": ASK, "stream": True, **ENDLESS}
    async with aiohttp.ClientSession() as session:
        reply = await session.post(served.url + surface.chat, json=body)
        await reply.content.readany()
        assert 1 == await asyncio.to_thread(llama.metric, "requests_processing")
        reply.close()
    assert await idle(llama)
    fact = await asyncio.to_thread(served.fact, reply.headers["x-request-id"])
    assert ("abandoned", True) == (fact["outcome"], fact["tokens"]["estimated"])
    assert llama.metric("tokens_predicted_total") - before < ENDLESS_TOKENS / 2


def test_a_response_a_completion_and_models(sdk):
    assert sdk.completions.create(model="tiny", prompt="the lamp", temperature=0, max_tokens=4).choices[0].text
    response = sdk.responses.create(model="tiny", input="the lamp", temperature=0, max_output_tokens=16)
    assert response.usage.output_tokens > 0
    assert "tiny" in [model.id for model in sdk.models.list()]


def test_a_streamed_response_ends_completely(served, sdk):
    raw = sdk.responses.with_raw_response.create(
        model="tiny", input="the lamp", temperature=0, max_output_tokens=16, stream=True
    )
    with raw.parse() as stream:
        events = list(stream)
    assert events[-1].type in {"response.completed", "response.incomplete"}
    tokens = served.fact(raw.headers["x-request-id"])["tokens"]
    assert events[-1].response.usage.output_tokens == tokens["output"]


def test_a_schema_is_obeyed(sdk):
    schema = {"type": "object", "properties": {"lever": {"type": "boolean"}}, "required": ["lever"]}
    form = {"type": "json_schema", "json_schema": {"name": "points", "schema": schema, "strict": True}}
    answer = sdk.chat.completions.create(model="tiny", messages=ASK, temperature=0, seed=1, response_format=form)
    assert orjson.loads(answer.choices[0].message.content)["lever"] in {True, False}


def test_the_servers_own_refusals_keep_their_class(served, sdk):
    """Its errors carry a number as their code."""
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model="tiny", messages=[{"role": "user", "content": "lamp " * 12_000}])
    assert isinstance(caught.value.body, dict)
    fact = served.fact(caught.value.request_id)
    assert "context_length_exceeded" == fact["error_code"]


def test_its_embeddings_refusal_is_told(served, sdk):
    """A server started without embeddings says 501."""
    with pytest.raises(openai.APIStatusError) as caught:
        sdk.embeddings.create(model="tiny", input="the lamp")
    OPENAI.code(caught.value.response.json())
