"""Turns the hub's stream into a Responses stream: each thing a chunk adds becomes the events of an item.

Source: OpenAI API reference, "Streaming events".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from proxy.dialects.counting import usage_from_openai
from proxy.dialects.deltas import Delta, DeltaReader, Kind
from proxy.dialects.quirks import Quirks
from proxy.dialects.reading import as_dict
from proxy.dialects.responses.calls import prefix_of
from proxy.dialects.responses.events import Events, error_event
from proxy.dialects.responses.open_items import OpenCall, OpenItem, OpenMessage, OpenReasoning
from proxy.dialects.responses.parts import annotations_of, image_item, images_of, logprobs_of
from proxy.dialects.responses.request_in import STATE, wants
from proxy.dialects.responses.shape import Shape, status_of
from proxy.dialects.responses.tools import Toolbox
from proxy.errors import ErrorInStream

if TYPE_CHECKING:
    from proxy.dialects.told import Told

MAX_ANSWER_BYTES = 1 << 26
"""Of an answer's text and images, which the last event repeats as a whole."""
_QUIRKS = Quirks()


class ResponsesStream:
    """Of one answer. `doc` is the client's request."""

    def __init__(self, doc: dict[str, Any], told: Told) -> None:
        self._shape = Shape(doc, told)
        self._toolbox = Toolbox(doc.get("tools"))
        self._with_state = wants(doc, STATE)
        self._reader = DeltaReader()
        self._events = Events()
        self._has_begun = False
        self._output: list[dict[str, Any]] = []
        self._opened = 0
        self._message: OpenMessage | None = None
        self._reasoning: OpenReasoning | None = None
        self._calls: dict[int, OpenCall] = {}
        self._extras: dict[str, Any] = {}
        self._reason: str | None = None
        self._usage: Any = None
        self._scored: Any = None
        """The last probabilities that were told with their text."""
        self._size = 0

    def feed(self, data: bytes) -> bytes:
        """Encode whole hub events; may be empty.

        Raises `ErrorInStream` for an answer over `MAX_ANSWER_BYTES`, or a tool call that cannot be read.
        """
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            raise ErrorInStream(
                "The answer is too long for a response object.", detail=f"over {MAX_ANSWER_BYTES} bytes"
            )
        deltas = self._reader.read(data)
        begin = self._begin() if deltas else b""
        return begin + b"".join([_WRITERS[delta.kind](self, delta) for delta in deltas if not delta.choice])

    def end(self, told: Told) -> bytes:
        """What is still open, and the whole response."""
        said = self._begin() + self._close_all()
        usage = told.usage
        if usage is None and self._usage is not None:
            usage = usage_from_openai(self._usage, _QUIRKS)
        response = self._shape.ended(self._reason, self._output, usage)
        return said + self._events.event(f"response.{response['status']}", {"response": response})

    def fail(self, error: dict[str, Any]) -> bytes:
        """The end of an answer that broke off: `error` is OpenAI's error object."""
        said = self._begin() + error_event(error, self._events)
        code = "rate_limit_exceeded" if error.get("code") == "rate_limit_exceeded" else "server_error"
        done = [item for item in self._output if item]
        response = self._shape.failed({"code": code, "message": error.get("message") or ""}, done)
        return said + self._events.event("response.failed", {"response": response})

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        self._shape.name(self._reader.model)
        response = {"response": self._shape.begun()}
        return self._events.event("response.created", response) + self._events.event("response.in_progress", response)

    def _next(self, prefix: str) -> tuple[str, int]:
        """Id and place of the next item."""
        index = self._opened
        self._opened += 1
        self._output.append({})
        return self._shape.item_id(prefix, index), index

    def _text(self, delta: Delta) -> bytes:
        begin, message = self._speak()
        if not delta.value:
            return begin + message.text(delta.text, [])
        self._scored = as_dict(delta.value).get("content")
        return begin + message.text(delta.text, logprobs_of(self._scored))

    def _score(self, delta: Delta) -> bytes:
        """Probabilities that came without a text of their own."""
        if delta.value is self._scored:
            return b""
        begin, message = self._speak()
        return begin + message.text("", logprobs_of(delta.value))

    def _refuse(self, delta: Delta) -> bytes:
        begin, message = self._speak()
        return begin + message.refusal(delta.text)

    def _annotate(self, delta: Delta) -> bytes:
        begin, message = self._speak()
        return begin + b"".join([message.annotate(annotation) for annotation in annotations_of(delta.value)])

    def _think(self, delta: Delta) -> bytes:
        begin = b""
        if self._reasoning is not None and self._reasoning.details.is_sealed:
            begin = self._close_reasoning()
        opening, reasoning = self._ponder()
        return begin + opening + reasoning.text(delta.text)

    def _detail(self, delta: Delta) -> bytes:
        if not self._with_state and self._reasoning is None:
            return b""  # state alone says nothing to this client
        begin, reasoning = self._ponder()
        reasoning.details.add(delta.value)
        return begin

    def _call(self, delta: Delta) -> bytes:
        said = b""
        if self._with_state and (extra := as_dict(delta.value).get("extra_content")):
            said, reasoning = self._ponder()
            reasoning.details.calls[delta.call_id] = extra
        said += self._close_reasoning() + self._close_message()
        tool = self._toolbox.tool(delta.name)
        item_id, index = self._next(prefix_of(tool))
        call_id = delta.call_id or f"call_{item_id.partition('_')[2]}"
        call = self._calls[delta.number] = OpenCall(self._events, item_id, index, tool, call_id)
        return said + call.open()

    def _argue(self, delta: Delta) -> bytes:
        call = self._calls.get(delta.number)
        return b"" if call is None else call.arguments(delta.text)

    def _show(self, delta: Delta) -> bytes:
        said = b""
        for url in images_of(delta.value):
            if image_item("", url) is None:
                said += self._text(Delta(Kind.TEXT, f"![image]({url})"))
                continue
            said += self._close_reasoning() + self._close_message() + self._show_one(url)
        return said

    def _show_one(self, url: str) -> bytes:
        item_id, index = self._next("ig")
        item = image_item(item_id, url) or {}
        begun = {**item, "status": "in_progress", "result": None}
        at = {"item_id": item_id, "output_index": index}
        self._output[index] = item
        return (
            self._events.event("response.output_item.added", {"output_index": index, "item": begun})
            + self._events.event("response.image_generation_call.completed", at)
            + self._events.event("response.output_item.done", {"output_index": index, "item": item})
        )

    def _finish(self, delta: Delta) -> bytes:
        self._reason = delta.text
        return self._close_all()

    def _count(self, delta: Delta) -> bytes:
        self._usage = delta.value
        return b""

    def _speak(self) -> tuple[bytes, OpenMessage]:
        """The message under way, and the events that open it."""
        said, message = self._close_reasoning(), self._message
        if message is None:
            message = self._message = OpenMessage(self._events, *self._next("msg"))
            said += message.open()
        return said, message

    def _ponder(self) -> tuple[bytes, OpenReasoning]:
        """The reasoning under way, and the events that open it."""
        said, reasoning = self._close_message(), self._reasoning
        if reasoning is None:
            reasoning = OpenReasoning(self._events, *self._next("rs"), with_state=self._with_state)
            self._reasoning = reasoning
            said += reasoning.open()
        return said, reasoning

    def _close_message(self, status: str = "completed") -> bytes:
        message, self._message = self._message, None
        return b"" if message is None else self._close(message, status)

    def _close_reasoning(self) -> bytes:
        reasoning, self._reasoning = self._reasoning, None
        return b"" if reasoning is None else self._close(reasoning, "completed")

    def _close_all(self) -> bytes:
        """Calls too: until now a piece of any of them might have come."""
        status = status_of(self._reason)
        said = self._close_reasoning() + self._close_message(status)
        calls, self._calls = self._calls, {}
        return said + b"".join([self._close(call, status) for call in calls.values()])

    def _close(self, item: OpenItem, status: str) -> bytes:
        said = item.close(status)
        self._output[item.index] = item.done or {}
        return said


_WRITERS: dict[Kind, Callable[[ResponsesStream, Delta], bytes]] = {
    Kind.TEXT: ResponsesStream._text,  # noqa: SLF001 - the class's own table
    Kind.REASONING: ResponsesStream._think,  # noqa: SLF001
    Kind.REFUSAL: ResponsesStream._refuse,  # noqa: SLF001
    Kind.DETAILS: ResponsesStream._detail,  # noqa: SLF001
    Kind.CALL: ResponsesStream._call,  # noqa: SLF001
    Kind.ARGUMENTS: ResponsesStream._argue,  # noqa: SLF001
    Kind.IMAGES: ResponsesStream._show,  # noqa: SLF001
    Kind.ANNOTATIONS: ResponsesStream._annotate,  # noqa: SLF001
    Kind.LOGPROBS: ResponsesStream._score,  # noqa: SLF001
    Kind.FINISH: ResponsesStream._finish,  # noqa: SLF001
    Kind.USAGE: ResponsesStream._count,  # noqa: SLF001
}
