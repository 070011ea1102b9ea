"""OpenAI's own client against a small server that tells hub answers as Responses, its validation on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openai
import orjson
import pytest
from hubs import USAGE, answer, stream
from openai import OpenAI
from pydantic import BaseModel
from told import Said

from proxy.dialects.request import Operation
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.errors import GatewayError, StreamBroken

TOLD = Said(usage=USAGE)
TOOLS: list[Any] = [
    {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}, "strict": False},
    {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: A"}},
]
SIGNED = {"type": "reasoning.text", "text": "hm", "signature": "S", "format": "anthropic-claude-v1"}
CITATION = {"url": "https://x.test", "title": "t", "start_index": 0, "end_index": 1}


class Server:
    """Answers each request with the next of `answers`: a hub stream, a hub answer, or an error after a stream."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        """What the hub was asked."""

    def reply(self, body: bytes) -> tuple[str, bytes]:
        surface = ResponsesSurface()
        request = surface.decode(Operation.RESPONSES, body)
        self.asked.append(request.hub.doc)
        given = self.answers.pop(0)
        if not request.stream:
            return "application/json", surface.answer(orjson.dumps(given), TOLD)
        encoder = surface.stream(TOLD)
        if isinstance(given, GatewayError):
            return "text/event-stream", encoder.feed(stream(("text", "x"))) + surface.stream_error(given)
        return "text/event-stream", encoder.feed(given) + encoder.end(TOLD)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def client(server: Server) -> Iterator[OpenAI]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kind, body = server.reply(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{http.server_port}/v1"
        with OpenAI(base_url=url, api_key="k", max_retries=0, _strict_response_validation=True) as client:
            yield client
        http.shutdown()
        thread.join()


class Route(BaseModel):
    line: str


EVERYTHING = stream(
    ("reasoning", "h"), ("reasoning", "m"), ("details", [SIGNED]), ("text", "Hel"), ("text", "lo"),
    ("delta", {"annotations": [{"type": "url_citation", "url_citation": CITATION}]}), ("delta", {"refusal": "no"}),
    ("call", (0, "c0", "look", "")), ("arguments", (0, '{"a"')), ("arguments", (0, ":1}")),
    ("call", (1, "c1", "patch", '{"input":"*** \\nB')), ("arguments", (1, 'e"}')),
    ("delta", {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}),
    finish="tool_calls",
)  # fmt: skip


def test_the_clients_accumulator_takes_every_event(client: OpenAI, server: Server):
    server.answers = [EVERYTHING]

    with client.responses.stream(model="m", input="hi", tools=TOOLS, include=["reasoning.encrypted_content"]) as events:
        kinds = {event.type for event in events}
        final = events.get_final_response()

    assert "Hello" == final.output_text
    reasoning, message, call, patch, image = final.output
    assert ("hm", True) == (reasoning.summary[0].text, bool(reasoning.encrypted_content))
    assert ["output_text", "refusal"] == [part.type for part in message.content]
    assert ("look", '{"a":1}', "c0") == (call.name, call.arguments, call.call_id)
    assert ("patch", "*** \nBe", "c1") == (patch.name, patch.input, patch.call_id)
    assert "AAAA" == image.result
    assert (35, 4, 3) == (
        final.usage.total_tokens, final.usage.input_tokens_details.cached_tokens,
        final.usage.output_tokens_details.reasoning_tokens,
    )  # fmt: skip
    assert {"response.custom_tool_call_input.delta", "response.reasoning_summary_text.done"} < kinds


def test_what_the_client_sends_back_is_what_was_said(client: OpenAI, server: Server):
    server.answers = [EVERYTHING, stream(("text", "done"))]
    with client.responses.stream(model="m", input="hi", tools=TOOLS, include=["reasoning.encrypted_content"]) as events:
        output = [item for item in events.get_final_response().output if item.type != "image_generation_call"]

    again: list[Any] = [
        {"role": "user", "content": "hi"},
        *[item.model_dump(exclude_none=True) for item in output],
        {"type": "function_call_output", "call_id": "c0", "output": "seen"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "patched"},
    ]
    with client.responses.create(model="m", input=again, tools=TOOLS, stream=True) as events:
        last = list(events)[-1]

    assert "done" == last.response.output_text
    _, assistant, *results = server.asked[1]["messages"]
    assert ([SIGNED], "hm") == (assistant["reasoning_details"], assistant["reasoning_content"])
    assert [("look", '{"a":1}'), ("patch", '{"input":"*** \\nBe"}')] == [
        (call["function"]["name"], call["function"]["arguments"]) for call in assistant["tool_calls"]
    ]
    assert [("tool", "c0", "seen"), ("tool", "c1", "patched")] == [
        (result["role"], result["tool_call_id"], result["content"]) for result in results
    ]


def test_structured_output_is_parsed_whole_and_streamed(client: OpenAI, server: Server):
    server.answers = [answer(content='{"line":"U1"}'), stream(("text", '{"line":'), ("text", '"U2"}'))]

    whole = client.responses.parse(model="m", input="hi", text_format=Route)
    with client.responses.stream(model="m", input="hi", text_format=Route) as events:
        streamed = events.get_final_response()

    assert ["U1", "U2"] == [whole.output_parsed.line, streamed.output_parsed.line]
    assert ["json_schema"] * 2 == [asked["response_format"]["type"] for asked in server.asked]


def test_an_answer_cut_short_says_why(client: OpenAI, server: Server):
    server.answers = [answer("length", content="Hel"), stream(("text", "Hel"), finish="length")]

    whole = client.responses.create(model="m", input="hi")
    with client.responses.create(model="m", input="hi", stream=True) as events:
        last = list(events)[-1]

    assert [("incomplete", "max_output_tokens")] * 2 == [
        (response.status, response.incomplete_details.reason) for response in (whole, last.response)
    ]


def test_a_stream_that_breaks_off_is_an_error(client: OpenAI, server: Server):
    server.answers = [StreamBroken("The provider broke off.")]

    with (
        pytest.raises(openai.APIError, match=r"The provider broke off\."),
        client.responses.stream(model="m", input="hi") as events,
    ):
        events.get_final_response()
