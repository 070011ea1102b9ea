"""Reading one event, and cutting a block of them apart."""

from __future__ import annotations

import itertools

import pytest

from proxy.dialects.sse import EventTooLong, Splitter, data_of, event_name, events_of


@pytest.mark.parametrize(
    ("event", "data", "name"),
    [
        (b"data: a\n\n", b"a", None),
        (b"data:a\n\n", b"a", None),
        (b"data:  a\n\n", b" a", None),
        (b"data\n\n", b"", None),
        (b"data:\n\n", b"", None),
        (b"data: a\ndata: b\n\n", b"a\nb", None),
        (b"data: a\rdata: b\r\n\n", b"a\nb", None),
        (b"event: x\r\ndata: a\r\n\r\n", b"a", "x"),
        (b"data: a\nevent:x\nevent: y\n\n", b"a", "y"),
        (b": comment\n\n", None, None),
        (b": comment\ndata: a\n\n", b"a", None),
        (b"\n\ndata: a: b\n\n", b"a: b", None),
        (b"database: a\nid: 7\nretry: 5\n\n", None, None),
        (b"", None, None),
    ],
)
def test_an_event_is_read_as_the_standard_says(event: bytes, data: bytes | None, name: str | None):
    assert data == data_of(event)
    assert name == event_name(event)


def test_a_block_is_cut_at_every_kind_of_empty_line():
    events = [b"a\n\n", b"b\r\n\r\n", b"c\r\r", b"d\n\r\n", b"e\r\n\n", b"f\n\r", b"g\r\n"]

    assert events == events_of(b"".join(events))


def test_a_carriage_return_and_a_line_feed_are_one_line_end():
    assert [b"a\r\nb\r\n\r\n"] == events_of(b"a\r\nb\r\n\r\n")


def test_whole_events_are_not_copied():
    splitter = Splitter(100)
    splitter.feed(b": hi\n\n")
    block = b"data: a\n\ndata: b\n\n"

    assert block is splitter.feed(block)
    assert splitter.clean
    assert b"" == splitter.take()


def test_a_mark_that_only_looks_like_a_byte_order_mark_passes():
    splitter = Splitter(100)

    assert b"" == splitter.feed(b"\xef")
    assert b"\xef\xbb: x\n\n" == splitter.feed(b"\xbb: x\n\n")


def test_blank_lines_are_not_held_back():
    splitter = Splitter(100)
    splitter.feed(b": hi\n\n")

    assert b"\n" == splitter.feed(b"\n")
    assert splitter.clean


def test_a_line_feed_that_belongs_to_a_dropped_event_is_dropped_too():
    splitter = Splitter(100)
    assert b"data: a\r\r" == splitter.feed(b"data: a\r\r")
    splitter.drop_line_feed()

    assert b"" == splitter.feed(b"")
    assert b"data: b\n\n" == splitter.feed(b"\ndata: b\n\n")
    assert b"\n" == splitter.feed(b"\n")


def test_an_event_that_comes_byte_by_byte_is_refused_at_the_limit():
    splitter = Splitter(10)
    for _ in range(10):
        assert b"" == splitter.feed(b"x")

    with pytest.raises(EventTooLong, match="10 bytes"):
        splitter.feed(b"x")


def told(*blocks: bytes) -> list[bytes]:
    """The events in them, without their ends."""
    return [event.strip(b"\r\n") for block in blocks for event in events_of(block) if event.strip(b"\r\n")]


@pytest.mark.parametrize("size", range(1, 8))
def test_whatever_the_line_ends_and_wherever_it_is_cut_a_stream_has_the_same_events(size: int):
    """Every string of letters and line ends, with every cut."""
    for characters in itertools.product("a\r\n", repeat=size):
        stream = "".join(characters).encode()
        for cut in range(size):
            splitter = Splitter(100)
            passed = [splitter.feed(part) for part in (stream[:cut], stream[cut:])]
            rest = splitter.take()

            assert stream == b"".join(passed) + rest
            assert told(stream) == told(*passed, rest), (stream, cut)
