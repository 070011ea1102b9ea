"""A hub request as Anthropic's Messages API wants it."""

from __future__ import annotations

import re
from base64 import b64encode

import pytest

from dialects.anthropic.asking import HI, PNG, WEATHER, call, encode, messages, target
from proxy.dialects.quirks import Quirks
from proxy.errors import BadRequest, MissingField, Unsupported, WrongType


def test_results_come_first_however_late_they_are():
    found = messages(
        {"role": "user", "content": "go"},
        {"role": "assistant", "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "user", "content": "hurry"},
        {"role": "tool", "tool_call_id": "b", "content": "2", "is_error": True},
        tools=[WEATHER],
    )
    assert [
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "content": "2", "is_error": True},
        {"type": "text", "text": "hurry"},
    ] == found[2]["content"]


def test_turns_of_one_role_are_one_and_blank_text_is_none():
    found = messages(
        {"role": "user", "content": "a"}, {"role": "user", "content": " \n"}, {"role": "user", "content": "b"}
    )
    assert [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}] == found


def test_later_instructions_are_a_turn_where_the_model_knows_such():
    talk = [*HI, {"role": "system", "content": "Hurry."}, {"role": "assistant", "content": "ok"}, *HI]
    assert ["user", "system", "assistant", "user"] == [turn["role"] for turn in messages(*talk)]
    assert ["user", "assistant", "user"] == [turn["role"] for turn in messages(*talk, to="claude-sonnet-4-6")]
    first = messages(*talk, to="claude-sonnet-4-6")[0]
    assert ["hi", "Hurry."] == [block["text"] for block in first["content"]]


def test_later_instructions_never_part_a_call_from_its_result():
    found = messages(
        *HI,
        {"role": "assistant", "tool_calls": [call("a")]},
        {"role": "developer", "content": "Hurry."},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "user", "content": "so?"},
        tools=[WEATHER],
    )
    assert ["tool_result", "text", "text"] == [block["type"] for block in found[2]["content"]]


def test_instructions_alone_are_the_question():
    body = encode(messages=[{"role": "system", "content": "Say hi."}])
    assert [{"role": "user", "content": [{"type": "text", "text": "Say hi."}]}] == body["messages"]
    assert "system" not in body


def test_images_come_by_data_and_by_address():
    content = [{"type": "image_url", "image_url": {"url": url}} for url in (PNG, "https://x.test/a.png")]
    assert [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}},
    ] == messages({"role": "user", "content": content})[0]["content"]


@pytest.mark.parametrize(
    ("file", "block"),
    [
        (
            {"file_data": "data:application/pdf;base64,JVBERg==", "filename": "a.pdf"},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
             "title": "a.pdf"},
        ),
        ({"file_data": "JVBERg=="},
         {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}}),
        ({"file_url": "https://x.test/a.pdf"},
         {"type": "document", "source": {"type": "url", "url": "https://x.test/a.pdf"}}),
        ({"file_id": "file_abc"}, {"type": "document", "source": {"type": "file", "file_id": "file_abc"}}),
        (
            {"file_data": "data:text/plain;base64," + b64encode("héllo".encode()).decode()},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "héllo"}},
        ),
        ({"file_data": PNG},
         {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}),
    ],
)  # fmt: skip
def test_documents_keep_their_kind(file, block):
    assert [block] == messages({"role": "user", "content": [{"type": "file", "file": file}]})[0]["content"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,SUkq"}},
        {"type": "file", "file": {"file_id": "file-openai"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,UEs="}},
        {"type": "hologram"},
    ],
)
def test_what_cannot_be_shown_is_refused_or_told(part):
    talk = [{"role": "user", "content": [{"type": "text", "text": "see"}, part]}]
    with pytest.raises(Unsupported) as refused:
        encode(messages=talk)
    assert refused.value.param.startswith("messages[0].content[1]")
    lenient = target(lenient=True)
    assert [{"type": "text", "text": "see"}] == encode(lenient, messages=talk)["messages"][0]["content"]
    assert [refused.value.param] == lenient.dropped


def test_ids_no_other_provider_would_make_are_mapped_alike_in_call_and_result():
    talk = [*HI, {"role": "assistant", "tool_calls": [call("a.b:c")]}]
    found = messages(*talk, {"role": "tool", "tool_call_id": "a.b:c", "content": "1"}, tools=[WEATHER])
    made = found[1]["content"][0]["id"]
    assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", made)
    assert made == found[2]["content"][0]["tool_use_id"]


def test_what_anthropics_own_clients_say_goes_on():
    block = {"type": "container_upload", "file_id": "f"}
    body = encode(messages=[{"role": "user", "content": [block]}], container="c")
    assert ("c", [block]) == (body["container"], body["messages"][0]["content"])


def test_a_refusal_of_before_is_said_again():
    found = messages(*HI, {"role": "assistant", "content": None, "refusal": "I won't."}, *HI)
    assert [{"type": "text", "text": "I won't."}] == found[1]["content"]


def test_cache_marks_stay_on_parts_messages_and_the_system_prompt():
    mark = {"type": "ephemeral"}
    body = encode(
        messages=[
            {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": mark}]},
            {"role": "user", "content": [{"type": "text", "text": "a", "cache_control": mark}]},
            {"role": "assistant", "content": "b", "cache_control": mark, "tool_calls": [call("c")]},
            {"role": "tool", "tool_call_id": "c", "content": "1", "cache_control": mark},
        ],
        tools=[WEATHER],
    )
    first, second, third = body["messages"]
    assert mark == body["system"][0]["cache_control"] == first["content"][0]["cache_control"]
    assert mark == second["content"][1]["cache_control"] == third["content"][0]["cache_control"]
    assert "cache_control" not in second["content"][0]


def test_stop_is_a_list_and_blanks_are_refused():
    assert ["END"] == encode(stop="END")["stop_sequences"]
    lenient = target(lenient=True)
    assert ["END"] == encode(lenient, stop=["\n", "END"])["stop_sequences"]
    assert ["stop"] == lenient.dropped
    with pytest.raises(Unsupported, match="stop"):
        encode(stop="\n")


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, 128_000),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8, "max_tokens": 7}, 8),
    ],
)
def test_a_limit_is_always_sent(fields, limit):
    assert limit == encode(**fields)["max_tokens"]


def test_the_limit_known_of_the_deployment_is_kept():
    assert 4_000 == encode(target(max_output_tokens=4_000))["max_tokens"]
    assert 4_000 == encode(target(max_output_tokens=4_000), max_tokens=9_000)["max_tokens"]
    assert 64_000 == encode("claude-haiku-4-5")["max_tokens"]


def test_sampling_goes_where_it_is_taken():
    body = encode("claude-sonnet-4-6", temperature=1.7, top_k=5)
    assert (1, 5) == (body["temperature"], body["top_k"])
    assert {"temperature", "top_p"}.isdisjoint(encode(temperature=1, top_p=1.0))
    for name in ("temperature", "top_p", "top_k"):
        with pytest.raises(Unsupported, match=name):
            encode(**{name: 0.5})
    with pytest.raises(Unsupported, match="top_p"):
        encode("claude-sonnet-4-6", temperature=0.5, top_p=0.5)
    with pytest.raises(Unsupported, match="temperature"):
        encode("claude-sonnet-4-5", temperature=0.5, reasoning_effort="low")


def test_what_a_surface_filled_in_gives_way():
    to = target(filled_in=frozenset({"temperature"}))
    assert "temperature" not in encode(to, temperature=0.7)
    assert [] == to.dropped
    with pytest.raises(Unsupported, match="top_k"):
        encode(to, temperature=0.7, top_k=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [("n", 2), ("logprobs", True), ("seed", 7), ("logit_bias", {"1": 2}), ("frequency_penalty", 0.5), ("min_p", 0.1),
     ("presence_penalty", -1), ("modalities", ["audio"]), ("functions", [{}]), ("web_search_options", {})],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_its_name(name, value):
    with pytest.raises(Unsupported) as refused:
        encode(**{name: value})
    assert name == refused.value.param


def test_neutral_values_and_hints_are_no_reason_to_refuse():
    body = encode(
        n=1, logprobs=False, frequency_penalty=0, presence_penalty=0.0, logit_bias={}, seed=None, store=True,
        prompt_cache_key="k", metadata={"a": "b"}, provider="anthropic", modalities=["text"], stream_options=None,
    )  # fmt: skip
    assert {"model", "max_tokens", "messages"} == body.keys()


def test_who_asks_and_at_which_tier():
    body = encode(user="u-1", service_tier="default")
    assert ({"user_id": "u-1"}, "standard_only") == (body["metadata"], body["service_tier"])
    assert "auto" == encode(service_tier="auto")["service_tier"]
    assert "service_tier" not in encode(service_tier="priority")
    assert "metadata" not in encode(user="u" * 257)


def test_a_host_that_names_the_model_in_its_address_gets_no_model():
    quirks = Quirks(body_fields={"anthropic_version": "vertex-2023-10-16"}, model_in_path=True)
    body = encode(target(quirks=quirks), stream=True)
    assert "model" not in body
    assert ("vertex-2023-10-16", True) == (body["anthropic_version"], body["stream"])


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"messages": [{"role": "pope", "content": "x"}]}, BadRequest),
        ({"messages": [{"role": "tool", "content": "x"}]}, MissingField),
        ({"messages": [*HI, {"role": "assistant", "tool_calls": [call("a", "{")]}]}, BadRequest),
        ({"messages": [*HI, {"role": "assistant", "tool_calls": [{"function": {}}]}]}, BadRequest),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, BadRequest),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, BadRequest),
        ({"tools": "w"}, WrongType),
        ({"tools": [{"type": "function"}]}, BadRequest),
        ({"tools": [WEATHER], "tool_choice": "maybe"}, BadRequest),
        ({"stop": 7}, WrongType),
        ({"max_tokens": 7, "max_completion_tokens": 1.5}, WrongType),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/plain;base64,%%"}}]}
                ]
            },
            BadRequest,
        ),
        ({"temperature": "hot"}, WrongType),
        ({"response_format": {"type": "json_schema"}}, BadRequest),
    ],
)
def test_what_nobody_could_understand_is_no_lack_of_this_provider(fields, kind):
    with pytest.raises(kind) as raised:
        encode(**fields)
    assert not isinstance(raised.value, Unsupported)
    assert raised.value.param


def test_a_trailing_answer_is_continued_where_the_model_does():
    talk = [*HI, {"role": "assistant", "content": "Well, \n"}]
    assert "Well," == messages(*talk, to="claude-sonnet-4-5")[-1]["content"][0]["text"]
    with pytest.raises(Unsupported, match="messages"):
        messages(*talk)
