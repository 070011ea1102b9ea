"""What Google's clients get: answers, streams in both framings, errors and lists."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from googles import DIALECT, folded, target
from hypothesis import given, settings
from hypothesis import strategies as st
from told import Said

from proxy.dialects.cards import ModelCard
from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.gemini.encoder import MAX_TOOL_CALL_BYTES
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.request import Operation
from proxy.dialects.sse import data_of, events_of
from proxy.errors import (
    ErrorInStream,
    MalformedAnswer,
    ModelNotFound,
    RateLimited,
    StreamBroken,
    UpstreamRejected,
)
from proxy.usage import Usage

TOLD = Said(usage=Usage(20, 156, 4, reasoning_tokens=100, tier="flex"))
ENDS = {"modelVersion": "gpt-4o-mini-2024-07-18", "responseId": "0123456789abcdef01234567"}
COUNTED = {
    "promptTokenCount": 24,
    "candidatesTokenCount": 56,
    "totalTokenCount": 180,
    "thoughtsTokenCount": 100,
    "cachedContentTokenCount": 4,
    "serviceTier": "flex",
}


def surface(*, thoughts: bool = False, stream: bool = True, is_array: bool = False) -> GeminiSurface:
    """After it has read a request."""
    made = GeminiSurface("m", stream=stream, is_array=is_array)
    thinking = {"thinkingConfig": {"includeThoughts": thoughts}}
    made.decode(Operation.CHAT, orjson.dumps({"contents": [{"parts": [{"text": "hi"}]}], "generationConfig": thinking}))
    return made


def answered(message: dict[str, Any], reason: str = "stop", *, thoughts: bool = False, **choice: Any) -> dict[str, Any]:
    hub = {"id": "c1", "choices": [{"index": 0, "message": message, "finish_reason": reason, **choice}]}
    found: dict[str, Any] = orjson.loads(surface(thoughts=thoughts).answer(orjson.dumps(hub), TOLD))
    return found


def parts(message: dict[str, Any], *, thoughts: bool = False) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = answered(message, thoughts=thoughts)["candidates"][0]["content"]["parts"]
    return found


def streamed(*events: bytes, thoughts: bool = False) -> list[dict[str, Any]]:
    encoder = surface(thoughts=thoughts).stream(TOLD)
    out = b"".join(encoder.feed(event) for event in events) + encoder.end(TOLD)
    return [orjson.loads(text) for event in events_of(out) if (text := data_of(event)) is not None]


def chunks() -> Chunks:
    made = Chunks()
    made.identify("c1", "gpt")
    return made


def call(name: str, arguments: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"id-{name}", "type": "function", "function": {"name": name, "arguments": arguments}, **fields}


def test_a_whole_answer():
    assert {
        "candidates": [
            {"content": {"parts": [{"text": "Left."}], "role": "model"}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": COUNTED,
        **ENDS,
    } == answered({"role": "assistant", "content": "Left."})


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("stop", "STOP"),
        ("tool_calls", "STOP"),
        ("length", "MAX_TOKENS"),
        ("content_filter", "SAFETY"),
        ("odd", "OTHER"),
    ],
)
def test_finish_reasons(reason: str, told: str):
    assert told == answered({"content": "x"}, reason)["candidates"][0]["finishReason"]
    assert told == streamed(chunks().finish(reason))[-1]["candidates"][0]["finishReason"]


def test_calls_images_and_sources():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    state = {"extra_content": {"google": {"thought_signature": "Eg"}}}
    citation = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}
    message = {
        "content": None,
        "images": [image | state, {"image_url": {"url": "https://b/c.png"}}, {}],
        "tool_calls": [call("f", '{"x":1}', **state), call("g", "")],
        "annotations": [citation, {}],
    }
    (candidate,) = answered(message)["candidates"]

    assert [
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "Eg"},
        {"fileData": {"mimeType": "image/png", "fileUri": "https://b/c.png"}},
        {"functionCall": {"name": "f", "args": {"x": 1}, "id": "id-f"}, "thoughtSignature": "Eg"},
        {"functionCall": {"name": "g", "args": {}, "id": "id-g"}},
    ] == candidate["content"]["parts"]
    assert {"groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}]} == candidate["groundingMetadata"]


def test_logprobs_take_googles_form():
    likely = {"token": "a", "logprob": -0.5, "bytes": [97]}
    (candidate,) = answered({"content": "a"}, logprobs={"content": [{**likely, "top_logprobs": [likely]}]})[
        "candidates"
    ]

    token = {"token": "a", "logProbability": -0.5}
    expected = {"chosenCandidates": [token], "topCandidates": [{"candidates": [token]}]}
    assert expected == candidate["logprobsResult"]
    made = chunks()
    told = streamed(made.text("a"), made.logprobs([{**likely, "top_logprobs": [likely]}]), made.finish("stop"))
    assert expected == told[1]["candidates"][0]["logprobsResult"]


def test_thoughts_are_told_to_those_who_asked():
    """Others would take them for the answer."""
    message = {"content": "4", "reasoning_content": "Hm."}

    assert [{"text": "4"}] == parts(message)
    assert [{"text": "Hm.", "thought": True}, {"text": "4"}] == parts(message, thoughts=True)


def test_each_thought_keeps_the_state_that_signs_it():
    def block(text: str, signature: str) -> dict[str, Any]:
        return {"type": "reasoning.text", "text": text, "signature": signature, "format": "anthropic-claude-v1"}

    details = [
        block("a", "s1"),
        block("b", "s2"),
        {"type": "reasoning.encrypted", "data": "Eg", "format": "google-gemini-v1"},
    ]
    first, second, text = parts(
        {"content": "4", "reasoning_content": "ab", "reasoning_details": details}, thoughts=True
    )

    assert [("a", True), ("b", True)] == [(part["text"], part["thought"]) for part in (first, second)]
    assert first["thoughtSignature"] != second["thoughtSignature"]
    assert {"text": "4", "thoughtSignature": "Eg"} == text


def test_a_call_that_is_no_object_is_the_providers_fault():
    for arguments in ("[1]", "{", "3"):
        with pytest.raises(MalformedAnswer):
            answered({"tool_calls": [call("f", arguments)]})
        made = chunks()
        with pytest.raises(ErrorInStream):
            streamed(made.call(0, "a", "f", arguments), made.finish("tool_calls"))


def test_a_stream_piece_by_piece():
    made = chunks()
    first, second, last = streamed(
        made.text("Le"), made.text("ft."), made.finish("stop"), made.usage({"prompt_tokens": 1}), DONE
    )

    def piece(text: str) -> dict[str, Any]:
        return {"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}], **ENDS}

    assert [piece("Le"), piece("ft.")] == [first, second]
    end = {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
    assert {"candidates": [end], "usageMetadata": COUNTED, **ENDS} == last


def test_calls_of_a_stream_come_whole_and_in_their_order():
    made = chunks()
    state = {"extra_content": {"google": {"thought_signature": "Eg"}}}
    told = streamed(
        made.call(0, "a", "f", extra=state),
        made.call(1, "b", "g"),
        made.arguments(1, '{"y"'),
        made.arguments(0, '{"x":'),
        made.arguments(1, ":2}"),
        made.arguments(0, "1}"),
        made.finish("tool_calls"),
    )

    assert [
        {"functionCall": {"name": "f", "args": {"x": 1}, "id": "a"}, "thoughtSignature": "Eg"},
        {"functionCall": {"name": "g", "args": {"y": 2}, "id": "b"}},
    ] == told[0]["candidates"][0]["content"]["parts"]
    assert 2 == len(told)


def test_calls_of_a_stream_have_a_bound_and_an_end():
    made = chunks()
    encoder = surface().stream(TOLD)
    encoder.feed(made.call(0, "a", "f"))
    with pytest.raises(ErrorInStream):
        encoder.feed(made.arguments(0, "x" * (MAX_TOOL_CALL_BYTES + 1)))

    encoder = surface().stream(TOLD)
    encoder.feed(made.call(0, "a", "f") + made.finish("tool_calls"))
    with pytest.raises(ErrorInStream):
        encoder.feed(made.arguments(0, "x"))


def test_candidates_are_told_apart():
    made = chunks()
    told = streamed(made.text("a"), made.text("b", 1), made.finish("length", 1), made.finish("stop"))

    assert [0, 1] == [doc["candidates"][0]["index"] for doc in told[:2]]
    assert [(0, "STOP"), (1, "MAX_TOKENS")] == [(one["index"], one["finishReason"]) for one in told[2]["candidates"]]


def test_images_sources_and_refusals_of_a_stream():
    made = chunks()
    citation = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A"}}
    told = streamed(
        made.delta({"images": [{"image_url": {"url": "data:image/png;base64,iVBO"}}]}),
        made.delta({"images": [{}]}),
        made.delta({"annotations": [citation]}),
        made.finish("content_filter", refusal="No."),
    )

    picture, refusal, last = (doc["candidates"][0] for doc in told)
    assert "iVBO" == picture["content"]["parts"][0]["inlineData"]["data"]
    assert "No." == refusal["content"]["parts"][0]["text"]
    assert ("SAFETY", "https://a") == (
        last["finishReason"],
        last["groundingMetadata"]["groundingChunks"][0]["web"]["uri"],
    )


def test_thoughts_of_a_stream_are_told_to_those_who_asked():
    made = chunks()
    foreign = {"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1"}
    own = {"type": "reasoning.encrypted", "data": "Eg", "format": "google-gemini-v1"}
    events = [made.reasoning("Hm."), made.details([foreign, own]), made.text("4"), made.finish("stop")]

    shown = [part for doc in streamed(*events, thoughts=True) for part in doc["candidates"][0]["content"]["parts"]]
    hidden = [part for doc in streamed(*events) for part in doc["candidates"][0]["content"]["parts"]]
    assert ["Hm.", "", "", "4", ""] == [part["text"] for part in shown]
    assert [True, True, None, None, None] == [part.get("thought") for part in shown]
    assert {"text": "", "thoughtSignature": "Eg"} == shown[2] == hidden[0]
    assert ["", "4", ""] == [part["text"] for part in hidden]


def test_without_a_count_none_is_told():
    encoder = surface().stream(Said(usage=None))

    assert b"usageMetadata" not in encoder.end(Said(usage=None))
    assert "usageMetadata" not in orjson.loads(surface().answer(b'{"choices":[]}', Said(usage=None)))


def test_an_array_is_one_json_document():
    made, whole = chunks(), surface(is_array=True)
    encoder = whole.stream(TOLD)
    out = (
        whole.keepalive
        + encoder.feed(made.text("Le"))
        + whole.keepalive
        + encoder.feed(made.text("ft.") + made.finish("stop"))
    )

    told = orjson.loads(out + encoder.end(TOLD))
    assert 3 == len(told)
    assert "STOP" == told[2]["candidates"][0]["finishReason"]


@pytest.mark.parametrize("events", [[], [chunks().text("Le")]])
def test_an_array_that_breaks_off_is_closed_by_its_error(events: list[bytes]):
    whole = surface(is_array=True)
    encoder = whole.stream(TOLD)
    out = b"".join(encoder.feed(event) for event in events)

    told = orjson.loads(out + whole.stream_error(StreamBroken("Gone.")))
    assert len(events) + 1 == len(told)
    assert ("Gone.", "UNAVAILABLE") == (told[-1]["error"]["message"], told[-1]["error"]["status"])


def test_signs_of_life_in_a_stream_are_no_comments():
    """Google's own client reads a comment as an answer."""
    assert b"\r\n" == surface().keepalive


def test_an_error_midway_is_an_event():
    (event,) = events_of(surface().stream_error(StreamBroken("Gone.")))

    assert 502 == orjson.loads(data_of(event) or b"")["error"]["code"]


@pytest.mark.parametrize(
    ("error", "status", "name", "reason"),
    [
        (ModelNotFound("None."), 404, "NOT_FOUND", "MODEL_NOT_FOUND"),
        (RateLimited("Slow.", retry_after_s=3.2), 429, "RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED"),
        (
            UpstreamRejected("x", upstream_status=422, answer={"message": "Slow.", "code": "bad_thing"}),
            422,
            "INVALID_ARGUMENT",
            "BAD_THING",
        ),
    ],
)
def test_errors_take_googles_form(error: Any, status: int, name: str, reason: str):
    code, body = GeminiSurface.error(error)

    told = orjson.loads(body)["error"]
    assert (status, status, name, reason) == (code, told["code"], told["status"], told["details"][0]["reason"])
    if status == 429:
        assert {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "4s"} == told["details"][1]
    if status == 404:
        assert {"field": "model"} == told["details"][0]["metadata"]
    if status == 422:
        assert "Slow." == told["message"]


def test_models_are_listed():
    card = ModelCard("a/b", "p", "A B", context_window=8)

    (listed,) = orjson.loads(GeminiSurface.models([card]))["models"]
    assert ("models/a/b", "A B", 8) == (listed["name"], listed["displayName"], listed["inputTokenLimit"])
    assert "outputTokenLimit" not in listed
    assert listed == orjson.loads(GeminiSurface.model(card))


TEXT = st.text(min_size=1, max_size=6)
ARGUMENTS = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-9, 9) | TEXT, max_size=2)


@settings(max_examples=60, derandomize=True)
@given(
    st.lists(TEXT, max_size=3),
    st.lists(TEXT, max_size=3),
    st.lists(st.tuples(TEXT, ARGUMENTS), max_size=3),
    st.sampled_from(["stop", "length", "content_filter"]),
)
def test_what_goes_out_and_comes_in_is_the_same(thoughts: list[str], texts: list[str], calls: list[Any], reason: str):
    made = chunks()
    reason = "tool_calls" if calls and reason == "stop" else reason
    events = [made.begin(), *map(made.reasoning, thoughts), *map(made.text, texts)]
    for number, (name, arguments) in enumerate(calls):
        events += [made.call(number, f"id-{number}", name), made.arguments(number, orjson.dumps(arguments).decode())]
    encoder, decoder = surface(thoughts=True).stream(TOLD), DIALECT.decoder(target())
    google = b"".join(encoder.feed(event) for event in [*events, made.finish(reason)]) + encoder.end(TOLD)
    (choice,) = folded(decoder.feed(google) + decoder.end())["choices"]

    message = choice["message"]
    assert ("".join(texts) or None, "".join(thoughts) or None) == (message["content"], message.get("reasoning_content"))
    assert [(f"id-{n}", name, arguments) for n, (name, arguments) in enumerate(calls)] == [
        (told["id"], told["function"]["name"], orjson.loads(told["function"]["arguments"]))
        for told in message.get("tool_calls", [])
    ]
    assert reason == choice["finish_reason"]
