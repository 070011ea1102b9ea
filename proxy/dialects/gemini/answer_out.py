"""What the hub's answers say, as Google's parts, candidates and answers.

Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.gemini.grounding import grounding_out
from proxy.dialects.gemini.signatures import dressed, of_details, of_extra
from proxy.dialects.gemini.usage import usage_out
from proxy.dialects.hub import ReasoningFormat, calls_of, data_of_url, text_of
from proxy.dialects.reading import as_dict, as_text, choices_of, finish_reason_of
from proxy.errors import MalformedAnswer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dialects.told import Told

Part = dict[str, Any]

REASONS = {
    "stop": "STOP",
    "tool_calls": "STOP",
    "function_call": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
}
OTHER = "OTHER"
CUT = "length"
_WHOLE_TEXT = "reasoning.text"


def answer_out(doc: dict[str, Any], told: Told, *, shows_thoughts: bool) -> dict[str, Any]:
    """A whole answer. Raises `MalformedAnswer` for a tool call that Google's form cannot hold."""
    answer: dict[str, Any] = {
        "candidates": [_candidate(choice, shows_thoughts=shows_thoughts) for choice in choices_of(doc)]
    }
    if told.usage is not None:
        answer["usageMetadata"] = usage_out(told.usage)
    answer["modelVersion"] = told.upstream_model
    answer["responseId"] = told.request_id
    return answer


def _candidate(choice: dict[str, Any], *, shows_thoughts: bool) -> dict[str, Any]:
    message = as_dict(choice.get("message"))
    index = choice.get("index")
    reason = finish_reason_of(choice)
    candidate: dict[str, Any] = {
        "content": {"parts": _parts(message, reason, shows_thoughts=shows_thoughts), "role": "model"},
        "finishReason": REASONS.get(reason or "stop", OTHER),
        "index": index if isinstance(index, int) else 0,
    }
    if (grounding := grounding_out(message.get("annotations"))) is not None:
        candidate["groundingMetadata"] = grounding
    if tokens := as_dict(choice.get("logprobs")).get("content"):
        candidate["logprobsResult"] = logprobs_out(tokens)
    return candidate


def _parts(message: dict[str, Any], reason: str | None, *, shows_thoughts: bool) -> list[Part]:
    details = message.get("reasoning_details")
    parts = _thoughts(message, details) if shows_thoughts else []
    said = text_of(message.get("content")) or as_text(message.get("refusal")) or ""
    signature = of_details(details)
    if said or signature is not None:
        parts.append({"text": said} if signature is None else {"text": said, "thoughtSignature": signature})
    images = message.get("images")
    parts += [part for image in images if (part := image_out(image))] if isinstance(images, list) else []
    made = []
    for call in calls_of(message):
        function = as_dict(call.get("function"))
        made.append((as_text(call.get("id")), as_text(function.get("name")), function.get("arguments"), call))
    parts += calls_out(made, reason)
    return parts or [{"text": ""}]


def _thoughts(message: dict[str, Any], details: Any) -> list[Part]:
    entries = [as_dict(entry) for entry in details] if isinstance(details, list) else []
    own_text = any(entry.get("type") == _WHOLE_TEXT and entry.get("text") for entry in entries)
    text = None if own_text else as_text(message.get("reasoning_content")) or as_text(message.get("reasoning"))
    parts: list[Part] = [] if text is None else [{"text": text, "thought": True}]
    return parts + [part for entry in entries if (part := state_out(entry, with_text=own_text)) is not None]


def state_out(entry: dict[str, Any], *, with_text: bool) -> Part | None:
    """An entry of `reasoning_details` as a thought; `None` for Google's own state and for an entry without any."""
    text = as_text(entry.get("text")) if with_text and entry.get("type") == _WHOLE_TEXT else None
    has_state = bool(entry.get("signature") or entry.get("data"))
    if entry.get("format") == ReasoningFormat.GEMINI or not (text or has_state):
        return None
    part: Part = {"text": text or "", "thought": True}
    if has_state:
        part["thoughtSignature"] = dressed(entry)
    return part


def calls_out(calls: Iterable[tuple[str | None, str | None, Any, Any]], reason: str | None) -> list[Part]:
    """Tool calls, each with id, name, arguments and entry. Raises as `call_out`.

    Google's own models leave out a call that the limit cut off: `MAX_TOKENS` tells of it.
    """
    parts = []
    for call in calls:
        try:
            parts.append(call_out(*call))
        except MalformedAnswer:
            if reason != CUT:
                raise
    return parts


def call_out(call_id: str | None, name: str | None, arguments: Any, entry: Any) -> Part:
    """A whole tool call. Raises `MalformedAnswer` for arguments that are no object."""
    try:
        args = orjson.loads(arguments) if arguments else {}
    except (orjson.JSONDecodeError, TypeError):
        args = arguments
    if not isinstance(args, dict):
        raise MalformedAnswer("The provider's tool call has arguments that are no JSON object.", detail="tool call")
    function: dict[str, Any] = {"name": name or "", "args": args}
    if call_id:
        function["id"] = call_id
    signature = of_extra(entry)
    return (
        {"functionCall": function} if signature is None else {"functionCall": function, "thoughtSignature": signature}
    )


def image_out(image: Any) -> Part | None:
    """An image of the answer; `None` if it is none."""
    fields = as_dict(image)
    url = as_text(as_dict(fields.get("image_url")).get("url"))
    if url is None:
        return None
    data = data_of_url(url)
    part: Part = (
        {"fileData": {"mimeType": "image/png", "fileUri": url}}
        if data is None
        else {"inlineData": {"mimeType": data[0], "data": data[1]}}
    )
    if (signature := of_extra(fields)) is not None:
        part["thoughtSignature"] = signature
    return part


def logprobs_out(tokens: Any) -> dict[str, Any]:
    """OpenAI's `logprobs.content` as `logprobsResult`."""
    given = [as_dict(token) for token in tokens] if isinstance(tokens, list) else []
    tops = [token.get("top_logprobs") for token in given]
    return {
        "chosenCandidates": [_token(token) for token in given],
        "topCandidates": [
            {"candidates": [_token(as_dict(one)) for one in top]} if isinstance(top, list) else {"candidates": []}
            for top in tops
        ],
    }


def _token(token: dict[str, Any]) -> dict[str, Any]:
    return {"token": as_text(token.get("token")) or "", "logProbability": token.get("logprob")}
