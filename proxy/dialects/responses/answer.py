"""Whole answers: a hub answer as a response object for a client, a provider's response object as a hub answer.

Source: OpenAI API reference, "Response".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.counting import usage_from_openai
from proxy.dialects.hub import calls_of, parts_of
from proxy.dialects.quirks import Quirks
from proxy.dialects.reading import as_dict, as_text, choices_of, error_object, finish_reason_of, joined, usage_object
from proxy.dialects.responses.calls import call_item, prefix_of
from proxy.dialects.responses.items_out import CHAT_CALLS, hub_call_of
from proxy.dialects.responses.parts import (
    annotations_of,
    hub_annotation,
    hub_image,
    hub_logprobs,
    image_item,
    images_of,
    logprobs_of,
    output_text,
)
from proxy.dialects.responses.reasoning import Details, item_of, own_details, texts_of_item
from proxy.dialects.responses.request_in import STATE, wants
from proxy.dialects.responses.shape import Shape, status_of
from proxy.dialects.responses.tools import Toolbox
from proxy.dialects.responses.usage import hub_usage

if TYPE_CHECKING:
    from proxy.dialects.told import Told

_QUIRKS = Quirks()
NO_ERROR = {"message": "The provider reported an error."}
"""Of a provider that does not say which."""
_ENDED_BADLY = ("failed", "cancelled")
REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
"""`incomplete_details.reason` -> the hub's finish reason."""


def response_of(hub: dict[str, Any], doc: dict[str, Any], told: Told) -> dict[str, Any]:
    """The response object of a hub answer; `doc` is the client's request."""
    choice = next(iter(choices_of(hub)), {})
    message = as_dict(choice.get("message"))
    reason = finish_reason_of(choice)
    shape = Shape(doc, told)
    shape.name(as_text(hub.get("model")))
    output = _Output(shape, status_of(reason))
    output.think(message, with_state=wants(doc, STATE))
    output.say(message, logprobs_of(as_dict(choice.get("logprobs")).get("content")))
    output.show(message)
    output.call(message, Toolbox(doc.get("tools")))
    usage = told.usage
    if usage is None and (sent := usage_object(hub)) is not None:
        usage = usage_from_openai(sent, _QUIRKS, as_text(hub.get("service_tier")))
    return shape.ended(reason, output.items, usage)


class _Output:
    """The items of one answer."""

    def __init__(self, shape: Shape, status: str) -> None:
        self.items: list[dict[str, Any]] = []
        self._shape = shape
        self._status = status

    def think(self, message: dict[str, Any], *, with_state: bool) -> None:
        text = joined(as_text(message.get("reasoning_content")) or as_text(message.get("reasoning")) or "")
        details = Details()
        details.add(message.get("reasoning_details"))
        if with_state:
            for call in calls_of(message):
                if extra := call.get("extra_content"):
                    details.calls[as_text(call.get("id")) or ""] = extra
        if text or (with_state and details.encrypted(text)):
            self.items.append(item_of(self._id("rs"), text, details, with_state=with_state))

    def say(self, message: dict[str, Any], logprobs: list[dict[str, Any]]) -> None:
        texts = [joined(as_text(part.get("text")) or "") for part in parts_of(message.get("content"))]
        content: list[dict[str, Any]] = [{"text": text} for text in texts if text]
        annotations = annotations_of(message.get("annotations"))
        content = [output_text(part["text"], [], []) for part in content]
        if content:
            content[-1] |= {"annotations": annotations, "logprobs": logprobs}
        if refusal := as_text(message.get("refusal")):
            content.append({"type": "refusal", "refusal": joined(refusal)})
        content += [output_text(f"![image]({url})", [], []) for url in _addresses(message)]
        if content:
            fields = {"type": "message", "status": self._status, "role": "assistant", "content": content}
            self.items.append({"id": self._id("msg"), **fields})

    def show(self, message: dict[str, Any]) -> None:
        for url in images_of(message.get("images")):
            if (item := image_item(self._id("ig"), url)) is not None:
                self.items.append(item)

    def call(self, message: dict[str, Any], toolbox: Toolbox) -> None:
        for call in calls_of(message):
            function = as_dict(call.get("function"))
            tool = toolbox.tool(as_text(function.get("name")) or "")
            item_id = self._id(prefix_of(tool))
            call_id = as_text(call.get("id")) or f"call_{item_id.partition('_')[2]}"
            arguments = joined(as_text(function.get("arguments")) or "{}")
            self.items.append(call_item(tool, call_id, item_id, arguments, self._status))

    def _id(self, prefix: str) -> str:
        return self._shape.item_id(prefix, len(self.items))


def _addresses(message: dict[str, Any]) -> list[str]:
    """Images the Responses API has no field for."""
    return [url for url in images_of(message.get("images")) if image_item("", url) is None]


def hub_answer(doc: dict[str, Any]) -> dict[str, Any]:
    """The hub's answer of a response object, or its error. Missing fields read as absent."""
    error = error_object(doc.get("error"))
    if error is None and as_text(doc.get("status")) in _ENDED_BADLY:
        error = NO_ERROR
    if error is not None:
        return {"error": error}
    output = doc.get("output")
    if not isinstance(output, list):
        return doc  # an error in words of its own, or no answer at all: it is told as what it is
    message: dict[str, Any] = {"role": "assistant", "content": None}
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None}
    for item in output:
        fields = as_dict(item)
        read = _READERS.get(as_text(fields.get("type")) or "")
        if read is not None:
            read(choice, fields)
    choice["finish_reason"] = reason_of(doc, has_calls="tool_calls" in message)
    hub = {
        "id": doc.get("id"),
        "object": "chat.completion",
        "created": created_of(doc),
        "model": doc.get("model"),
        "choices": [choice],
    }
    if tier := as_text(doc.get("service_tier")):
        hub["service_tier"] = tier
    if (usage := usage_object(doc)) is not None:
        hub["usage"] = hub_usage(usage)
    return hub


def reason_of(response: dict[str, Any], *, has_calls: bool) -> str:
    """The hub's finish reason. One that nobody documents for an incomplete answer reads as `length`."""
    if response.get("status") == "incomplete":
        return REASONS.get(as_text(as_dict(response.get("incomplete_details")).get("reason")) or "", "length")
    return "tool_calls" if has_calls else "stop"


def created_of(response: dict[str, Any]) -> int:
    """Unix time; some servers say it with a fraction."""
    created = response.get("created_at")
    return int(created) if isinstance(created, int | float) and 0 <= created < 1 << 40 else 0


def _read_message(choice: dict[str, Any], item: dict[str, Any]) -> None:
    message = choice["message"]
    content = item.get("content")
    for part in content if isinstance(content, list) else ():
        fields = as_dict(part)
        if text := as_text(fields.get("text")):
            message["content"] = (message["content"] or "") + text
        if refusal := as_text(fields.get("refusal")):
            message["refusal"] = (message.get("refusal") or "") + refusal
        annotations = fields.get("annotations")
        found = [hub_annotation(entry) for entry in annotations] if isinstance(annotations, list) else []
        if sources := [entry for entry in found if entry is not None]:
            message.setdefault("annotations", []).extend(sources)
        if (logprobs := hub_logprobs(fields.get("logprobs"))) is not None:
            known = choice["logprobs"] or {"content": [], "refusal": None}
            choice["logprobs"] = {**known, "content": [*known["content"], *logprobs["content"]]}


def _read_reasoning(choice: dict[str, Any], item: dict[str, Any]) -> None:
    message, texts = choice["message"], texts_of_item(item)
    if texts:
        before = [message["reasoning_content"]] if "reasoning_content" in message else []
        message["reasoning_content"] = "\n\n".join([*before, *texts])
    if state := as_text(item.get("encrypted_content")):
        message.setdefault("reasoning_details", []).extend(own_details(item, texts, state))


def _read_call(choice: dict[str, Any], item: dict[str, Any]) -> None:
    choice["message"].setdefault("tool_calls", []).append(hub_call_of(item))


def _read_image(choice: dict[str, Any], item: dict[str, Any]) -> None:
    if (image := hub_image(item)) is not None:
        choice["message"].setdefault("images", []).append(image)


_READERS = {
    "message": _read_message,
    "reasoning": _read_reasoning,
    "image_generation_call": _read_image,
    **dict.fromkeys(CHAT_CALLS, _read_call),
}
"""Items by their type; those of tools that run at the provider say nothing that a chat answer could hold."""
