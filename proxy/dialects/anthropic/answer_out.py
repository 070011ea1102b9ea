"""A whole answer of the hub as an Anthropic client reads it.

Source: Anthropic API reference, "Messages", the response.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.anthropic.dressing import block_of, block_of_call
from proxy.dialects.anthropic.usage import told_usage, whole_usage
from proxy.dialects.anthropic.words import stop_reason
from proxy.dialects.deltas import REASONING_FIELDS
from proxy.dialects.hub import arguments_of, calls_of, parts_of, text_of
from proxy.dialects.reading import as_dict, as_text, choices_of, finish_reason_of, usage_object
from proxy.errors import BadRequest, ToolCallMalformed

if TYPE_CHECKING:
    from proxy.dialects.told import Told

MESSAGE_ID = "msg_"
CUT = "max_tokens"
"""The stop reason by which clients know that a call at the end is not whole."""
MALFORMED = "The model wrote a tool call whose arguments are no JSON object."


def message_id(request_id: str) -> str:
    """An id as Anthropic's begin."""
    return MESSAGE_ID + request_id.removeprefix("req_")


def message_of(doc: dict[str, Any], told: Told) -> dict[str, Any]:
    """The message. Raises `ToolCallMalformed` for a call whose arguments are no object, unless the limit cut it off."""
    choice = next(iter(choices_of(doc)), {})
    message = as_dict(choice.get("message"))
    refusal = as_text(message.get("refusal"))
    reason, stop = stop_reason(finish_reason_of(choice), choice.get("stop_reason"), refused=refusal is not None)
    usage = whole_usage(told_usage(told.usage, usage_object(doc)))
    found: dict[str, Any] = {
        "id": message_id(told.request_id),
        "type": "message",
        "role": "assistant",
        "model": told.model,
        "content": _content(message, is_cut=reason == CUT),
        "stop_reason": reason,
        "stop_sequence": stop,
        "usage": usage,
    }
    if refusal is not None:
        found["stop_details"] = refused(refusal)
    return found


def refused(words: str) -> dict[str, Any]:
    """`stop_details` of a refusal."""
    return {"type": "refusal", "category": None, "explanation": words}


def citation(annotation: Any) -> dict[str, Any] | None:
    """OpenAI's annotation as a citation of a web page; `None` if it is of something else."""
    given = as_dict(as_dict(annotation).get("url_citation"))
    url = as_text(given.get("url"))
    if url is None:
        return None
    title = as_text(given.get("title"))
    return {"type": "web_search_result_location", "url": url, "title": title, "cited_text": "", "encrypted_index": ""}


def image_text(image: Any) -> str | None:
    """An image the model made, as text: Anthropic's answers have none."""
    url = as_text(as_dict(as_dict(image).get("image_url")).get("url"))
    return None if url is None else f"![image]({url})"


def _content(message: dict[str, Any], *, is_cut: bool) -> list[dict[str, Any]]:
    blocks = _thoughts(message)
    text = text_of(message.get("content"))
    images = message.get("images")
    shown = [words for image in (images if isinstance(images, list) else ()) if (words := image_text(image))]
    text = "\n".join([text, *shown]) if text else "\n".join(shown)
    if text:
        block: dict[str, Any] = {"type": "text", "text": text}
        annotations = message.get("annotations")
        given = annotations if isinstance(annotations, list) else ()
        if citations := [found for annotation in given if (found := citation(annotation))]:
            block["citations"] = citations
        blocks.append(block)
    for place, call in enumerate(calls_of(message)):
        call_id = as_text(call.get("id")) or f"call_{place}"
        if extra := as_dict(call.get("extra_content")):
            blocks.append(block_of_call(call_id, extra))
        blocks.append(_call(call, call_id, is_cut=is_cut))
    return blocks


def _thoughts(message: dict[str, Any]) -> list[dict[str, Any]]:
    text = next((text for name in REASONING_FIELDS if (text := as_text(message.get(name)))), None) or _nested(message)
    blocks: list[dict[str, Any]] = []
    details = message.get("reasoning_details")
    entries = [as_dict(entry) for entry in details] if isinstance(details, list) else []
    blocks += [block for entry in entries if (block := block_of(entry, as_text(entry.get("text")) or "")) is not None]
    if text and not any(block.get("thinking") for block in blocks):
        unsigned = next((block for block in blocks if block["type"] == "thinking"), None)
        if unsigned is not None:
            unsigned["thinking"] = text
        else:
            blocks.insert(0, {"type": "thinking", "thinking": text, "signature": ""})
    return blocks


def _nested(message: dict[str, Any]) -> str:
    """Mistral's thoughts, which stand among the parts of the content."""
    return "".join(text_of(part.get("thinking")) for part in parts_of(message.get("content")) if "thinking" in part)


def _call(call: dict[str, Any], call_id: str, *, is_cut: bool) -> dict[str, Any]:
    custom = as_dict(call.get("custom"))
    if custom:
        return {"type": "tool_use", "id": call_id, "name": custom.get("name"), "input": {"input": custom.get("input")}}
    try:
        arguments = arguments_of(call, "tool_calls")
    except BadRequest:
        if not is_cut:
            raise ToolCallMalformed(MALFORMED) from None
        arguments = {}
    name = as_text(as_dict(call.get("function")).get("name")) or ""
    return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
