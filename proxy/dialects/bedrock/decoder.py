"""A stream of ConverseStream as the hub's chunks.

The usage comes in `metadata`, mostly after `messageStop` and sometimes before it; the stream ends with the connection.
A block of text or thoughts has no start of its own, only its deltas tell what it is.
Source: Amazon Bedrock Runtime API reference, `ConverseStream`, `ConverseStreamOutput`.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy.dialects.bedrock import answer
from proxy.dialects.bedrock.eventstream import Frame, frames_of
from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.dialect import Undecodable, told
from proxy.dialects.reading import as_dict, as_text, parse

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BLOCKS = 4096
"""Blocks of one answer that are open at once."""
MAX_KEPT_BYTES = 16 * 1024 * 1024
"""Of thoughts and images gathered in one answer until their block ends."""


@dataclass(slots=True)
class _Block:
    """One content block under way."""

    call: int | None = None
    """The number of the client's tool call that it is."""
    has_input: bool = False
    is_server_tool: bool = False
    image: str = ""
    """The format of the image that it is."""
    text: list[str] = field(default_factory=list)
    """Thoughts, kept because a signature is worth nothing without them."""
    signature: list[str] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    """Of an image, or of thoughts that cannot be read."""


class ConverseDecoder:
    """Reads one stream."""

    __slots__ = (
        "_blocks",
        "_calls",
        "_chunks",
        "_details",
        "_format",
        "_is_over",
        "_kept",
        "_stopped",
        "_usage",
        "opaque",
    )

    def __init__(self, model: str) -> None:
        self.opaque: dict[str, dict[str, Any]] = {}
        self._format = answer.format_of(model)
        self._chunks = Chunks()
        self._chunks.identify(answer.response_id(), model)
        self._blocks: dict[int, _Block] = {}
        self._details: list[dict[str, Any]] = []
        self._calls = 0
        self._kept = 0
        self._stopped = False
        self._usage: bytes | None = None
        self._is_over = False

    def feed(self, block: bytes) -> bytes:
        """Whole frames in, whole hub events out; what comes behind the end or an error says nothing.

        Raises `Undecodable` for a frame whose headers or payload cannot be read, and for a piece of a block that was
        never begun.
        """
        return told(map(self._read, frames_of(block)))

    def _read(self, frame: Frame) -> bytes:
        reader = None if self._is_over else _MESSAGES.get(frame.header(":message-type"))
        return b"" if reader is None else reader(self, frame)

    def counted(self) -> None:
        """See `StreamDecoder.counted`: nothing is told before the end."""

    def end(self) -> bytes:
        """What is still to be said when the stream has ended by itself: nothing unless the message had stopped."""
        if self._is_over or not self._stopped:
            return b""
        return self._finished()

    def read_event(self, frame: Frame) -> bytes:
        """What is no failure."""
        reader = _EVENTS.get(frame.header(":event-type"))
        return b"" if reader is None else reader(self, _document(frame.payload))

    def read_exception(self, frame: Frame) -> bytes:
        """An error that the API describes."""
        self._is_over = True
        return Chunks.error(answer.failure(_document(frame.payload), frame.header(":exception-type")))

    def read_error(self, frame: Frame) -> bytes:
        """An error that it does not: all it says is in the headers."""
        self._is_over = True
        return Chunks.error({"message": frame.header(":error-message"), "type": frame.header(":error-code")})

    def begin(self, doc: dict[str, Any]) -> bytes:  # noqa: ARG002 - the role is always the assistant's
        """`messageStart`."""
        return self._chunks.begin()

    def begin_block(self, doc: dict[str, Any]) -> bytes:
        """`contentBlockStart`: a tool call, the result of a server's tool, or an image."""
        start = as_dict(doc.get("start"))
        block = self._block(doc)
        use = start.get("toolUse")
        if isinstance(use, dict):
            return self._begin_call(block, use)
        block.image = as_text(as_dict(start.get("image")).get("format")) or ""
        block.is_server_tool = "toolResult" in start
        return b""

    def _begin_call(self, block: _Block, use: dict[str, Any]) -> bytes:
        if use.get("type") == answer.SERVER_TOOL:
            block.is_server_tool = True
            return b""
        block.call = self._calls
        self._calls += 1
        call_id = as_text(use.get("toolUseId")) or ""
        # the list itself: what the model thinks between two calls belongs to both
        self.opaque[call_id] = {"reasoning_details": self._details}
        return self._chunks.call(block.call, call_id, as_text(use.get("name")) or "")

    def read_delta(self, doc: dict[str, Any]) -> bytes:
        """`contentBlockDelta`."""
        delta = doc.get("delta")
        if isinstance(delta, dict):
            for name, value in delta.items():
                if (reader := _DELTAS.get(name)) is not None:
                    return reader(self, value, doc)
        return b""

    def read_text(self, value: Any, doc: dict[str, Any]) -> bytes:  # noqa: ARG002 - as all readers of deltas
        """A piece of the answer."""
        return self._chunks.text(value) if isinstance(value, str) and value else b""

    def read_input(self, value: Any, doc: dict[str, Any]) -> bytes:
        """A piece of a call's arguments."""
        block = self._blocks.get(_index(doc))
        piece = as_text(as_dict(value).get("input"))
        if block is None or (block.call is None and not block.is_server_tool):
            raise Undecodable("a piece of a tool call that was never begun")
        if block.call is None or piece is None:
            return b""
        block.has_input = True
        return self._chunks.arguments(block.call, piece)

    def read_reasoning(self, value: Any, doc: dict[str, Any]) -> bytes:
        """A piece of the thoughts, or what proves them."""
        block, given = self._block(doc), as_dict(value)
        if (signature := as_text(given.get("signature"))) is not None:
            self._keep(len(signature))
            block.signature.append(signature)
        if (data := as_text(given.get("redactedContent"))) is not None:
            self._keep_data(block, data)
        if (text := as_text(given.get("text"))) is None:
            return b""
        self._keep(len(text))
        block.text.append(text)
        return self._chunks.reasoning(text)

    def read_image(self, value: Any, doc: dict[str, Any]) -> bytes:
        """A piece of an image, which is told when it is whole."""
        if (data := as_text(as_dict(as_dict(value).get("source")).get("bytes"))) is not None:
            self._keep_data(self._block(doc), data)
        return b""

    def read_citation(self, value: Any, doc: dict[str, Any]) -> bytes:  # noqa: ARG002 - as all readers of deltas
        """A source of the answer."""
        note = answer.annotation(value)
        return b"" if note is None else self._chunks.delta({"annotations": [note]})

    def end_block(self, doc: dict[str, Any]) -> bytes:
        """`contentBlockStop`."""
        return self._end_block(self._blocks.pop(_index(doc), None))

    def _end_block(self, block: _Block | None) -> bytes:
        """What only the whole block tells."""
        if block is None:
            return b""
        if block.call is not None:
            return b"" if block.has_input else self._chunks.arguments(block.call, "{}")
        data = b64encode(block.data).decode()
        if block.image:
            return self._chunks.delta({"images": [answer.image(block.image, data)]}) if data else b""
        details = []
        if block.signature:
            details.append(answer.thought("".join(block.text), "".join(block.signature), self._format))
        if data:
            details.append(answer.redacted(data, self._format))
        self._details += details
        return self._chunks.details(details) if details else b""

    def stop(self, doc: dict[str, Any]) -> bytes:
        """`messageStop`: the answer is whole, or it has failed."""
        reason = as_text(doc.get("stopReason")) or ""
        rest = b"".join(map(self._end_block, self._blocks.values()))
        self._blocks.clear()
        if (error := answer.FAILURES.get(reason)) is not None:
            self._is_over = True
            return rest + Chunks.error(error)
        if self._stopped:
            return rest
        self._stopped = True
        rest += self._chunks.finish(answer.finish_reason_of(reason, has_calls=self._calls > 0))
        return rest if self._usage is None else rest + self._finished()

    def read_metadata(self, doc: dict[str, Any]) -> bytes:
        """`metadata`: the usage, and the tier that served."""
        if "usage" not in doc:
            return b""
        usage, beside = answer.usage_of(doc["usage"], doc.get("serviceTier"))
        self._usage = self._chunks.usage(usage, **beside)
        return self._finished() if self._stopped else b""

    def _finished(self) -> bytes:
        self._is_over = True
        if not self._details:
            self.opaque.clear()
        return (self._usage or b"") + DONE

    def _block(self, doc: dict[str, Any]) -> _Block:
        index = _index(doc)
        block = self._blocks.get(index)
        if block is None:
            if len(self._blocks) >= MAX_BLOCKS:
                raise Undecodable(f"more than {MAX_BLOCKS} blocks at once")
            block = self._blocks[index] = _Block()
        return block

    def _keep(self, size: int) -> None:
        self._kept += size
        if self._kept > MAX_KEPT_BYTES:
            raise Undecodable(f"blocks of more than {MAX_KEPT_BYTES} bytes")

    def _keep_data(self, block: _Block, data: str) -> None:
        self._keep(len(data))
        try:
            block.data += b64decode(data, validate=True)
        except binascii.Error:
            raise Undecodable("bytes that are not in base64") from None


_MESSAGES: dict[str, Callable[[ConverseDecoder, Frame], bytes]] = {
    "event": ConverseDecoder.read_event,
    "exception": ConverseDecoder.read_exception,
    "error": ConverseDecoder.read_error,
}
_EVENTS: dict[str, Callable[[ConverseDecoder, dict[str, Any]], bytes]] = {
    "messageStart": ConverseDecoder.begin,
    "contentBlockStart": ConverseDecoder.begin_block,
    "contentBlockDelta": ConverseDecoder.read_delta,
    "contentBlockStop": ConverseDecoder.end_block,
    "messageStop": ConverseDecoder.stop,
    "metadata": ConverseDecoder.read_metadata,
}
_DELTAS: dict[str, Callable[[ConverseDecoder, Any, dict[str, Any]], bytes]] = {
    "text": ConverseDecoder.read_text,
    "toolUse": ConverseDecoder.read_input,
    "reasoningContent": ConverseDecoder.read_reasoning,
    "image": ConverseDecoder.read_image,
    "citation": ConverseDecoder.read_citation,
}


def _document(payload: bytes) -> dict[str, Any]:
    try:
        return as_dict(parse(payload)) if payload else {}
    except ValueError:
        raise Undecodable("a payload that is not JSON") from None


def _index(doc: dict[str, Any]) -> int:
    index = doc.get("contentBlockIndex")
    return index if isinstance(index, int) else 0
