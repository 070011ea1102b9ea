"""Whatever a provider sends, and however it is cut: nobody waits forever, and no answer holds a byte of another.

`POINTSMAN_FUZZ_CASES=20000 pytest tests/proxy/upstream/test_fuzz.py` looks for longer, and elsewhere each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
import reference
from by_hand import MAX_BYTES, WAYS, Talk
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from proxy.upstream.connection import MAX_BARE_BYTES, MAX_HEADERS
from proxy.upstream.faults import ConnectionFault

CASES = int(os.environ.get("POINTSMAN_FUZZ_CASES", "80"))
"""Dialogues of each property; each is cut in many ways."""
CUT_EVERYWHERE_BELOW = 400
"""Bytes: longer responses are cut where it is drawn."""
SETTINGS = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    derandomize="POINTSMAN_FUZZ_CASES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
LETTERS = b"ABCDEFGH"
"""Each body is of one letter: another's would show."""


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Callable[[str, int], None]:
    """Tells how much was tried."""

    def tell(what: str, cases: int) -> None:
        with capsys.disabled():
            print(f"\nfuzz: {cases} {what}", end=" ")  # noqa: T201 - for whoever reads the run

    return tell


class Told(NamedTuple):
    """What a provider says to one request, and what it means."""

    data: bytes
    status: int
    body: bytes


def name(draw: Any, text: bytes) -> bytes:
    return draw(st.sampled_from([text, text.lower(), text.upper()]))


@st.composite
def interims(draw: Any) -> bytes:
    return b"".join(
        draw(
            st.lists(
                st.sampled_from([b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: </a>\r\n\r\n"]), max_size=3
            )
        )
    )


@st.composite
def chunked_body(draw: Any, body: bytes) -> bytes:
    cuts = sorted(draw(st.sets(st.integers(1, max(1, len(body) - 1)), max_size=4)))
    pieces = [body[a:b] for a, b in pairwise([0, *[cut for cut in cuts if cut < len(body)], len(body)])]
    extension = draw(st.sampled_from([b"", b";a", b";a=b", b';a="b c"']))
    size = draw(st.sampled_from([b"%x", b"%X", b"00%x"]))
    trailer = draw(st.sampled_from([b"", b"X-Sum: 1\r\n", b"X-Sum: 1\r\nY:\r\n"]))
    chunks = b"".join((size % len(piece)) + extension + b"\r\n" + piece + b"\r\n" for piece in pieces if piece)
    return chunks + b"0\r\n" + trailer + b"\r\n"


@st.composite
def told(draw: Any, letter: bytes) -> Told:
    """A response that leaves no doubt and lets the connection live on."""
    body = letter * draw(st.one_of(st.integers(0, 30), st.integers(0, 2000)))
    status = draw(st.sampled_from([200, 200, 200, 400, 429, 500, 204, 304]))
    extra = draw(st.lists(st.sampled_from([b"X-A: 1", b"x-a: 2", b"Empty:", b"X-L: \xe9", b"Date: now"]), max_size=4))
    if status in reference.BODYLESS:
        body, framing, framed = b"", [], b""
    elif draw(st.booleans()):
        framing, framed = [name(draw, b"Content-Length") + b": %d" % len(body)], body
    else:
        framing, framed = [name(draw, b"Transfer-Encoding") + b": " + name(draw, b"chunked")], draw(chunked_body(body))
    lines = draw(st.permutations([*extra, *framing]))
    head = b"\r\n".join(
        [b"HTTP/1.1 %d %b" % (status, draw(st.sampled_from([b"", b"OK", b"So \xe9"]))), *lines, b"", b""]
    )
    return Told(draw(interims()) + head + framed, status, body)


@st.composite
def pieces_of(draw: Any, data: bytes) -> list[bytes]:
    """`data`, cut somewhere; or everywhere."""
    if draw(st.integers(0, 9)) == 0:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = draw(st.sets(st.integers(0, len(data)), max_size=8))
    return [data[a:b] for a, b in pairwise(sorted({0, *cuts, len(data)}))]


def cut_everywhere(data: bytes) -> list[list[bytes]]:
    return [[data[:at], data[at:]] for at in range(len(data) + 1)] + [[data[at : at + 1] for at in range(len(data))]]


def test_a_dialogue_cut_at_every_byte_is_the_same_dialogue(report):
    dialogue = [
        Told(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nAAAAA", 200, b"AAAAA"),
        Told(
            b"HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\nX: y\r\n\r\n"
            b"2;a=b\r\nBB\r\n00A\r\nBBBBBBBBBB\r\n0\r\nX-Sum: 1\r\n\r\n",
            200,
            b"B" * 12,
        ),
        Told(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        Told(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", 500, b""),
        Told(b"HTTP/1.1 400 No\r\ncontent-length: 3\r\n\r\nCCC", 400, b"CCC"),
    ]
    cases = 0
    for way in WAYS:
        for is_slow in (False, True):
            talk = Talk()
            for at, each in enumerate(dialogue):
                for pieces in cut_everywhere(each.data):
                    reader = talk.ask(way, pieces, is_slow=is_slow)
                    assert (each.status, each.body) == reader.answer, pieces
                    assert talk.connection.reusable
                    other = dialogue[at - 1]
                    assert (other.status, other.body) == talk.ask(way, [other.data]).answer
                    cases += 1
    report("cuts of a dialogue", cases)


def test_a_dialogue_in_any_words_and_pieces_is_the_same_dialogue(report):
    cases = 0

    @SETTINGS
    @given(st.data())
    def check(data: st.DataObject) -> None:
        nonlocal cases
        talk = Talk()
        for at in range(data.draw(st.integers(1, 5))):
            each = data.draw(told(LETTERS[at : at + 1]))
            assert (each.status, each.body, True) == reference.read(each.data), "the second opinion differs"
            way = data.draw(st.sampled_from(sorted(WAYS)))
            is_slow = data.draw(st.booleans())
            ways_to_cut = [data.draw(pieces_of(each.data))]
            if len(each.data) < CUT_EVERYWHERE_BELOW:
                ways_to_cut += cut_everywhere(each.data)
            for pieces in ways_to_cut:
                reader = talk.ask(way, pieces, is_slow=is_slow)
                assert (each.status, each.body) == reader.answer
                assert talk.connection.reusable
                cases += 1

    check()
    report("sound answers", cases)


TOKENS = [
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\x00", b" ", b"\t", b";", b":", b",", b"0", b"0\r\n\r\n", b"-1", b"+5",
    b"0x5", b"f" * 17, b"99999999999999999999", b"\r\n ", b"\xff", b"1_0", b"\xd9\xa3",
    b"Content-Length: 3\r\n", b"\r\nContent-Length: 3", b"Content-Length: 3, 3\r\n", b"Content-Length:\r\n",
    b"Transfer-Encoding: chunked\r\n", b"\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"Transfer-Encoding : chunked\r\n", b"transfer-encoding:\x0bchunked\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"Connection: upgrade\r\nUpgrade: x\r\n",
    b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 101 S\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", b"HTTP/1.1 204 N\r\n\r\n", b"ICY 200 OK\r\n\r\n",
    b"HTTP/2 200\r\n\r\n",
]  # fmt: skip
"""What framing is made of, and what makes two readers disagree about it."""


@st.composite
def spoilt(draw: Any, letter: bytes) -> bytes:
    """A response to which something was done."""
    data = draw(told(letter)).data
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["insert", "insert", "replace", "delete", "cut", "flip", "append", "again"])):
            case "insert":
                data = data[:at] + draw(st.sampled_from(TOKENS)) + data[at:]
            case "replace":
                token = draw(st.sampled_from(TOKENS))
                data = data[:at] + token + data[at + len(token) :]
            case "delete":
                data = data[:at] + data[at + draw(st.integers(1, 8)) :]
            case "cut":
                data = data[:at]
            case "flip" if at < len(data):
                data = data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
            case "append":
                data += draw(st.one_of(st.sampled_from(TOKENS), st.binary(max_size=20)))
            case "again":
                data += data[at:]
            case _:
                pass
    return data


def check_spoilt(draw: Callable[[Any], Any]) -> bool:
    """One dialogue, spoilt somewhere; whether its connection was given up."""
    talk = Talk()
    for at in range(draw(st.integers(1, 4))):
        letter = LETTERS[at : at + 1]
        data = draw(st.one_of(spoilt(letter), told(letter).map(lambda each: each.data)))
        way = draw(st.sampled_from(sorted(WAYS)))
        reader = talk.ask(way, draw(pieces_of(data)), is_slow=draw(st.booleans()))
        is_clean = reader.answer is not None and talk.connection.reusable
        if not is_clean and not reader.has_ended:
            (talk.end if draw(st.booleans()) else talk.silence)(reader)
            assert reader.has_ended, "it waits for ever"
        if reader.answer is not None:
            others = set(LETTERS) - set(letter) - set(data)
            assert others.isdisjoint(reader.answer[1] or b""), "bytes of another response"
        if not is_clean:
            assert not talk.connection.reusable or reader.answer is not None
            talk.connection.abort()  # as its owner does after a fault
            with pytest.raises(ConnectionFault):
                talk.connection.send(b"", b"")
            return True
        sound = reference.read(data)
        assert sound is not None, f"it goes on after {data!r}"
        assert (sound.status, sound.body) == reader.answer
        assert sound.keeps_alive
    return False


def test_a_spoilt_dialogue_ends_at_the_first_doubt(report):
    cases = given_up = 0

    @SETTINGS
    @given(st.data())
    def check(data: st.DataObject) -> None:
        nonlocal cases, given_up
        cases += 1
        given_up += check_spoilt(data.draw)

    check()
    assert 0 < given_up < cases
    report(f"spoilt dialogues ({given_up} given up)", cases)


def verdict(way: str, pieces: list[bytes]) -> tuple[Any, bool]:
    """What is made of a response that the provider closes after: the answer, or that there is none."""
    talk = Talk()
    reader = talk.ask(way, pieces)
    if not reader.has_ended:
        talk.end(reader)
    return reader.answer, reader.fault is not None


def test_what_is_made_of_a_spoilt_answer_does_not_depend_on_its_pieces(report):
    cases = 0

    @SETTINGS
    @given(spoilt(b"A").filter(lambda data: len(data) < CUT_EVERYWHERE_BELOW), st.sampled_from(sorted(WAYS)))
    def check(data: bytes, way: str) -> None:
        nonlocal cases
        at_once = verdict(way, [data])
        for pieces in cut_everywhere(data):
            assert at_once == verdict(way, pieces), pieces
            cases += 1

    check()
    report("cuts of spoilt answers", cases)


@pytest.mark.parametrize("way", WAYS)
def test_an_answer_cut_off_anywhere_is_never_whole(way, report):
    """Unless only its end could tell where it ends."""
    cases = 0
    for data in (
        b"HTTP/1.1 103 E\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nAAAAA",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nAA\r\n3\r\nAAA\r\n0\r\nB: c\r\n\r\n",
    ):
        for at in range(len(data)):
            for how in (Talk.end, Talk.silence):
                talk = Talk()
                reader = talk.ask(way, [data[:at]])
                how(talk, reader)
                assert reader.fault is not None
                assert not talk.connection.reusable
                cases += 1
    report(f"cut off answers, read by {way}", cases)


FLOODS = {
    "interim responses": (b"", b"HTTP/1.1 103 E\r\n\r\n"),
    "interim responses with headers": (b"", b"HTTP/1.1 103 E\r\nA: b\r\n\r\n"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"),
    "one header": (b"HTTP/1.1 200 OK\r\nA: ", b"a" * 100),
    "a header's name": (b"HTTP/1.1 200 OK\r\n", b"a" * 100),
    "a reason": (b"HTTP/1.1 200 ", b"a" * 100),
    "blank lines": (b"", b"\r\n"),
    "a chunk's size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "a chunk's extension": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 100),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n"),
}


@pytest.mark.parametrize("what", FLOODS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at_once", [1, 100])
def test_a_flood_of_what_is_no_body_is_dammed(what, way, at_once):
    begin, drop = FLOODS[what]
    fed = len(begin)

    def flood() -> Any:
        nonlocal fed
        yield begin
        while fed <= MAX_BARE_BYTES + MAX_HEADERS * 100:
            fed += len(drop) * at_once
            yield drop * at_once

    talk = Talk()
    reader = talk.ask(way, flood())
    assert reader.fault is not None
    assert talk.connection.closed
    assert fed <= MAX_BARE_BYTES + len(begin) + 2 * len(drop) * at_once  # one that overflows, and one never given


@pytest.mark.parametrize("way", ["pieces", "flow"])
def test_a_body_without_end_is_held_back_from_a_slow_reader(way):
    talk = Talk()

    def body() -> Any:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n"
        while talk.wire.reading:
            yield bytes(10_000)

    reader = talk.ask(way, body(), is_slow=True)
    assert not reader.has_ended
    assert talk.wire.reading


@pytest.mark.parametrize("framing", [b"Content-Length: 100000", b"Transfer-Encoding: chunked", b"X: y"])
def test_a_body_too_large_to_be_read_as_a_whole_is_not_waited_for(framing):
    talk = Talk()
    body = b"400\r\n" + bytes(0x400) + b"\r\n" if b"chunked" in framing else bytes(0x400)
    reader = talk.ask("whole", [b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n", *[body] * 5])
    assert (200, None) == reader.answer
    assert not talk.connection.reusable
    assert 5 * 0x400 > MAX_BYTES
