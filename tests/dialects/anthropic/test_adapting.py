"""An Anthropic request for a provider that speaks the same."""

from __future__ import annotations

from typing import Any

import orjson

from proxy.dialects.anthropic.dialect import AnthropicDialect
from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.dialect import Target
from proxy.dialects.hub import foreign_state
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation

BODY = b'{ "model":"claude-opus-5","max_tokens" : 9,"stream":true,"messages":[{"role":"user","content":"hi"}] }'


def adapt(body: bytes, model: str = "claude-opus-5", **quirks: Any) -> bytes:
    request = AnthropicSurface().decode(Operation.CHAT, body)
    return AnthropicDialect().adapt(request, Target(model, quirks=Quirks(**quirks)))


def test_the_very_bytes_pass():
    assert BODY is adapt(BODY)


def test_only_the_models_name_changes():
    assert {**orjson.loads(BODY), "model": "other"} == orjson.loads(adapt(BODY, "other"))


def test_a_host_gets_its_fields_and_no_model():
    fields = {"anthropic_version": "vertex-2023-10-16"}
    found = orjson.loads(adapt(BODY, "other", body_fields=fields, model_in_path=True))
    assert {"max_tokens": 9, "stream": True, "messages": orjson.loads(BODY)["messages"], **fields} == found


def test_what_is_meant_for_this_gateway_stays_here():
    body = BODY[:-1] + b',"provider":"x","endpoint_id":"e"}'
    assert orjson.loads(BODY) == orjson.loads(adapt(body))


def test_thoughts_of_other_models_are_left_out_and_claudes_own_stay():
    own = {"type": "thinking", "thinking": "a", "signature": "sig"}
    foreign = {"type": "thinking", "thinking": "b", "signature": foreign_state("google-gemini-v1", "x")}
    hidden = {"type": "redacted_thinking", "data": foreign_state("openai-responses-v1", "x")}
    said = {"type": "text", "text": "pointsman. is a name"}
    messages = [
        {"role": "user", "content": "pointsman."},
        {"role": "assistant", "content": [own, foreign, hidden, said]},
        {"role": "assistant", "content": [hidden]},
        {"role": "user", "content": [said]},
    ]
    body = orjson.dumps({"model": "claude-opus-5", "max_tokens": 9, "messages": messages})
    assert [messages[0], {"role": "assistant", "content": [own, said]}, messages[3]] == orjson.loads(adapt(body))[
        "messages"
    ]
    plain = orjson.dumps({"model": "claude-opus-5", "max_tokens": 9, "messages": messages[:1]})
    assert plain is adapt(plain)
