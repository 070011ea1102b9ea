"""What Google's candidates add to an answer, in chunks of a stream and in whole answers alike.

Source: https://ai.google.dev/api/generate-content#candidate; google-genai, `types.FinishReason`
"""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Any

from proxy.dialects.chunks import dumps
from proxy.dialects.deltas import Delta, Kind
from proxy.dialects.gemini.grounding import annotations_in
from proxy.dialects.gemini.partial import PartialCall
from proxy.dialects.gemini.signatures import detail, extra
from proxy.dialects.hub import data_url
from proxy.dialects.reading import as_dict, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

STOPPED = "stop"
_FILTERED = (
    "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE",
)  # fmt: skip
REASONS: dict[str, str] = {
    "STOP": STOPPED,
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(_FILTERED, "content_filter"),
}
"""Any other is a stop."""
FAILURES: dict[str, str] = {
    "MALFORMED_FUNCTION_CALL": "tool_use_failed",
    "UNEXPECTED_TOOL_CALL": "tool_use_failed",
    "TOO_MANY_TOOL_CALLS": "tool_use_failed",
    "MALFORMED_RESPONSE": "server_error",
    "MISSING_THOUGHT_SIGNATURE": "invalid_request",
}
"""Finish reasons of an answer that went wrong, and what `proxy.dialects.failures` calls it."""
MAX_ID_CHARS = 40
_NO_ID_CHARS = re.compile(r"[^\w-]", re.ASCII)


class Candidates:
    """Of one answer."""

    __slots__ = ("_choices", "failure", "id", "opaque")

    def __init__(self) -> None:
        self.id = ""
        """Of the answer; set before the first candidate is read."""
        self.failure: dict[str, Any] | None = None
        """The answer went wrong: an error object."""
        self.opaque: dict[str, dict[str, Any]] = {}
        self._choices: dict[int, _Choice] = {}

    @property
    def are_finished(self) -> bool:
        """Whether there are any, and all have a finish reason."""
        choices = self._choices
        return bool(choices) and all(choice.is_finished for choice in choices.values())

    def read(self, candidate: dict[str, Any]) -> list[Delta]:
        """What one candidate adds. Raises `Undecodable` for a function call that cannot be put together."""
        index = candidate.get("index", 0)
        choice = self._choices.get(index) if type(index) is int else None
        choice = choice or self._open(index)
        found: list[Delta] = []
        content = candidate.get("content")
        parts = content.get("parts") if isinstance(content, dict) else None
        for part in parts if isinstance(parts, list) else ():
            for name in part if isinstance(part, dict) else ():
                read = _PARTS.get(name)
                if read is not None:
                    read(self, choice, part, found)
        if (reason := as_text(candidate.get("finishReason"))) is not None:
            self._finish(choice, reason, candidate, found)
        if (grounding := candidate.get("groundingMetadata")) is not None:
            annotations = annotations_in(grounding, choice.sources)
            if annotations:
                # before the finish reason, which clients take for the end
                found.insert(0, Delta(Kind.ANNOTATIONS, choice=choice.index, value=annotations))
        if (result := candidate.get("logprobsResult")) is not None and (tokens := _logprobs(result)):
            found.insert(0, Delta(Kind.LOGPROBS, choice=choice.index, value=tokens))
        return found

    def block(self, feedback: dict[str, Any]) -> list[Delta]:
        """The prompt itself was refused, if `promptFeedback` says so and nothing was answered."""
        reason = as_text(feedback.get("blockReason"))
        if reason is None or self._choices or reason.endswith("_UNSPECIFIED"):
            return []
        self._open(0).is_finished = True
        told = as_text(feedback.get("blockReasonMessage")) or f"The prompt was blocked: {reason}."
        return [Delta(Kind.REFUSAL, told), Delta(Kind.FINISH, "content_filter")]

    def _open(self, index: Any) -> _Choice:
        index = index if isinstance(index, int) and index >= 0 else 0
        return self._choices.setdefault(index, _Choice(index))

    def _finish(self, choice: _Choice, reason: str, candidate: dict[str, Any], found: list[Delta]) -> None:
        if (code := FAILURES.get(reason)) is not None:
            told = as_text(candidate.get("finishMessage")) or f"The model ended with {reason}."
            self.failure = {"message": told, "type": code, "code": code, "param": None, "reason": reason}
            return
        self._close(choice, found)
        choice.is_finished = True
        told = REASONS.get(reason, STOPPED)
        found.append(Delta(Kind.FINISH, "tool_calls" if told == STOPPED and choice.calls else told, choice.index))

    def _text(self, choice: _Choice, part: dict[str, Any], found: list[Delta]) -> None:
        text = part["text"]
        if text and isinstance(text, str):
            kind = Kind.REASONING if part.get("thought") is True else Kind.TEXT
            found.append(Delta(kind, text, choice.index))

    def _signature(self, choice: _Choice, part: dict[str, Any], found: list[Delta]) -> None:
        signature = as_text(part["thoughtSignature"])
        if signature is not None and "functionCall" not in part and "inlineData" not in part:
            found.append(Delta(Kind.DETAILS, choice=choice.index, value=[detail(signature)]))

    def _inline(self, choice: _Choice, part: dict[str, Any], found: list[Delta]) -> None:
        blob = as_dict(part["inlineData"])
        mime, data = as_text(blob.get("mimeType")) or "", as_text(blob.get("data"))
        if data is None or part.get("thought") is True or not mime.startswith("image/"):
            return
        image: dict[str, Any] = {"type": "image_url", "image_url": {"url": data_url(mime, data)}}
        if (signature := as_text(part.get("thoughtSignature"))) is not None:
            image |= extra(signature)
        found.append(Delta(Kind.IMAGES, choice=choice.index, value=[image]))

    def _function_call(self, choice: _Choice, part: dict[str, Any], found: list[Delta]) -> None:
        call = as_dict(part["functionCall"])
        if (name := as_text(call.get("name"))) is not None:
            self._close(choice, found)
            signature, start = as_text(part.get("thoughtSignature")), as_dict(call.get("args"))
            choice.open = PartialCall(as_text(call.get("id")), name, signature, start)
        if choice.open is None:
            return
        if "partialArgs" in call:
            choice.open.add(call["partialArgs"])
        if call.get("willContinue") is not True:
            self._close(choice, found)

    def _close(self, choice: _Choice, found: list[Delta]) -> None:
        """Tell of the open call, if there is one: it is whole."""
        call = choice.open
        if call is None:
            return
        choice.open = None
        call_id = call.call_id or self._call_id(choice)
        carried = None
        if call.signature is not None:
            carried = self.opaque[call_id] = extra(call.signature)
        arguments = dumps(call.arguments()).decode()
        found.append(Delta(Kind.CALL, arguments, choice.index, choice.calls, call_id, call.name, carried))
        choice.calls += 1

    def _call_id(self, choice: _Choice) -> str:
        base = _NO_ID_CHARS.sub("", self.id)[:MAX_ID_CHARS] or secrets.token_hex(12)
        return f"call_{base}_{choice.index}_{choice.calls}"


class _Choice:
    """One candidate while it grows."""

    __slots__ = ("calls", "index", "is_finished", "open", "sources")

    def __init__(self, index: int) -> None:
        self.index = index
        self.calls = 0
        """Told so far."""
        self.open: PartialCall | None = None
        self.is_finished = False
        self.sources: set[str] = set()
        """Addresses cited so far."""


_PARTS: dict[str, Callable[[Candidates, _Choice, dict[str, Any], list[Delta]], None]] = {
    "text": Candidates._text,  # noqa: SLF001 - the table of this class
    "functionCall": Candidates._function_call,  # noqa: SLF001
    "inlineData": Candidates._inline,  # noqa: SLF001
    "thoughtSignature": Candidates._signature,  # noqa: SLF001
}
"""By the name of a part's field."""


def _logprobs(result: Any) -> list[dict[str, Any]]:
    """`logprobsResult` as the tokens of OpenAI's `logprobs.content`."""
    told = as_dict(result)
    chosen, tops = told.get("chosenCandidates"), told.get("topCandidates")
    others = [as_dict(top).get("candidates") for top in tops] if isinstance(tops, list) else []
    found = []
    for place, token in enumerate(chosen if isinstance(chosen, list) else ()):
        likeliest = others[place] if place < len(others) else None
        top = [_token(one) for one in likeliest] if isinstance(likeliest, list) else []
        found.append({**_token(token), "top_logprobs": top})
    return found


def _token(given: Any) -> dict[str, Any]:
    fields = as_dict(given)
    token = fields.get("token")
    token = token if isinstance(token, str) else ""
    raw = token.encode(errors="surrogatepass")
    return {"token": token, "logprob": fields.get("logProbability", 0), "bytes": list(raw)}
