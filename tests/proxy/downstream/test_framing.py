"""Where requests begin and end, however their bytes are cut; and what must never be taken for one."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from visits import head, post

from proxy.downstream.framing import MAX_AHEAD, MAX_HEAD_BYTES, MAX_HEADERS, MAX_LINE_BYTES, Framer
from proxy.errors import HeadTooLarge

CHUNKED = "Transfer-Encoding: chunked"
SEQUENCE = b"".join(
    (
        b"\r\n",  # RFC 9112, 2.2: at least one before a request is to be ignored
        post("/first?a=1&b=2", b"one", "Content-Type: text/plain", "X-Twice: a", "x-twice: b"),
        head("GET", "/second", "X-Empty:"),
        head("POST", "/third", CHUNKED) + b"3;ext=1\r\ntwo\r\n2\r\n!!\r\n0\r\nX-Trailer: t\r\nHost: trailer\r\n\r\n",
        head("GET", "http://elsewhere:8080/fourth?q", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"),
        post("/fifth", b"upgraded", "Upgrade: websocket", "Connection: Upgrade"),
        head("OPTIONS", "*"),
        head("HEAD", "/seventh", "Connection: close"),
    )
)
REQUESTS = [
    ("POST", "/first", "a=1&b=2", b"one", True),
    ("GET", "/second", "", b"", True),
    ("POST", "/third", "", b"two!!", True),
    ("GET", "/fourth", "q", b"", True),
    ("POST", "/fifth", "", b"upgraded", True),
    ("OPTIONS", "*", "", b"", True),
    ("HEAD", "/seventh", "", b"", False),
]


def framed(*pieces: bytes) -> Framer:
    framer = Framer(None)  # type: ignore[arg-type]  # nobody answers here
    for piece in pieces:
        rest = piece
        while rest and not framer.is_over:
            rest = framer.feed(rest)
    return framer


def requests(framer: Framer) -> list[tuple[str, str, str, bytes, bool]]:
    return [(each.method, each.path, each.query_string, each.body(), each.keep_alive) for each in framer.requests]


def cut(data: bytes, *places: int) -> list[bytes]:
    edges = [0, *sorted(places), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


@pytest.mark.parametrize("place", range(len(SEQUENCE)))
def test_a_sequence_cut_anywhere_gives_the_same_requests(place):
    framer = framed(*cut(SEQUENCE, place))
    assert REQUESTS == requests(framer)
    assert {"host": "here", "content-length": "3", "content-type": "text/plain", "x-twice": "a, b"} == (
        framer.requests[0].headers
    )
    assert all(request.complete and request.fault is None for request in framer.requests)
    assert framer.refusal is None


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, len(SEQUENCE)), max_size=40))
def test_a_sequence_in_any_pieces_gives_the_same_requests(places):
    assert REQUESTS == requests(framed(*cut(SEQUENCE, *places)))


def test_a_sequence_byte_for_byte_gives_the_same_requests():
    assert REQUESTS == requests(framed(*cut(SEQUENCE, *range(1, len(SEQUENCE)))))


BODY = b"5\r\nhello\r\n0\r\n\r\n"
SMUGGLED = {
    "length and coding": head("POST", "/", "Content-Length: 5", CHUNKED) + BODY,
    "coding and length": head("POST", "/", CHUNKED, "Content-Length: 5") + BODY,
    "two lengths": head("POST", "/", "Content-Length: 5", "Content-Length: 6") + b"hello",
    "the same length twice": head("POST", "/", "Content-Length: 5", "Content-Length: 5") + b"hello",
    "a list of lengths": head("POST", "/", "Content-Length: 5, 5") + b"hello",
    "a signed length": head("POST", "/", "Content-Length: +5") + b"hello",
    "a length in hex": head("POST", "/", "Content-Length: 0x5") + b"hello",
    "a length with a space in it": head("POST", "/", "Content-Length: 5 5") + b"hello",
    "a length too long for any integer": head("POST", "/", f"Content-Length: {2**64 + 5}") + b"hello",
    "an empty length": head("POST", "/", "Content-Length:") + b"hello",
    "another coding": head("POST", "/", "Transfer-Encoding: gzip") + BODY,
    "chunked behind another coding": head("POST", "/", "Transfer-Encoding: gzip, chunked") + BODY,
    "chunked not last": head("POST", "/", "Transfer-Encoding: chunked, identity") + BODY,
    "chunked twice": head("POST", "/", CHUNKED, CHUNKED) + BODY,
    "chunked in a list": head("POST", "/", "Transfer-Encoding: chunked, chunked") + BODY,
    "chunked with a prefix": head("POST", "/", "Transfer-Encoding: xchunked") + BODY,
    "chunked in quotes": head("POST", "/", 'Transfer-Encoding: "chunked"') + BODY,
    "chunked behind a vertical tab": head("POST", "/", "Transfer-Encoding: \x0bchunked") + BODY,
    "an empty coding": head("POST", "/", "Transfer-Encoding:") + BODY,
    "chunked in HTTP/1.0": head("POST", "/", CHUNKED, version="1.0") + BODY,
    "a space before the colon": head("POST", "/", "Transfer-Encoding : chunked") + BODY,
    "a tab before the colon": head("POST", "/", "Content-Length\t: 5") + b"hello",
    "a folded line": head("POST", "/", "X-Fold: a", " b"),
    "a folded coding": head("POST", "/", "Transfer-Encoding:", " chunked") + BODY,
    "a space before the first header": b"GET / HTTP/1.1\r\n Host: here\r\n\r\n",
    "a bare line feed in a value": head("GET", "/", "X: a\nY: b"),
    "a bare carriage return in a value": head("GET", "/", "X: a\rY: b"),
    "a bare line feed behind a line": b"GET / HTTP/1.1\r\nHost: here\n\r\n",
    "a bare line feed as the end": b"GET / HTTP/1.1\r\nHost: here\r\n\n",
    "a NUL in a value": head("GET", "/", "X: a\0b"),
    "a NUL in a name": head("GET", "/", "X\0Y: b"),
    "a control byte in a value": head("GET", "/", "X: a\x01b"),
    "an empty name": head("GET", "/", ": b"),
    "a line without a colon": head("GET", "/", "nothing"),
    "no Host": b"GET / HTTP/1.1\r\n\r\n",
    "two Hosts": head("GET", "/", "Host: there"),
    "two credentials": head("GET", "/", "Authorization: a", "Authorization: b"),
    "two gateway keys": head("GET", "/", "X-Pointsman-Key: a", "x-pointsman-key: b"),
    "two API keys": head("GET", "/", "X-Api-Key: a", "X-API-Key: b"),
    "two content types": head("POST", "/", "Content-Type: a", "Content-Type: b"),
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/2.0 by name": head("GET", "/", version="2.0"),
    "HTTP/1.2": head("GET", "/", version="1.2"),
    "another protocol": b"GET / HTTQ/1.1\r\nHost: here\r\n\r\n",
    "a lower-case method": head("get", "/"),
    "a space in the target": head("GET", "/a b"),
    "a control byte in the target": head("GET", "/a\x01b"),
    "no target": b"GET  HTTP/1.1\r\nHost: here\r\n\r\n",
}
FOLLOW_UP = head("GET", "/smuggled")


@pytest.mark.parametrize("data", SMUGGLED.values(), ids=SMUGGLED)
def test_a_head_that_could_be_read_in_two_ways_is_refused_wherever_it_is_cut(data):
    """It is no request, and nothing behind it is; what came before it stands."""
    for place in range(len(data)):
        framer = framed(*cut(head("GET", "/before") + data + FOLLOW_UP, len(head("GET", "/before")) + place))
        assert ["/before"] == [request.path for request in framer.requests]
        assert framer.refusal is not None
        assert 400 == framer.refusal.status
        assert framer.is_over


CHUNKS = {
    "no size": b"\r\nhello\r\n0\r\n\r\n",
    "a size that is no number": b"x\r\nhello\r\n0\r\n\r\n",
    "a signed size": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size in 0x": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size too long for any integer": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a space before the size": b" 5\r\nhello\r\n0\r\n\r\n",
    "a line feed alone behind the size": b"5\nhello\r\n0\r\n\r\n",
    "a carriage return alone behind the size": b"5\rhello\r\n0\r\n\r\n",
    "more than was announced": b"5\r\nhello!\r\n0\r\n\r\n",
    "no line break behind a chunk": b"5\r\nhello0\r\n\r\n",
    "a line feed alone behind a chunk": b"5\r\nhello\n0\r\n\r\n",
    "a line break in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a NUL in a trailer": b"5\r\nhello\r\n0\r\nX: a\0b\r\n\r\n",
    "a length as a trailer": b"5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nX: a\r\n b\r\n\r\n",
    "endless trailers": b"0\r\n" + b"X: a\r\n" * (MAX_HEADERS + 1) + b"\r\n",
}


@pytest.mark.parametrize("data", CHUNKS.values(), ids=CHUNKS)
def test_a_body_with_bad_chunks_never_ends_and_nothing_follows_it(data):
    step = max(1, len(data) // 64)
    for place in range(0, len(data), step):
        whole = head("POST", "/", CHUNKED) + data + FOLLOW_UP
        start = len(head("POST", "/", CHUNKED)) + place
        framer = framed(*cut(whole, *range(start, len(whole), max(1, len(whole) // 8))))
        request = framer.requests[0]
        assert 1 == len(framer.requests)
        assert framer.is_over
        assert request.fault is not None
        assert not request.complete


def test_framing_without_end_is_refused():
    """An extension of a chunk may be of any length; ours may not."""
    framer = framed(head("POST", "/", CHUNKED) + b"5;", *[b"a" * 1000] * (MAX_HEAD_BYTES // 1000 + 2))
    assert framer.requests[0].fault is not None
    assert framer.is_over


BOMBS = {
    "a long target": head("GET", "/" + "a" * MAX_LINE_BYTES),
    "a long value": head("GET", "/", "X: " + "a" * (MAX_LINE_BYTES + 1)),
    "a value of many lines": head("GET", "/", *["X: " + "a" * 1000] * 20),
    "many headers": head("GET", "/", *[f"X-{number}: 1" for number in range(MAX_HEADERS)]),
    "many long headers": head("GET", "/", *[f"X-{number}: {'a' * 9000}" for number in range(8)]),
}


@pytest.mark.parametrize("size", [100, 5000, 10**6], ids=["dribbling", "in pieces", "at once"])
@pytest.mark.parametrize("data", BOMBS.values(), ids=BOMBS)
def test_a_head_out_of_bounds_is_refused_as_too_large(data, size):
    framer = framed(*cut(data, *range(size, len(data), size)))
    assert not framer.requests
    assert isinstance(framer.refusal, HeadTooLarge)


@pytest.mark.parametrize("data", [b"GET /" + b"a" * 10, b"GET / HTTP/1.1\r\nX: ", b"GET / HTTP/1.1\r\n" + b"X" * 9])
def test_a_head_without_end_is_refused_before_it_fills_the_memory(data):
    framer = framed(data, *[b"a" * 1000] * (MAX_HEAD_BYTES // 1000 + 1))
    assert isinstance(framer.refusal, HeadTooLarge)


def test_a_head_within_the_bounds_is_taken_at_any_size_of_its_pieces():
    data = head("GET", "/" + "a" * 16_000, *[f"X-{number}: {'a' * 450}" for number in range(MAX_HEADERS - 28)])
    for size in (50, 4096, 65_536):
        assert 1 == len(framed(*cut(data, *range(size, len(data), size))).requests)


def test_requests_ahead_are_bounded_and_the_last_says_that_it_is():
    framer = framed(head("GET", "/") * (MAX_AHEAD + 1))
    assert [*[True] * (MAX_AHEAD - 1), False] == [request.keep_alive for request in framer.requests]
    assert framer.is_over
    assert framer.refusal is None


@pytest.mark.parametrize(
    ("version", "line", "stays"),
    [
        ("1.1", "X: y", True),
        ("1.1", "Connection: close", False),
        ("1.1", "Connection: keep-alive, CLOSE", False),
        ("1.0", "X: y", False),
        ("1.0", "Connection: keep-alive", True),
    ],
)
def test_whether_the_connection_stays_is_read_from_version_and_header(version, line, stays):
    framer = framed(head("GET", "/", line, version=version) * 2)
    assert [stays] * len(framer.requests) == [request.keep_alive for request in framer.requests]
    assert (2 if stays else 1) == len(framer.requests)
    assert framer.refusal is None


def test_space_around_a_value_is_none_of_it():
    """Source: RFC 9112, 5.1."""
    (request,) = framed(head("POST", "/", "X:\t a b \t", "Transfer-Encoding:  chunked ") + b"0\r\n\r\n").requests
    assert ("a b", "chunked", True) == (request.headers["x"], request.headers["transfer-encoding"], request.complete)


@pytest.mark.parametrize("lines", [(), ("Upgrade: h2c", "Connection: Upgrade")])
def test_what_follows_a_connect_is_no_request(lines):
    framer = framed(head("CONNECT", "there:443", *lines) + FOLLOW_UP)
    assert [("CONNECT", "there:443", "", b"", False)] == requests(framer)
    assert framer.is_over


def test_a_body_in_tiny_chunks_is_kept_in_few_pieces():
    framer = framed(head("POST", "/", CHUNKED) + b"1\r\nx\r\n" * 5000 + b"0\r\n\r\n")
    assert b"x" * 5000 == framer.requests[0].body()
    assert len(framer.requests[0].pieces) < 300


CORPUS = [SEQUENCE, *(head("GET", "/before") + data + FOLLOW_UP for data in SMUGGLED.values())]
FRAGMENTS = [
    *(b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\0", b"\xff", b"0\r\n\r\n", b"HTTP/1.0", b"chunked"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n"),
    b"Upgrade: x\r\nConnection: upgrade\r\n",
]


def all_of(framer: Framer) -> object:
    """Whatever a framer has to say."""
    heard = [
        (each.method, each.path, each.query_string, each.headers, each.keep_alive, each.complete, each.fault is None)
        for each in framer.requests
    ]
    bodies = [each.body() for each in framer.requests if each.complete]
    return heard, bodies, framer.is_over, framer.refusal and framer.refusal.status


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_damaged_bytes_mean_the_same_wherever_they_are_cut(rng):
    """Two readers that disagree on where a request ends are what smuggling takes."""
    data = bytearray(rng.choice(CORPUS))
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(data))
        data[place : place + rng.randrange(4)] = rng.choice([*FRAGMENTS, bytes([rng.randrange(256)]), b""])
    places = [rng.randrange(len(data)) for _ in range(rng.randint(1, 12))]
    assert all_of(framed(bytes(data))) == all_of(framed(*cut(bytes(data), *places)))
