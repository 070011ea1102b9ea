"""The hub's messages as Converse's turns and blocks."""

from __future__ import annotations

from typing import Any

import pytest
from converse_requests import (
    CLAUDE,
    HAIKU_3,
    LLAMA,
    NOVA,
    SONNET_4,
    SONNET_45,
    USER,
    asks,
    body,
    body_of,
    call,
    result,
    told,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.bedrock.turns import NO_OUTPUT, OPENING, legal_id
from proxy.dialects.dialect import Target
from proxy.errors import BadRequest, Unsupported, WrongType

TOKEN = "QUJD"
PNG = f"data:image/png;base64,{TOKEN}"
PDF = f"data:application/pdf;base64,{TOKEN}"


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


def text(words: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **fields}


def image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def file(**fields: Any) -> dict[str, Any]:
    return {"type": "file", "file": fields}


def test_system_messages_that_lead_are_the_system_prompt():
    doc = {
        "messages": [{"role": "system", "content": "A"}, {"role": "developer", "content": [text("B"), text(" ")]}, USER]
    }
    found = body_of(doc, Target(SONNET_4))

    assert [{"text": "A"}, {"text": "B"}] == found["system"]
    assert [{"role": "user", "content": [{"text": "Hello"}]}] == found["messages"]


def test_a_later_system_message_is_told_where_it_stands():
    found = told(USER, {"role": "assistant", "content": "Hi"}, {"role": "system", "content": "Be brief"}, USER)

    assert [{"text": "Be brief"}, {"text": "Hello"}] == found[2]["content"]


def test_turns_alternate_and_the_user_begins():
    found = told({"role": "assistant", "content": "Hi"}, {"role": "assistant", "content": "there"}, USER, USER)

    assert [
        {"role": "user", "content": [{"text": OPENING}]},
        {"role": "assistant", "content": [{"text": "Hi"}, {"text": "there"}]},
        {"role": "user", "content": [{"text": "Hello"}, {"text": "Hello"}]},
    ] == found


def test_blank_text_is_left_out_and_so_is_a_turn_with_nothing_else():
    found = told(USER, {"role": "assistant", "content": " \n"}, user(text("\t"), text("x")))

    assert [{"role": "user", "content": [{"text": "Hello"}, {"text": "x"}]}] == found


def test_a_conversation_of_nothing_is_refused():
    with pytest.raises(BadRequest, match="something to answer"):
        told({"role": "user", "content": " "})


def test_calls_and_their_results_go_together_in_one_turn_each():
    messages = [
        USER, asks(call("t1", "w", '{"c": "Paris"}'), call("t2", "w", ""), content="On it."),
        result("t1", "20C"), result("t2", [text("25C"), image(PNG)], is_error=True), user(text("So?")),
    ]  # fmt: skip
    found = told(*messages)

    assert [
        {"text": "On it."},
        {"toolUse": {"toolUseId": "t1", "name": "w", "input": {"c": "Paris"}}},
        {"toolUse": {"toolUseId": "t2", "name": "w", "input": {}}},
    ] == found[1]["content"]
    picture = {"image": {"format": "png", "source": {"bytes": TOKEN}}}
    assert [
        {"toolResult": {"toolUseId": "t1", "content": [{"text": "20C"}]}},
        {"toolResult": {"toolUseId": "t2", "content": [{"text": "25C"}, picture], "status": "error"}},
        {"text": "So?"},
    ] == found[2]["content"]


def test_results_lead_their_turn_whatever_stood_before_them():
    found = told(USER, asks(call("t1", "w"), call("t2", "w")), {"role": "system", "content": "S"},
                 result("t1", "a"), user(text("b")), result("t2", "c"))  # fmt: skip

    assert ["toolResult", "toolResult", "text", "text"] == [next(iter(block)) for block in found[2]["content"]]
    assert ["t1", "t2"] == [block["toolResult"]["toolUseId"] for block in found[2]["content"][:2]]


@pytest.mark.parametrize("content", ["", " ", None, []])
def test_a_tool_that_says_nothing_says_so(content: Any):
    [found] = told(USER, asks(call("t1", "w")), result("t1", content))[2]["content"]

    assert [{"text": NO_OUTPUT}] == found["toolResult"]["content"]


@pytest.mark.parametrize("call_id", ["functions.w:0", "a b", "x" * 65, "\u00e9", "call|1"])
def test_an_id_that_bedrock_refuses_is_another_the_same_in_call_and_result(call_id: str):
    found = told(USER, asks(call(call_id, "w")), result(call_id, "x"))
    used = found[1]["content"][0]["toolUse"]["toolUseId"]

    assert used == found[2]["content"][0]["toolResult"]["toolUseId"]
    assert used.isascii()
    assert len(used) <= 64
    assert used != legal_id(call_id + "2")


def test_a_legal_id_stays():
    assert "toolu_bdrk-01" == told(USER, asks(call("toolu_bdrk-01", "w")))[1]["content"][0]["toolUse"]["toolUseId"]


def test_a_call_without_an_id_has_one_of_its_own():
    first, second = told(USER, asks(call("", "w"), call("", "w")))[1]["content"]

    assert first["toolUse"]["toolUseId"] != second["toolUse"]["toolUseId"]


def test_a_refusal_is_what_the_assistant_said():
    assert [{"text": "No."}] == told(USER, {"role": "assistant", "content": None, "refusal": "No."})[1]["content"]
    parts = [{"type": "refusal", "refusal": "No."}]
    assert [{"text": "No."}] == told(USER, {"role": "assistant", "content": parts})[1]["content"]


THOUGHT = {"type": "reasoning.text", "text": "hm", "signature": "c2ln", **CLAUDE}
SIGNED = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "c2ln"}}}


def test_claude_gets_its_thoughts_back_first():
    hidden = {"type": "reasoning.encrypted", "data": "AAE=", **CLAUDE}
    found = told(USER, asks(call("t1", "w"), content="x", reasoning_details=[THOUGHT, hidden]))[1]["content"]

    assert [SIGNED, {"reasoningContent": {"redactedContent": "AAE="}}, {"text": "x"}] == found[:3]


def test_thoughts_that_came_in_pieces_are_put_together():
    pieces = [{**THOUGHT, "text": "h", "signature": None}, {**THOUGHT, "text": "m", "signature": None},
              {**THOUGHT, "text": ""}]  # fmt: skip

    assert [SIGNED] == told(USER, {"role": "assistant", "content": None, "reasoning_details": pieces})[1]["content"]
    again = [pieces[0], THOUGHT, THOUGHT]
    assert [SIGNED, SIGNED] == told(USER, {"role": "assistant", "reasoning_details": again})[1]["content"]


@pytest.mark.parametrize(
    "details",
    [
        [{**THOUGHT, "format": "google-gemini-v1"}], [{**THOUGHT, "format": None}], [{**THOUGHT, "signature": ""}],
        [{"type": "reasoning.summary", "summary": "s", **CLAUDE}], ["x"], "x", [{"type": "reasoning.text"}],
    ],
)  # fmt: skip
def test_thoughts_of_others_or_without_proof_are_not_sent(details: Any):
    message = {"role": "assistant", "content": "x", "reasoning_content": "hm", "reasoning_details": details}

    assert [{"text": "x"}] == told(USER, message)[1]["content"]


def test_other_models_get_no_thoughts():
    assert [{"text": "x"}] == told(
        USER, {"role": "assistant", "content": "x", "reasoning_details": [THOUGHT]}, model=LLAMA
    )[1]["content"]


def test_thoughts_the_client_lost_are_remembered_by_the_call():
    memory = {"t2": {"reasoning_details": [THOUGHT]}}
    doc = {"messages": [USER, asks(call("t1", "w"), call("t2", "w")), result("t1", "x"), result("t2", "y")]}
    found = body_of(doc, Target(SONNET_4, recall=memory.get))

    assert SIGNED == found["messages"][1]["content"][0]


CACHED = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
POINT = {"cachePoint": {"type": "default"}}
HOUR_POINT = {"cachePoint": {"type": "default", "ttl": "1h"}}


def test_a_cache_point_stands_behind_what_is_marked():
    messages = [
        {"role": "system", "content": [text("S", **CACHED), text("T")]}, user(text("a", **CACHED), text("b")),
        asks(call("t1", "w"), **CACHED), result("t1", [text("x", **CACHED)]), {**USER, **CACHED},
    ]  # fmt: skip
    found = body_of({"messages": messages}, Target(SONNET_4))

    assert [{"text": "S"}, POINT, {"text": "T"}] == found["system"][:3]
    assert [{"text": "a"}, POINT, {"text": "b"}] == found["messages"][0]["content"]
    assert POINT == found["messages"][1]["content"][-1]
    kinds = [next(iter(block)) for block in found["messages"][2]["content"]]
    assert ["toolResult", "cachePoint", "text", "cachePoint"] == kinds


@pytest.mark.parametrize(
    ("model", "blocks"),
    [(SONNET_45, [HOUR_POINT]), (SONNET_4, [POINT]), (NOVA, [POINT]), (HAIKU_3, []), (LLAMA, [])],
)
def test_only_a_model_that_knows_cache_points_gets_one(model: str, blocks: list[dict[str, Any]]):
    assert [{"text": "a"}, *blocks] == told(user(text("a", **HOUR)), model=model)[0]["content"]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (image(PNG), {"image": {"format": "png", "source": {"bytes": TOKEN}}}),
        (image(f"data:image/jpg;base64,{TOKEN}"), {"image": {"format": "jpeg", "source": {"bytes": TOKEN}}}),
        ({"type": "image_url", "image_url": PNG}, {"image": {"format": "png", "source": {"bytes": TOKEN}}}),
        (image("s3://my-bucket/a/b.webp"),
         {"image": {"format": "webp", "source": {"s3Location": {"uri": "s3://my-bucket/a/b.webp"}}}}),
        ({"type": "video_url", "video_url": {"url": f"data:video/quicktime;base64,{TOKEN}"}},
         {"video": {"format": "mov", "source": {"bytes": TOKEN}}}),
        ({"type": "input_audio", "input_audio": {"data": TOKEN, "format": "wav"}},
         {"audio": {"format": "wav", "source": {"bytes": TOKEN}}}),
        (file(file_data=PDF, filename="paper.pdf"),
         {"document": {"format": "pdf", "name": "paper", "source": {"bytes": TOKEN}}}),
        (file(file_data=TOKEN, filename="a_b..c!.docx"),
         {"document": {"format": "docx", "name": "a b c", "source": {"bytes": TOKEN}}}),
        (file(file_data="data:text/plain,ABC"),
         {"document": {"format": "txt", "name": "document", "source": {"bytes": TOKEN}}}),
        (file(file_url="s3://my-bucket/x.md", filename="notes"),
         {"document": {"format": "md", "name": "notes", "source": {"s3Location": {"uri": "s3://my-bucket/x.md"}}}}),
    ],
)  # fmt: skip
def test_every_kind_of_part_has_its_block(part: dict[str, Any], block: dict[str, Any]):
    assert [block, {"text": "?"}] == told(user(part, text("?")))[0]["content"]


@pytest.mark.parametrize(
    "part",
    [
        image("https://x.test/a.png"), image("s3://UPPER/a.png"), image("file:///etc/passwd"),
        image(f"data:image/tiff;base64,{TOKEN}"), image("s3://my-bucket/a"), file(file_id="file-1"), file(),
        file(file_data=TOKEN), file(file_url="https://x.test/a.pdf"), file(file_data="data:application/zip;base64,AA"),
        {"type": "input_audio", "input_audio": {"data": TOKEN, "format": "midi"}}, {"type": "odd"}, {"x": 1},
    ],
)  # fmt: skip
def test_what_bedrock_cannot_take_is_refused_or_left_out_and_told(part: dict[str, Any]):
    with pytest.raises(Unsupported) as caught:
        told(user(text("a"), part))
    assert caught.value.param is not None
    assert caught.value.param.startswith("messages[0].content[1]")

    target = Target(SONNET_4, lenient=True)
    found = body_of({"messages": [user(text("a"), part)]}, target)
    assert [{"text": "a"}] == found["messages"][0]["content"]
    assert [caught.value.param] == target.dropped


def test_sound_in_a_result_is_refused():
    sound = {"type": "input_audio", "input_audio": {"data": TOKEN, "format": "wav"}}
    with pytest.raises(Unsupported):
        told(USER, asks(call("t1", "w")), result("t1", [sound]))


def test_an_image_in_the_system_prompt_is_refused():
    with pytest.raises(Unsupported):
        told({"role": "system", "content": [image(PNG)]}, USER)


def test_documents_have_names_of_their_own_and_text_beside_them():
    files = [file(file_data=PDF, filename="a.pdf"), file(file_data=PDF, filename="a.txt"), file(file_data=PDF)]
    first, second = told(user(*files), {"role": "assistant", "content": "x"}, user(file(file_data=PDF)))[::2]

    assert ["a", "a 2", "document"] == [block["document"]["name"] for block in first["content"][:3]]
    assert {"text": "a"} == first["content"][3]
    assert "document 2" == second["content"][0]["document"]["name"]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "judge", "content": "x"}, "messages[1]"),
        ({"role": "user", "content": 7}, "messages[1].content"),
        ({"role": "user", "content": [{"type": "text", "text": 7}]}, "messages[1].content[0]"),
        ({"role": "user", "content": [{"type": "image_url"}]}, "messages[1].content[0].image_url"),
        ({"role": "user", "content": [image("data:x")]}, "messages[1].content[0].image_url"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "messages[1].content[0].input_audio"),
        ({"role": "tool", "content": "x"}, "messages[1].tool_call_id"),
        (asks(call("t", "w", "{")), "messages[1].tool_calls[0]"),
        (asks({"id": "t", "type": "custom", "custom": {"name": "w"}}), "messages[1].tool_calls[0]"),
    ],
)
def test_what_cannot_be_understood_is_named(message: dict[str, Any], param: str):
    with pytest.raises(BadRequest) as caught:
        body(messages=[USER, message])
    assert param == caught.value.param
    assert isinstance(caught.value, BadRequest | WrongType)


ROLES = st.sampled_from(["system", "user", "assistant", "tool"])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=10)
MESSAGES = st.lists(st.tuples(ROLES, TEXTS, st.integers(0, 2)), min_size=1, max_size=10)


@given(MESSAGES)
@settings(max_examples=300, derandomize=True, deadline=None)
def test_no_word_is_lost_or_moved_before_another(given_messages: list[tuple[str, str, int]]):
    """Any order of roles becomes turns that AWS's client finds valid, with every call, result and text in them."""
    messages: list[dict[str, Any]] = []
    for place, (role, words, calls) in enumerate(given_messages):
        message: dict[str, Any] = {"role": role, "content": words}
        if role == "assistant" and calls:
            message["tool_calls"] = [call(f"t{place}-{number}", "w") for number in range(calls)]
        if role == "tool":
            message["tool_call_id"] = f"t{place}"
        messages.append(message)
    try:
        found = body_of({"messages": messages}, Target(SONNET_4))
    except BadRequest as error:
        assert "messages" == error.param  # noqa: PT017 - most of them are fine
        return
    blocks = [block for message in found["messages"] for block in message["content"]]
    said = [m["content"] for m in messages if m["content"].strip() and m["role"] != "tool"]
    system = [block["text"] for block in found.get("system", [])]
    texts = [block["text"] for block in blocks if "text" in block and block["text"] != OPENING]
    assert said == [words for words in (*system, *texts) if words in said]
    sent = [one["id"] for m in messages for one in m.get("tool_calls", [])]
    assert sent == [block["toolUse"]["toolUseId"] for block in blocks if "toolUse" in block]
    answered = [m["tool_call_id"] for m in messages if m["role"] == "tool"]
    assert answered == [block["toolResult"]["toolUseId"] for block in blocks if "toolResult" in block]
