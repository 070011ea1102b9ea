"""Items of a Responses stream while they are under way: each opens, grows and is done, in the documented events.

Source: OpenAI API reference, "Streaming events". A client's accumulator needs each of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.responses.calls import InputReader, call_item
from proxy.dialects.responses.events import WholeText, head_of
from proxy.dialects.responses.parts import output_text
from proxy.dialects.responses.reasoning import Details, item_of, summary_of

if TYPE_CHECKING:
    from proxy.dialects.responses.events import Events
    from proxy.dialects.responses.tools import Tool


class OpenItem:
    """The common of them: place and id. `close` leaves the whole item in `done`."""

    __slots__ = ("_events", "done", "id", "index")

    def __init__(self, events: Events, item_id: str, index: int) -> None:
        self.id = item_id
        self.index = index
        self.done: dict[str, Any] | None = None
        self._events = events

    def item(self, status: str) -> dict[str, Any]:
        """As it is now."""
        raise NotImplementedError

    def open(self) -> bytes:
        """The event that announces it."""
        fields = {"output_index": self.index, "item": self.item("in_progress")}
        return self._events.event("response.output_item.added", fields)

    def close(self, status: str) -> bytes:
        """The events that end it. `status`: `completed` or `incomplete`."""
        ending = self._end()
        self.done = self.item(status)
        fields = {"output_index": self.index, "item": self.done}
        return ending + self._events.event("response.output_item.done", fields)

    def _end(self) -> bytes:
        """What comes before the last event."""
        return b""

    def _at(self, **fields: Any) -> dict[str, Any]:
        return {"item_id": self.id, "output_index": self.index, **fields}


class OpenMessage(OpenItem):
    """Text and refusals, one part after the other."""

    __slots__ = ("_annotations", "_head", "_kind", "_logprobs", "_parts", "_text")

    def __init__(self, events: Events, item_id: str, index: int) -> None:
        super().__init__(events, item_id, index)
        self._parts: list[dict[str, Any]] = []
        self._kind = ""
        """The type of the part under way; empty when there is none."""
        self._begin_part()

    def item(self, status: str) -> dict[str, Any]:
        """As it is now."""
        return {"id": self.id, "type": "message", "status": status, "role": "assistant", "content": [*self._parts]}

    def text(self, text: str, logprobs: list[dict[str, Any]]) -> bytes:
        """A piece of the answer."""
        begin = self._turn_to("output_text")
        text = self._text.add(text)
        if logprobs:
            self._logprobs += logprobs
            fields = self._at(content_index=len(self._parts), delta=text, logprobs=logprobs)
            return begin + self._events.event("response.output_text.delta", fields)
        return begin + self._events.delta(self._head, text) if text else begin

    def refusal(self, text: str) -> bytes:
        """A piece of a refusal."""
        begin = self._turn_to("refusal")
        text = self._text.add(text)
        return begin + self._events.delta(self._head, text) if text else begin

    def annotate(self, annotation: dict[str, Any]) -> bytes:
        """A source of the text."""
        begin = self._turn_to("output_text")
        fields = self._at(
            content_index=len(self._parts), annotation_index=len(self._annotations), annotation=annotation
        )
        self._annotations.append(annotation)
        return begin + self._events.event("response.output_text.annotation.added", fields)

    def _end(self) -> bytes:
        if not self._kind:
            return b""
        part, at, text = self._part(), self._at(content_index=len(self._parts)), self._text.whole()
        if self._kind == "refusal":
            done = self._events.event("response.refusal.done", {**at, "refusal": text})
        else:
            done = self._events.event("response.output_text.done", {**at, "text": text, "logprobs": self._logprobs})
        done += self._events.event("response.content_part.done", {**at, "part": part})
        self._parts.append(part)
        self._kind = ""
        return done

    def _turn_to(self, kind: str) -> bytes:
        if kind == self._kind:
            return b""
        ending = self._end()
        self._begin_part(kind)
        at = self._at(content_index=len(self._parts))
        no_logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        self._head = head_of(f"response.{kind}.delta", at | no_logprobs)
        return ending + self._events.event("response.content_part.added", {**at, "part": self._part()})

    def _begin_part(self, kind: str = "") -> None:
        self._kind = kind
        self._head = b""
        self._text = WholeText()
        self._annotations: list[dict[str, Any]] = []
        self._logprobs: list[dict[str, Any]] = []

    def _part(self) -> dict[str, Any]:
        if self._kind == "refusal":
            return {"type": "refusal", "refusal": self._text.whole()}
        return output_text(self._text.whole(), self._annotations, self._logprobs)


class OpenReasoning(OpenItem):
    """Thoughts, told as one summary, and the state that goes with them."""

    __slots__ = ("_head", "_text", "_with_state", "details")

    def __init__(self, events: Events, item_id: str, index: int, *, with_state: bool) -> None:
        super().__init__(events, item_id, index)
        self.details = Details()
        self._with_state = with_state
        self._text = WholeText()
        self._head = b""

    def item(self, status: str) -> dict[str, Any]:
        """As it is now; its state only when it is whole."""
        with_state = self._with_state and status != "in_progress"
        return item_of(self.id, self._text.whole() if self._head else "", self.details, with_state=with_state)

    def text(self, text: str) -> bytes:
        """A piece of the thoughts."""
        text = self._text.add(text)
        if not text:
            return b""
        begin = b""
        if not self._head:
            at = self._at(summary_index=0)
            self._head = head_of("response.reasoning_summary_text.delta", at)
            part = {"type": "summary_text", "text": ""}
            begin = self._events.event("response.reasoning_summary_part.added", {**at, "part": part})
        return begin + self._events.delta(self._head, text)

    def _end(self) -> bytes:
        if not self._head:
            return b""
        at, text = self._at(summary_index=0), self._text.whole()
        return self._events.event("response.reasoning_summary_text.done", {**at, "text": text}) + self._events.event(
            "response.reasoning_summary_part.done", {**at, "part": summary_of(text)[0]}
        )


class OpenCall(OpenItem):
    """A tool call. Arguments of a function and input of a custom tool are told as they come, others when whole."""

    __slots__ = ("_call_id", "_head", "_reader", "_text", "_tool")

    def __init__(self, events: Events, item_id: str, index: int, tool: Tool, call_id: str) -> None:
        super().__init__(events, item_id, index)
        self._tool = tool
        self._call_id = call_id
        self._text = WholeText()
        self._reader = InputReader() if tool.type == "custom" else None
        kind = _PIECES.get(tool.type)
        self._head = head_of(f"{kind}.delta", self._at()) if kind else b""

    def item(self, status: str) -> dict[str, Any]:
        """As it is now; what it is called with only when that is whole."""
        arguments = "" if status == "in_progress" else self._text.whole()
        return call_item(self._tool, self._call_id, self.id, arguments, status)

    def arguments(self, text: str) -> bytes:
        """A piece of the arguments."""
        text = self._text.add(text)
        if self._reader is not None:
            text = self._reader.feed(text)
        return self._events.delta(self._head, text) if text and self._head else b""

    def _end(self) -> bytes:
        if not self._head:
            return b""
        told = b"" if self._text.whole() else self.arguments(_NO_ARGUMENTS)
        whole = self._text.whole()
        if self._reader is None:
            fields = self._at(arguments=whole, name=self._tool.name)
            return told + self._events.event("response.function_call_arguments.done", fields)
        rest = self._reader.finish(whole)
        told += self._events.delta(self._head, rest) if rest else b""
        given = self.item("completed")["input"]
        return told + self._events.event("response.custom_tool_call_input.done", self._at(input=given))


_NO_ARGUMENTS = "{}"
"""Of a call for which a provider sends none: clients read them as JSON."""

_PIECES = {"function": "response.function_call_arguments", "custom": "response.custom_tool_call_input"}
"""How the events with pieces of a call begin."""
