"""What a chat asks of a model beside text, read from each client dialect's own document, and by which field.

Nothing is translated for it: it is asked of requests that pass through, too. A wrong type asks for nothing here; who
reads the field in earnest says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from proxy.dialects.hub import effort_of, schema_of
from proxy.dialects.names import DialectName
from proxy.dialects.reading import as_dict
from proxy.need import Need

Asked = Iterator[tuple[Need, str]]
"""Each need, and the field that asks for it, as the client wrote it."""

_PARTS = {
    "image_url": Need.VISION,
    "file": Need.DOCUMENTS,
    "input_audio": Need.AUDIO_INPUT,
    "input_image": Need.VISION,  # from here on Responses
    "input_file": Need.DOCUMENTS,
    "image": Need.VISION,  # and Anthropic
    "document": Need.DOCUMENTS,
}
"""Type of a content part -> what it takes to read it."""
_MIME_KINDS = {"image": Need.VISION, "audio": Need.AUDIO_INPUT, "application": Need.DOCUMENTS, "text": Need.DOCUMENTS}
_MODALITIES = {"audio": Need.AUDIO_OUTPUT, "image": Need.IMAGE_OUTPUT}
_CHAT_FIELDS = frozenset({"tools", "functions", "response_format", "reasoning_effort", "reasoning", "modalities"})
_JUST_TEXT = frozenset({str, type(None)})


def asked_of_chat(doc: dict[str, Any]) -> Asked:
    """Of an OpenAI chat, with the hub's extensions."""
    if not _CHAT_FIELDS.isdisjoint(doc):
        yield from _asked_by_fields(doc)
    messages = _objects(doc.get("messages"))
    yield from _asked_by_content("messages", messages)
    last = messages[-1] if messages else {}
    if last.get("role") == "assistant" and not (last.get("tool_calls") or last.get("function_call")):
        yield Need.PREFILL, f"messages[{len(messages) - 1}]"


def is_plain(doc: dict[str, Any]) -> bool:
    """Whether an OpenAI chat certainly asks for nothing; most do, and this tells it in a fifth of the time."""
    try:
        messages = doc["messages"]
        if not _CHAT_FIELDS.isdisjoint(doc) or messages[-1].get("role") == "assistant":
            return False
        lists = [content for message in messages if (content := message.get("content")).__class__ is not str]
        return not lists or _PARTS.keys().isdisjoint([part.get("type") for parts in lists if parts for part in parts])
    except (AttributeError, TypeError, LookupError):  # of the wrong type somewhere
        return False


def asked_of_responses(doc: dict[str, Any]) -> Asked:
    """Of OpenAI's Responses. The provider's own tools (web search and the like) are no calls of the client's."""
    if any(tool.get("type") in ("function", "custom") for tool in _objects(doc.get("tools"))):
        yield Need.TOOLS, "tools"
    if as_dict(as_dict(doc.get("text")).get("format")).get("type") == "json_schema":
        yield Need.JSON_SCHEMA, "text.format"
    if as_dict(doc.get("reasoning")).get("effort") not in (None, "none"):
        yield Need.REASONING, "reasoning.effort"
    items = _objects(doc.get("input"))
    yield from _asked_by_content("input", items)
    yield from _asked_by_content("input", items, "output")


def asked_of_anthropic(doc: dict[str, Any]) -> Asked:
    """Of Anthropic's Messages."""
    if doc.get("tools"):
        yield Need.TOOLS, "tools"
    if as_dict(doc.get("thinking")).get("type") == "enabled":  # `adaptive` leaves it to the model whether to think
        yield Need.REASONING, "thinking"
    for name, shape in (("output_config.format", as_dict(doc.get("output_config")).get("format")), _old_format(doc)):
        if as_dict(shape).get("type") == "json_schema":
            yield Need.JSON_SCHEMA, name
    messages = _objects(doc.get("messages"))
    yield from _asked_by_content("messages", messages)
    for place, message in enumerate(messages):
        blocks = _objects(message.get("content"))
        for block in blocks:
            if block.get("type") == "tool_result":
                yield from _asked_by_content(f"messages[{place}].content", [block])
    if messages and messages[-1].get("role") == "assistant":
        yield Need.PREFILL, f"messages[{len(messages) - 1}]"


def asked_of_gemini(doc: dict[str, Any]) -> Asked:
    """Of Gemini's `generateContent`, whose fields may be written in either case (protobuf's JSON)."""
    if any(_either(tool, "functionDeclarations") for tool in _objects(doc.get("tools"))):
        yield Need.TOOLS, "tools"
    config = as_dict(_either(doc, "generationConfig"))
    for name in ("responseSchema", "responseJsonSchema"):
        if _either(config, name):
            yield Need.JSON_SCHEMA, f"generationConfig.{name}"
    thinking = as_dict(_either(config, "thinkingConfig"))
    budget = _either(thinking, "thinkingBudget")
    if budget != 0 and any(_either(thinking, name) for name in ("thinkingBudget", "thinkingLevel", "includeThoughts")):
        yield Need.REASONING, "generationConfig.thinkingConfig"
    yield from _asked_by_modalities(_either(config, "responseModalities"), "generationConfig.responseModalities")
    contents = _objects(doc.get("contents"))
    for place, content in enumerate(contents):
        for index, part in enumerate(_objects(content.get("parts"))):
            blob = as_dict(_either(part, "inlineData")) or as_dict(_either(part, "fileData"))
            kind = str(_either(blob, "mimeType") or "").partition("/")[0].lower() if blob else ""
            if (need := _MIME_KINDS.get(kind)) is not None:
                yield need, f"contents[{place}].parts[{index}]"
    if contents and contents[-1].get("role") == "model":
        yield Need.PREFILL, f"contents[{len(contents) - 1}]"


READERS: Mapping[DialectName, Callable[[dict[str, Any]], Asked]] = {
    DialectName.OPENAI_CHAT: asked_of_chat,
    DialectName.OPENAI_RESPONSES: asked_of_responses,
    DialectName.ANTHROPIC: asked_of_anthropic,
    DialectName.GEMINI: asked_of_gemini,
}
"""The dialects clients speak."""


def _asked_by_fields(doc: dict[str, Any]) -> Asked:
    for name in ("tools", "functions"):
        if doc.get(name):
            yield Need.TOOLS, name
    if schema_of(doc.get("response_format"))[1] is not None:
        yield Need.JSON_SCHEMA, "response_format"
    effort, reasoning = effort_of(doc), as_dict(doc.get("reasoning"))
    if effort is not None:
        if effort != "none":
            yield Need.REASONING, "reasoning_effort" if doc.get("reasoning_effort") else "reasoning"
    elif reasoning.get("enabled") is True or (reasoning.get("max_tokens") and reasoning.get("enabled") is not False):
        yield Need.REASONING, "reasoning"
    yield from _asked_by_modalities(doc.get("modalities"), "modalities")


def _asked_by_modalities(modalities: Any, param: str) -> Asked:
    for modality in modalities if isinstance(modalities, list) else ():
        if isinstance(modality, str) and (need := _MODALITIES.get(modality.lower())) is not None:
            yield need, param


def _asked_by_content(param: str, messages: list[dict[str, Any]], name: str = "content") -> Asked:
    contents = [message.get(name) for message in messages]
    if _JUST_TEXT.issuperset(map(type, contents)):
        return  # told without a step in Python for each message
    for place, content in enumerate(contents):
        if not isinstance(content, list):
            continue
        for index, part in enumerate(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if kind != "text" and isinstance(kind, str) and (need := _PARTS.get(kind)) is not None:
                yield need, f"{param}[{place}].{name}[{index}]"


def _old_format(doc: dict[str, Any]) -> tuple[str, Any]:
    """Where structured output stood while it was a beta."""
    return "output_format", doc.get("output_format")


def _objects(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _either(holder: dict[str, Any], name: str) -> Any:
    """A field by its name in camel case, or in snake case."""
    if name in holder:
        return holder[name]
    return holder.get("".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name))
