"""Whole answers: what they tell, and what is no answer."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.dialects.answer import Answer, read_answer
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.errors import MalformedAnswer
from proxy.usage import Usage

CHAT = {
    "id": "c1",
    "model": "m-1",
    "service_tier": "flex",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


def test_a_chat_answer_tells_its_facts():
    answer = read_answer(b"\n\n \r\n" + orjson.dumps(CHAT), Operation.CHAT, Quirks())

    assert Usage(9, 3, tier="flex") == answer.usage
    assert ("c1", "m-1", "flex", "stop") == (
        answer.response_id, answer.model, answer.service_tier, answer.finish_reason,
    )  # fmt: skip
    assert answer.is_complete
    assert 4 == answer.text_bytes
    assert answer.error is None
    assert CHAT == answer.doc


def test_an_embedding_tells_its_usage():
    body = b'{"data":[{"embedding":[0.1]}],"usage":{"prompt_tokens":3,"total_tokens":3}}'
    answer = read_answer(body, Operation.EMBEDDINGS, Quirks())

    assert Usage(3, 0) == answer.usage


@pytest.mark.parametrize(
    "item",
    [
        {"type": "message", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "arguments": ""},
        {"type": "reasoning", "summary": [{"text": "x"}]},
    ],
)
def test_a_responses_answer_tells_its_facts(item: dict[str, object]):
    doc = {"id": "r", "status": "completed", "error": None, "output": [item], "usage": {"input_tokens": 3}}
    answer = read_answer(orjson.dumps(doc), Operation.RESPONSES, Quirks())

    assert answer.text_bytes > 0
    assert "completed" == answer.finish_reason
    assert Usage(3, 0) == answer.usage


def test_text_completions_have_content_too():
    answer = read_answer(b'{"choices":[{"text":"abc","finish_reason":"length"}]}', Operation.TEXT_COMPLETION, Quirks())

    assert (3, "length") == (answer.text_bytes, answer.finish_reason)


@pytest.mark.parametrize(
    ("body", "quirks"),
    [
        (b'{"error":{"code":502,"message":"gone"}}', Quirks()),
        (b'{"error":"gone"}', Quirks()),
        (b'{"base_resp":{"status_code":1008,"status_msg":"gone"}}', Quirks(errors_in_body="base_resp")),
        (b'{"choices":[{"finish_reason":"error","error":{"message":"gone"}}]}', Quirks()),
    ],
)
def test_a_failure_dressed_as_success_is_told(body: bytes, quirks: Quirks):
    answer = read_answer(body, Operation.CHAT, quirks)

    assert "gone" in str(answer.error)


def test_a_base_resp_that_says_all_is_well_is_no_failure():
    body = b'{"choices":[],"base_resp":{"status_code":0,"status_msg":"success"}}'

    assert read_answer(body, Operation.CHAT, Quirks(errors_in_body="base_resp")).error is None


@pytest.mark.parametrize(
    "body", [b"", b" \n", b"<html>busy</html>", b"[]", b"null", b"{}", b'{"choices":null}', b'{"detail":"x"}', b'{"a":']
)
def test_what_is_no_answer_is_refused(body: bytes):
    with pytest.raises(MalformedAnswer):
        read_answer(body, Operation.CHAT, Quirks())


class Careful(Answer):
    """Takes no answer for a plain one."""

    __slots__ = ()

    def _is_plain(self, doc: dict[str, Any], quirks: Quirks) -> bool:
        return False


ANYTHING = st.sampled_from((None, "", "x", "error", "Abort", 7, True, [], [{}], {}, {"message": "gone"}))
CHOICE = st.fixed_dictionaries(
    {}, optional={"finish_reason": st.one_of(ANYTHING, st.just("stop")), "usage": ANYTHING, "message": ANYTHING}
)
COUNTED = st.sampled_from(({"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}, {"total_tokens": 5}))
ANSWER = st.fixed_dictionaries(
    {
        "id": st.one_of(st.just("c1"), ANYTHING),
        "model": st.one_of(st.just("m-1"), ANYTHING),
        "choices": st.one_of(st.lists(st.one_of(CHOICE, ANYTHING), max_size=2), ANYTHING),
    },
    optional={"usage": st.one_of(COUNTED, ANYTHING)}
    | dict.fromkeys(("service_tier", "object", "type", "error", "response", "x_groq", "base_resp"), ANYTHING),
)


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(
    doc=st.one_of(ANSWER, st.builds(lambda doc: CHAT | doc, ANSWER)),
    quirks=st.sampled_from((Quirks(), Quirks(errors_in_body="base_resp"))),
)
def test_a_plain_answer_is_read_as_any_other(doc: dict[str, Any], quirks: Quirks):
    told = [kind(doc, Operation.CHAT, quirks) for kind in (Answer, Careful)]
    names = ("usage", "finish_reason", "error", "response_id", "model", "service_tier", "text_bytes", "is_complete")

    assert [getattr(told[0], name) for name in names] == [getattr(told[1], name) for name in names]
