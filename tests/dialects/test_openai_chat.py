"""Requests are read for routing, and written anew only where a deployment needs it."""

from __future__ import annotations

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects import oneinfer_request
from proxy.dialects.dialect import Target
from proxy.dialects.openai_chat import decode, encode, injects_usage
from proxy.dialects.quirks import OPENAI_TIERS, MaxTokens, Quirks, StreamOptions
from proxy.dialects.request import OPERATION_PATHS, ModelRequest, Operation
from proxy.errors import BadRequest, GatewayError, InvalidJson, MissingField, WrongType

HI = [{"role": "user", "content": "hi"}]


def request(operation: Operation = Operation.CHAT, **fields: Any) -> ModelRequest:
    doc = {"model": "m", **({"messages": HI} if operation is Operation.CHAT else {}), **fields}
    return decode(operation, orjson.dumps(doc))


def sent(asked: ModelRequest, quirks: Quirks | None = None, *, tier: str = "default", model: str = "m"):
    before = copy.deepcopy(asked.doc)
    body = encode(asked, Target(model, tier, quirks or Quirks()))
    assert before == asked.doc
    return orjson.loads(body)


@pytest.mark.parametrize(
    ("operation", "fields"),
    [
        (Operation.CHAT, {"temperature": 1, "unknown": {"a": 1}, "n": 2}),
        (Operation.CHAT, {"provider": {"order": ["a"]}}),
        (Operation.TEXT_COMPLETION, {"prompt": "x", "max_tokens": 3}),
        (Operation.EMBEDDINGS, {"input": ["x"]}),
        (Operation.RESPONSES, {"input": "x", "stream": True}),
        (Operation.RESPONSES, {"prompt": {"id": "p"}}),
    ],
)
def test_what_need_not_change_is_sent_as_the_very_bytes(operation: Operation, fields: dict[str, Any]):
    asked = request(operation, **fields)
    quirks = Quirks(max_tokens=MaxTokens.LEGACY)

    assert asked.raw is encode(asked, Target("m", quirks=quirks))


@pytest.mark.parametrize(
    ("operation", "body", "kind", "param"),
    [
        (Operation.CHAT, b"", InvalidJson, None),
        (Operation.CHAT, b"[]", InvalidJson, None),
        (Operation.CHAT, b'{"model":"m" // with streaming\n}', InvalidJson, None),
        (Operation.CHAT, b'{"model":"\xff"}', InvalidJson, None),
        (Operation.CHAT, b'{"messages":[{}]}', MissingField, "model"),
        (Operation.CHAT, b'{"model":"","messages":[{}]}', MissingField, "model"),
        (Operation.CHAT, b'{"model":7,"messages":[{}]}', WrongType, "model"),
        (Operation.CHAT, b'{"model":"a\\nb","messages":[{}]}', BadRequest, "model"),
        (Operation.CHAT, b'{"model":"a\\u0000","messages":[{}]}', BadRequest, "model"),
        (Operation.CHAT, orjson.dumps({"model": "m" * 257, "messages": HI}), BadRequest, "model"),
        (Operation.CHAT, b'{"model":"m"}', MissingField, "messages"),
        (Operation.CHAT, b'{"model":"m","messages":[]}', MissingField, "messages"),
        (Operation.CHAT, b'{"model":"m","messages":"hi"}', WrongType, "messages"),
        (Operation.CHAT, b'{"model":"m","messages":[{},"hi"]}', WrongType, "messages[1]"),
        (Operation.CHAT, b'{"model":"m","messages":[{}],"stream":"yes"}', WrongType, "stream"),
        (Operation.CHAT, b'{"model":"m","messages":[{}],"stream_options":7}', WrongType, "stream_options"),
        (Operation.CHAT, b'{"model":"m","messages":[{}],"service_tier":7}', WrongType, "service_tier"),
        (Operation.CHAT, b'{"model":"m","messages":[{}],"max_tokens":"7"}', WrongType, "max_tokens"),
        (Operation.CHAT, b'{"model":"m","messages":[{}],"max_tokens":true}', WrongType, "max_tokens"),
        (Operation.TEXT_COMPLETION, b'{"model":"m"}', MissingField, "prompt"),
        (Operation.EMBEDDINGS, b'{"model":"m","input":[]}', MissingField, "input"),
    ],
)
def test_what_cannot_be_sent_is_refused(operation: Operation, body: bytes, kind: type[GatewayError], param):
    with pytest.raises(kind) as caught:
        decode(operation, body)

    assert kind is type(caught.value)
    assert param == caught.value.param


def test_what_routing_needs_is_read():
    asked = request(
        stream=True, stream_options={"include_usage": True}, service_tier="flex", max_completion_tokens=70,
        prompt_cache_key="", user="u" * 300,
    )  # fmt: skip

    assert (True, True, "flex", 70, "u" * 256) == (
        asked.stream, asked.wants_usage, asked.service_tier, asked.max_output_tokens, asked.session,
    )  # fmt: skip
    assert asked.raw is not None
    assert len(asked.raw) // 4 == asked.prompt_tokens


@pytest.mark.parametrize("limits", [{"max_tokens": None}, {"max_tokens": 0}, {"max_tokens": -1}, {}])
def test_a_limit_that_is_none_is_none(limits: dict[str, Any]):
    assert request(**limits).max_output_tokens is None


@pytest.mark.parametrize("tier", [None, "auto", "default", "priority", "scale"])
def test_only_flex_is_routed_as_flex(tier: str | None):
    assert "default" == request(service_tier=tier).service_tier


def test_an_alias_is_sent_under_the_providers_own_name():
    assert "real" == sent(request(), model="real")["model"]


@pytest.mark.parametrize("field", ["endpoint_id", "target_namespace", "provider"])
def test_the_gateways_own_fields_stay_here(field: str):
    assert {"model": "m", "messages": HI} == sent(request(**{field: "x"}))


GROQ_TIERS = {"default": "on_demand", "flex": "flex"}


@pytest.mark.parametrize(
    ("given", "tier", "tiers", "wanted"),
    [
        (None, "default", OPENAI_TIERS, None),
        (None, "flex", OPENAI_TIERS, "flex"),
        (None, "flex", {}, None),
        ("flex", "flex", OPENAI_TIERS, "flex"),
        ("flex", "flex", {}, None),
        ("flex", "default", OPENAI_TIERS, "default"),
        ("flex", "default", {"flex": "flex"}, None),
        ("priority", "default", OPENAI_TIERS, "priority"),
        ("priority", "default", GROQ_TIERS, None),
        ("default", "default", GROQ_TIERS, "on_demand"),
        ("on_demand", "default", GROQ_TIERS, "on_demand"),
        ("auto", "default", {}, None),
    ],
)
def test_the_tier_is_sent_as_the_provider_names_it(given, tier: str, tiers: dict[str, str], wanted: str | None):
    fields = {} if given is None else {"service_tier": given}

    assert wanted == sent(request(**fields), Quirks(tiers=tiers), tier=tier).get("service_tier")


@pytest.mark.parametrize(
    ("rule", "fields", "wanted"),
    [
        (MaxTokens.LEGACY, {"max_completion_tokens": 5}, {"max_tokens": 5}),
        (MaxTokens.LEGACY, {"max_completion_tokens": 5, "max_tokens": 6}, {"max_tokens": 6}),
        (MaxTokens.COMPLETION, {"max_tokens": 5}, {"max_completion_tokens": 5}),
        (MaxTokens.COMPLETION, {"max_completion_tokens": 5}, {"max_completion_tokens": 5}),
        (MaxTokens.EITHER, {"max_tokens": 5}, {"max_tokens": 5}),
    ],
)
def test_the_output_limit_is_sent_under_the_name_the_provider_knows(rule: MaxTokens, fields, wanted: dict[str, int]):
    assert {"model": "m", "messages": HI, **wanted} == sent(request(**fields), Quirks(max_tokens=rule))


def test_fields_are_renamed_and_dropped():
    messages = [{"role": "user", "content": "hi", "name": "bob"}, {"role": "user", "content": "x"}]
    quirks = Quirks(
        renamed={"seed": "random_seed"}, dropped=frozenset({"logprobs"}), dropped_message_fields=frozenset({"name"})
    )
    body = sent(request(messages=messages, seed=7, logprobs=True), quirks)

    stripped = [{"role": "user", "content": "hi"}, {"role": "user", "content": "x"}]
    assert {"model": "m", "messages": stripped, "random_seed": 7} == body
    clean = request()
    assert clean.raw is encode(clean, Target("m", quirks=quirks))


@pytest.mark.parametrize(
    ("operation", "fields", "rule", "wanted"),
    [
        (Operation.CHAT, {"stream": True}, StreamOptions.INJECT, True),
        (Operation.CHAT, {"stream": True, "stream_options": {"include_usage": False}}, StreamOptions.INJECT, True),
        (Operation.CHAT, {"stream": True, "stream_options": {"include_usage": True}}, StreamOptions.INJECT, False),
        (Operation.CHAT, {}, StreamOptions.INJECT, False),
        (Operation.CHAT, {"stream": True}, StreamOptions.PASS, False),
        (Operation.CHAT, {"stream": True}, StreamOptions.REFUSE, False),
        (Operation.TEXT_COMPLETION, {"prompt": "x", "stream": True}, StreamOptions.INJECT, True),
        (Operation.RESPONSES, {"input": "x", "stream": True}, StreamOptions.INJECT, False),
    ],
)
def test_usage_is_asked_for_only_where_it_must_be(operation, fields, rule: StreamOptions, wanted):
    assert wanted == injects_usage(request(operation, **fields), Quirks(stream_options=rule))


def test_asking_for_usage_keeps_the_other_options():
    asked = request(stream=True, stream_options={"include_obfuscation": False})

    assert {"include_obfuscation": False, "include_usage": True} == sent(asked)["stream_options"]
    assert {"include_usage": True} == sent(request(stream=True))["stream_options"]


def test_options_are_removed_where_they_are_refused():
    asked = request(stream=True, stream_options={"include_usage": True})

    assert "stream_options" not in sent(asked, Quirks(stream_options=StreamOptions.REFUSE))


@pytest.mark.parametrize("fields", [{}, {"service_tier": "flex"}])
def test_what_is_nested_too_deeply_to_be_written_is_the_clients_fault(fields: dict[str, Any]):
    """More levels can be read than written: as long as nothing changes, it passes."""
    body = orjson.dumps({"model": "m", "messages": [{"role": "user"}], "x": 0, **fields})
    body = body.replace(b'"x":0', b'"x":' + b"[" * 500 + b"]" * 500)
    asked = decode(Operation.CHAT, body)
    if not fields:
        assert body == encode(asked, Target("m", quirks=Quirks()))

    with pytest.raises(BadRequest):
        encode(asked, Target("other", quirks=Quirks()))


def test_a_request_without_raw_bytes_is_written():
    asked = request()
    asked.raw = None

    assert asked.doc == sent(asked)


@given(
    st.binary(max_size=40) | st.dictionaries(st.text(max_size=3), st.integers() | st.text()).map(str).map(str.encode)
)
def test_no_body_is_read_or_raises_anything_else(body: bytes):
    for operation in Operation:
        with pytest.raises(BadRequest):
            decode(operation, body)


@pytest.mark.parametrize("operation", list(OPERATION_PATHS))
def test_only_chat_and_completions_end_in_done(operation: Operation):
    asked = request(operation, prompt="x", input="x")

    assert (operation in {Operation.CHAT, Operation.TEXT_COMPLETION}) == asked.ends_with_done


def test_a_wish_for_usage_is_written_behind_the_clients_own_bytes():
    raw = b' {"model" : "m", "messages": [{"role":"user","content":"{\\u007d}"}], "stream": true } \n'
    body = encode(decode(Operation.CHAT, raw), Target("m"))

    assert body.startswith(raw.rstrip()[:-1])
    assert orjson.loads(raw) | {"stream_options": {"include_usage": True}} == orjson.loads(body)


FIELDS = ("seed", "random_seed", "user", "max_tokens", "max_completion_tokens", "service_tier", "stream_options",
          "endpoint_id", "target_namespace", "provider")  # fmt: skip
QUIRKS = (
    Quirks(), Quirks(tiers=OPENAI_TIERS), Quirks(max_tokens=MaxTokens.LEGACY), Quirks(max_tokens=MaxTokens.COMPLETION),
    Quirks(renamed={"seed": "random_seed"}), Quirks(dropped=frozenset({"user"})),
    Quirks(dropped_message_fields=frozenset({"name"})), Quirks(stream_options=StreamOptions.REFUSE),
    Quirks(stream_options=StreamOptions.PASS),
)  # fmt: skip
DOCUMENTS = [
    {"model": "m", "messages": messages, "temperature": 1, **fields}
    for messages in (HI, [HI[0] | {"name": "x"}])
    for fields in ({}, *({name: value} for name in FIELDS for value in (None, 5, "flex", "auto", {"a": 1})))
]


@pytest.mark.parametrize("quirks", QUIRKS)
@pytest.mark.parametrize("tier", ["default", "flex"])
@pytest.mark.parametrize("model", ["m", "other"])
@pytest.mark.parametrize("usage", [False, True])
def test_what_is_sent_on_as_it_came_is_what_would_have_been_written(quirks: Quirks, tier: str, model: str, *, usage):
    """With a field that has to go, every other one is looked at too."""
    for doc in DOCUMENTS:
        if usage and not isinstance(doc.get("stream_options"), dict | None):
            continue  # refused by `decode`
        as_it_came, looked_at = (
            encode(
                ModelRequest(Operation.CHAT, body, orjson.dumps(body), "m", stream=usage), Target(model, tier, quirks)
            )
            for body in (doc, doc | {"target_namespace": "x"})
        )

        assert orjson.loads(looked_at) == orjson.loads(as_it_came), doc


def test_a_thinking_model_is_spared_the_sampling_that_only_the_surface_has_said():
    """OneInfer documents a temperature for every request, and calls the limit as OpenAI once did."""
    request = oneinfer_request.decode(
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 9}'
    )
    quirks = Quirks(strict_thinkers=True)
    body = orjson.loads(encode(request, Target("o4-mini", quirks=quirks)))
    assert {"model", "messages", "max_completion_tokens"} == set(body)
    assert 9 == body["max_completion_tokens"]
    for target in (Target("gpt-4.1", quirks=quirks), Target("o4-mini")):
        body = orjson.loads(encode(request, target))
        assert (0.7, 1.0, 9) == (body["temperature"], body["top_p"], body["max_tokens"])
