"""Google's streams as the hub's, re-typed from what the API documents and its clients handle."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from googles import DIALECT, candidate, chunks_of, event, folded, said, streamed, target

from proxy.dialects.chunks import DONE
from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Undecodable
from proxy.dialects.gemini.partial import MAX_CALL_BYTES, MAX_DEPTH
from proxy.dialects.quirks import Quirks
from proxy.dialects.sse import Splitter
from proxy.usage import Usage

COUNTED = {"promptTokenCount": 29, "candidatesTokenCount": 15, "totalTokenCount": 89, "thoughtsTokenCount": 45}
WEATHER = {"functionCall": {"name": "weather", "args": {"location": "Bern"}}, "thoughtSignature": "EqUC"}


def whole(doc: Any) -> dict[str, Any]:
    return DIALECT.answer(doc, target())


def partial(*pieces: dict[str, Any], more: bool = True) -> dict[str, Any]:
    call: dict[str, Any] = {"partialArgs": list(pieces)}
    return candidate({"functionCall": call | {"willContinue": True} if more else call})


def test_text_becomes_chunks_and_the_last_usage_counts():
    stream = streamed(
        said(candidate({"text": "Le"}), usage={**COUNTED, "candidatesTokenCount": 1, "totalTokenCount": 75}),
        said(candidate({"text": "ft."}, reason="STOP"), usage=COUNTED),
    )

    assert stream.endswith(DONE)
    answer = folded(stream)
    assert ("r1", "gemini-3.5-flash") == (answer["id"], answer["model"])
    assert {"role": "assistant", "content": "Left."} == answer["choices"][0]["message"]
    assert "stop" == answer["choices"][0]["finish_reason"]
    assert (29, 60, 89) == tuple(
        answer["usage"][name] for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    assert 45 == answer["usage"]["completion_tokens_details"]["reasoning_tokens"]


def test_a_call_before_the_finish_reason_is_remembered():
    stream = streamed(said(candidate(WEATHER)), said(candidate({"text": ""}, reason="STOP"), usage=COUNTED))

    choice = folded(stream)["choices"][0]
    assert "tool_calls" == choice["finish_reason"]
    function = {"name": "weather", "arguments": '{"location":"Bern"}'}
    state = {"extra_content": {"google": {"thought_signature": "EqUC"}}}
    assert [{"id": "call_r1_0_0", "type": "function", "function": function, **state}] == choice["message"]["tool_calls"]


def test_the_state_of_a_call_is_told_by_its_id():
    decoder = DIALECT.decoder(target())
    call = {"functionCall": {"id": "fc-9", "name": "a", "args": {}}, "thoughtSignature": "c2ln"}
    decoder.feed(event(said(candidate(call, {"functionCall": {"name": "b"}}))))

    expected = {"fc-9": {"extra_content": {"google": {"thought_signature": "c2ln"}}}}
    assert expected == decoder.opaque
    assert expected == DIALECT.opaque(whole(said(candidate(call, {"functionCall": {"name": "b"}}, reason="STOP"))))


def test_parallel_calls_are_counted():
    calls = [{"functionCall": {"name": name, "args": {"n": n}}} for n, name in enumerate("ab")]
    stream = streamed(said(candidate(*calls)), said(candidate(reason="STOP")))

    entries = [
        call for chunk in chunks_of(stream) for c in chunk["choices"] for call in c["delta"].get("tool_calls", ())
    ]
    assert [(0, "a", '{"n":0}'), (1, "b", '{"n":1}')] == [
        (entry["index"], entry["function"]["name"], entry["function"]["arguments"]) for entry in entries
    ]
    assert 2 == len({entry["id"] for entry in entries})


def test_thoughts_and_their_signatures_are_apart_from_the_text():
    thought = {"text": "Hm.", "thought": True}
    doc = said(candidate(thought, {"text": "4"}, {"text": "", "thoughtSignature": "Ep"}, reason="STOP"))

    message = {
        "role": "assistant",
        "content": "4",
        "reasoning_content": "Hm.",
        "reasoning_details": [{"type": "reasoning.encrypted", "data": "Ep", "format": "google-gemini-v1"}],
    }
    assert message == folded(streamed(doc))["choices"][0]["message"]
    assert message == whole(doc)["choices"][0]["message"]


def test_streamed_arguments_are_put_together_by_their_paths():
    """As Vertex AI sends them: strings in pieces, numbers, nesting, and an empty call as the end."""
    opening = {"functionCall": {"name": "cook", "willContinue": True}, "thoughtSignature": "Cm"}
    stream = streamed(
        said(candidate(opening), usage={"trafficType": "ON_DEMAND"}),
        said(partial({"jsonPath": "$.dish.parts[0].name", "stringValue": "16 ", "willContinue": True})),
        said(partial({"jsonPath": "$.dish.parts[0].name", "stringValue": "oz"})),
        said(candidate({"functionCall": {"willContinue": True}})),
        said(partial({"jsonPath": "$.dish.parts[1]['first name']", "stringValue": "salt"})),
        said(partial({"jsonPath": '$.dish["hot"]', "boolValue": True}, {"jsonPath": "$.n", "numberValue": 3.0})),
        said(partial({"jsonPath": "$.half", "numberValue": 0.5}, {"jsonPath": "$.none", "nullValue": "NULL_VALUE"})),
        said(candidate({"functionCall": {}})),
        said(candidate({"functionCall": {"name": "plain"}})),
        said(candidate({"text": ""}, reason="STOP"), usage={**COUNTED, "trafficType": "ON_DEMAND"}),
    )

    cook, plain = folded(stream)["choices"][0]["message"]["tool_calls"]
    dish = {"parts": [{"name": "16 oz"}, {"first name": "salt"}], "hot": True}
    assert {"dish": dish, "n": 3, "half": 0.5, "none": None} == orjson.loads(cook["function"]["arguments"])
    assert "Cm" == cook["extra_content"]["google"]["thought_signature"]
    assert ("plain", "{}") == (plain["function"]["name"], plain["function"]["arguments"])


@pytest.mark.parametrize(
    "rest",
    [
        [said(partial({"jsonPath": "$.a", "numberValue": 1}, more=False)), said(candidate(reason="STOP"))],
        [said(partial({"jsonPath": "$.a", "numberValue": 1})), said(candidate({"text": ""}, reason="STOP"))],
        [
            said(partial({"jsonPath": "$.a", "numberValue": 1})),
            said(candidate({"functionCall": {"name": "g", "args": {}}}, reason="STOP")),
        ],
    ],
)
def test_a_streamed_call_ends_without_the_empty_one_too(rest: list[Any]):
    opening = said(candidate({"functionCall": {"name": "f", "willContinue": True}}))
    answer = folded(streamed(opening, *rest))

    assert ("f", '{"a":1}') == tuple(answer["choices"][0]["message"]["tool_calls"][0]["function"].values())
    assert "tool_calls" == answer["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    "path", ["", "a", "$", "$..a", "$.a[x]", "$[0]", "$.a[99999]", "$.b.c", "$" + ".a" * (MAX_DEPTH + 1)]
)
def test_a_piece_without_a_place_is_damage(path: str):
    pieces = [{"jsonPath": "$.b", "stringValue": "x"}, {"jsonPath": path, "stringValue": "y"}]
    decoder = DIALECT.decoder(target())
    decoder.feed(event(said(candidate({"functionCall": {"name": "f", "willContinue": True}}))))
    if not path:
        decoder.feed(event(said(partial(*pieces, more=False))))
        assert {} == decoder.opaque
        return
    with pytest.raises(Undecodable):
        decoder.feed(event(said(partial(*pieces, more=False))))


def test_a_streamed_call_has_a_bound():
    decoder = DIALECT.decoder(target())
    decoder.feed(event(said(candidate({"functionCall": {"name": "f", "willContinue": True}}))))

    with pytest.raises(Undecodable):
        decoder.feed(event(said(partial({"jsonPath": "$.a", "stringValue": "x" * MAX_CALL_BYTES}))))


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("OTHER", "stop"),
        ("SOMETHING_NEW", "stop"),
    ],
)
def test_finish_reasons(reason: str, told: str):
    doc = said(candidate({"text": "x"}, reason=reason))

    assert told == folded(streamed(doc))["choices"][0]["finish_reason"]
    assert told == whole(doc)["choices"][0]["finish_reason"]


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("MALFORMED_FUNCTION_CALL", "tool_use_failed"),
        ("UNEXPECTED_TOOL_CALL", "tool_use_failed"),
        ("MALFORMED_RESPONSE", "server_error"),
        ("MISSING_THOUGHT_SIGNATURE", "invalid_request"),
    ],
)
def test_an_answer_that_went_wrong_is_an_error(reason: str, code: str):
    doc = said(candidate(reason=reason, finishMessage="print(x"), usage=COUNTED)

    stream = streamed(doc)
    assert not stream.endswith(DONE)
    assert (code, "print(x") == (folded(stream)["error"]["code"], folded(stream)["error"]["message"])
    assert code == whole(doc)["error"]["code"]


def test_a_blocked_prompt_is_an_empty_answer_with_the_reason():
    doc = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}

    stream = streamed(doc)
    assert stream.endswith(DONE)
    for answer in (folded(stream), whole(doc)):
        (choice,) = answer["choices"]
        assert "content_filter" == choice["finish_reason"]
        assert "The prompt was blocked: PROHIBITED_CONTENT." == choice["message"]["refusal"]
        assert 9 == answer["usage"]["prompt_tokens"]


def test_candidates_are_told_apart():
    stream = streamed(
        said(candidate({"text": "a"}), candidate({"text": "b"}, index=1)),
        said(candidate({"text": "A"}, reason="STOP"), candidate(WEATHER, reason="STOP", index=1)),
    )

    first, second = folded(stream)["choices"]
    assert ("aA", "stop") == (first["message"]["content"], first["finish_reason"])
    assert ("b", "tool_calls") == (second["message"]["content"], second["finish_reason"])


@pytest.mark.parametrize(
    "docs",
    [
        [],
        [said(candidate({"text": "a"}), usage=COUNTED)],
        [said(candidate({"text": "a"}, reason="STOP"), candidate({"text": "b"}, index=1))],
        [
            said(candidate({"text": "a"}, reason="STOP")),
            {"error": {"code": 503, "message": "x", "status": "UNAVAILABLE"}},
        ],
    ],
)
def test_a_stream_that_broke_off_is_never_complete(docs: list[Any]):
    assert DONE not in streamed(*docs)


def test_without_a_count_none_is_invented():
    answer = streamed(said(candidate({"text": "a"}, reason="STOP"), usage={"trafficType": "ON_DEMAND"}))

    assert answer.endswith(DONE)
    assert "usage" not in folded(answer)


@pytest.mark.parametrize(
    "sent",
    [
        b'data: {"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}\r\n\r\n',
        b'[{"error": {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"}}]\n\n',
        b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded.",\n    "status": "UNAVAILABLE"\n  }\n}\n\n',
    ],
)
def test_an_error_is_told_in_the_providers_words_however_it_is_framed(sent: bytes):
    decoder = DIALECT.decoder(target())
    (chunk,) = chunks_of(decoder.feed(sent))

    assert {"code": 503, "message": "Overloaded.", "status": "UNAVAILABLE"} == chunk["error"]
    assert b"" == decoder.end()


def test_a_comment_says_nothing():
    assert b"" == DIALECT.decoder(target()).feed(b": alive\n\n")


def test_what_is_no_json_is_damage():
    with pytest.raises(Undecodable):
        DIALECT.decoder(target()).feed(b'data: {"candidates": [}\r\n\r\n')


@pytest.mark.parametrize(
    "doc",
    [
        [],
        {"candidates": None},
        {"candidates": [3, {"content": 5}, {"content": {"parts": [None, {"text": 3}, {"functionCall": "x"}]}}]},
        {"usageMetadata": 3},
        {"promptFeedback": []},
        {"promptFeedback": {"blockReason": "BLOCKED_REASON_UNSPECIFIED"}},
        {"error": None},
        {"candidates": [{"index": [], "finishReason": {}}]},
        {"candidates": [{"index": "x", "groundingMetadata": 3, "logprobsResult": [], "thoughtSignature": 5}]},
        {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": 3, "data": 5}}, {"thoughtSignature": 1}]}}]},
        {"candidates": [{"content": {"parts": [{"functionCall": {"partialArgs": [3, {}]}}]}}]},
    ],
)
def test_a_wrong_type_reads_as_absent(doc: Any):
    assert b"" == streamed(doc)


def test_an_image_is_passed_on_with_its_signature():
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "Eh"}
    draft = {"inlineData": {"mimeType": "image/png", "data": "draft"}, "thought": True}
    doc = said(candidate(draft, picture, reason="STOP"))

    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    expected = [image | {"extra_content": {"google": {"thought_signature": "Eh"}}}]
    assert expected == folded(streamed(doc))["choices"][0]["message"]["images"]
    assert expected == whole(doc)["choices"][0]["message"]["images"]


def test_sources_are_cited_once():
    web = {"groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}, {"web": {}}]}
    stream = streamed(
        said(candidate({"text": "x"}, groundingMetadata=web)),
        said(candidate({"text": "y"}, reason="STOP", groundingMetadata=web)),
    )

    citation = {"url": "https://a.example", "title": "A", "start_index": 0, "end_index": 0}
    message = folded(stream)["choices"][0]["message"]
    assert [{"type": "url_citation", "url_citation": citation}] == message["annotations"]


def test_logprobs_take_openais_form():
    result = {
        "chosenCandidates": [{"token": "é", "tokenId": 5, "logProbability": -0.25}],
        "topCandidates": [
            {"candidates": [{"token": "é", "logProbability": -0.25}, {"token": "e", "logProbability": -2}]}
        ],
    }
    doc = said(candidate({"text": "é"}, reason="STOP", logprobsResult=result))

    likely = {"token": "é", "logprob": -0.25, "bytes": [195, 169]}
    top = [likely, {"token": "e", "logprob": -2, "bytes": [101]}]
    expected = {"content": [{**likely, "top_logprobs": top}], "refusal": None}
    assert expected == folded(streamed(doc))["choices"][0]["logprobs"]
    assert expected == whole(doc)["choices"][0]["logprobs"]


def test_the_time_of_an_answer_is_told_where_it_is_known():
    doc = said(candidate({"text": "x"}, reason="STOP"), createTime="2026-04-07T16:49:58.333958Z")
    assert (1775580598, 1775580598) == (folded(streamed(doc))["created"], whole(doc)["created"])
    assert 0 == whole(said(candidate(reason="STOP"), createTime="yesterday"))["created"]


@pytest.mark.parametrize("doc", [{"error": {"code": 429, "message": "m"}}, [{"error": {"code": 429, "message": "m"}}]])
def test_a_whole_error_keeps_its_words(doc: Any):
    assert {"error": {"code": 429, "message": "m"}} == whole(doc)


def test_streamed_or_not_the_same_is_said():
    parts = [{"text": "Hm.", "thought": True}, {"text": "Le"}, {"text": "ft."}, WEATHER]
    usage = {**COUNTED, "cachedContentTokenCount": 9, "serviceTier": "flex"}
    one = said(candidate(*parts, reason="STOP"), usage=usage)
    many = [said(candidate(part)) for part in parts] + [said(candidate(reason="STOP"), usage=usage)]

    first, second = whole(one), folded(streamed(*many))
    assert (first["choices"], first["usage"], first["service_tier"], first["id"]) == (
        second["choices"], second["usage"], second["service_tier"], second["id"],
    )  # fmt: skip


def test_however_the_bytes_are_cut_the_same_is_said():
    part, end = {"text": "ü"}, {"candidates": [{"finishReason": "STOP"}]}
    docs = [{"candidates": [{"content": {"parts": [part]}}]}, end | {"usageMetadata": {"promptTokenCount": 1}}]
    stream, expected = b"".join(map(event, docs)), streamed(*docs)

    assert DONE in expected
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            framer, decoder = Splitter(1 << 16), DIALECT.decoder(target())
            pieces = (stream[:first], stream[first:second], stream[second:])
            out = b"".join([decoder.feed(block) for piece in pieces if (block := framer.feed(piece))])
            assert expected == out + decoder.end()


@pytest.mark.parametrize(
    ("meta", "usage"),
    [
        (COUNTED, Usage(29, 60, reasoning_tokens=45)),
        ({**COUNTED, "cachedContentTokenCount": 20}, Usage(9, 60, 20, reasoning_tokens=45)),
        (
            {"promptTokenCount": 5, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 2, "totalTokenCount": 14},
            Usage(12, 2),
        ),
        # the candidates hold the thoughts already
        (
            {"promptTokenCount": 5, "candidatesTokenCount": 9, "thoughtsTokenCount": 4, "totalTokenCount": 14},
            Usage(5, 9, reasoning_tokens=4),
        ),
        ({"promptTokenCount": 5, "totalTokenCount": 14}, Usage(5, 9)),
        ({"promptTokenCount": 5, "candidatesTokenCount": -1, "trafficType": "ON_DEMAND_FLEX"}, Usage(5, tier="flex")),
        (
            {
                "promptTokenCount": 5,
                "candidatesTokenCount": 1,
                "promptTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 3},
                    {"modality": "TEXT", "tokenCount": 2},
                    3,
                ],
            },
            Usage(5, 1, input_audio_tokens=3),
        ),
    ],
)
def test_usage_is_counted_as_google_counts(meta: dict[str, Any], usage: Usage):
    answer = whole(said(candidate(reason="STOP"), usage=meta))

    read = usage_from_openai(answer["usage"], Quirks(), answer.get("service_tier"))
    assert usage._replace(input_audio_tokens=0) == read._replace(input_audio_tokens=0)
    assert usage.input_audio_tokens == answer["usage"]["prompt_tokens_details"].get("audio_tokens", 0)
