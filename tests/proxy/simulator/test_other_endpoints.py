from __future__ import annotations

import base64
import math
import struct

import aiohttp
import openai
import orjson
import pytest

from proxy.config import PriceConfig

TOOL = {
    "type": "function",
    "name": "throw_switch",
    "strict": False,
    "parameters": {"type": "object", "properties": {"lever": {"type": "integer"}}},
}


async def test_a_legacy_completion_answers_every_prompt(provider, sdk):
    client = await sdk(await provider())
    answer = await client.completions.create(model="any", prompt=["one two", "three"], max_tokens=4)
    assert [0, 1] == [choice.index for choice in answer.choices]
    assert ["length", "length"] == [choice.finish_reason for choice in answer.choices]
    assert (3, 8) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)


async def test_a_legacy_stream_says_the_same(provider, sdk):
    client = await sdk(await provider())
    whole = await client.completions.create(model="any", prompt="one", max_tokens=9)
    options = {"include_usage": True}
    stream = await client.completions.create(
        model="any", prompt="one", max_tokens=9, stream=True, stream_options=options
    )
    chunks = [chunk async for chunk in stream]
    assert whole.choices[0].text == "".join(chunk.choices[0].text for chunk in chunks[:-1])
    assert ([], 9) == (chunks[-1].choices, chunks[-1].usage.completion_tokens)


async def test_embeddings_are_unit_vectors_of_the_text(provider, sdk):
    client = await sdk(await provider())
    answer = await client.embeddings.create(
        model="any", input=["rail", "rail", "road"], dimensions=8, encoding_format="float"
    )
    first, second, third = (each.embedding for each in answer.data)
    assert first == second
    assert first != third
    assert math.isclose(1, sum(x * x for x in first))
    assert 3 == answer.usage.prompt_tokens


async def test_base64_embeddings_are_the_same_numbers_as_little_endian_floats(provider):
    running = await provider()
    async with aiohttp.ClientSession() as session:

        async def ask(form: str) -> list[float] | str:
            body = {"model": "any", "input": "rail", "dimensions": 4, "encoding_format": form}
            async with session.post(f"{running.base_url}/embeddings", json=body) as reply:
                return (await reply.json())["data"][0]["embedding"]

        packed = struct.unpack("<4f", base64.b64decode(await ask("base64")))
        assert packed == pytest.approx(await ask("float"), rel=1e-6)


@pytest.mark.parametrize("given", [None, "", [], [None], {"a": 1}])
async def test_embeddings_without_input_are_refused(provider, given):
    running = await provider()
    body = {"model": "any", "input": given}
    async with aiohttp.ClientSession() as session, session.post(f"{running.base_url}/embeddings", json=body) as reply:
        assert 400 == reply.status


async def test_a_response_is_whole_and_counted(provider, sdk):
    client = await sdk(await provider())
    answer = await client.responses.create(model="any", input="Which platform?")
    assert "completed" == answer.status
    assert (2, len(answer.output_text.split())) == (answer.usage.input_tokens, answer.usage.output_tokens)


async def test_a_responses_stream_has_named_numbered_events_and_ends_completed(provider, sdk):
    client = await sdk(await provider())
    whole = await client.responses.create(model="any", input="Which platform?")
    stream = await client.responses.create(model="any", input="Which platform?", stream=True)
    events = [event async for event in stream]
    assert list(range(len(events))) == [event.sequence_number for event in events]
    assert ("response.created", "response.completed") == (events[0].type, events[-1].type)
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert whole.output_text == text == events[-1].response.output_text
    assert whole.usage == events[-1].response.usage


async def test_a_responses_stream_at_the_token_limit_ends_incomplete(provider, sdk):
    client = await sdk(await provider())
    stream = await client.responses.create(model="any", input="x", max_output_tokens=2, stream=True)
    last = [event async for event in stream][-1]
    assert ("response.incomplete", "max_output_tokens") == (last.type, last.response.incomplete_details.reason)


async def test_a_response_calls_a_tool_until_it_has_the_output(provider, sdk):
    client = await sdk(await provider())
    asked = [{"role": "user", "content": "throw switch seven"}]
    first = await client.responses.create(model="any", input=asked, tools=[TOOL])
    (call,) = first.output
    assert ("function_call", "throw_switch") == (call.type, call.name)
    assert ["lever"] == list(orjson.loads(call.arguments))
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "done"}
    second = await client.responses.create(model="any", input=[*asked, call.model_dump(), output], tools=[TOOL])
    assert "message" == second.output[0].type
    streamed = [e async for e in await client.responses.create(model="any", input=asked, tools=[TOOL], stream=True)]
    pieces = [event.delta for event in streamed if event.type == "response.function_call_arguments.delta"]
    assert call.arguments == "".join(pieces)


async def test_the_models_are_listed_with_their_price(provider, sdk):
    price = PriceConfig(input_usd_per_mtok=0.15, output_usd_per_mtok=0.6)
    client = await sdk(await provider(models=("a", "b"), price=price))
    models = [model async for model in client.models.list()]
    assert ["a", "b"] == [model.id for model in models]
    assert {"prompt": "0.000000150000", "completion": "0.000000600000"} == models[0].pricing


async def test_another_path_is_a_404_in_openais_shape(provider, sdk):
    client = await sdk(await provider())
    with pytest.raises(openai.NotFoundError) as caught:
        await client.moderations.create(input="x")
    assert "invalid_request_error" == caught.value.type
