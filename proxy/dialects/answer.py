"""Reads a whole, unstreamed answer: usage, end, failures dressed as success."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.counting import usage_from_openai
from proxy.dialects.meter import Meter
from proxy.dialects.reading import (
    COUNTS,
    FAILURES,
    as_dict,
    as_text,
    choices_of,
    content_size,
    error_in,
    finish_reason_of,
    parse,
    text_size,
)
from proxy.dialects.request import Operation
from proxy.errors import MalformedAnswer

if TYPE_CHECKING:
    from proxy.dialects.quirks import Quirks

_BODY_OF = {
    Operation.CHAT: "choices",
    Operation.TEXT_COMPLETION: "choices",
    Operation.EMBEDDINGS: "data",
    Operation.RESPONSES: "output",
}
"""The list that makes an object an answer."""

_SAYS_MORE = frozenset({"error", "response", "type"})
"""Fields of an answer that may tell of a failure."""


class Answer(Meter):
    """One whole answer, read. `doc` is not to be changed."""

    __slots__ = ("_operation", "_reasoning_fields", "doc")

    def __init__(self, doc: dict[str, Any], operation: Operation, quirks: Quirks) -> None:
        super().__init__()
        self.doc = doc
        self._operation = operation
        self._reasoning_fields = quirks.reasoning_fields
        if operation is not Operation.CHAT or not self._is_plain(doc, quirks):
            self._read(doc, operation, quirks)

    def _is_plain(self, doc: dict[str, Any], quirks: Quirks) -> bool:
        """Read a chat answer of the plain shape: one choice that ended well, and its usage where it belongs.

        Nearly every answer has it. False, with nothing noted, for another one; what this notes, `_read` notes alike.
        """
        if quirks.errors_in_body is not None or not _SAYS_MORE.isdisjoint(doc) or doc.get("object") == "error":
            return False
        response_id, model, tier = doc.get("id"), doc.get("model"), doc.get("service_tier") or ""
        choices, usage = doc.get("choices"), doc.get("usage")
        if not (type(response_id) is type(model) is type(tier) is str and type(choices) is list and len(choices) == 1):
            return False
        choice = choices[0]
        if type(choice) is not dict or type(usage) is not dict or COUNTS.isdisjoint(usage):
            return False
        reason = choice.get("finish_reason")
        if type(reason) is not str or reason.lower() in FAILURES:
            return False
        self.response_id = response_id or None
        self.model = model or None
        self.service_tier = tier or None
        self.finish_reason = reason or None
        self.usage = usage_from_openai(usage, quirks, tier)
        return True

    def _read(self, doc: dict[str, Any], operation: Operation, quirks: Quirks) -> None:
        """Read whatever a provider may send."""
        self._note_identity(doc)
        self._note_usage(doc, quirks)
        self.error = error_in(doc, None, quirks.errors_in_body)
        if operation is Operation.RESPONSES:
            self.finish_reason = as_text(doc.get("status"))
        elif operation is not Operation.EMBEDDINGS:
            self.finish_reason = next((reason for c in choices_of(doc) if (reason := finish_reason_of(c))), None)

    @property
    def is_complete(self) -> bool:
        """Always: a body cut short is no JSON."""
        return True

    @property
    def text_bytes(self) -> int:
        """Bytes of content; counted only when asked, as most answers tell their usage."""
        if self._operation is Operation.RESPONSES:
            return _output_size(self.doc)
        return content_size(self.doc, "message", self._reasoning_fields)


def read_answer(body: bytes, operation: Operation, quirks: Quirks) -> Answer:
    """Read the body of a 2xx answer.

    Blank lines before the object are keep-alives (DeepSeek). Raises `MalformedAnswer` for HTML, an empty body, or an
    object that is neither an answer nor an error; an error in it is told by `Answer.error`.
    """
    try:
        doc = parse(body)
    except ValueError as error:
        raise MalformedAnswer("The provider's answer is not JSON.", detail=f"{len(body)} bytes; {error}") from None
    if not isinstance(doc, dict):
        raise MalformedAnswer("The provider's answer is not a JSON object.")
    answer = Answer(doc, operation, quirks)
    wanted = _BODY_OF[operation]
    if answer.error is None and not isinstance(doc.get(wanted), list):
        raise MalformedAnswer(f"The provider's answer has no `{wanted}`.")
    return answer


def _output_size(doc: dict[str, Any]) -> int:
    output = doc.get("output")
    size = 0
    for item in output if isinstance(output, list) else ():
        fields = as_dict(item)
        size += sum(text_size(fields.get(name)) for name in ("content", "summary", "arguments", "input"))
        # a call of a tool without text is content too
        size += str(fields.get("type", "")).endswith("_call")
    return size
