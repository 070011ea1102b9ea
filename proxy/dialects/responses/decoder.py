"""Turns a provider's Responses stream into the hub's chunks. Source: OpenAI API reference, "Streaming events"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from proxy.dialects.chunks import DONE, Chunks
from proxy.dialects.dialect import Undecodable, told
from proxy.dialects.reading import as_dict, as_text, error_object, parse, usage_object
from proxy.dialects.responses.answer import NO_ERROR, created_of, reason_of
from proxy.dialects.responses.items_out import hub_call_of
from proxy.dialects.responses.parts import hub_annotation, hub_image, hub_logprobs
from proxy.dialects.responses.reasoning import own_details, texts_of_item
from proxy.dialects.responses.usage import hub_usage
from proxy.dialects.sse import data_of, events_of

_ERROR_FIELDS = ("type", "code", "message", "param")


class _Call(NamedTuple):
    """An open call: its place among the calls, and where its pieces go."""

    number: int
    body: str
    field: str


class ResponsesDecoder:
    """Of one stream. An item whose pieces never came is told when it is done."""

    def __init__(self) -> None:
        self.opaque: dict[str, dict[str, Any]] = {}
        self._chunks = Chunks()
        self._chunks.identify("", "")
        self._calls: dict[Any, _Call] = {}
        self._told: set[Any] = set()
        """Places of text (output index, part index, kind of part) and of calls of which something has come."""
        self._has_thought = False
        self._details: list[dict[str, Any]] = []
        self._has_ended = False

    def feed(self, block: bytes) -> bytes:
        """Whole events in, whole hub events out; may be empty.

        Raises `Undecodable` for an event that is not JSON. Nothing follows the end or an error.
        """
        return told(self._read(data) for event in events_of(block) if (data := data_of(event)))

    def counted(self) -> None:
        """See `StreamDecoder.counted`: nothing is told before the end."""

    def end(self) -> bytes:
        """Nothing: the last event of a stream that is whole says so."""
        return b""

    def _read(self, data: bytes) -> bytes:
        if self._has_ended or data.strip() == b"[DONE]":
            return b""
        try:
            doc = as_dict(parse(data))
        except ValueError:
            raise Undecodable("an event that is not JSON") from None
        read = _READERS.get(as_text(doc.get("type")))
        if read is not None:
            return read(self, doc)
        return self._fail(doc) if doc.get("error") and "type" not in doc else b""

    def _begin(self, doc: dict[str, Any]) -> bytes:
        response = as_dict(doc.get("response"))
        response_id, model = as_text(response.get("id")) or "", as_text(response.get("model")) or ""
        self._chunks.identify(response_id, model, created_of(response))
        return b""

    def _text(self, doc: dict[str, Any]) -> bytes:
        text = as_text(doc.get("delta"))
        if text is None:
            return b""
        self._told.add(_place(doc))
        logprobs = hub_logprobs(doc.get("logprobs"))
        told = self._chunks.text(text)
        return told if logprobs is None else told + self._chunks.logprobs(logprobs["content"])

    def _text_done(self, doc: dict[str, Any]) -> bytes:
        return b"" if _place(doc) in self._told else self._text({**doc, "delta": doc.get("text")})

    def _refusal(self, doc: dict[str, Any]) -> bytes:
        text = as_text(doc.get("delta"))
        if text is None:
            return b""
        self._told.add(_place(doc))
        return self._chunks.delta({"refusal": text})

    def _refusal_done(self, doc: dict[str, Any]) -> bytes:
        return b"" if _place(doc) in self._told else self._refusal({**doc, "delta": doc.get("refusal")})

    def _thought(self, doc: dict[str, Any]) -> bytes:
        text, place = as_text(doc.get("delta")), _thought_place(doc)
        if text is None:
            return b""
        if place not in self._told:
            self._told.add(place)
            text = f"\n\n{text}" if self._has_thought else text
        self._has_thought = True
        return self._chunks.reasoning(text)

    def _thought_done(self, doc: dict[str, Any]) -> bytes:
        return b"" if _thought_place(doc) in self._told else self._thought({**doc, "delta": doc.get("text")})

    def _annotation(self, doc: dict[str, Any]) -> bytes:
        annotation = hub_annotation(doc.get("annotation"))
        return b"" if annotation is None else self._chunks.delta({"annotations": [annotation]})

    def _piece(self, doc: dict[str, Any]) -> bytes:
        index, text = _index(doc), as_text(doc.get("delta"))
        call = self._calls.get(index)
        if call is None or text is None:
            return b""
        self._told.add(index)
        if call.body == "function":
            return self._chunks.arguments(call.number, text)
        return self._chunks.delta({"tool_calls": [{"index": call.number, call.body: {call.field: text}}]})

    def _item_added(self, doc: dict[str, Any]) -> bytes:
        item = as_dict(doc.get("item"))
        return self._open_call(_index(doc), item) if as_text(item.get("type")) in _CALLS else b""

    def _item_done(self, doc: dict[str, Any]) -> bytes:
        item = as_dict(doc.get("item"))
        done = _DONE.get(as_text(item.get("type")))
        return b"" if done is None else done(self, _index(doc), item)

    def _open_call(self, index: Any, item: dict[str, Any]) -> bytes:
        body, field = _CALLS[item["type"]]
        call = self._calls[index] = _Call(len(self._calls), body, field)
        hub = hub_call_of(item)
        if self._details:
            self.opaque[hub["id"]] = {"reasoning_details": [*self._details]}
        hub[body][field] = ""
        return self._chunks.delta({"tool_calls": [{"index": call.number, **hub}]})

    def _call_done(self, index: Any, item: dict[str, Any]) -> bytes:
        begin = b"" if index in self._calls else self._open_call(index, item)
        if index in self._told:
            return begin
        body, field = _CALLS[item["type"]]
        return begin + self._piece({"output_index": index, "delta": hub_call_of(item)[body][field]})

    def _message_done(self, index: Any, item: dict[str, Any]) -> bytes:
        content = item.get("content")
        said = []
        for place, part in enumerate(content if isinstance(content, list) else ()):
            fields = {**as_dict(part), "output_index": index, "content_index": place}
            said.append(self._refusal_done(fields) if fields.get("type") == "refusal" else self._text_done(fields))
        return b"".join(said)

    def _reasoning_done(self, index: Any, item: dict[str, Any]) -> bytes:
        texts = texts_of_item(item)
        places = {place[0] for place in self._told if isinstance(place, tuple) and place[-1] == _THOUGHT}
        said = b""
        if index not in places:
            fields = [
                {"output_index": index, "summary_index": place, "delta": text} for place, text in enumerate(texts)
            ]
            said = b"".join([self._thought(field) for field in fields])
        if state := as_text(item.get("encrypted_content")):
            details = own_details(item, texts, state)
            self._details += details
            said += self._chunks.details(details)
        return said

    def _image_done(self, _: Any, item: dict[str, Any]) -> bytes:
        image = hub_image(item)
        return b"" if image is None else self._chunks.delta({"images": [image]})

    def _complete(self, doc: dict[str, Any]) -> bytes:
        self._has_ended = True
        response = as_dict(doc.get("response"))
        said = self._chunks.finish(reason_of(response, has_calls=bool(self._calls)))
        if (usage := usage_object(response)) is not None:
            tier = as_text(response.get("service_tier"))
            said += self._chunks.usage(hub_usage(usage), **({"service_tier": tier} if tier else {}))
        return said + DONE

    def _fail(self, doc: dict[str, Any]) -> bytes:
        """An `error` event, whose error stands in it or is it, or a response that has failed."""
        self._has_ended = True
        found = error_object(doc.get("error")) or error_object(as_dict(doc.get("response")).get("error"))
        if found is None:
            own = {name: doc[name] for name in _ERROR_FIELDS if as_text(doc.get(name)) and doc[name] != "error"}
            found = own if "message" in own or "code" in own else NO_ERROR
        return self._chunks.error(found)


_THOUGHT = "thought"


def _index(doc: dict[str, Any], name: str = "output_index") -> int | None:
    index = doc.get(name)
    return index if isinstance(index, int) else None


def _place(doc: dict[str, Any]) -> tuple[Any, Any]:
    return _index(doc), _index(doc, "content_index")


def _thought_place(doc: dict[str, Any]) -> tuple[Any, Any, str]:
    place = _index(doc, "summary_index")
    return _index(doc), _index(doc, "content_index") if place is None else place, _THOUGHT


_CALLS = {"function_call": ("function", "arguments"), "custom_tool_call": ("custom", "input")}

_DONE: dict[Any, Callable[[ResponsesDecoder, Any, dict[str, Any]], bytes]] = {
    "message": ResponsesDecoder._message_done,  # noqa: SLF001 - the class's own tables
    "reasoning": ResponsesDecoder._reasoning_done,  # noqa: SLF001
    "function_call": ResponsesDecoder._call_done,  # noqa: SLF001
    "custom_tool_call": ResponsesDecoder._call_done,  # noqa: SLF001
    "image_generation_call": ResponsesDecoder._image_done,  # noqa: SLF001
}

_READERS: dict[Any, Callable[[ResponsesDecoder, dict[str, Any]], bytes]] = {
    "response.created": ResponsesDecoder._begin,  # noqa: SLF001
    "response.output_item.added": ResponsesDecoder._item_added,  # noqa: SLF001
    "response.output_item.done": ResponsesDecoder._item_done,  # noqa: SLF001
    "response.output_text.delta": ResponsesDecoder._text,  # noqa: SLF001
    "response.output_text.done": ResponsesDecoder._text_done,  # noqa: SLF001
    "response.output_text.annotation.added": ResponsesDecoder._annotation,  # noqa: SLF001
    "response.refusal.delta": ResponsesDecoder._refusal,  # noqa: SLF001
    "response.refusal.done": ResponsesDecoder._refusal_done,  # noqa: SLF001
    "response.reasoning_summary_text.delta": ResponsesDecoder._thought,  # noqa: SLF001
    "response.reasoning_summary_text.done": ResponsesDecoder._thought_done,  # noqa: SLF001
    "response.reasoning_text.delta": ResponsesDecoder._thought,  # noqa: SLF001
    "response.reasoning_text.done": ResponsesDecoder._thought_done,  # noqa: SLF001
    "response.function_call_arguments.delta": ResponsesDecoder._piece,  # noqa: SLF001
    "response.custom_tool_call_input.delta": ResponsesDecoder._piece,  # noqa: SLF001
    "response.completed": ResponsesDecoder._complete,  # noqa: SLF001
    "response.incomplete": ResponsesDecoder._complete,  # noqa: SLF001
    "response.failed": ResponsesDecoder._fail,  # noqa: SLF001
    "error": ResponsesDecoder._fail,  # noqa: SLF001
}
"""Event type -> what it says. The rest (progress of hosted tools, part boundaries, keep-alives) says nothing."""
