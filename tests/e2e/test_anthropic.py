"""Anthropic's official client through the gateway, to a provider of OpenAI's dialect and to one of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import httpx2
import orjson
import pytest

from dialects.anthropic.telling import ERROR, TEXT, THINKING, TOOLS, USAGE
from e2e.gateway import Gateway
from e2e.given import KEY, MODEL
from fakes.chat import chat_chunk, final_chunk, usage_chunk
from fakes.steps import JSON, Framing, Head, Send, Status
from fakes.upstream import ScriptedUpstream

ASK: dict[str, Any] = {"max_tokens": 200, "messages": [{"role": "user", "content": "Which way?"}]}
CLAUDE = "claude-opus-5"
ANSWER = orjson.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": CLAUDE,
        "content": [{"type": "text", "text": "Left."}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {**USAGE, "output_tokens": 7},
    }
)


def whole(body: bytes, status: int = 200) -> tuple[Any, ...]:
    return (Head(status, content_type=JSON, framing=Framing.LENGTH, length=len(body)), Send(body))


@pytest.fixture(params=["", "/anthropic"])
def sdk(request, gateway: Gateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url + request.param, api_key="any", max_retries=0) as client:
        yield client


@pytest.fixture
def claude(gateway: Gateway, upstream: ScriptedUpstream) -> Gateway:
    """With a provider that speaks Anthropic's dialect, and one of OpenAI's that is scripted too."""
    native = {"profile": "anthropic", "base_url": upstream.base_url.removesuffix("/v1"), "api_key": "sk-up"}
    foreign = {"base_url": upstream.base_url, "api_key": "sk-up"}
    gateway.use(
        providers={**gateway.document["providers"], "native": native, "foreign": foreign},
        routes={
            **gateway.document["routes"],
            CLAUDE: {"deployments": [{"provider": "native"}]},
            "gpt": {"deployments": [{"provider": "foreign"}]},
        },
    )
    return gateway


@pytest.fixture
async def theirs(claude: Gateway) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=claude.url, api_key="any", max_retries=0) as client:
        yield client


async def post(gateway: Gateway, path: str, body: dict[str, Any], **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=gateway.url) as client:
        return await client.post(path, json=body, headers=headers)


def test_a_foreign_provider_answers_whole_and_streamed_alike(sdk):
    whole_ = sdk.messages.create(model=MODEL, **ASK)
    with sdk.messages.stream(model=MODEL, **ASK) as stream:
        streamed = stream.get_final_message()
    assert whole_.content[0].text == streamed.content[0].text
    assert whole_.usage.output_tokens == streamed.usage.output_tokens
    assert whole_.usage.input_tokens == streamed.usage.input_tokens > 0
    assert "end_turn" == whole_.stop_reason == streamed.stop_reason


def test_both_generations_of_keys_are_taken(keyed):
    for options in ({"api_key": KEY}, {"auth_token": KEY}):
        with anthropic.Anthropic(base_url=keyed.url, max_retries=0, **options) as client:
            assert client.messages.create(model=MODEL, **ASK).content
    reply = keyed.post("/v1/messages", {"model": MODEL, **ASK}, **{"x-api-key": KEY})
    assert 200 == reply.status_code
    with anthropic.Anthropic(base_url=keyed.url, api_key="wrong", max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.create(model=MODEL, **ASK)
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.count_tokens(model=MODEL, messages=ASK["messages"])


def test_errors_have_anthropics_shape_wherever_they_arise(gateway, sdk):
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.create(model="no-such-model", **ASK)
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        sdk.messages.create(model=MODEL, messages=ASK["messages"], max_tokens=-9)
    for path in ("/anthropic/v1/nowhere", "/v1/messages/batches"):
        reply = gateway.get(path)
        assert (404, "error", "not_found_error") == (
            reply.status_code, reply.json()["type"], reply.json()["error"]["type"],
        )  # fmt: skip


def test_models_are_listed_for_who_names_a_version(gateway, sdk):
    listed = {model.id for model in sdk.models.list()}
    assert MODEL in listed
    assert MODEL == sdk.models.retrieve(MODEL).id
    plain = gateway.get("/v1/models").json()
    assert "list" == plain["object"]
    with pytest.raises(anthropic.NotFoundError):
        sdk.models.retrieve("no-such-model")


def test_a_count_nobody_can_be_asked_for_is_an_estimate(gateway, sdk):
    raw = sdk.messages.with_raw_response.count_tokens(model=MODEL, messages=ASK["messages"], system="s" * 400)
    assert "true" == raw.headers["x-pointsman-estimated"]
    assert 100 < raw.parse().input_tokens < 130
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.count_tokens(model="no-such-model", messages=ASK["messages"])
    with pytest.raises(anthropic.BadRequestError):
        sdk.messages.count_tokens(model=MODEL, messages=[])


async def test_its_own_dialect_passes_byte_for_byte(claude, upstream):
    for script, stream in ((whole(ANSWER), False), ((Send(TOOLS, piece=37),), True)):
        upstream.script(*script)
        body = {"model": CLAUDE, "stream": stream, "thinking": {"type": "adaptive"}, "odd": 1, **ASK}
        reply = await post(claude, "/v1/messages", body, **{"anthropic-beta": "x-2026"})
        assert (ANSWER if not stream else TOOLS) == reply.content
    received = await upstream.received(2)
    assert orjson.dumps(body) == received.body
    assert ("/v1/messages", "x-2026", "sk-up") == (
        received.target, received.headers["anthropic-beta"], received.headers["x-api-key"],
    )  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
async def test_an_openai_client_is_answered_by_claude(claude, upstream, stream):
    upstream.script(*((Send(TEXT),) if stream else whole(ANSWER)))
    body = {"model": CLAUDE, "stream": stream, "messages": ASK["messages"]}
    reply = await post(claude, "/v1/chat/completions", body)
    received = await upstream.received(1)
    assert (128_000, [{"type": "text", "text": "Which way?"}]) == (
        received.json["max_tokens"], received.json["messages"][0]["content"],
    )  # fmt: skip
    fact = claude.fact(reply.headers["x-request-id"])
    assert (15, 7) == (fact["tokens"]["input"], fact["tokens"]["output"])
    if stream:
        assert reply.content.endswith(b"data: [DONE]\n\n")
        return
    answer = reply.json()
    assert ("Left.", "stop", 15) == (
        answer["choices"][0]["message"]["content"], answer["choices"][0]["finish_reason"],
        answer["usage"]["prompt_tokens"],
    )  # fmt: skip


async def test_thoughts_that_the_client_loses_are_sent_back(claude, upstream):
    upstream.script(Send(THINKING))
    tools = [{"type": "function", "function": {"name": "w"}}]
    body = {"model": CLAUDE, "messages": ASK["messages"], "tools": tools}
    await post(claude, "/v1/chat/completions", {**body, "stream": True})
    upstream.script(*whole(ANSWER))
    call = {"id": "toolu_9", "type": "function", "function": {"name": "w", "arguments": "{}"}}
    turn = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "toolu_9", "content": "1"}]
    await post(claude, "/v1/chat/completions", {**body, "messages": [*ASK["messages"], *turn]})
    blocks = (await upstream.received(2)).json["messages"][1]["content"]
    assert ["thinking", "redacted_thinking", "tool_use"] == [block["type"] for block in blocks]


async def test_a_provider_that_fails_in_its_stream_is_told_of(claude, upstream, theirs):
    upstream.otherwise(Send(ERROR))
    with pytest.raises(anthropic.APIStatusError):
        await theirs.messages.create(model=CLAUDE, **ASK, stream=True)
    upstream.otherwise(Send(chat_chunk("Hel")), Send(b'data: {"error": {"message": "dead", "code": 500}}\n\n'))
    with pytest.raises(anthropic.APIStatusError):
        async with theirs.messages.stream(model="gpt", **ASK) as stream:
            await stream.until_done()


async def test_a_providers_refusal_is_told_in_its_words(claude, upstream, theirs):
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too many"}}
    upstream.script(*whole(orjson.dumps(error), 400))
    with pytest.raises(anthropic.BadRequestError, match="too many"):
        await theirs.messages.create(model=CLAUDE, **ASK)


async def test_counts_of_a_foreign_stream_reach_the_client(upstream, theirs):
    upstream.script(
        Send(b"".join((chat_chunk("Left."), final_chunk(), usage_chunk(7, 3, cached=2), b"data: [DONE]\n\n")))
    )
    async with theirs.messages.stream(model="gpt", **ASK) as stream:
        usage = (await stream.get_final_message()).usage
    assert (5, 2, 3) == (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens)
    sent = (await upstream.received(1)).json
    assert (200, {"include_usage": True}) == (
        sent.get("max_completion_tokens") or sent.get("max_tokens"), sent["stream_options"],
    )  # fmt: skip


async def test_who_can_count_is_asked(upstream, theirs):
    upstream.script(*whole(b'{"input_tokens": 42}'))
    raw = await theirs.messages.with_raw_response.count_tokens(model=CLAUDE, messages=ASK["messages"])
    assert (42, None) == ((await raw.parse()).input_tokens, raw.headers.get("x-pointsman-estimated"))
    received = await upstream.received(1)
    assert ("/v1/messages/count_tokens", {"model": CLAUDE, "messages": ASK["messages"]}) == (
        received.target, received.json,
    )  # fmt: skip


async def test_an_estimate_serves_when_the_count_fails_but_not_when_it_is_refused(upstream, theirs):
    upstream.script(Status(500))
    raw = await theirs.messages.with_raw_response.count_tokens(model=CLAUDE, messages=ASK["messages"])
    assert "true" == raw.headers["x-pointsman-estimated"]
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages: odd"}}
    upstream.script(*whole(orjson.dumps(error), 400))
    with pytest.raises(anthropic.BadRequestError, match="odd"):
        await theirs.messages.count_tokens(model=CLAUDE, messages=ASK["messages"])
