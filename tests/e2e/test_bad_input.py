"""What no client should send: a clear error in the surface's own shape, and a process that is none the worse."""

from __future__ import annotations

import asyncio
import socket

import orjson
import pytest

from e2e.dialects import ONEINFER, OPENAI, OXEN, SURFACES
from e2e.gateway import Gateway
from e2e.given import MODEL
from e2e.wire import PATIENCE_S, Wire, ask, head, request

MESSAGES = [{"role": "user", "content": "Which way?"}]
GOOD = {"model": MODEL, "messages": MESSAGES}
LIMIT = 65_536
JSON = "Content-Type: application/json"


def body(**changes: object) -> bytes:
    """A good body with some fields set; `None` removes one."""
    return orjson.dumps({name: value for name, value in {**GOOD, **changes}.items() if value is not None})


@pytest.fixture(params=SURFACES, ids=lambda surface: surface.name)
def surface(request):
    return request.param


@pytest.fixture(autouse=True)
def unharmed(gateway: Gateway):
    """After each of these a good request is answered."""
    yield
    assert 200 == gateway.post(OPENAI.chat, GOOD).status_code


BODIES = {
    "malformed": (b'{"model": "prose", "messages": [', {OPENAI: "invalid_json", ONEINFER: "invalid_json"}),
    "comments": (
        b'{"model": "prose", // which\n"messages": [{"role": "user", "content": "x"}]}',
        {OPENAI: "invalid_json", ONEINFER: "invalid_json"},
    ),
    "trailing comma": (b'{"model": "prose",}', {OPENAI: "invalid_json", ONEINFER: "invalid_json"}),
    "not an object": (b'["prose"]', {OPENAI: "invalid_json", ONEINFER: "invalid_json"}),
    "empty": (b"", {OPENAI: "invalid_json", ONEINFER: "invalid_json"}),
    "not UTF-8": (
        b'{"model": "prose", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        {OPENAI: "invalid_json", ONEINFER: "invalid_json"},
    ),
    "half a surrogate pair": (
        b'{"model": "prose", "messages": [{"role": "user", "content": "\\ud800"}]}',
        {OPENAI: "invalid_json", ONEINFER: "invalid_json"},
    ),
    "nested too deep": (
        b'{"model": "prose", "messages": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        {OPENAI: "invalid_json", ONEINFER: "invalid_json"},
    ),
    "NaN": (b'{"model": "prose", "temperature": NaN}', {OPENAI: "invalid_json", ONEINFER: "invalid_json"}),
    "messages a string": (body(messages="hi"), {OPENAI: "invalid_type", ONEINFER: "validation_error"}),
    "a message a string": (body(messages=["hi"]), {OPENAI: "invalid_type", ONEINFER: "validation_error"}),
    "stream a string": (body(stream="yes"), {OPENAI: "invalid_type", ONEINFER: "validation_error"}),
    "model a number": (body(model=7), {OPENAI: "invalid_type", ONEINFER: "validation_error"}),
    "max_tokens a string": (body(max_tokens="9"), {OPENAI: "invalid_type", ONEINFER: "validation_error"}),
    "no messages": (
        body(messages=None),
        {OPENAI: "missing_required_parameter", ONEINFER: "missing_required_field", OXEN: None},
    ),
    "empty messages": (
        body(messages=[]),
        {OPENAI: "missing_required_parameter", ONEINFER: "missing_required_field", OXEN: None},
    ),
    "model with line breaks": (
        body(model="prose\r\nX-Evil: 1"),
        {OPENAI: "invalid_request", ONEINFER: "invalid_field_value"},
    ),
    "model too long": (body(model="m" * 5000), {OPENAI: "invalid_request", ONEINFER: "invalid_field_value"}),
}
STATUSES = {"validation_error": 422}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_cannot_be_served_is_refused(gateway, surface, name):
    sent, codes = BODIES[name]
    answer = await ask(gateway.port, request(surface.chat, sent))
    code = codes.get(surface, "invalid_params")
    assert (STATUSES.get(code, 400), code) == (answer.status, surface.code(answer.json))


@pytest.mark.parametrize(
    "model", ["nobody-has-it", "../../admin", "/etc/passwd", "alpha/../../x", "http://[::1]/", "*"]
)
async def test_an_unknown_model_is_named_and_goes_nowhere(gateway, surface, simulators, model):
    answer = await ask(gateway.port, request(surface.chat, body(model=model)))
    expected = {OPENAI: (404, "model_not_found"), ONEINFER: (400, "unsupported_model"), OXEN: (404, None)}
    assert expected[surface] == (answer.status, surface.code(answer.json))
    fact = gateway.fact(answer.headers["x-request-id"])
    assert (0, "unknown", None) == (fact["attempt_count"], fact["model"], fact["provider"])


async def test_a_wildcard_route_passes_on_no_path(gateway, surface):
    """Any name is passed on, but none that could climb out of a path."""
    gateway.use(routes={"*": {"deployments": [{"provider": "alpha"}]}})
    assert 200 == (await ask(gateway.port, request(surface.chat, body(model="anything/goes")))).status
    for model in ("../../admin", "/etc/passwd", "a/../../b"):
        assert 200 != (await ask(gateway.port, request(surface.chat, body(model=model)))).status


async def test_an_unknown_provider_is_refused(gateway):
    answer = await ask(gateway.port, request(ONEINFER.chat, body(provider="nowhere")))
    assert (400, "unsupported_provider") == (answer.status, ONEINFER.code(answer.json))


async def test_a_provider_that_does_not_serve_the_model_is_refused(gateway):
    answer = await ask(gateway.port, request(ONEINFER.chat, body(provider="alpha", model="nobody-has-it")))
    assert (400, "unsupported_model") == (answer.status, ONEINFER.code(answer.json))


TOO_LARGE = {OPENAI: "request_too_large", ONEINFER: "request_too_large", OXEN: "invalid_params"}


async def test_an_announced_body_over_the_limit_is_refused_before_it_is_sent(gateway, surface):
    answer = await ask(gateway.port, head("POST", surface.chat, JSON, f"Content-Length: {LIMIT + 1}"))
    assert (413, TOO_LARGE[surface]) == (answer.status, surface.code(answer.json))


async def test_a_body_that_expects_to_be_waved_on_is_refused_instead(gateway, surface):
    lines = (JSON, f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
    assert 413 == (await ask(gateway.port, head("POST", surface.chat, *lines))).status


async def test_a_chunked_body_over_the_limit_is_refused(gateway, surface):
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = await ask(gateway.port, head("POST", surface.chat, JSON, "Transfer-Encoding: chunked") + chunk * 3)
    assert (413, TOO_LARGE[surface]) == (answer.status, surface.code(answer.json))


async def test_a_refusal_can_be_read_by_a_client_that_sends_all_the_same(gateway, surface):
    """It is not overtaken by a reset, however much of the body is still on its way."""
    size = 8 * 1024 * 1024
    data = head("POST", surface.chat, JSON, f"Content-Length: {size}") + b" " * size
    answer = await ask(gateway.port, data)
    assert (413, TOO_LARGE[surface]) == (answer.status, surface.code(answer.json))


async def test_a_client_that_would_rather_speak_http_2_is_served_in_http_1(gateway, surface):
    """As some clients' first request does by default. Its body must not be taken for the next one."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk")
    async with Wire(gateway.port) as wire:
        for _ in range(2):
            await wire.send(request(surface.chat, body(), *offer))
            assert 200 == (await wire.answer()).status


async def test_a_chunked_body_within_the_limit_is_served(gateway, surface):
    sent = body()
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(sent), sent)
    assert (
        200
        == (await ask(gateway.port, head("POST", surface.chat, JSON, "Transfer-Encoding: chunked") + chunked)).status
    )


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "json", ""])
async def test_another_content_type_is_refused(gateway, surface, content_type):
    answer = await ask(gateway.port, request(surface.chat, body(), content_type=content_type))
    code = "invalid_params" if surface is OXEN else "unsupported_media_type"
    assert (415, code) == (answer.status, surface.code(answer.json))


async def test_a_content_type_with_parameters_in_any_case_is_taken(gateway, surface):
    typed = "Application/JSON; Charset=utf-8"
    assert 200 == (await ask(gateway.port, request(surface.chat, body(), content_type=typed))).status


SMUGGLED = {
    "two lengths": ("Content-Length: 5", "Content-Length: 6"),
    "the same length twice": ("Content-Length: 2", "Content-Length: 2"),
    "a list of lengths": ("Content-Length: 5, 6",),
    "length and chunks": ("Content-Length: 5", "Transfer-Encoding: chunked"),
    "a signed length": ("Content-Length: +5",),
    "a negative length": ("Content-Length: -5",),
    "a length that is no number": ("Content-Length: five",),
    "an unknown coding": ("Transfer-Encoding: cow",),
    "chunked not last": ("Transfer-Encoding: chunked, identity",),
    "a space before the colon": ("Content-Length : 5",),
    "a folded line": ("X-Fold: a", " b"),
    "a bare line feed in a value": ("X-Bare: a\nX-Evil: b",),
    "a null byte": ("X-Null: a\x00b",),
}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED)
async def test_a_head_that_could_be_read_in_two_ways_is_refused(gateway, surface, lines):
    """The connection ends with it: what follows must not be taken for a request."""
    follow_up = head("GET", "/livez")
    async with Wire(gateway.port) as wire:
        await wire.send(head("POST", surface.chat, JSON, *lines) + b"{}" + follow_up)
        answer = await wire.answer()
        assert 400 == answer.status
        assert answer.whole
        assert b'"error"' in answer.body
        assert await wire.closed()


@pytest.mark.parametrize(
    "lines",
    [("X-Big: " + "a" * 100_000,), tuple(f"X-{number}: 1" for number in range(5000))],
    ids=["one huge header", "thousands of headers"],
)
async def test_a_header_bomb_is_refused(gateway, surface, lines):
    async with Wire(gateway.port) as wire:
        await wire.send(head("POST", surface.chat, JSON, *lines))
        answer = await wire.answer()
        assert answer.status in {400, 431}
        assert await wire.closed()


async def test_a_head_that_dribbles_in_is_cut_off(gateway):
    async with Wire(gateway.port) as wire:
        await wire.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: gateway\r\nX-Slow: ")
        answer = await wire.answer()
        assert (408, "request_timeout") == (answer.status, OPENAI.code(answer.json))
        assert await wire.closed()


async def test_heads_that_stop_as_soon_as_they_begin_are_all_cut_off(gateway):
    """However early their first bytes come: here before the connections are accepted."""
    socks = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(30)]
    for sock in socks:
        sock.sendall(b"GET /livez HTTP/1.1\r\n")
    for sock in socks:
        sock.settimeout(PATIENCE_S)
        assert sock.recv(65_536).startswith(b"HTTP/1.1 408 ")
        sock.close()


async def test_a_second_head_that_dribbles_in_is_cut_off(gateway):
    """The clock runs for every head of a connection, not only for the first."""
    async with Wire(gateway.port) as wire:
        await wire.send(head("GET", "/livez"))
        assert 200 == (await wire.answer()).status
        await wire.send(b"GET /livez HTTP/1.1\r\n")
        assert 408 == (await wire.answer()).status
        assert await wire.closed()


async def test_an_idle_connection_is_not_cut_off_for_a_slow_head(gateway):
    async with Wire(gateway.port) as wire:
        await wire.send(head("GET", "/livez"))
        assert 200 == (await wire.answer()).status
        async with Wire(gateway.port) as other:  # a head's time passes on another connection
            await other.send(b"GET /livez HTTP/1.1\r\n")
            assert 408 == (await other.answer()).status
        await wire.send(head("GET", "/livez"))
        assert 200 == (await wire.answer()).status


async def test_a_body_that_stops_coming_is_cut_off(gateway, surface):
    async with Wire(gateway.port) as wire:
        await wire.send(head("POST", surface.chat, JSON, "Content-Length: 100") + b'{"model": ')
        answer = await wire.answer()
        code = "invalid_params" if surface is OXEN else "request_timeout"
        assert (408, code) == (answer.status, surface.code(answer.json))
        assert "close" == answer.headers["connection"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_noted(gateway, surface):
    async with Wire(gateway.port) as wire:
        lines = (JSON, "Content-Length: 100", f"X-Request-Id: left-{surface.name}")
        await wire.send(head("POST", surface.chat, *lines) + b'{"model": ')
        wire.cut()
    fact = await asyncio.to_thread(gateway.fact, f"left-{surface.name}")
    assert ("abandoned", 499) == (fact["outcome"], fact["status"])


async def test_a_path_takes_only_its_method(gateway, surface):
    answer = await ask(gateway.port, head("GET", surface.chat))
    code = "invalid_params" if surface is OXEN else "method_not_allowed"
    assert (405, code) == (answer.status, surface.code(answer.json))
    assert "POST" in answer.headers["allow"]


PREFIXES = {OPENAI: "/v1", ONEINFER: "/v1/ula", OXEN: "/api/ai"}


@pytest.mark.parametrize("path", ["/nothing", "/models/../../../etc/passwd", "/%2e%2e/%2e%2e/admin", "/" + "a" * 3000])
async def test_an_unknown_path_is_not_found(gateway, surface, path):
    answer = await ask(gateway.port, head("GET", PREFIXES[surface] + path))
    assert 404 == answer.status
    surface.code(answer.json)


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"GET\r\n\r\n", b"\r\n\r\n\x00"]
)
async def test_what_is_no_http_is_refused(gateway, data):
    async with Wire(gateway.port) as wire:
        await wire.send(data)
        assert 400 == (await wire.answer()).status
        assert await wire.closed()


@pytest.mark.parametrize("target", ["*", "gateway:443"])
async def test_a_target_that_is_no_path_is_not_found(gateway, target):
    method = "OPTIONS" if target == "*" else "CONNECT"
    answer = await ask(gateway.port, head(method, target))
    assert (404, "not_found") == (answer.status, OPENAI.code(answer.json))


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("Content-Type: appl\xff/json", 415),
        ("Authorization: Bearer \xff\xfe", 200),
        ("Authorization: Bearer \xff.\xfe.\xfd", 200),
        ("X-Client-Request-Id: \xff\xfe", 200),
        ("X-Session-Id: \xff\xfe", 200),
    ],
)
async def test_header_bytes_that_are_no_text_harm_nobody(gateway, surface, line, status):
    """No 500, and the access log has its line all the same."""
    request_id = f"odd-{surface.name}-{status}-{len(line)}"
    typed = () if line.startswith("Content-Type") else (JSON,)
    lines = (*typed, line, f"X-Request-Id: {request_id}", f"Content-Length: {len(body())}")
    answer = await ask(gateway.port, head("POST", surface.chat, *lines) + body())
    assert status == answer.status
    assert status == (await asyncio.to_thread(gateway.fact, request_id))["status"]


async def test_a_key_exchange_whose_body_stops_coming_is_cut_off(gateway):
    async with Wire(gateway.port) as wire:
        await wire.send(head("POST", "/v1/ula/oauth-authentication", "Content-Length: 100") + b'{"api_key": ')
        answer = await wire.answer()
        assert (408, "request_timeout") == (answer.status, ONEINFER.code(answer.json))
        assert await wire.closed()


def form(*parts: bytes) -> bytes:
    """A request with these parts as a form, each with its head."""
    text = b"".join(b"--cut\r\nContent-Disposition: form-data; " + part + b"\r\n" for part in parts) + b"--cut--\r\n"
    return request(ONEINFER.chat, text, content_type="multipart/form-data; boundary=cut")


ASKED = b'name="messages"\r\n\r\n' + orjson.dumps(MESSAGES)


async def test_a_form_is_answered_like_the_same_body_in_json(gateway):
    answer = await ask(gateway.port, form(ASKED, b"name=model\r\n\r\n" + MODEL.encode(), b"name=max_tokens\r\n\r\n9"))
    assert (200, "success") == (answer.status, answer.json["api_details"]["api_status"])


@pytest.mark.parametrize(
    "data",
    [
        form(),
        form(ASKED).replace(b"--cut--", b"--cu---"),
        form(b"name=model\r\nno end of the head"),
        form(b"filename=a\r\n\r\nno name"),
        form(b"name=files; filename=a.png\r\n\r\nx"),
        form(*[b"name=a\r\n\r\n1"] * 65),
        form(*[b"name=a\r\n\r\n1"] * 1000),
        form(b"name=messages\r\n\r\n" + b"[" * 500 + b"]" * 500),
    ],
    ids=["empty", "not closed", "head without end", "no name", "a file", "a part too many", "a bomb of parts", "deep"],
)
async def test_a_form_that_cannot_be_read_is_refused(gateway, data):
    answer = await ask(gateway.port, data)
    assert (400, "invalid_field_value") == (answer.status, ONEINFER.code(answer.json))
