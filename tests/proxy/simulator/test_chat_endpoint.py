from __future__ import annotations

import aiohttp
import openai
import orjson
import pytest

HELLO = [{"role": "user", "content": "Where does this train go?"}]
WEATHER = {
    "type": "object",
    "properties": {"place": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 3}},
    "required": ["place", "days"],
}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}]


async def test_an_answer_counts_its_words_as_tokens(provider, sdk):
    client = await sdk(await provider())
    answer = await client.chat.completions.create(model="any", messages=HELLO)
    text = answer.choices[0].message.content
    assert "stop" == answer.choices[0].finish_reason
    assert (5, len(text.split())) == (answer.usage.prompt_tokens, answer.usage.completion_tokens)
    assert answer.usage.total_tokens == 5 + len(text.split())


async def test_a_stream_says_the_same_as_the_whole_answer(provider, sdk):
    client = await sdk(await provider())
    whole = await client.chat.completions.create(model="any", messages=HELLO)
    stream = await client.chat.completions.create(model="any", messages=HELLO, stream=True)
    chunks = [chunk async for chunk in stream]
    assert whole.choices[0].message.content == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "assistant" == chunks[0].choices[0].delta.role
    assert "stop" == chunks[-1].choices[0].finish_reason


async def test_equal_seeds_say_the_same_and_others_something_else(provider, sdk):
    texts = [
        (await (await sdk(await provider(name=name, seed=seed))).chat.completions.create(model=name, messages=HELLO))
        .choices[0]
        .message.content
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


async def test_the_usage_chunk_comes_only_when_asked_for(provider, sdk):
    client = await sdk(await provider())
    ask = client.chat.completions.create
    plain = [chunk async for chunk in await ask(model="any", messages=HELLO, stream=True)]
    options = {"include_usage": True}
    counted = [chunk async for chunk in await ask(model="any", messages=HELLO, stream=True, stream_options=options)]
    assert all(chunk.choices and chunk.usage is None for chunk in plain)
    assert len(plain) + 1 == len(counted)
    assert [] == counted[-1].choices
    assert len(plain) - 2 == counted[-1].usage.completion_tokens
    assert all(chunk.usage is None for chunk in counted[:-1])


async def test_the_stream_ends_in_done(provider):
    running = await provider()
    body = {"model": "any", "messages": HELLO, "stream": True}
    async with aiohttp.ClientSession() as session, session.post(f"{running.base_url}/chat/completions", json=body) as r:
        assert "text/event-stream; charset=utf-8" == r.headers["content-type"]
        events = (await r.read()).split(b"\n\n")
    assert [b"data: [DONE]", b""] == events[-2:]


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_the_token_limit_ends_an_answer_with_length(provider, sdk, limit):
    client = await sdk(await provider())
    answer = await client.chat.completions.create(model="any", messages=HELLO, **{limit: 3})
    assert ("length", 3) == (answer.choices[0].finish_reason, answer.usage.completion_tokens)
    assert 3 == len(answer.choices[0].message.content.split())


async def test_a_stop_sequence_cuts_the_text_before_it(provider, sdk):
    client = await sdk(await provider())
    whole = (await client.chat.completions.create(model="any", messages=HELLO)).choices[0].message.content
    stop = whole.split()[4]
    cut = (await client.chat.completions.create(model="any", messages=HELLO, stop=[stop])).choices[0]
    assert whole.partition(stop)[0].rstrip() == cut.message.content
    assert "stop" == cut.finish_reason


async def test_a_trailing_assistant_message_is_continued(provider, sdk):
    client = await sdk(await provider())
    whole = (await client.chat.completions.create(model="any", messages=HELLO)).choices[0].message.content
    begun = whole[: len(whole) // 2]
    messages = [*HELLO, {"role": "assistant", "content": begun}]
    rest = (await client.chat.completions.create(model="any", messages=messages)).choices[0].message.content
    assert whole == begun + rest


async def test_several_choices_differ_and_keep_their_index(provider, sdk):
    client = await sdk(await provider())
    answer = await client.chat.completions.create(model="any", messages=HELLO, n=3)
    texts = [choice.message.content for choice in answer.choices]
    assert 3 == len(set(texts))
    streamed = ["", "", ""]
    async for chunk in await client.chat.completions.create(model="any", messages=HELLO, n=3, stream=True):
        streamed[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert texts == streamed


async def test_a_required_tool_is_called_with_fitting_arguments(provider, sdk):
    client = await sdk(await provider())
    answer = await client.chat.completions.create(model="any", messages=HELLO, tools=TOOLS, tool_choice="required")
    (call,) = answer.choices[0].message.tool_calls
    assert ("tool_calls", None) == (answer.choices[0].finish_reason, answer.choices[0].message.content)
    arguments = orjson.loads(call.function.arguments)
    assert "get_weather" == call.function.name
    assert {"place", "days"} == arguments.keys()
    assert 1 <= arguments["days"] <= 3


async def test_a_streamed_tool_call_puts_together_the_same(provider, sdk):
    client = await sdk(await provider())
    options = {"model": "any", "messages": HELLO, "tools": TOOLS, "tool_choice": "required"}
    whole = (await client.chat.completions.create(**options)).choices[0].message.tool_calls[0].function
    name, arguments = "", ""
    async for chunk in await client.chat.completions.create(**options, stream=True):
        for call in chunk.choices[0].delta.tool_calls or ():
            name += call.function.name or ""
            arguments += call.function.arguments or ""
    assert (whole.name, whole.arguments) == (name, arguments)


async def test_a_tool_the_prompt_names_is_called_until_it_has_answered(provider, sdk):
    client = await sdk(await provider())
    messages = [{"role": "user", "content": "Please get weather for the summit."}]
    first = (await client.chat.completions.create(model="any", messages=messages, tools=TOOLS)).choices[0]
    assert "tool_calls" == first.finish_reason
    messages += [first.message.model_dump(), {"role": "tool", "tool_call_id": "x", "content": "rain"}]
    second = (await client.chat.completions.create(model="any", messages=messages, tools=TOOLS)).choices[0]
    assert "stop" == second.finish_reason
    unasked = (await client.chat.completions.create(model="any", messages=HELLO, tools=TOOLS)).choices[0]
    assert "stop" == unasked.finish_reason


@pytest.mark.parametrize(
    "shape",
    [{"type": "json_object"}, {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER}}],
)
async def test_structured_output_is_a_json_object(provider, sdk, shape):
    client = await sdk(await provider())
    answer = await client.chat.completions.create(model="any", messages=HELLO, response_format=shape)
    value = orjson.loads(answer.choices[0].message.content)
    assert isinstance(value, dict)
    if shape["type"] == "json_schema":
        assert {"place", "days"} == value.keys()


async def test_every_answer_has_a_request_id_and_its_time(provider, sdk):
    client = await sdk(await provider())
    raw = await client.chat.completions.with_raw_response.create(model="any", messages=HELLO)
    assert raw.headers["x-request-id"].startswith("req_")
    assert raw.headers["openai-processing-ms"].isdigit()


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        (b"{", 400, None, None),
        (b"[]", 400, None, None),
        (b'{"messages":[{"role":"user","content":"x"}]}', 400, "missing_required_parameter", "model"),
        (b'{"model":"known"}', 400, "missing_required_parameter", "messages"),
        (b'{"model":"known","messages":[]}', 400, "missing_required_parameter", "messages"),
        (b'{"model":"known","messages":[{"role":"user","content":"x"}],"n":0}', 400, "invalid_value", "n"),
        (b'{"model":"strange","messages":[{"role":"user","content":"x"}]}', 404, "model_not_found", "model"),
        (
            (
                b'{"model":"known","messages":[{"role":"user","content":"x"}],"response_format":'
                b'{"type":"json_schema","json_schema":{"schema":{"type":"integer","minimum":"much"}}}}'
            ),
            400,
            "invalid_json_schema",
            None,
        ),
    ],
)
async def test_an_impossible_request_is_refused_in_openais_shape(provider, body, status, code, param):
    running = await provider(models=("known",))
    url = f"{running.base_url}/chat/completions"
    async with aiohttp.ClientSession() as session, session.post(url, data=body) as reply:
        error = (await reply.json())["error"]
    assert (status, code, param) == (reply.status, error["code"], error["param"])
    assert error["message"]
    assert "invalid_request_error" == error["type"]


async def test_a_prompt_beyond_the_context_window_is_refused(provider, sdk):
    client = await sdk(await provider(context_window=4))
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="any", messages=HELLO)
    assert "context_length_exceeded" == caught.value.code
