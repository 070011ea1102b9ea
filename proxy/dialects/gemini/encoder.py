"""The hub's stream as Google's: an object for each piece, the last one with the finish reasons and the usage.

Framed as server-sent events (`alt=sse`) or, as Google does without that, as one JSON array that grows.
Source: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.chunks import dumps
from proxy.dialects.deltas import Delta, DeltaReader, Kind
from proxy.dialects.gemini.answer_out import OTHER, REASONS, calls_out, image_out, logprobs_out, state_out
from proxy.dialects.gemini.grounding import grounding_out
from proxy.dialects.gemini.signatures import of_details
from proxy.dialects.gemini.usage import usage_out
from proxy.dialects.reading import Halves, as_dict
from proxy.errors import ErrorInStream, MalformedAnswer

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.told import Told

MAX_TOOL_CALL_BYTES = 1 << 22
"""Of tool-call arguments gathered until the calls are whole."""
MAX_ANNOTATIONS = 1024
"""Kept for the last object."""
SSE_KEEPALIVE = b"\r\n"
"""An empty line: Google's own client takes a comment for an answer."""
ARRAY_KEEPALIVE = b"\n"


_SAID, _THOUGHT = _FORMS = (b'{"text":%b}', b'{"text":%b,"thought":true}')


class Framing:
    """What stands before, between and behind the objects of one stream."""

    __slots__ = ("_has_begun", "_is_array", "keepalive")

    def __init__(self, *, is_array: bool) -> None:
        self._is_array = is_array
        self._has_begun = False
        self.keepalive = ARRAY_KEEPALIVE if is_array else SSE_KEEPALIVE

    def frame(self, document: bytes) -> bytes:
        """One object."""
        if not self._is_array:
            return b"data: %b\r\n\r\n" % document
        before = b",\r\n" if self._has_begun else b"["
        self._has_begun = True
        return before + document

    def end(self) -> bytes:
        """The end of a stream, complete or not."""
        if not self._is_array:
            return b""
        return b"\n]\n" if self._has_begun else b"[]\n"


class GeminiStream:
    """Of one answer."""

    __slots__ = (
        "_annotations",
        "_calls",
        "_calls_bytes",
        "_frame",
        "_framing",
        "_halves",
        "_reader",
        "_reasons",
        "_shows",
        "_tail",
    )

    def __init__(self, told: Told, framing: Framing, *, shows_thoughts: bool) -> None:
        self._reader = DeltaReader()
        self._framing = framing
        self._frame = framing.frame
        self._shows = shows_thoughts
        ends = {"modelVersion": told.upstream_model, "responseId": told.request_id}
        self._tail = b"]," + dumps(ends)[1:]
        self._reasons: dict[int, str] = {}
        self._calls: dict[int, dict[int, tuple[Delta, list[str]]]] = {}
        """Choice -> number -> how the call opened, and the pieces of its arguments."""
        self._calls_bytes = 0
        self._annotations: dict[int, list[Any]] = {}
        self._halves: dict[tuple[int, bytes], Halves] = {}
        """Of the texts that have been more than ASCII."""

    def feed(self, data: bytes) -> bytes:
        """Whole hub events in, whole objects out; may be empty.

        Raises `ErrorInStream` for tool calls over `MAX_TOOL_CALL_BYTES` or that cannot be read.
        """
        deltas = self._reader.read(data)
        return b"".join([_WRITERS[delta.kind](self, delta) for delta in deltas])

    def end(self, told: Told) -> bytes:
        """The last object: why each candidate ended, its sources, and the usage."""
        pieces = [self._write_rest(choice) for choice, _ in list(self._halves)]
        pieces += [self._write_calls(choice) for choice in list(self._calls)]
        candidates = []
        for choice in sorted(self._reasons.keys() | self._annotations.keys()) or (0,):
            reason = REASONS.get(self._reasons.get(choice, "stop"), OTHER)
            content = {"parts": [{"text": ""}], "role": "model"}
            candidate: dict[str, Any] = {"content": content, "finishReason": reason, "index": choice}
            if (grounding := grounding_out(self._annotations.get(choice))) is not None:
                candidate["groundingMetadata"] = grounding
            candidates.append(candidate)
        last = dumps(candidates)[:-1]
        usage = b"" if told.usage is None else b'"usageMetadata":%b,' % dumps(usage_out(told.usage))
        document = b'{"candidates":%b],%b%b' % (last, usage, self._tail[2:])
        return b"".join(pieces) + self._frame(document) + self._framing.end()

    def _parts(self, parts: bytes, choice: int) -> bytes:
        return self._frame(
            b'{"candidates":[{"content":{"parts":[%b],"role":"model"},"index":%d}%b' % (parts, choice, self._tail)
        )

    def _write_text(self, delta: Delta) -> bytes:
        return self._write_piece(_SAID, delta)

    def _write_thought(self, delta: Delta) -> bytes:
        return self._write_piece(_THOUGHT, delta) if self._shows else b""

    def _write_piece(self, form: bytes, delta: Delta) -> bytes:
        text, lane = delta.text, (delta.choice, form)
        if not text.isascii() or lane in self._halves:
            text = self._halves.setdefault(lane, Halves()).add(text)
        return self._parts(form % dumps(text), delta.choice) if text else b""

    def _write_rest(self, choice: int) -> bytes:
        """What stands for half a character whose other half never came."""
        rests = [(form, self._halves.pop((choice, form)).end()) for form in _FORMS if (choice, form) in self._halves]
        return b"".join([self._parts(form % dumps(text), choice) for form, text in rests if text])

    def _write_state(self, delta: Delta) -> bytes:
        entries = delta.value if isinstance(delta.value, list) else []
        parts = [state_out(as_dict(entry), with_text=False) for entry in entries] if self._shows else []
        if (signature := of_details(entries)) is not None:
            parts.append({"text": "", "thoughtSignature": signature})
        return b"".join([self._parts(dumps(part), delta.choice) for part in parts if part is not None])

    def _open_call(self, delta: Delta) -> bytes:
        self._calls.setdefault(delta.choice, {})[delta.number] = (delta, [])
        return b""

    def _add_arguments(self, delta: Delta) -> bytes:
        self._calls_bytes += len(delta.text)
        if self._calls_bytes > MAX_TOOL_CALL_BYTES:
            raise ErrorInStream("The tool call is too long.", detail=f"over {MAX_TOOL_CALL_BYTES} bytes of arguments")
        known = self._calls.get(delta.choice, {}).get(delta.number)
        if known is None:
            raise ErrorInStream(
                "The provider went on with a tool call that had ended.", detail="after its finish reason"
            )
        known[1].append(delta.text)
        return b""

    def _write_calls(self, choice: int) -> bytes:
        """All calls of a candidate at once: only now is it sure that they are whole."""
        calls = [
            (opened.call_id, opened.name, "".join(pieces), opened.value)
            for opened, pieces in self._calls.pop(choice, {}).values()
        ]
        try:
            parts = [dumps(part) for part in calls_out(calls, self._reasons.get(choice))]
        except MalformedAnswer as error:
            raise ErrorInStream(error.message, detail=error.detail) from None
        return self._parts(b",".join(parts), choice) if parts else b""

    def _write_images(self, delta: Delta) -> bytes:
        images = delta.value if isinstance(delta.value, list) else []
        parts = [dumps(part) for image in images if (part := image_out(image)) is not None]
        return self._parts(b",".join(parts), delta.choice) if parts else b""

    def _keep_annotations(self, delta: Delta) -> bytes:
        known = self._annotations.setdefault(delta.choice, [])
        if isinstance(delta.value, list):
            known += delta.value[: MAX_ANNOTATIONS - len(known)]
        return b""

    def _write_logprobs(self, delta: Delta) -> bytes:
        result = dumps(logprobs_out(delta.value))
        return self._frame(
            b'{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"index":%d,"logprobsResult":%b}%b'
            % (delta.choice, result, self._tail)
        )

    def _finish(self, delta: Delta) -> bytes:
        self._reasons[delta.choice] = delta.text
        return self._write_rest(delta.choice) + self._write_calls(delta.choice)

    def _skip(self, delta: Delta) -> bytes:  # noqa: ARG002 - what it says is told at the end
        return b""


_WRITERS: dict[Kind, Callable[[GeminiStream, Delta], bytes]] = {
    Kind.TEXT: GeminiStream._write_text,  # noqa: SLF001 - the table of this class
    Kind.REFUSAL: GeminiStream._write_text,  # noqa: SLF001
    Kind.REASONING: GeminiStream._write_thought,  # noqa: SLF001
    Kind.DETAILS: GeminiStream._write_state,  # noqa: SLF001
    Kind.CALL: GeminiStream._open_call,  # noqa: SLF001
    Kind.ARGUMENTS: GeminiStream._add_arguments,  # noqa: SLF001
    Kind.IMAGES: GeminiStream._write_images,  # noqa: SLF001
    Kind.ANNOTATIONS: GeminiStream._keep_annotations,  # noqa: SLF001
    Kind.LOGPROBS: GeminiStream._write_logprobs,  # noqa: SLF001
    Kind.FINISH: GeminiStream._finish,  # noqa: SLF001
    Kind.USAGE: GeminiStream._skip,  # noqa: SLF001
}
