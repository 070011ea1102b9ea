"""Answers, and the ways in which servers tell them. All generated, all repeatable."""

from __future__ import annotations

import json  # noqa: TID251 - servers write spaces, escapes and halves of surrogate pairs, which `orjson` cannot
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any

from hypothesis import strategies as st

from dialects import streams

RECORDED = st.sampled_from(
    [
        stream.data
        for stream in streams.ALL
        if stream.error is None and stream.is_complete and stream not in (streams.RESPONSES, streams.COMPLETIONS)
    ]
)
"""Sound chat streams."""

WORDS = st.sampled_from([
    "a", "b", " ", "ab", "The ", "quick ", "brown ", "fox ", "jumps over ", "0123456789", "\u00e9", "e\u0301", "\x00",
    "\U0001f642", "\U0001f468\u200d\U0001f469", "\u4f60\u597d", '"', "\\", "\\n", "\n", "\r\n", "\n\n", "\u2028",
    "\u0085", "\t", "\x7f", "{", "}]", "data: [DONE]\n\n", "[DONE]", '"choices"', '{"delta":', "error", "\ufeff",
    '"usage":{"prompt_tokens":1}', '"finish_reason":"stop"', '"model":"m"', "\\ud83d", "\U0010ffff", "<think>",
    "\uffff", "\u05d0", ": x\n\n",
])  # fmt: skip
"""Few, so that texts repeat themselves; and what might be taken for a part of the stream."""
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map("".join)
CALLS = st.lists(st.tuples(st.sampled_from(("find", "weather_in")), st.just("") | TEXTS), max_size=2)
KINDS = ("content", "content", "content", "reasoning", "refusal")
PARTS = st.tuples(st.sampled_from(KINDS), TEXTS)
HIGH_FIRST, HIGH_LAST = 0xD8, 0xDB
"""The upper bytes of first halves of surrogate pairs."""


@dataclass(frozen=True)
class Answer:
    """What a model says, in the order it says it."""

    parts: tuple[tuple[str, str], ...]
    """Kinds and texts."""
    calls: tuple[tuple[str, str], ...] = ()
    """Names and arguments."""


@dataclass(frozen=True)
class Style:
    """How one server tells an answer."""

    name: str
    sizes: tuple[int, ...] = (3,)
    """Of the pieces of text, in UTF-16 code units, in turn."""
    reasoning_field: str = "reasoning_content"
    line_end: bytes = b"\n"
    usage: str = "end"
    """`end`: a chunk of its own; `finish`: with the finish reason; `every`: on every chunk; `none`."""
    says_done: bool = True
    comments: bool = False
    calls: str = "pieces"
    """Or each comes whole: with `no index`, as from Mistral, or always with `index 0`, as from Gemini."""
    escapes: bool = True
    """Beyond ASCII all is escaped: an emoji may be cut in two."""
    spaces: bool = False
    late_role: bool = False
    """With the first text, not before it."""
    early_finish: bool = False
    """With the last text, not behind it."""

    @property
    def counts(self) -> dict[str, int]:
        """Every server counts in its own way."""
        return {"prompt_tokens": 10 + len(self.name), "completion_tokens": 5, "total_tokens": 15 + len(self.name)}


@st.composite
def _answers(draw: st.DrawFn) -> Answer:
    calls = draw(CALLS) if draw(ONE_IN_FOUR) else []
    parts = draw(st.lists(PARTS, min_size=0 if calls else 1, max_size=3))
    return Answer(tuple(parts), tuple(calls))


ONE_IN_FOUR = st.sampled_from((False, False, False, True))
ANSWERS = _answers()


def _style(rng: random.Random) -> Style:
    return Style(
        name="first",
        sizes=tuple(rng.choices((1, 2, 3, 5, 8, 40), k=rng.randint(1, 3))),
        reasoning_field=rng.choice(("reasoning_content", "reasoning")),
        line_end=rng.choice((b"\n", b"\n", b"\r\n", b"\r")),
        usage=rng.choice(("end", "end", "finish", "every", "none")),
        says_done=rng.random() < 0.75,
        comments=rng.random() < 0.5,
        calls=rng.choice(("pieces", "pieces", "no index", "index 0")),
        escapes=rng.random() < 0.5,
        spaces=rng.random() < 0.5,
        late_role=rng.random() < 0.5,
        early_finish=rng.random() < 0.5,
    )


STYLES = st.sampled_from((Style("first"), *map(_style, [random.Random(7)] * 999)))
"""Many, made once: a draw for every trait would take longer than the case itself. The simplest is first."""


def tell(answer: Answer, style: Style) -> bytes:
    """The whole stream."""
    deltas = _deltas(answer, style)
    if style.late_role:
        deltas[0] = {"role": "assistant"} | deltas[0]
    else:
        deltas.insert(0, {"role": "assistant", "content": ""})
    if not style.early_finish:
        deltas.append({})
    events = [_chunk(delta, style, is_last=place == len(deltas) - 1) for place, delta in enumerate(deltas)]
    if style.usage == "end":
        events.append(_event(_head(style) | {"choices": [], "usage": style.counts}, style))
    if style.says_done:
        events.append(b"data: [DONE]" + 2 * style.line_end)
    if style.comments:
        events[1:1] = events[3:3] = [b": ping" + 2 * style.line_end]
    return b"".join(events)


def _deltas(answer: Answer, style: Style) -> list[dict[str, Any]]:
    sizes = cycle(style.sizes)
    names = {"reasoning": style.reasoning_field}
    deltas: list[dict[str, Any]] = [
        {names.get(kind, kind): piece} for kind, text in answer.parts for piece in _cut(text, sizes, style)
    ]
    for place, (name, arguments) in enumerate(answer.calls):
        call = {"id": f"{style.name}-{place}", "type": "function"}
        if style.calls != "pieces":
            index = {} if style.calls == "no index" else {"index": 0}
            deltas.append(_call({**index, **call, "function": {"name": name, "arguments": arguments}}))
            continue
        deltas.append(_call({**call, "index": place, "function": {"name": name, "arguments": ""}}))
        deltas += [_call({"index": place, "function": {"arguments": piece}}) for piece in _cut(arguments, sizes, style)]
    return deltas


def _call(entry: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [entry]}


def _cut(text: str, sizes: Iterator[int], style: Style) -> list[str]:
    units = text.encode("utf-16-le")
    pieces: list[str] = []
    while units:
        size = 2 * next(sizes)
        if not style.escapes and HIGH_FIRST <= units[:size][-1] <= HIGH_LAST:
            size += 2
        pieces.append(units[:size].decode("utf-16-le", "surrogatepass"))
        units = units[size:]
    return pieces


def _head(style: Style) -> dict[str, Any]:
    return {
        "id": f"id-{style.name}",
        "object": "chat.completion.chunk",
        "created": len(style.name),
        "model": f"model-{style.name}",
    }


def _chunk(delta: dict[str, Any], style: Style, *, is_last: bool) -> bytes:
    reason = ("tool_calls" if "tool_calls" in delta else "stop") if is_last else None
    doc = _head(style) | {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    if style.usage == "every" or (is_last and style.usage == "finish"):
        doc["usage"] = style.counts
    return _event(doc, style)


def _event(doc: dict[str, Any], style: Style) -> bytes:
    separators = (", ", ": ") if style.spaces else (",", ":")
    text = json.dumps(doc, separators=separators, ensure_ascii=style.escapes)
    return b"data: " + text.encode() + 2 * style.line_end
