"""Reads answers of a provider that speaks another dialect than the hub's.

`TranslatedMeter` hands on the hub's events; `PassedMeter` the provider's own, for a client that speaks its dialect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.answer import Answer
from proxy.dialects.chunks import dumps
from proxy.dialects.counting import usage_from_openai
from proxy.dialects.dialect import Undecodable
from proxy.dialects.meter import StreamMeter
from proxy.dialects.reading import parse
from proxy.dialects.request import Operation
from proxy.dialects.sse import EventTooLong, Splitter, events_of
from proxy.errors import MalformedAnswer, StreamBroken, UpstreamError

if TYPE_CHECKING:
    from proxy.dialects.dialect import Dialect, Target
    from proxy.usage import Usage


class TranslatedMeter(StreamMeter):
    """What is known of a stream in another dialect; `feed` and `close` return it as the hub's."""

    __slots__ = ("_decoder", "_framer")

    def __init__(
        self, dialect: Dialect, target: Target, *, drop_usage: bool, max_event_bytes: int, choices: int = 1
    ) -> None:
        """`drop_usage`: the client did not ask for it."""
        super().__init__(target.quirks, drop_usage=drop_usage, max_event_bytes=max_event_bytes, choices=choices)
        self._framer = dialect.framer(max_event_bytes)
        self._decoder = dialect.decoder(target)
        self.opaque = self._decoder.opaque

    def feed(self, data: bytes) -> bytes:
        """Read the next bytes, cut anywhere; the hub's events they make.

        Raises `MalformedAnswer`, or `StreamBroken` once content has come, for an event over the limit.
        """
        try:
            block = self._framer.feed(data)
            return self._take(block) if block else b""
        except EventTooLong as error:
            raise self._too_long(error) from None
        except Undecodable as damage:
            return self._lose(damage)

    def close(self) -> bytes:
        """The end of the stream: a last event that lacks only its end, and what is still to be said."""
        try:
            rest = self._framer.take()
            if rest.strip(b"\r\n") and isinstance(self._framer, Splitter):
                rest += b"\n\n"
            passed = self._take(rest) if rest.strip(b"\r\n") else b""
        except Undecodable as damage:
            return self._lose(damage)
        return passed if self.is_over else passed + self._finish()

    def counted(self) -> Usage | None:
        """See `Meter.counted`."""
        told = self._decoder.counted()
        return None if told is None else usage_from_openai(told, self._quirks, self.service_tier)

    def _take(self, block: bytes) -> bytes:
        """Whole frames of the provider's; what the client gets of them."""
        events = self._decoder.feed(block)
        return super().feed(events) if events else b""

    def _finish(self) -> bytes:
        events = self._decoder.end()
        return super().feed(events) if events else b""

    def _lose(self, damage: Undecodable) -> bytes:
        """A piece of the answer is damaged: nothing behind it can be passed on."""
        passed = super().feed(damage.told) if damage.told else b""
        if not self.is_complete:
            self.damaged = self.lost = self.is_over = True
        return passed

    def _too_long(self, error: EventTooLong) -> UpstreamError:
        kind: type[UpstreamError] = StreamBroken if self.saw_content else MalformedAnswer
        return kind("The provider sent an event that is too long.", detail=str(error))


class PassedMeter(TranslatedMeter):
    """The same for a client of that dialect: what is passed on are the provider's own events, byte for byte.

    An error among them is not: the client is told of it in the surface's own words.
    """

    __slots__ = ()

    def _take(self, block: bytes) -> bytes:
        kept = 0
        for event in events_of(block):
            try:
                super()._take(event)
            except Undecodable as damage:
                self._lose(damage)
            if self.error is not None or self.lost:
                break
            kept += len(event)
        self.sound_bytes = None  # it counts bytes of the hub's events, which nobody gets
        return block if kept == len(block) else block[:kept]

    def _finish(self) -> bytes:
        super()._finish()
        self.sound_bytes = None
        return b""


def read_translated(body: bytes, dialect: Dialect, target: Target) -> tuple[Answer, bytes]:
    """A whole answer in another dialect: its facts, and the answer as the hub's.

    Raises `MalformedAnswer` for what is neither an answer nor an error; an error in it is told by `Answer.error`.
    """
    try:
        doc = parse(body)
    except ValueError as error:
        raise MalformedAnswer("The provider's answer is not JSON.", detail=f"{len(body)} bytes; {error}") from None
    if isinstance(doc, list) and doc:
        doc = doc[0]  # Gemini wraps an error into a list
    if not isinstance(doc, dict):
        raise MalformedAnswer("The provider's answer is not a JSON object.")
    hub = dialect.answer(doc, target)
    answer = Answer(hub, Operation.CHAT, target.quirks)
    if answer.error is None and not hub.get("choices"):
        raise MalformedAnswer("The provider's answer has no content.")
    return answer, dumps(hub)
