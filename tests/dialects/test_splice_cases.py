"""What exactly passes of a stream that goes on with another's, chunk by chunk."""

from __future__ import annotations

from typing import Any

import pytest
from cutting import DONE, USAGE, hear, splice

from fakes import chat
from proxy.dialects.splice import Continuer, Delivered, Divergence, NotSpliceable, Splicer


def fed(delivered: list[bytes], *stream: bytes) -> bytes:
    return b"".join(splice(delivered, list(stream)))


def deltas(passed: bytes) -> list[dict[str, Any]]:
    return [choice["delta"] for doc in hear([passed]).chunks for choice in doc["choices"]]


def test_only_the_end_passes_when_the_answers_are_equal():
    passed = fed([chat.chat_chunk("Hi")], *chat.chat_stream("H", "i", counts={}))

    assert b"".join([chat.final_chunk(), chat.usage_chunk(), DONE]) == passed


def test_the_last_text_and_the_finish_may_share_a_chunk():
    passed = fed([chat.chat_chunk("Hi")], chat.chat_chunk("Hi", finish_reason="length"), DONE)

    assert [{}] == deltas(passed)
    assert ["length"] == hear([passed]).finishes


def test_comments_pass_once_joined_and_usage_of_compared_chunks_never():
    splicer = Splicer(Delivered.read([chat.chat_chunk("Hi")]))

    assert b"" == splicer.feed(b": ping\n\n" + chat.chat_chunk("Hi", usage=USAGE) + b"data:\n\n")
    assert b": ping\r\n\r\n" == splicer.feed(b": ping\r\n\r\ndata: \n\n")
    assert b'"usage":' in splicer.feed(chat.chat_chunk("!", usage=USAGE))


def test_a_field_the_client_never_got_is_left_out():
    delivered = [
        b'data: {"id":"","model":"","choices":[]}\n\n',
        b'data: {"id":"a","choices":[{"delta":{"content":"H"}}]}\n\n',
        b'data: {"id":"a","created":7,"choices":[{"delta":{"content":"i"}}]}\n\n',
    ]
    passed = fed(delivered, chat.chat_chunk("Hi there", system_fingerprint="fp"))

    assert b'data: {"id":"a","choices":[{"index":0,"delta":{"content":" there"},"finish_reason":null}]}\n\n' == passed


def test_reasoning_goes_on_in_the_fields_it_began_in():
    delivered = [chat.chunk({"reasoning": "so", "reasoning_content": "so"})]
    passed = fed(delivered, chat.chunk({"reasoning": "so "}), chat.chunk({"reasoning_content": "it", "content": "Yes"}))

    assert [
        {"reasoning": " ", "reasoning_content": " "},
        {"reasoning": "it", "reasoning_content": "it", "content": "Yes"},
    ] == deltas(passed)


def test_a_text_completion_splices():
    def completion(text: str, finish: str = "null") -> bytes:
        return f'data: {{"id":"c","choices":[{{"index":0,"text":"{text}","finish_reason":{finish}}}]}}\n\n'.encode()

    passed = fed([completion("one t")], completion("one"), completion(" two"), completion("", '"stop"'), DONE)

    assert completion("wo") + completion("", '"stop"') + DONE == passed
    assert Delivered.read([completion("one")]).text is None
    assert completion("", '"stop"') == fed([completion("one")], completion("one", '"stop"'))


def test_a_text_that_stands_twice_in_a_chunk_is_compared_once():
    def chunk(text: str) -> bytes:
        return f'data: {{"choices":[{{"text":"{text}","delta":{{"content":"{text}","token_id":3}}}}]}}\n\n'.encode()

    assert chunk("b") == fed([chunk("a")], chunk("ab"))
    assert [{"content": "b"}] == deltas(fed([chunk("a")], chat.chat_chunk("ab")))


def call(**function: str) -> dict[str, Any]:
    return {"function": function}


def entries(passed: bytes) -> list[dict[str, Any]]:
    return [entry for delta in deltas(passed) for entry in delta.get("tool_calls", ())]


def test_a_call_that_repeats_its_id_keeps_the_delivered_one():
    first = {"index": 0, "id": "a", "type": "function"}
    second = first | {"id": "b"}
    passed = fed(
        [chat.chunk({"tool_calls": [first | call(name="f", arguments="{")]})],
        chat.chunk({"tool_calls": [second | call(name="f", arguments="")]}),
        chat.chunk({"tool_calls": [second | call(arguments='{"x"')]}),
        chat.chunk({"tool_calls": [second | call(arguments=":1}")]}),
        chat.chunk({"tool_calls": [second | {"index": 1, "id": "c"} | call(name="g", arguments="{}")]}),
    )

    assert [
        first | call(arguments='"x"'),
        first | call(arguments=":1}"),
        first | {"index": 1, "id": "c"} | call(name="g", arguments="{}"),
    ] == entries(passed)


def test_a_whole_call_loses_what_was_delivered_of_it():
    delivered = [
        chat.chunk({"tool_calls": [{"index": 0, "id": "a", "type": "function"} | call(name="f", arguments="")]})
    ]
    extra = {"extra_content": {"google": {"thought_signature": "s"}}}
    passed = fed(delivered, chat.chunk({"tool_calls": [{"id": "b"} | extra | call(name="f", arguments="{}")]}))

    assert [{"index": 0} | call(arguments="{}")] == entries(passed)


def test_a_call_of_which_only_the_id_came_is_expected():
    delivered = [chat.chunk({"tool_calls": [{"index": 0, "id": "a"}]})]

    with pytest.raises(Divergence, match="goes on with content at character 0 of tool call 0"):
        fed(delivered, chat.chat_chunk("Hi"))
    assert [{"index": 0} | call(name="f")] == entries(
        fed(delivered, chat.chunk({"tool_calls": [{"id": "b"} | call(name="f")]}))
    )


def test_calls_that_all_have_index_zero_are_told_apart_by_name_and_id():
    """Gemini's compatible endpoint numbers each of several calls 0."""

    def whole(index: int, name: str) -> bytes:
        return chat.chunk({"tool_calls": [{"index": index, "id": f"id-{name}"} | call(name=name, arguments="{}")]})

    assert [{"index": 1, "id": "id-g"} | call(name="g", arguments="{}")] == entries(
        fed([whole(0, "f")], whole(0, "f"), whole(0, "g"))
    )
    passed = fed([whole(0, "f"), whole(0, "g")], whole(0, "f"), whole(1, "g"), whole(2, "h"))
    assert [{"index": 1, "id": "id-h"} | call(name="h", arguments="{}")] == entries(passed)


def test_pieces_of_a_call_without_an_index_belong_to_the_last():
    first = chat.chunk({"tool_calls": [{"id": "a"} | call(name="f", arguments="{")]})
    passed = fed(
        [first],
        first,
        chat.chunk({"tool_calls": [call(arguments="1")]}),
        chat.chunk({"tool_calls": [{"id": "a"} | call(arguments="}")]}),
    )

    assert [{"index": 0} | call(arguments="1"), {"index": 0, "id": "a"} | call(arguments="}")] == entries(passed)


def test_an_id_that_comes_late_is_kept():
    delivered = [
        chat.chunk({"tool_calls": [{"index": 0} | call(name="f", arguments="")]}),
        chat.chunk({"tool_calls": [{"index": 0, "id": "a"} | call(name="f", arguments="{")]}),
    ]

    assert "a" == Delivered.read(delivered).calls[0].id


@pytest.mark.parametrize("kind", ["function_call", "custom"])
def test_other_kinds_of_call_splice(kind: str):
    def chunk(name: str, text: str, finish: str | None = None) -> bytes:
        delta: dict[str, Any] = {"function_call": {"name": name, "arguments": text}}
        if kind == "custom":
            custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": name, "input": text}}
            delta = {"tool_calls": [custom]}
        return chat.chunk(delta, finish_reason=finish)

    (rest,) = deltas(fed([chunk("f", "abc")], chunk("f", "abcd")))
    (nothing,) = deltas(fed([chunk("f", "abc")], chunk("f", "ab"), chunk("", "c", finish="stop")))

    assert rest in ({"function_call": {"arguments": "d"}}, {"tool_calls": [{"index": 0, "custom": {"input": "d"}}]})
    assert {} == nothing


def test_token_lists_of_a_cut_chunk_are_removed():
    event = b'data: {"choices":[{"delta":{"content":"ab"},"logprobs":{"content":[{"token":"ab"}]}}]}\n\n'

    assert b'data: {"choices":[{"delta":{"content":"b"}}]}\n\n' == fed(
        [b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'], event
    )


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (chat.chunk({"reasoning": "hm"}), "goes on with reasoning at character 1 of content"),
        (chat.chat_chunk("H", index=1), "several choices"),
        (b'data: {"choices":[{"delta":{"content":"H"}},{"delta":{"content":"H"}}]}\n\n', "several choices"),
        (chat.chunk({"content": [{"type": "text", "text": "i"}]}), "content that is no text"),
        (chat.chunk({"content": "i", "audio": {"data": "AA"}}), "the field 'audio'"),
        (chat.chunk({"tool_calls": "f"}), "no list of objects"),
        (chat.chunk({"reasoning": "a", "reasoning_content": "b"}), "two texts for reasoning"),
        (b"data: <html>\n\n", "not JSON"),
        (b'data: {"x":NaN}\n\n', "not JSON"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "not JSON"),
        (b"data: 7\n\n", "no object"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_a_divergence(event: bytes, reason: str):
    splicer = Splicer(Delivered.read([chat.chat_chunk("Hi")]))
    splicer.feed(chat.chat_chunk("H"))

    with pytest.raises(Divergence, match=reason):
        splicer.feed(event)


def test_going_on_where_another_lane_followed_is_a_divergence():
    splicer = Splicer(Delivered.read([chat.chunk({"reasoning": "hm", "content": "Hi"})]))

    with pytest.raises(Divergence, match="goes on at character 2 of reasoning"):
        splicer.feed(chat.chunk({"reasoning": "hmm"}))


def test_a_second_choice_is_refused_after_joining_too():
    splicer = Splicer(Delivered.read([chat.chat_chunk("Hi")]))
    splicer.feed(chat.chat_chunk("Hi"))

    with pytest.raises(Divergence, match="several choices"):
        splicer.feed(chat.chat_chunk("!", index=1))


def test_an_answer_that_has_ended_needs_nobody():
    ended = Delivered.read(chat.chat_stream("Hi"))

    assert ended.is_finished
    for kind in (Splicer, Continuer):
        with pytest.raises(NotSpliceable, match="has ended already"):
            kind(ended)


def test_new_calls_are_numbered_after_the_delivered():
    """Some servers count content blocks, so that the first call is not 0."""

    def whole(index: int, name: str) -> bytes:
        return chat.chunk({"tool_calls": [{"index": index, "id": f"id-{name}"} | call(name=name, arguments="{}")]})

    passed = fed([whole(1, "f")], whole(0, "f"), whole(1, "g"), whole(2, "h"))

    assert [2, 3] == [entry["index"] for entry in entries(passed)]


def test_calls_without_index_and_id_are_told_apart_by_name():
    both = chat.chunk({"tool_calls": [call(name="f", arguments="{}"), call(name="g", arguments="{}")]})

    assert [{"index": 1} | call(name="g", arguments="{}")] == entries(
        fed([chat.chunk({"tool_calls": [call(name="f", arguments="{}")]})], both)
    )


def test_a_difference_in_the_upper_byte_of_a_character_is_placed_too():
    splicer = Splicer(Delivered.read([chat.chat_chunk("xa")]))

    with pytest.raises(Divergence, match="differs at character 1 of content"):
        splicer.feed(chat.chat_chunk("x\u0161"))
