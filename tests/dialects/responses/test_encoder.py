"""The hub's stream as a Responses stream."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hubs import USAGE, events_in, stream
from told import Said

from proxy.dialects.request import Operation
from proxy.dialects.responses import encoder as encoder_module
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.dialects.sse import Splitter
from proxy.errors import ErrorInStream, StreamBroken

TOLD = Said(usage=USAGE)
FUNCTION = {"type": "function", "name": "look", "parameters": {}}
PATCH = {"type": "custom", "name": "patch"}
SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1"}


def surface(**fields: Any) -> ResponsesSurface:
    made = ResponsesSurface()
    made.decode(Operation.RESPONSES, orjson.dumps({"model": "m", "input": "hi", "stream": True, **fields}))
    return made


def told(data: bytes, **fields: Any) -> list[dict[str, Any]]:
    encoder = surface(**fields).stream(TOLD)
    return list(events_in(encoder.feed(data) + encoder.end(TOLD)))


def response(data: bytes, **fields: Any) -> dict[str, Any]:
    return told(data, **fields)[-1]["response"]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_text_is_told_in_every_documented_event():
    events = told(stream(("text", "Hel"), ("text", "lo")))

    assert [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ] == kinds(events)  # fmt: skip
    assert list(range(10)) == [event["sequence_number"] for event in events]
    item = events[2]["item"]["id"]
    assert {(item, 0, 0)} == {(e["item_id"], e["output_index"], e["content_index"]) for e in events[3:8]}
    assert ["Hel", "lo", "Hello"] == [events[4]["delta"], events[5]["delta"], events[6]["text"]]
    part = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    assert ({**part, "text": ""}, part) == (events[3]["part"], events[7]["part"])
    whole = {"id": item, "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    assert [whole] == events[-1]["response"]["output"]
    assert (whole, {**whole, "status": "in_progress", "content": []}) == (events[8]["item"], events[2]["item"])
    assert 1 == len({event["response"]["id"] for event in events if "response" in event})


def test_the_response_repeats_the_request_and_says_that_nothing_is_kept():
    found = response(
        stream(("text", "x")), store=True, truncation="auto", instructions="Be brief.", metadata={"a": "b"},
        temperature=0.3, max_output_tokens=99, tools=[FUNCTION], tool_choice="none", parallel_tool_calls=False,
        reasoning={"effort": "low"}, text={"verbosity": "low"}, user="u",
    )  # fmt: skip

    assert {
        "object": "response", "created_at": TOLD.created_s, "status": "completed", "model": "up-model",
        "background": False, "error": None, "incomplete_details": None, "previous_response_id": None, "store": False,
        "truncation": "disabled", "instructions": "Be brief.", "metadata": {"a": "b"}, "temperature": 0.3, "top_p": 1.0,
        "max_output_tokens": 99, "max_tool_calls": None, "tools": [FUNCTION], "tool_choice": "none", "user": "u",
        "parallel_tool_calls": False, "reasoning": {"effort": "low", "summary": None}, "top_logprobs": 0,
        "text": {"format": {"type": "text"}, "verbosity": "low"}, "service_tier": "default", "prompt_cache_key": None,
        "safety_identifier": None,
        "usage": {
            "input_tokens": 26, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
            "output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 35,
        },
    } == {name: value for name, value in found.items() if name not in ("id", "output")}  # fmt: skip


def test_usage_is_the_streams_own_if_nobody_tells_it():
    encoder = surface().stream(Said(usage=None))
    *_, last = events_in(encoder.feed(stream(("text", "x"))) + encoder.end(Said(usage=None)))

    assert 35 == last["response"]["usage"]["total_tokens"]


def test_the_tier_is_the_one_that_served():
    told = Said(usage=USAGE._replace(tier="flex"))
    encoder = surface(service_tier="auto").stream(told)
    first, *_, last = events_in(encoder.feed(stream(("text", "x"))) + encoder.end(told))

    assert ("auto", "flex") == (first["response"]["service_tier"], last["response"]["service_tier"])


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_is_cut_short_is_incomplete(finish: str, reason: str):
    *_, done, last = told(stream(("text", "x"), finish=finish))

    assert ("response.incomplete", "incomplete", {"reason": reason}, "incomplete") == (
        last["type"], last["response"]["status"], last["response"]["incomplete_details"], done["item"]["status"],
    )  # fmt: skip


def test_thoughts_are_a_summary_before_the_answer():
    events = told(stream(("reasoning", "h"), ("reasoning", "m"), ("details", [SIGNED]), ("text", "ok")))

    assert [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.delta", "reasoning_summary_text.done", "reasoning_summary_part.done",
        "output_item.done", "output_item.added",
    ] == kinds(events)[2:10]  # fmt: skip
    item = {"id": events[2]["item"]["id"], "type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    assert (item, {**item, "summary": []}) == (events[8]["item"], events[2]["item"])
    assert [0, 1] == [events[8]["output_index"], events[9]["output_index"]]


def test_state_goes_to_the_client_that_asks_for_it_and_comes_back_whole():
    other = {"type": "reasoning.encrypted", "data": "D", "format": "anthropic-claude-v1"}
    extra = {"google": {"thought_signature": "T"}}
    entry = {"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    data = stream(
        ("reasoning", "hm"), ("details", [SIGNED]), ("details", [other]), ("reasoning", "again"),
        ("delta", {"tool_calls": [{**entry, "extra_content": extra}]}), finish="tool_calls",
    )  # fmt: skip

    output = response(data, include=["reasoning.encrypted_content"])["output"]

    assert ["reasoning", "reasoning", "function_call"] == [item["type"] for item in output]
    assert all(item["encrypted_content"].startswith("pointsman.") for item in output[:2])
    again = ResponsesSurface().decode(Operation.RESPONSES, orjson.dumps({"model": "m", "input": output})).hub.doc
    message = again["messages"][0]
    assert [SIGNED, other] == message["reasoning_details"]
    assert ("hm\n\nagain", extra) == (message["reasoning_content"], message["tool_calls"][0]["extra_content"])


def test_state_in_pieces_is_joined():
    pieces = [
        [{"type": "reasoning.text", "text": "h", "index": 0, "format": "anthropic-claude-v1", "signature": None}],
        [{"type": "reasoning.text", "text": "m", "index": 0}],
        [{"type": "reasoning.text", "signature": "S", "index": 0, "format": "anthropic-claude-v1"}, 7],
        [{"type": "reasoning.text", "text": "other", "index": 1, "signature": "T"}],
    ]
    data = stream(*[("details", piece) for piece in pieces], ("call", (0, "c", "look", "{}")))

    output = response(data, include=["reasoning.encrypted_content"])["output"]

    again = ResponsesSurface().decode(Operation.RESPONSES, orjson.dumps({"model": "m", "input": output})).hub.doc
    assert [
        {**SIGNED, "index": 0},
        {"type": "reasoning.text", "text": "other", "index": 1, "signature": "T"},
    ] == again["messages"][0]["reasoning_details"]


def test_thoughts_without_state_say_nothing_but_their_text():
    data = stream(("reasoning", "hm"), ("details", [{"type": "reasoning.text", "text": "hm"}]))

    assert "encrypted_content" not in response(data, include=["reasoning.encrypted_content"])["output"][0]


def test_state_alone_is_an_item_only_for_who_asks():
    data = stream(("details", [{"type": "reasoning.encrypted", "data": "D", "format": "x"}]), ("text", "ok"))

    assert ["message"] == [item["type"] for item in response(data)["output"]]
    asked = response(data, include=["reasoning.encrypted_content"])["output"]
    assert [[], "message"] == [asked[0]["summary"], asked[1]["type"]]


def test_openais_own_state_passes_as_it_is():
    data = stream(("details", [{"type": "reasoning.encrypted", "data": "gAAA", "format": "openai-responses-v1"}]))

    assert "gAAA" == response(data, include=["reasoning.encrypted_content"])["output"][0]["encrypted_content"]


def test_calls_stay_open_while_pieces_of_any_may_come():
    events = told(
        stream(
            ("text", "Look:"), ("call", (0, "c0", "look", "")), ("arguments", (0, '{"a":')),
            ("call", (1, "c1", "look", "")), ("arguments", (1, "{}")), ("arguments", (0, "1}")), finish="tool_calls",
        ),
        tools=[FUNCTION],
    )  # fmt: skip

    calls = [event for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert [(1, '{"a":'), (2, "{}"), (1, "1}")] == [(event["output_index"], event["delta"]) for event in calls]
    done = [event for event in events if event["type"] == "response.function_call_arguments.done"]
    assert ['{"a":1}', "{}"] == [event["arguments"] for event in done]
    output = events[-1]["response"]["output"]
    assert [("message", None), ("function_call", "c0"), ("function_call", "c1")] == [
        (item["type"], item.get("call_id")) for item in output
    ]
    assert {"completed"} == {item["status"] for item in output}


def test_a_call_without_arguments_can_be_read_as_json():
    events = told(stream(("call", (0, "", "look", "")), finish="tool_calls"))

    item = events[-1]["response"]["output"][0]
    assert ("{}", True) == (item["arguments"], item["call_id"].startswith("call_"))
    assert "{}" == "".join(event["delta"] for event in events if event["type"].endswith("arguments.delta"))


def test_a_call_cut_short_says_so():
    item = response(stream(("call", (0, "c", "look", '{"a')), finish="length"))["output"][0]

    assert ("incomplete", '{"a') == (item["status"], item["arguments"])


ARGUMENTS = '{"input": "*** Begin\\n\\"\\u00e9\\ud83d\\ude42 \U0001f642\\\\"}'
INPUT = '*** Begin\n"\u00e9\U0001f642 \U0001f642\\'


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_the_input_of_a_custom_tool_is_read_while_it_comes(size: int):
    pieces = [ARGUMENTS[at : at + size] for at in range(0, len(ARGUMENTS), size)]
    data = stream(("call", (0, "c", "patch", "")), *[("arguments", (0, piece)) for piece in pieces])

    events = told(data, tools=[PATCH])

    deltas = [event["delta"] for event in events if event["type"] == "response.custom_tool_call_input.delta"]
    assert INPUT == "".join(deltas)
    assert size == 100 or len(deltas) > 1
    done = next(event for event in events if event["type"] == "response.custom_tool_call_input.done")
    item = events[-1]["response"]["output"][0]
    assert (INPUT, INPUT, "custom_tool_call", "patch") == (done["input"], item["input"], item["type"], item["name"])


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ('{"patch":"x"}', '{"patch":"x"}'),
        ('{"input":"a\nb"}', "a\nb"),
        ("plain text", "plain text"),
        ("*" * 100, "*" * 100),
        ("", ""),
        ("{}", ""),
        ('{"input":7}', '{"input":7}'),
    ],
)
def test_what_a_model_writes_instead_is_passed_on_whole(arguments: str, wanted: str):
    events = told(stream(("call", (0, "c", "patch", "")), ("arguments", (0, arguments))), tools=[PATCH])

    assert wanted == events[-1]["response"]["output"][0]["input"]
    deltas = [event["delta"] for event in events if event["type"] == "response.custom_tool_call_input.delta"]
    assert wanted == "".join(deltas)


@pytest.mark.parametrize(
    ("tool", "arguments", "wanted"),
    [
        (
            {"type": "local_shell"},
            '{"command":["ls"],"env":{"A":"b"},"timeout_ms":5}',
            {
                "type": "local_shell_call",
                "action": {"type": "exec", "command": ["ls"], "env": {"A": "b"}, "timeout_ms": 5},
            },
        ),
        (
            {"type": "shell"},
            '{"commands":"ls"}',
            {
                "type": "shell_call", "environment": {"type": "local"},
                "action": {"commands": ["ls"], "timeout_ms": None, "max_output_length": None},
            },
        ),
        (
            {"type": "apply_patch"},
            '{"type":"create_file","path":"a","diff":"+x"}',
            {"type": "apply_patch_call", "operation": {"type": "create_file", "path": "a", "diff": "+x"}},
        ),
    ],
)  # fmt: skip
def test_a_tool_at_the_client_is_called_in_its_own_item(tool: dict[str, Any], arguments: str, wanted: dict[str, Any]):
    data = stream(("call", (0, "c", tool["type"], "")), ("arguments", (0, arguments)), finish="tool_calls")

    events = told(data, tools=[tool])

    assert ["output_item.added", "output_item.done", "completed"] == kinds(events)[2:]
    item = events[-1]["response"]["output"][0]
    assert {**wanted, "id": item["id"], "status": "completed", "call_id": "c"} == item


def test_a_tool_of_a_namespace_is_called_in_it():
    tools = [{"type": "namespace", "name": "crm", "description": "d", "tools": [FUNCTION]}]
    item = response(stream(("call", (0, "c", "crm__look", "{}"))), tools=tools)["output"][0]

    assert ("look", "crm") == (item["name"], item["namespace"])


def test_sources_refusals_and_logprobs_are_parts_of_the_message():
    citation = {"url": "https://x.test", "title": "t", "start_index": 1, "end_index": 2}
    logprob = {"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "b", "logprob": -1.0}]}
    chunks = stream(
        ("delta", {"annotations": [{"type": "url_citation", "url_citation": citation}]}), ("delta", {"refusal": "no"})
    )
    text = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[%b]}}]}\n\n'

    events = told(text % orjson.dumps(logprob) + chunks)

    delta = next(event for event in events if event["type"] == "response.output_text.delta")
    known = {**logprob, "bytes": [], "top_logprobs": [{"token": "b", "logprob": -1.0, "bytes": []}]}
    assert [known] == delta["logprobs"]
    added = next(event for event in events if event["type"] == "response.output_text.annotation.added")
    assert ({"type": "url_citation", **citation}, 0) == (added["annotation"], added["annotation_index"])
    assert [
        {"type": "output_text", "text": "a", "annotations": [added["annotation"]], "logprobs": [known]},
        {"type": "refusal", "refusal": "no"},
    ] == events[-1]["response"]["output"][0]["content"]


def test_logprobs_that_come_by_themselves_are_told_with_no_text():
    logprob = {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}

    events = told(stream(("text", "a"), ("logprobs", ([logprob],))))

    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [("a", []), ("", [logprob])] == [(event["delta"], event["logprobs"]) for event in deltas]
    assert [logprob] == events[-1]["response"]["output"][0]["content"][0]["logprobs"]


def test_an_image_is_an_item_and_one_by_address_a_link():
    url = {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}}
    link = {"type": "image_url", "image_url": {"url": "https://x.test/i.png"}}

    image, message = response(stream(("delta", {"images": [url, link]})))["output"]

    assert ("image_generation_call", "AAAA", "webp") == (image["type"], image["result"], image["output_format"])
    assert "![image](https://x.test/i.png)" == message["content"][0]["text"]


def test_half_an_emoji_waits_for_its_other_half():
    events = told(stream(("text", "a\ud83d"), ("text", "\ude42b"), ("text", "c")))

    assert ["a", "\U0001f642b", "c"] == [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
    assert "a\U0001f642bc" == events[-1]["response"]["output"][0]["content"][0]["text"]


def test_the_events_are_the_same_wherever_the_stream_was_cut():
    data = stream(("reasoning", "h\u00e9"), ("text", "x"), ("call", (0, "c", "look", "{}")), finish="tool_calls")
    whole = surface().stream(TOLD)
    wanted = whole.feed(data) + whole.end(TOLD)

    for at in range(1, len(data)):
        splitter, encoder = Splitter(1 << 20), surface().stream(TOLD)
        blocks = [splitter.feed(data[:at]), splitter.feed(data[at:])]
        assert wanted == b"".join(encoder.feed(block) for block in blocks) + encoder.end(TOLD)


def test_a_second_choice_is_not_told():
    data = b'data: {"choices":[{"index":1,"delta":{"content":"no"}}]}\n\n' + stream(("text", "yes"))

    assert "yes" == response(data)["output"][0]["content"][0]["text"]


def test_an_empty_answer_is_a_whole_response():
    assert ["created", "in_progress", "completed"] == kinds(told(stream()))


def test_a_broken_stream_ends_in_an_error_and_what_there_was():
    made = surface(tools=[FUNCTION])
    encoder = made.stream(TOLD)
    begun = encoder.feed(stream(("text", "a"), ("call", (0, "c", "look", "{")), finish="")[:-14])

    events = list(events_in(begun + made.stream_error(StreamBroken("It broke."))))

    error, failed = events[-2:]
    assert ("error", "It broke.", "upstream_stream_broken", "It broke.") == (
        error["type"], error["message"], error["code"], error["error"]["message"],
    )  # fmt: skip
    assert ("response.failed", "failed", {"code": "server_error", "message": "It broke."}) == (
        failed["type"], failed["response"]["status"], failed["response"]["error"],
    )  # fmt: skip
    assert list(range(len(events))) == [event["sequence_number"] for event in events]
    assert [["message"], events[0]["response"]["id"]] == [
        [item["type"] for item in failed["response"]["output"]], failed["response"]["id"],
    ]  # fmt: skip


def test_a_stream_that_breaks_before_anything_has_begun_still_begins():
    made = surface()
    made.stream(TOLD)

    assert ["created", "in_progress", "error", "failed"] == kinds(list(events_in(made.stream_error(StreamBroken("x")))))


def test_an_error_behind_events_that_nobody_counted_has_no_number():
    (event,) = events_in(surface().stream_error(StreamBroken("x")))

    assert ("error", "x", False) == (event["type"], event["error"]["message"], "sequence_number" in event)


def test_an_answer_has_its_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(encoder_module, "MAX_ANSWER_BYTES", 10)

    with pytest.raises(ErrorInStream):
        surface().stream(TOLD).feed(stream(("text", "x")))


def test_the_same_request_id_twice_gives_other_ids():
    ids = set()
    for second in (1, 2):
        told = Said(created_s=second)
        encoder = surface().stream(told)
        *_, last = events_in(encoder.feed(stream(("text", "x"))) + encoder.end(told))
        ids |= {last["response"]["id"], last["response"]["output"][0]["id"]}

    assert 4 == len(ids)
