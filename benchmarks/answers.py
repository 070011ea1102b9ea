"""What the provider of the benchmarks answers, as whole HTTP messages made once; the prompt asks for one of them."""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

import orjson

MODEL = "bench-model"
KEPT_PLANS = 64
"""Different answers kept ready."""
WORDS = 64
"""Different text deltas; longer streams repeat them."""
FRAME_EVENTS = 4
"""Of each stream, beside its text deltas: role, finish, usage and `[DONE]`."""
STAMP = b"chatcmpl-bench-"
"""Before the time in the id of a stream's first event: microseconds of the monotonic clock, zeros if it has no pace."""
STAMP_DIGITS = 16
_STAMPED = re.compile(rb"%b(\d{%d})" % (STAMP, STAMP_DIGITS))
_MARK = re.compile(rb"\[bench size=(\d+) delay_ms=(\d+) events=(\d+) every_ms=(\d+)\]")
_HEAD = {"id": "chatcmpl-bench", "created": 1_750_000_000, "model": MODEL}
_USAGE = {"prompt_tokens": 12, "completion_tokens": 64, "total_tokens": 76}


class Plan(NamedTuple):
    """One answer. With `events` it is a stream of so many text deltas, without a body of `size` bytes."""

    size: int = 1024
    delay_ms: int = 0
    """Before the first byte."""
    events: int = 0
    every_ms: int = 0
    """Between two events of a stream; 0: all in one write."""

    @property
    def mark(self) -> str:
        """What a prompt says to be answered so."""
        return f"[bench size={self.size} delay_ms={self.delay_ms} events={self.events} every_ms={self.every_ms}]"

    @property
    def sent(self) -> int:
        """Events of the whole stream."""
        return self.events + FRAME_EVENTS


def request_body(plan: Plan, *, model: str = MODEL, padding: int = 0) -> bytes:
    """A chat completion request for `plan`, its prompt longer by `padding` bytes."""
    text = f"{plan.mark} Which platform for the express, please?" + " All aboard!" * (padding // 12)
    document: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}]}
    if plan.events:
        document |= {"stream": True, "stream_options": {"include_usage": True}}
    return orjson.dumps(document)


def plan_of(body: bytes) -> Plan:
    """What a request asks for; a prompt without a mark gets the default."""
    begin = body.find(b"[bench ")
    return _read(bytes(body[begin : body.find(b"]", begin) + 1])) if begin >= 0 else Plan()


@functools.lru_cache(KEPT_PLANS)
def _read(mark: bytes) -> Plan:
    found = _MARK.fullmatch(mark)
    return Plan(*map(int, found.groups())) if found else Plan()


@functools.lru_cache(KEPT_PLANS)
def whole(size: int) -> bytes:
    """A chat completion whose body is exactly `size` bytes, with its head."""

    def body(text: str) -> bytes:
        message = {"role": "assistant", "content": text}
        choices = [{"index": 0, "message": message, "finish_reason": "stop"}]
        return orjson.dumps(_HEAD | {"object": "chat.completion", "choices": choices, "usage": _USAGE})

    found = body("x" * (size - len(body(""))))
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(found)}\r\n\r\n"
    return head.encode() + found


def word(number: int) -> str:
    """The text of a stream's delta."""
    return f" word{number % WORDS:02d}"


@functools.lru_cache(KEPT_PLANS)
def stream(events: int) -> tuple[bytes, ...]:
    """The writes of a stream: each event in a chunk of its own, the head with the first, the end with the last."""
    said = [_event({"content": word(number)}) for number in range(min(events, WORDS))]
    begun = _chunk(_event({"role": "assistant", "content": ""}).replace(b"chatcmpl-bench", _stamp(0)))
    usage = b"data: %b\n\n" % orjson.dumps(_HEAD | {"object": "chat.completion.chunk", "choices": [], "usage": _USAGE})
    chunks = [_chunk(each) for each in said]
    ending = [_chunk(_event({}, "stop")), _chunk(usage), _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return (head + begun, *(chunks[number % WORDS] for number in range(events)), *ending)


def stamped(part: bytes, now_s: float) -> bytes:
    """The first write of a stream that begins now."""
    return part.replace(_stamp(0), _stamp(now_s), 1)


def stamp(data: bytes) -> float | None:
    """When the stream began whose first bytes these are, in seconds; `None`: a gateway has taken the time away."""
    found = _STAMPED.search(data)
    return int(found[1]) / 1e6 if found is not None and int(found[1]) else None


def _stamp(now_s: float) -> bytes:
    return STAMP + b"%0*d" % (STAMP_DIGITS, now_s * 1e6)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: %b\n\n" % orjson.dumps(_HEAD | {"object": "chat.completion.chunk", "choices": choices})


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@functools.lru_cache(KEPT_PLANS)
def burst(events: int) -> bytes:
    """The same stream in one piece."""
    return b"".join(stream(events))
