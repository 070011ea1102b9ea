"""The pure functions in a loop: a request's way to the provider, and an event's way back, CPU time of this thread."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.translation.answers import ANSWERS, EVENTS
from benchmarks.translation.requests import MODEL, body_of
from proxy.dialects import openai_chat
from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.dialect import Target
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.meter import StreamMeter
from proxy.dialects.names import DialectName
from proxy.dialects.oneinfer import OneInferSurface
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.oxen import OxenSurface
from proxy.dialects.request import Operation
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.dialects.spoken import SPOKEN
from proxy.dialects.translated import PassedMeter, TranslatedMeter
from proxy.providers.table import lookup
from proxy.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from proxy.dialects.request import ModelRequest

ROUNDS = 5
"""The best counts: whatever else the machine did can only have made it slower."""
REQUESTS = 60
"""In one round."""
MAX_EVENT_BYTES = 1 << 20
ROWS = {
    "openai_chat": "openai",
    "openai_responses": "openai",
    "anthropic_messages": "anthropic",
    "gemini": "google",
    "bedrock_converse": "bedrock",
    "cohere": "cohere",
    "ollama": "ollama-native",
    "mistral": "mistral",
}
"""Dialect -> the row of the provider table whose quirks apply."""
MODELS = {"anthropic_messages": "claude-sonnet-4-5", "bedrock_converse": "us.anthropic.claude-sonnet-4-5-v1:0"}
"""For the rest any name will do."""


@dataclass(frozen=True, slots=True)
class _Told:
    """What encoders may say of an answer."""

    request_id: str = "req_1"
    created_s: int = 1_750_000_000
    provider: str = "engine"
    model: str = MODEL
    upstream_model: str = MODEL
    context_window: int | None = None
    latency_s: float = 1.0
    usage: Usage | None = None


TOLD = _Told(usage=Usage(120, EVENTS))
SURFACES: dict[str, Callable[[bool], Any]] = {
    "openai_chat": lambda _: OpenAISurface(),
    "openai_responses": lambda _: ResponsesSurface(),
    "anthropic_messages": lambda _: AnthropicSurface(),
    "gemini": lambda stream: GeminiSurface(MODEL, stream=stream),
    "oneinfer": lambda _: OneInferSurface(),
    "oxen": lambda _: OxenSurface(),
}
"""Client dialect -> its surface, for a request that streams or not."""


def request_us(client: str, provider: str) -> float:
    """Microseconds from a client's body to the provider's."""
    body = body_of(client, stream=True)

    def once() -> None:
        for _ in range(REQUESTS):
            asked(client, provider, body)

    return _best_s(once) / REQUESTS * 1e6


def event_us(client: str, provider: str) -> float:
    """Microseconds from one event of the provider to the client's, what is metered on the way included."""
    body, events = body_of(client, stream=True), ANSWERS[provider].events
    return _best_s(lambda: answered(client, provider, body, events)) / len(events) * 1e6


def asked(client: str, provider: str, body: bytes) -> bytes:
    """What the provider gets of a client's body, as `proxy.upstream.ask` does it."""
    request = SURFACES[client](True).decode(_operation(client), body)
    name, target = DialectName(provider), _target(provider)
    if request.dialect is name and name in (DialectName.OPENAI_CHAT, DialectName.OPENAI_RESPONSES):
        return openai_chat.encode(request, target)
    if request.dialect is name:
        return SPOKEN[name].adapt(request, target)
    hub = request.hub
    return openai_chat.encode(hub, target) if name is DialectName.OPENAI_CHAT else SPOKEN[name].encode(hub, target)


def answered(client: str, provider: str, body: bytes, events: Sequence[bytes]) -> list[bytes]:
    """What the client gets of the provider's events, one by one."""
    surface = SURFACES[client](True)
    request = surface.decode(_operation(client), body)
    meter, is_passed = _meter(request, provider)
    encoder = None if is_passed else surface.stream(TOLD)
    sent = []
    for event in events:
        passed = meter.feed(event)
        sent.append(encoder.feed(passed) if encoder is not None and passed else passed)
    rest = meter.close()
    if encoder is not None:
        sent += [encoder.feed(rest) if rest else b"", encoder.end(TOLD)]
    return sent


def _operation(client: str) -> Operation:
    return Operation.RESPONSES if client == "openai_responses" else Operation.CHAT


def _target(provider: str) -> Target:
    row = lookup(ROWS[provider])
    assert row is not None  # noqa: S101 - the table has them all
    return Target(MODELS.get(provider, MODEL), quirks=row.quirks)


def _meter(request: ModelRequest, provider: str) -> tuple[StreamMeter, bool]:
    """What reads the stream, and whether the client gets another dialect's very bytes."""
    name, target = DialectName(provider), _target(provider)
    is_passed = request.dialect is name and name is not DialectName.OPENAI_CHAT
    if name is DialectName.OPENAI_CHAT or (is_passed and name is DialectName.OPENAI_RESPONSES):
        hides = not (request.wants_usage or is_passed)
        return StreamMeter(target.quirks, drop_usage=hides, max_event_bytes=MAX_EVENT_BYTES), is_passed
    kind = PassedMeter if is_passed else TranslatedMeter
    return kind(SPOKEN[name], target, drop_usage=False, max_event_bytes=MAX_EVENT_BYTES), is_passed


def _best_s(once: Callable[[], None]) -> float:
    once()
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(ROUNDS):
            since_s = time.thread_time()
            once()
            best = min(best, time.thread_time() - since_s)
    finally:
        gc.enable()
    return best
