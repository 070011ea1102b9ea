"""The hub's stream as Anthropic's events, for its clients.

Anthropic's blocks follow each other strictly, OpenAI's tool calls may come in pieces of several at a time: what does
not belong to the open call waits until that one's arguments are a whole object, or the answer ends.
Source: Anthropic, "Streaming messages".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.anthropic.answer_out import CUT, MALFORMED, citation, image_text, message_id, refused
from proxy.dialects.anthropic.blocks_told import CALL, MESSAGE_STOP, TEXT, Blocks, event
from proxy.dialects.anthropic.dressing import block_of_call
from proxy.dialects.anthropic.usage import anthropic_usage, told_usage
from proxy.dialects.anthropic.words import STOP_REASONS, stop_reason
from proxy.dialects.chunks import dumps
from proxy.dialects.deltas import DeltaReader, Kind
from proxy.dialects.reading import as_dict
from proxy.errors import ErrorInStream

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.deltas import Delta
    from proxy.dialects.told import Told

MAX_HELD_CHARS = 1 << 22
"""Of the open call's arguments; of everything that waits behind it; of a refusal's words."""
OVERHEAD_CHARS = 64
"""What each thing that waits counts for beside its text."""


class AnthropicStream:
    """Encodes one stream. See `StreamEncoder`."""

    __slots__ = (
        "_arguments", "_blocks", "_finish", "_number", "_out", "_reader", "_refusal", "_size", "_started", "_stop",
        "_told", "_usage", "_waiting", "_waiting_size",
    )  # fmt: skip

    def __init__(self, told: Told) -> None:
        self._told = told
        self._reader = DeltaReader()
        self._out: list[bytes] = []
        self._blocks = Blocks(self._out)
        self._started = False
        self._number = -1
        """The open call's."""
        self._arguments: list[str] = []
        """The open call's so far."""
        self._size = 0
        """Characters of them."""
        self._waiting: list[Delta] = []
        self._waiting_size = 0
        self._refusal = ""
        self._finish: str | None = None
        self._stop: Any = None
        self._usage: dict[str, Any] | None = None

    def feed(self, data: bytes) -> bytes:
        """Encode whole hub events; may be empty.

        Raises `ErrorInStream` when more has to be held back than `MAX_HELD_CHARS`, or a tool call cannot be read.
        """
        deltas = self._reader.read(data)
        if not self._started and (deltas or self._reader.response_id is not None):
            self._start()
        for delta in deltas:
            if delta.choice == 0 and delta.kind in _WRITERS:
                self._place(delta)
        if self._waiting:
            self._advance()
        return self._flush()

    def end(self, told: Told) -> bytes:
        """The closing events of a complete answer."""
        self._start()
        self._settle()
        is_refused = bool(self._refusal)
        reason, stop = stop_reason(self._finish, self._stop, refused=is_refused)
        delta: dict[str, Any] = {"stop_reason": reason, "stop_sequence": stop}
        if is_refused:
            delta["stop_details"] = refused(self._refusal)
        usage = anthropic_usage(told_usage(told.usage, self._usage))
        self._out += (event("message_delta", {"delta": delta, "usage": usage}), MESSAGE_STOP)
        return self._flush()

    def text(self, delta: Delta) -> None:
        """A piece of the answer."""
        self._blocks.text(delta.text)

    def thought(self, delta: Delta) -> None:
        """A piece of the thoughts."""
        self._blocks.thought(delta.text)

    def details(self, delta: Delta) -> None:
        """Reasoning state, and thoughts that came in no other way."""
        for entry in _list(delta):
            self._blocks.detail(as_dict(entry))

    def call(self, delta: Delta) -> None:
        """A tool call opens."""
        call_id = delta.call_id or f"call_{delta.number}"
        if extra := as_dict(as_dict(delta.value).get("extra_content")):
            self._blocks.whole(block_of_call(call_id, extra))
        self._blocks.begin(CALL, {"type": "tool_use", "id": call_id, "name": delta.name, "input": {}})
        self._number = delta.number
        self._arguments = []
        self._size = 0

    def arguments(self, delta: Delta) -> None:
        """A piece of the open call's arguments. Raises `ErrorInStream` if its call has been closed."""
        if self._blocks.open != CALL or delta.number != self._number:
            if delta.text.strip():
                raise ErrorInStream("A tool call of the provider goes on after its end.", detail="arguments too late")
            return
        self._size = _bounded(self._size + len(delta.text))
        self._arguments.append(delta.text)
        self._blocks.delta(b"input_json_delta", b"partial_json", dumps(delta.text))

    def images(self, delta: Delta) -> None:
        """Images the model made, as text."""
        for image in _list(delta):
            if (text := image_text(image)) is not None:
                self._blocks.text(text)

    def annotations(self, delta: Delta) -> None:
        """Sources of the open text."""
        for annotation in _list(delta):
            found = citation(annotation)
            if found is not None and self._blocks.open == TEXT:
                self._blocks.delta(b"citations_delta", b"citation", dumps(found))

    def refusal(self, delta: Delta) -> None:
        """A piece of the words in which the model refuses: told at the end."""
        _bounded(len(self._refusal) + len(delta.text))
        self._refusal += delta.text

    def skip(self, delta: Delta) -> None:
        """What Anthropic's streams have no place for, and no client of theirs can ask for."""

    def finish(self, delta: Delta) -> None:
        """Why the model stopped. The counts may come later, so the end is not told yet.

        Raises `ErrorInStream` for a call that is not whole, unless the limit cut it off.
        """
        self._finish = delta.text
        self._settle()
        self._stop = as_dict(delta.value).get("stop_reason")

    def usage(self, delta: Delta) -> None:
        """The counts so far."""
        self._usage = delta.value

    def _flush(self) -> bytes:
        block = b"".join(self._out)
        self._out.clear()
        return block

    def _start(self) -> None:
        if self._started:
            return
        self._started = True
        message: dict[str, Any] = {
            "id": message_id(self._told.request_id), "type": "message", "role": "assistant", "model": self._told.model,
            "content": [], "stop_reason": None, "stop_sequence": None, "usage": anthropic_usage(None),
        }  # fmt: skip
        self._out.append(event("message_start", {"message": message}))

    def _place(self, delta: Delta) -> None:
        """Write it, or let it wait."""
        kind = delta.kind
        is_own = kind is Kind.ARGUMENTS and delta.number == self._number
        if self._blocks.open != CALL or is_own or kind in _AT_ANY_TIME or not (self._waiting or not self._is_whole()):
            _WRITERS[kind](self, delta)
            return
        self._waiting_size = _bounded(self._waiting_size + len(delta.text) + OVERHEAD_CHARS)
        self._waiting.append(delta)

    def _advance(self) -> None:
        """While the open call is whole: close it and write what waited, as far as the next that is not."""
        while self._waiting and self._is_whole():
            self._release()

    def _settle(self) -> None:
        """Nothing more comes: write all that waits."""
        while self._waiting:
            self._check_call()
            self._release()
        self._check_call()
        self._blocks.close()

    def _check_call(self) -> None:
        # to a client half an object is a call without arguments, and it would be made
        is_cut = STOP_REASONS.get(self._finish or "") == CUT
        if self._blocks.open == CALL and not is_cut and "".join(self._arguments).strip() and not self._is_whole():
            raise ErrorInStream(MALFORMED, detail="tool call")

    def _release(self) -> None:
        self._blocks.close()
        waiting, self._waiting = self._waiting, []
        self._waiting_size = 0
        for delta in waiting:
            self._place(delta)

    def _is_whole(self) -> bool:
        """Whether the open call's arguments are a whole object."""
        text = "".join(self._arguments)
        self._arguments = [text]
        if not text.rstrip().endswith("}"):
            return False
        try:
            orjson.loads(text)
        except ValueError:
            return False
        return True


_WRITERS: dict[Kind, Callable[[AnthropicStream, Delta], None]] = {
    Kind.TEXT: AnthropicStream.text,
    Kind.REASONING: AnthropicStream.thought,
    Kind.DETAILS: AnthropicStream.details,
    Kind.CALL: AnthropicStream.call,
    Kind.ARGUMENTS: AnthropicStream.arguments,
    Kind.IMAGES: AnthropicStream.images,
    Kind.ANNOTATIONS: AnthropicStream.annotations,
    Kind.LOGPROBS: AnthropicStream.skip,
    Kind.REFUSAL: AnthropicStream.refusal,
    Kind.FINISH: AnthropicStream.finish,
    Kind.USAGE: AnthropicStream.usage,
}
_AT_ANY_TIME = frozenset({Kind.REFUSAL, Kind.FINISH, Kind.USAGE, Kind.LOGPROBS})
"""What belongs to no block."""


def _list(delta: Delta) -> list[Any]:
    return delta.value if isinstance(delta.value, list) else []


def _bounded(size: int) -> int:
    if size > MAX_HELD_CHARS:
        raise ErrorInStream("The provider's answer cannot be held back as long.", detail=f"over {MAX_HELD_CHARS}")
    return size
