"""The official client reads what the surface writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anthropic
import httpx2
import orjson
import pytest
from told import Said

from dialects.anthropic.test_encoder import MADE, TOLD, chunks, opens
from proxy import errors
from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.anthropic.words import OWN
from proxy.dialects.cards import ModelCard
from proxy.dialects.chunks import DONE
from proxy.dialects.request import ModelRequest, Operation
from proxy.usage import Usage

SURFACE = AnthropicSurface()
ASK: dict[str, Any] = {"model": "gpt", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
SIGNED = {"type": "reasoning.text", "text": "hmm", "signature": "sig==", "format": OWN}
STREAM = (
    chunks().begin(),
    MADE.reasoning("hmm"),
    MADE.details([SIGNED]),
    MADE.text("Let me "),
    MADE.text("see."),
    opens(0, "a"),
    opens(1, "b", "now"),
    MADE.arguments(0, '{"c":'),
    MADE.arguments(1, "{"),
    MADE.arguments(0, '"Paris"}'),
    MADE.arguments(1, "}"),
    MADE.finish("tool_calls"),
    DONE,
)
WHOLE = {
    "choices": [
        {
            "finish_reason": "tool_calls",
            "message": {
                "content": "Let me see.",
                "reasoning_content": "hmm",
                "reasoning_details": [SIGNED],
                "tool_calls": [
                    {"id": "a", "function": {"name": "w", "arguments": '{"c":"Paris"}'}},
                    {"id": "b", "function": {"name": "now", "arguments": "{}"}},
                ],
            },
        }
    ]
}


def streamed(*blocks: bytes, end: bool = True, told: Said = TOLD) -> bytes:
    stream = SURFACE.stream(told)
    out = SURFACE.keepalive + b"".join(stream.feed(block) for block in blocks)
    return out + (stream.end(told) if end else b"")


@contextmanager
def client(answer: Callable[[httpx2.Request], httpx2.Response]) -> Iterator[anthropic.Anthropic]:
    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with anthropic.Anthropic(api_key="k", http_client=http, max_retries=0) as sdk:
        yield sdk


def replying(content: bytes, kind: str = "application/json", status: int = 200) -> Callable[..., httpx2.Response]:
    return lambda _: httpx2.Response(status, content=content, headers={"content-type": kind})


def said(message: Any) -> list[dict[str, Any]]:
    return [block.model_dump(exclude_none=True) for block in message.content]


CONTENT = [
    {"type": "thinking", "thinking": "hmm", "signature": "sig=="},
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "a", "name": "w", "input": {"c": "Paris"}},
    {"type": "tool_use", "id": "b", "name": "now", "input": {}},
]


def test_a_streamed_answer_is_gathered():
    with client(replying(streamed(*STREAM), "text/event-stream")) as sdk, sdk.messages.stream(**ASK) as stream:
        texts = list(stream.text_stream)
        message = stream.get_final_message()
    assert ["Let me ", "see."] == texts
    assert CONTENT == said(message)
    assert ("tool_use", 10, 7, 3, 2) == (
        message.stop_reason, message.usage.input_tokens, message.usage.output_tokens,
        message.usage.cache_read_input_tokens, message.usage.cache_creation_input_tokens,
    )  # fmt: skip


def test_a_whole_answer_is_the_same():
    body = SURFACE.answer(orjson.dumps(WHOLE), TOLD)
    with client(replying(body)) as sdk:
        message = sdk.messages.create(**ASK)
    assert CONTENT == said(message)
    assert ("tool_use", "message", "assistant", 10, 7) == (
        message.stop_reason, message.type, message.role, message.usage.input_tokens, message.usage.output_tokens,
    )  # fmt: skip


def test_raw_events_are_the_ones_it_knows():
    with client(replying(streamed(*STREAM), "text/event-stream")) as sdk:
        events = list(sdk.messages.create(**ASK, stream=True))
    assert "message_start" == events[0].type
    assert ("message_delta", "message_stop") == (events[-2].type, events[-1].type)


def test_an_error_in_the_stream_is_raised():
    broken = streamed(MADE.text("Hel"), end=False) + SURFACE.stream_error(errors.StreamBroken("It broke."))
    with client(replying(broken, "text/event-stream")) as sdk, sdk.messages.stream(**ASK) as stream:  # noqa: SIM117
        with pytest.raises(anthropic.APIStatusError, match="It broke"):
            stream.until_done()


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.BadRequest("No."), anthropic.BadRequestError),
        (errors.Unauthenticated("No."), anthropic.AuthenticationError),
        (errors.Forbidden("No."), anthropic.PermissionDeniedError),
        (errors.ModelNotFound("No."), anthropic.NotFoundError),
        (errors.RateLimited("No."), anthropic.RateLimitError),
        (errors.InternalError("No."), anthropic.InternalServerError),
        (errors.Overloaded("No."), anthropic.InternalServerError),
    ],
)
def test_errors_are_of_the_clients_own_classes(error, kind):
    status, body = SURFACE.error(error)
    with client(replying(body, status=status)) as sdk, pytest.raises(kind, match=r"No\."):
        sdk.messages.create(**ASK)


def test_lists_of_models_are_read():
    cards = [ModelCard("gpt", "openai", "GPT", context_window=9, created_s=1), ModelCard("o", "openai", "O")]
    with client(replying(SURFACE.models(cards))) as sdk:
        models = list(sdk.models.list())
    assert [("gpt", "GPT", 9, 1), ("o", "O", None, 0)] == [
        (model.id, model.display_name, model.max_input_tokens, model.created_at.timestamp()) for model in models
    ]
    with client(replying(SURFACE.model(cards[0]))) as sdk:
        assert "gpt" == sdk.models.retrieve("gpt").id


def test_what_the_client_sends_is_understood():
    got: list[ModelRequest] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        got.append(SURFACE.decode(Operation.CHAT, request.content))
        return httpx2.Response(200, content=SURFACE.answer(orjson.dumps(WHOLE), TOLD))

    tool = {"name": "w", "description": "Weather", "input_schema": {"type": "object", "properties": {}}}
    with client(answer) as sdk:
        sdk.messages.create(
            **ASK, system="Be brief.", tools=[tool], tool_choice={"type": "any", "disable_parallel_tool_use": True},
            thinking={"type": "adaptive"}, output_config={"effort": "high"}, stop_sequences=["END"],
            metadata={"user_id": "u"},
        )  # fmt: skip
    hub = got[0].hub.doc
    assert [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}] == hub["messages"]
    assert ("required", False, "high", ["END"], 100, "u") == (
        hub["tool_choice"], hub["parallel_tool_calls"], hub["reasoning_effort"], hub["stop"],
        hub["max_completion_tokens"], hub["user"],
    )  # fmt: skip
    assert {"name": "w", "parameters": tool["input_schema"], "description": "Weather"} == hub["tools"][0]["function"]


def test_counts_are_read():
    with client(replying(SURFACE.count(17))) as sdk:
        assert 17 == sdk.messages.count_tokens(model="gpt", messages=ASK["messages"]).input_tokens


def test_what_was_written_for_an_hour_is_told():
    told = Said(usage=Usage(10, 7, 3, 6, cache_write_1h_tokens=4))
    with client(replying(SURFACE.answer(orjson.dumps(WHOLE), told))) as sdk:
        usage = sdk.messages.create(**ASK).usage
    assert (2, 4) == (usage.cache_creation.ephemeral_5m_input_tokens, usage.cache_creation.ephemeral_1h_input_tokens)
