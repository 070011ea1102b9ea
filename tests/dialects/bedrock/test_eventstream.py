"""AWS's binary frames: cut anywhere, damaged anywhere, and as AWS's own parser reads them."""

from __future__ import annotations

import contextlib
import struct
from itertools import pairwise
from typing import Any
from uuid import UUID
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.eventstream import event, frame, header
from proxy.dialects.bedrock.eventstream import (
    KNOWN_HEADERS,
    MAX_HEADERS_BYTES,
    OVERHEAD_BYTES,
    Frame,
    FrameSplitter,
    frames_of,
    headers_of,
)
from proxy.dialects.dialect import Undecodable
from proxy.dialects.sse import EventTooLong

HELLO = bytes.fromhex(
    "000000a6000000576f4a71080b3a6576656e742d74797065070011636f6e74656e74426c6f636b44656c74610d3a636f6e74656e742d7479"
    "70650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22636f6e74656e74426c6f63"
    "6b496e646578223a302c2264656c7461223a7b2274657874223a2248656c6c6f227d2c2270223a226162636465666768227d3afb5d9c"
)
PAYLOAD = b'{"contentBlockIndex":0,"delta":{"text":"Hello"},"p":"abcdefgh"}'
LIMIT = 1 << 20


def read(pieces: list[bytes], limit: int = LIMIT) -> tuple[list[Frame], bytes]:
    """The frames of a stream that comes in these pieces, and what was held back at its end."""
    splitter = FrameSplitter(limit)
    frames = [frame for piece in pieces for frame in frames_of(splitter.feed(piece))]
    return frames, splitter.take()


def test_a_frame_of_bedrock_is_read():
    [found], rest = read([HELLO])

    assert PAYLOAD == found.payload
    assert b"" == rest
    assert {
        ":event-type": "contentBlockDelta",
        ":content-type": "application/json",
        ":message-type": "event",
    } == found.headers


def test_whole_frames_pass_as_the_very_object():
    data = HELLO + HELLO

    assert FrameSplitter(LIMIT).feed(data) is data


def test_the_fake_writes_what_bedrock_writes():
    assert HELLO == event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hello"}})


def test_a_stream_may_be_cut_at_any_two_places():
    data = frame({"a": 1}) + HELLO + frame({}, b"x")
    whole = list(frames_of(data))
    for first in range(len(data)):
        for second in range(first, len(data)):
            assert (whole, b"") == read([data[:first], data[first:second], data[second:]])


def test_a_stream_may_come_byte_by_byte():
    assert ([Frame(headers_of(HELLO[12:99]), PAYLOAD)] * 2, b"") == read([bytes([byte]) for byte in HELLO * 2])


def test_no_flipped_bit_makes_another_frame():
    """It is damage, too long, or unfinished: never a payload that was not sent."""
    verdicts = set()
    for place in range(len(HELLO) * 8):
        flipped = bytearray(HELLO)
        flipped[place // 8] ^= 1 << place % 8
        try:
            frames, rest = read([bytes(flipped)])
            assert [] == frames
            assert flipped == rest
            verdicts.add("waits")
        except Undecodable:
            verdicts.add("damage")
    assert {"damage"} == verdicts


def test_no_flipped_bit_loses_or_changes_the_frame_before():
    for place in range(len(HELLO) * 8):
        flipped = bytearray(HELLO)
        flipped[place // 8] ^= 1 << place % 8
        splitter = FrameSplitter(LIMIT)

        assert splitter.feed(HELLO + flipped) == HELLO
        with pytest.raises(Undecodable):
            splitter.feed(b"")
        assert flipped == splitter.take()


def test_nothing_passes_behind_damage():
    splitter = FrameSplitter(LIMIT)
    for _ in range(2):
        with pytest.raises(Undecodable):
            splitter.feed(HELLO[:-1] + b"\x00")
    with pytest.raises(Undecodable):
        splitter.feed(HELLO)


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 500 Internal", b"\xff" * 12, b'data: {"error": 1}\n\n', b"\x00" * 12])
def test_garbage_is_known_by_its_first_twelve_bytes(garbage: bytes):
    splitter = FrameSplitter(LIMIT)

    assert b"" == splitter.feed(garbage[:11])
    with pytest.raises(Undecodable):
        splitter.feed(garbage[11:12])


def prelude(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", crc32(lengths))


def test_nobody_waits_for_gigabytes_even_if_the_checksum_fits():
    with pytest.raises(EventTooLong):
        read([prelude(0xFFFFFFFF, 0)])
    with pytest.raises(EventTooLong):
        read([prelude(0xFFFFFFFF, 0)], 1 << 40)


@pytest.mark.parametrize(
    ("total", "headers"),
    [(0, 0), (15, 0), (16, 1), (100, 85), (200_000, MAX_HEADERS_BYTES + 1), (100, 0xFFFFFFFF)],
)
def test_impossible_lengths_are_damage(total: int, headers: int):
    with pytest.raises(Undecodable):
        read([prelude(total, headers)])


def test_the_limit_is_that_of_one_frame():
    assert 2 == len(read([HELLO + HELLO], len(HELLO))[0])
    with pytest.raises(EventTooLong):
        read([HELLO], len(HELLO) - 1)


def test_the_shortest_frame_says_nothing():
    assert OVERHEAD_BYTES == len(frame({}))
    assert [Frame({}, b"")] == read([frame({})])[0]


def test_an_unfinished_frame_is_what_is_left():
    frames, rest = read([HELLO, HELLO[:-1]])

    assert 1 == len(frames)
    assert HELLO[:-1] == rest


ID = UUID("12345678-1234-5678-1234-567812345678")
TYPED: list[tuple[Any, int | None]] = [
    (True, None), (False, None), (-128, 2), (127, 2), (-32768, 3), (-(1 << 31), 4), (1 << 62, 5), (b"\x00\xff", None),
    ("a\u00e9", None), (1_795_000_000_000, 8), (ID, None), ("", None), (b"", None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "kind"), TYPED)
def test_every_type_of_header_is_read(value: Any, kind: int | None):
    [found], _ = read([frame(header("first", "x") + header("n", value, kind) + header("last", "y"))])

    assert {"first": "x", "n": value, "last": "y"} == found.headers
    assert ("x", "") == (found.header("first"), found.header("none"))


def test_a_header_that_is_no_text_reads_as_absent():
    [found], _ = read([frame({":event-type": 7})])

    assert "" == found.header(":event-type")


@pytest.mark.parametrize(("value", "kind"), TYPED)
def test_a_header_cut_short_is_damage(value: Any, kind: int | None):
    block = header("name", value, kind)
    for size in range(1, len(block)):
        with pytest.raises(Undecodable):
            headers_of(block[:size])


@pytest.mark.parametrize("block", [b"\x01a\x0a", b"\x01a\xff", b"\x01\xff\x00", b"\x01a\x07\x00\x01\xff", b"\x00"])
def test_a_header_of_no_known_type_or_no_text_is_damage(block: bytes):
    with pytest.raises(Undecodable):
        headers_of(block)


def test_a_block_that_is_no_whole_frames_is_damage():
    for block in (b"\x00", HELLO + b"\x00", HELLO[:-4], HELLO[:20], b"\x00" * 16):
        with pytest.raises(Undecodable):
            list(frames_of(block))


def test_few_header_blocks_are_remembered():
    for number in range(2 * KNOWN_HEADERS):
        headers_of(header("n", number))

    assert KNOWN_HEADERS == headers_of.cache_info().currsize


VALUES = st.one_of(st.booleans(), st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=40), st.text(max_size=20))
FRAMES = st.tuples(st.dictionaries(st.text(min_size=1, max_size=12), VALUES, max_size=4), st.binary(max_size=80))


@given(sent=st.lists(FRAMES, min_size=1, max_size=4), cuts=st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_frames_are_read_as_by_awss_own_parser(sent: list[tuple[dict[str, Any], bytes]], cuts: list[int]):
    data = b"".join(frame(headers, payload) for headers, payload in sent)
    theirs = EventStreamBuffer()
    theirs.add_data(data)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]

    frames, rest = read(pieces)

    assert [(message.headers, message.payload) for message in theirs] == [(dict(f.headers), f.payload) for f in frames]
    assert sent == [(dict(found.headers), found.payload) for found in frames]
    assert b"" == rest


@given(st.binary(max_size=200))
@settings(max_examples=200, derandomize=True, deadline=None)
def test_no_bytes_do_more_than_raise(data: bytes):
    for block in (data, HELLO + data):
        with contextlib.suppress(Undecodable, EventTooLong):
            assert len(read([block])[1]) <= len(block)
