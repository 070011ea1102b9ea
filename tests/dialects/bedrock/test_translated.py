"""A stream of Converse on its whole way into the core: framed, decoded, metered."""

from __future__ import annotations

import pytest
from streams_of_converse import BEGIN, DIALECT, DONE, TARGET, call, delta, end, said, stop, text, whole

from proxy.dialects.bedrock.eventstream import frames_of
from proxy.dialects.dialect import Target, Undecodable
from proxy.dialects.names import DialectName
from proxy.dialects.spoken import SPOKEN
from proxy.dialects.translated import TranslatedMeter
from proxy.usage import Usage

FRAMES = [BEGIN, *text(0, "Hel", "lo"), *call(1, "t1", "w", "{}"), *end("tool_use", serviceTier={"type": "flex"})]
LIMIT = 1 << 20


def passed(pieces: list[bytes]) -> tuple[TranslatedMeter, bytes]:
    """What a client gets of the stream, told up to where nothing more is passed on."""
    meter = TranslatedMeter(DIALECT, TARGET, drop_usage=False, max_event_bytes=LIMIT)
    events = b""
    for piece in pieces:
        events += meter.feed(piece)
        if meter.is_over:
            return meter, events
    return meter, events + meter.close()


def anonymous(events: bytes) -> bytes:
    """Without the id, which is another each time."""
    [ident] = {part.split(b'"', 1)[0] for part in events.split(b'"id":"chatcmpl-')[1:]}
    return events.replace(ident, b"id")


def test_the_dialect_is_in_the_table():
    assert DialectName.BEDROCK is SPOKEN[DialectName.BEDROCK].name


def test_a_stream_cut_anywhere_is_the_same_answer():
    data = b"".join(FRAMES)
    expected = anonymous(passed([data])[1])
    for cut in range(1, len(data), 11):
        meter, events = passed([data[start : start + cut] for start in range(0, len(data), cut)])

        assert expected == anonymous(events)
        assert (True, "tool_calls", "flex") == (meter.is_complete, meter.finish_reason, meter.service_tier)
        assert Usage(30, 12, tier="flex") == meter.usage
        assert TARGET.model == meter.model


def test_a_stream_without_usage_is_whole_at_the_connections_end():
    meter, events = passed(FRAMES[:-1])

    assert (True, True, None) == (meter.is_complete, meter.saw_done, meter.usage)
    assert events.endswith(DONE)


@pytest.mark.parametrize("place", range(len(FRAMES)))
def test_a_flipped_bit_in_any_frame_lets_nothing_of_it_through(place: int):
    """Also when it is the last that comes: what is held back at the end is damaged still."""
    sound = anonymous(passed(FRAMES)[1])
    for byte in range(0, len(FRAMES[place]), 5):
        flipped = bytearray(FRAMES[place])
        flipped[byte] ^= 0x10
        for rest in ([], FRAMES[place + 1 :]):
            meter, events = passed([*FRAMES[:place], bytes(flipped), *rest])

            assert b"" == events or sound.startswith(anonymous(events))
            assert DONE not in events or place == len(FRAMES) - 1
            assert meter.lost or meter.finish_reason is not None


def test_a_damaged_frame_behind_a_sound_one_is_known_at_the_end():
    meter, events = passed([b"".join(FRAMES[:2]) + FRAMES[2][:-1] + b"\x00"])

    assert b'"Hel"' in events
    assert b'"lo"' not in events
    assert (True, False) == (meter.lost, meter.is_complete)


def test_a_frame_whose_checksum_does_not_fit_is_never_read():
    with pytest.raises(Undecodable):
        list(frames_of(FRAMES[1][:-1] + b"\x00"))


def test_a_stream_that_breaks_off_in_a_frame_is_not_whole():
    meter, events = passed([*FRAMES[:3], FRAMES[3][:20]])

    assert not meter.is_complete
    assert DONE not in events


def test_only_claudes_thoughts_are_called_claudes():
    nova = Target("us.amazon.nova-2-lite-v1:0")
    content = [{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}]
    [entry] = DIALECT.answer(whole(content), nova)["choices"][0]["message"]["reasoning_details"]
    decoder = DIALECT.decoder(nova)
    proof = [delta(0, {"reasoningContent": {"signature": "s"}}), stop(0)]

    assert "unknown" == entry["format"]
    assert b'"format":"unknown"' in b"".join(map(decoder.feed, proof))
    assert "anthropic-claude-v1" == said([*proof, *end()]).message["reasoning_details"][0]["format"]
