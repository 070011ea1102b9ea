"""Google's stream as the hub's chunks.

Every event is an object of the same kind; there is no last one. The answer is complete when all candidates have a
finish reason, and its usage is what the last event that counted the prompt says: ones before it may name only the kind
of traffic.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.counting import usage_document
from proxy.dialects.deltas import Delta, Kind
from proxy.dialects.dialect import Undecodable, told
from proxy.dialects.gemini.candidates import Candidates
from proxy.dialects.gemini.usage import tier_in, usage_in
from proxy.dialects.reading import as_dict, as_text, error_object, parse
from proxy.dialects.sse import data_of, events_of

if TYPE_CHECKING:
    from collections.abc import Callable

_BARE = (b"{", b"[")
"""How an error begins that is sent without any framing."""


class GeminiDecoder:
    """Of one stream."""

    __slots__ = ("_candidates", "_chunks", "_has_failed", "_is_named", "_tier", "_usage", "opaque")

    def __init__(self) -> None:
        self._candidates = Candidates()
        self._chunks = Chunks()
        self._is_named = False
        self._has_failed = False
        self._usage: dict[str, Any] | None = None
        self._tier: str | None = None
        self.opaque = self._candidates.opaque

    def feed(self, block: bytes) -> bytes:
        """Whole events in, whole hub events out. Raises `Undecodable` for an event that is no JSON."""
        return told(map(self._read_event, events_of(block)))

    def _read_event(self, event: bytes) -> bytes:
        data = data_of(event)
        if data is None:
            data = event.strip()
            if not data.startswith(_BARE):
                return b""
        try:
            doc = parse(data)
        except ValueError:
            raise Undecodable("an event that is no JSON") from None
        if isinstance(doc, list):
            doc = doc[0] if doc else None
        out: list[bytes] = []
        if isinstance(doc, dict):
            self._read(doc, out)
        return b"".join(out)

    def counted(self) -> dict[str, Any] | None:
        """See `StreamDecoder.counted`: every chunk tells all so far."""
        return None if self._usage is None else usage_document(usage_in(self._usage))

    def end(self) -> bytes:
        """The provider's stream is over: usage and the end of a complete answer, nothing for one that broke off."""
        if self._has_failed or not self._candidates.are_finished:
            return b""
        if self._usage is None:
            return DONE
        usage = usage_in(self._usage)
        tier = usage.tier or self._tier
        fields = {} if tier is None else {"service_tier": tier}
        return self._chunks.usage(usage_document(usage), **fields) + DONE

    def _read(self, doc: dict[str, Any], out: list[bytes]) -> None:
        if not self._is_named:
            self._is_named = True
            self._candidates.id = name = as_text(doc.get("responseId")) or ""
            self._chunks.identify(name, as_text(doc.get("modelVersion")) or "", created_s(doc))
        for name, value in doc.items():
            read = _EVENTS.get(name)
            if read is not None:
                read(self, value, out)

    def _read_candidates(self, candidates: Any, out: list[bytes]) -> None:
        for candidate in candidates if isinstance(candidates, list) else ():
            if isinstance(candidate, dict):
                out += [_WRITERS[delta.kind](self._chunks, delta) for delta in self._candidates.read(candidate)]
                if self._candidates.failure is not None:
                    self._fail(self._candidates.failure, out)
                    self._candidates.failure = None

    def _read_feedback(self, feedback: Any, out: list[bytes]) -> None:
        out += [_WRITERS[delta.kind](self._chunks, delta) for delta in self._candidates.block(as_dict(feedback))]

    def _read_usage(self, meta: Any, out: list[bytes]) -> None:  # noqa: ARG002 - one signature for all
        if not isinstance(meta, dict):
            return
        if "promptTokenCount" in meta:
            self._usage = meta
        elif (tier := tier_in(meta)) is not None:
            self._tier = tier

    def _read_error(self, error: Any, out: list[bytes]) -> None:
        if (found := error_object(error)) is not None:
            self._fail(found, out)

    def _fail(self, error: dict[str, Any], out: list[bytes]) -> None:
        self._has_failed = True
        out.append(self._chunks.error(error))


_EVENTS: dict[str, Callable[[GeminiDecoder, Any, list[bytes]], None]] = {
    "candidates": GeminiDecoder._read_candidates,  # noqa: SLF001 - the table of this class
    "promptFeedback": GeminiDecoder._read_feedback,  # noqa: SLF001
    "usageMetadata": GeminiDecoder._read_usage,  # noqa: SLF001
    "error": GeminiDecoder._read_error,  # noqa: SLF001
}
"""By the name of an event's field."""


def _call(chunks: Chunks, delta: Delta) -> bytes:
    return chunks.call(delta.number, delta.call_id, delta.name, delta.text, extra=delta.value, choice=delta.choice)


_WRITERS: dict[Kind, Callable[[Chunks, Delta], bytes]] = {
    Kind.TEXT: lambda chunks, delta: chunks.text(delta.text, delta.choice),
    Kind.REASONING: lambda chunks, delta: chunks.reasoning(delta.text, delta.choice),
    Kind.REFUSAL: lambda chunks, delta: chunks.delta({"refusal": delta.text}, delta.choice),
    Kind.DETAILS: lambda chunks, delta: chunks.details(delta.value, delta.choice),
    Kind.CALL: _call,
    Kind.IMAGES: lambda chunks, delta: chunks.delta({"images": delta.value}, delta.choice),
    Kind.ANNOTATIONS: lambda chunks, delta: chunks.delta({"annotations": delta.value}, delta.choice),
    Kind.LOGPROBS: lambda chunks, delta: chunks.logprobs(delta.value, delta.choice),
    Kind.FINISH: lambda chunks, delta: chunks.finish(delta.text, delta.choice),
}


def created_s(doc: dict[str, Any]) -> int:
    """Unix time of an answer, which only Vertex AI tells; 0 if it does not."""
    told = as_text(doc.get("createTime"))
    try:
        return int(datetime.fromisoformat(told).timestamp()) if told is not None else 0
    except ValueError:
        return 0
