"""The ways in which servers fail while they tell an answer. All generated, all repeatable."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from itertools import cycle

from hypothesis import strategies as st

from fakes.steps import Drop, Framing, Head, Reset, Send, Stall, Step, error_answer
from tests.proxy.pipeline.listening import Heard, hear_chunks
from tests.proxy.pipeline.telling import ANSWERS, KINDS, ONE_IN_FOUR, RECORDED, STYLES, TEXTS, Answer, Style, tell

MARK = b'"choices"'
"""Of a chunk: damage behind it is known for the loss of a piece of the answer."""
JUNK = st.sampled_from((
    b"data: <html>\n\n", b"data:\n\n", b"data: \n\n", b": comment\n\n", b"data: null\n\n",
    b'event: ping\ndata: {"type":"ping"}\n\n', b"\n\n", b"garbage\n\n", b"data: [DON\n\n", b"data: {}\n\n",
    b"\xff\xfe\n\n", b": \xff\n\n",
))  # fmt: skip
"""Events that are no part of any answer: a stream goes on behind them."""
DOUBTFUL = st.sampled_from((b'data: {"oops\n\n', b'data: {"a":NaN}\n\n', b"data: {'a'\ndata: 'b'}\n\n"))
"""Events of which nobody can tell: another deployment is asked, and if it has no better answer the
stream goes on behind them."""
ERRORS = st.sampled_from(
    (
        b'data: {"error":{"message":"It broke","type":"server_error","code":null}}\n\n',
        b'event: error\ndata: {"error":{"message":"It broke","code":"overloaded"}}\n\n',
        b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}],"error":{"code":502,"message":"x"}}\n\n',
    )
)
_FINISH = re.compile(rb'"finish_reason"\s*:\s*"\w')
INSERTED = {"junk": JUNK, "doubtful": DOUBTFUL, "error": ERRORS}
_END = re.compile(rb"(?>\r\n|\r|\n)(?>\r\n|\r|\n)+")


@dataclass(frozen=True)
class Server:
    """What one provider does with each request."""

    answer: Heard = field(repr=False)
    """What it means to say."""
    stream: bytes
    """What it sends, as far as `size`."""
    style: Style | None = None
    """`None`: recorded, or a refusal."""
    status: int = 200
    size: int | None = None
    """Bytes before it breaks off; `None`: never. Below 0: before its head."""
    end: type[Drop | Reset | Stall] | None = None
    """How it does; `None`: as if it had said everything."""
    damage: str = "none"
    framing: Framing = Framing.CHUNKED
    fine_from: int = 0
    sizes: tuple[int, ...] = (10_000,)
    """Of the writes from `fine_from` on, in turn; there are not more than `MAX_WRITES`."""

    @property
    def is_sound(self) -> bool:
        """Whether all it means to say comes, and nothing that could be taken for damage.

        With junk in it `[DONE]` alone is no end: it may be how an error was told.
        """
        is_whole = self.status == 200 and self.size is None
        is_finished = _FINISH.search(self.stream) is not None
        return is_whole and (self.damage == "none" or (self.damage == "junk" and is_finished))

    @property
    def is_doubtful(self) -> bool:
        """Whether there is something between its events that might have been one."""
        return self.damage == "doubtful"

    @property
    def stalls(self) -> bool:
        return self.end is Stall

    def steps(self) -> list[Step]:
        if self.status != 200:
            return [error_answer(self.status)]
        end: list[Step] = [] if self.end is None else [self.end()]
        if self.size is not None and self.size < 0:
            return end or [Drop()]
        sent = self.stream[: self.size]
        return [Head(framing=self.framing, length=len(self.stream)), *map(Send, self._pieces(sent)), *end]

    def _pieces(self, sent: bytes) -> list[bytes]:
        pieces = [sent[: self.fine_from]]
        rest = sent[self.fine_from :]
        for size in cycle(self.sizes):
            if not rest:
                break
            if len(pieces) >= MAX_WRITES:
                pieces.append(rest)
                break
            pieces.append(rest[:size])
            rest = rest[size:]
        return [piece for piece in pieces if piece]


MAX_WRITES = 24
PLACES = st.integers(0, 9_999).map(lambda place: (place + 6_180) % 10_000)
"""In ten-thousandths of a stream. Hypothesis likes the ends of a range: they come to lie within."""
FRAMINGS = st.sampled_from((Framing.CHUNKED, Framing.CHUNKED, Framing.CHUNKED, Framing.CLOSE, Framing.LENGTH))
TROUBLES = st.sampled_from(("cut", "cut", "cut", "cut", "damage", "damage", "both", "refusal"))
DAMAGES = st.sampled_from(("junk", "doubtful", "error", "short", "overwritten", "torn"))
SIZES = st.lists(st.sampled_from((1, 2, 3, 7, 50, 10_000)), min_size=1, max_size=3).map(tuple)
STATUSES = st.sampled_from((400, 500, 503))
OUT_OF_TEN = st.integers(0, 9)
ENDS = st.sampled_from((*(Drop, Reset, None) * 5, Stall))
LINE_ENDS = st.sampled_from((b"\n", b"\n\n", b"\r", b"\r\n\r\n"))


def _at(place: int, size: int) -> int:
    return place * (size + 1) // 10_000


@st.composite
def _servers(draw: st.DrawFn, answer: Heard, stream: bytes, style: Style | None, trouble: int) -> Server:
    """One that tells `stream`; `trouble` in 10 do not do it well."""
    trouble_kind = draw(TROUBLES) if draw(OUT_OF_TEN) < trouble else "none"
    if trouble_kind == "refusal":
        return Server(answer, b"", status=draw(STATUSES))
    size, end, damage, framing = None, None, "none", draw(FRAMINGS)
    if trouble_kind in ("damage", "both"):
        damage, stream = _damage(draw, stream)
    if trouble_kind in ("cut", "both"):
        size, end = _at(draw(PLACES), len(stream)), draw(ENDS)
        size = -1 if not size and end is not None else size
        end = Drop if end is None and framing is Framing.LENGTH else end
    return Server(
        answer,
        stream,
        style,
        size=size,
        end=end,
        damage=damage,
        framing=framing,
        fine_from=_at(draw(PLACES), len(stream)),
        sizes=draw(SIZES),
    )


def _damage(draw: st.DrawFn, stream: bytes) -> tuple[str, bytes]:
    """The kind of damage, and the stream with it."""
    kind, place = draw(DAMAGES), draw(PLACES)
    at = _at(place, len(stream))
    if kind == "overwritten":
        junk = b"\xff" * draw(st.integers(1, 6))
        return kind, stream[:at] + junk + stream[at + len(junk) :]
    if kind == "torn":
        return kind, stream[:at] + draw(LINE_ENDS) + stream[at:]
    if kind in INSERTED:
        ends = [0, *(match.end() for match in _END.finditer(stream))]
        at = ends[_at(place, len(ends) - 1)]
        return kind, stream[:at] + draw(INSERTED[kind]) + stream[at:]
    marks = [match.end() for match in re.finditer(MARK, stream)]
    mark = marks[_at(place, len(marks) - 1)]
    rest = next(match.start() for match in _END.finditer(stream, mark))
    cut = mark + _at(draw(PLACES), stream.rindex(b"}", mark, rest) - mark)
    return kind, stream[:cut] + stream[rest:]


@st.composite
def _fates(draw: st.DrawFn) -> list[Server]:
    """What a primary and two fallbacks do with one request."""
    if draw(ONE_IN_FOUR):
        style, stream = None, draw(RECORDED)
        heard = hear_chunks(stream)
        answer = Answer(tuple(lane for lane in heard.lanes if lane[0] in KINDS), tuple(heard.calls))
    else:
        answer, style = draw(ANSWERS), draw(STYLES)
        stream = tell(answer, style)
        heard = hear_chunks(stream)
    found = [draw(_servers(heard, stream, style, 8))]
    for name in ("the second", "the third one"):
        kind = draw(OTHERS) if answer.parts or answer.calls else "bytes"
        if kind == "bytes":
            found.append(draw(_servers(heard, stream, style, 2)))
            continue
        own = replace(draw(STYLES), name=name)
        told = tell(draw(_changed(answer)) if kind == "other" else answer, own)
        found.append(draw(_servers(hear_chunks(told), told, own, 2)))
    return found


OTHERS = st.sampled_from((*("same",) * 5, "bytes", "other"))
"""What fallbacks say: most often the same in another way."""


@st.composite
def _changed(draw: st.DrawFn, answer: Answer) -> Answer:
    """It goes on in another way at some place."""
    told = [*answer.parts, *answer.calls]
    at = _at(draw(PLACES), len(told) - 1)
    kind, text = told[at]
    text = text[: _at(draw(PLACES), len(text))] + draw(st.just("") | TEXTS)
    if at >= len(answer.parts):
        calls = (*answer.calls[: at - len(answer.parts)], (kind, text))
        return Answer(answer.parts, calls)
    return Answer((*answer.parts[:at], (kind, text or "z")))


FATES = _fates()
