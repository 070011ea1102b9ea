"""Google's surface: `generateContent` as its own clients speak it.

Source: https://ai.google.dev/api/generate-content; https://google.aip.dev/193 (errors).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.dialects.chunks import dumps
from proxy.dialects.gemini.answer_out import answer_out
from proxy.dialects.gemini.encoder import Framing, GeminiStream
from proxy.dialects.gemini.naming import fields_of
from proxy.dialects.gemini.request_in import hub_request
from proxy.dialects.names import DialectName
from proxy.dialects.openai_chat import BYTES_PER_TOKEN, model_of, parse_object
from proxy.dialects.openai_surface import status_of
from proxy.dialects.reading import as_text, parse
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import MissingField, UpstreamError, WrongType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dialects.cards import ModelCard
    from proxy.dialects.told import Told
    from proxy.errors import GatewayError

STATUSES = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED",
    404: "NOT_FOUND", 405: "UNIMPLEMENTED", 408: "DEADLINE_EXCEEDED", 409: "ABORTED", 413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT", 422: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 431: "INVALID_ARGUMENT",
    499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED", 502: "UNAVAILABLE", 503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}  # fmt: skip
"""HTTP status -> the name of its `google.rpc.Code`."""
METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
_COUNTED = "generateContentRequest"
"""Where a request to count tokens may hold all of the request that is meant."""
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


class GeminiSurface:
    """For one request, whose model and whose wish to stream are in its path."""

    __slots__ = ("_framing", "_is_array", "_model", "_shows_thoughts", "_stream")

    name = "gemini"
    dialect = DialectName.GEMINI
    content_types = frozenset({"application/json"})

    def __init__(self, model: str = "", *, stream: bool = False, is_array: bool = False) -> None:
        """`is_array`: a stream is one JSON array instead of server-sent events."""
        self._model = model
        self._stream = stream
        self._is_array = is_array
        self._framing = Framing(is_array=is_array)
        self._shows_thoughts = False

    @property
    def keepalive(self) -> bytes:
        """White space, which means nothing in either framing."""
        return self._framing.keepalive

    def decode(self, operation: Operation, body: bytes) -> ModelRequest:
        """Raise `InvalidJson`, `MissingField`, `WrongType`, or `BadRequest` for a model name that cannot be one."""
        doc = parse_object(body)
        model = model_of({"model": self._model})
        told = fields_of(doc, "body")
        if operation is Operation.COUNT_TOKENS and (inner := told.get(_COUNTED)) is not None:
            doc, told = inner, fields_of(inner, _COUNTED)
        if not told.get("contents"):
            raise MissingField("`contents` is required and must not be empty.", param="contents")
        config = fields_of(told.get("generationConfig"), "generationConfig")
        thinking = fields_of(config.get("thinkingConfig"), "generationConfig.thinkingConfig")
        self._shows_thoughts = thinking.get("includeThoughts") is True
        request = ModelRequest(
            operation,
            doc,
            body,
            model,
            stream=self._stream,
            wants_usage=True,
            service_tier="flex" if told.get("serviceTier") == "flex" else "default",
            max_output_tokens=_limit(config.get("maxOutputTokens")),
            prompt_tokens=len(body) // BYTES_PER_TOKEN,
            dialect=DialectName.GEMINI,
            to_hub=hub_request,
        )
        # no provider is asked for an array: its own stream could not be passed on
        return request.hub if self._stream and self._is_array else request

    def answer(self, body: bytes, told: Told) -> bytes:
        """A hub answer as Google's. Raises `MalformedAnswer` for a tool call that Google's form cannot hold."""
        return dumps(answer_out(parse(body), told, shows_thoughts=self._shows_thoughts))

    def stream(self, told: Told) -> GeminiStream:
        """The encoder of this request's stream."""
        return GeminiStream(told, self._framing, shows_thoughts=self._shows_thoughts)

    @staticmethod
    def error(error: GatewayError) -> tuple[int, bytes]:
        """Status and JSON body."""
        return status_of(error), dumps({"error": error_object(error)})

    def stream_error(self, error: GatewayError) -> bytes:
        """The last object of a broken stream."""
        return self._framing.frame(dumps({"error": error_object(error)})) + self._framing.end()

    @staticmethod
    def models(cards: Iterable[ModelCard]) -> bytes:
        """`GET /v1beta/models`, on one page."""
        return dumps({"models": [_model(card) for card in cards]})

    @staticmethod
    def model(card: ModelCard) -> bytes:
        """`GET /v1beta/models/{id}`."""
        return dumps(_model(card))

    @staticmethod
    def count(tokens: int) -> bytes:
        """`:countTokens`."""
        details = [{"modality": "TEXT", "tokenCount": tokens}]
        return dumps({"totalTokens": tokens, "promptTokensDetails": details})


def error_object(error: GatewayError) -> dict[str, Any]:
    """The provider's own words if they may be shown, else ours; our name for the failure as its `reason`."""
    status, message, reason = status_of(error), error.message, error.code
    if isinstance(error, UpstreamError) and error.answer is not None:
        message = as_text(error.answer.get("message")) or message
        reason = as_text(error.answer.get("code")) or reason
    info: dict[str, Any] = {"@type": _ERROR_INFO, "reason": reason.upper(), "domain": "pointsman"}
    if error.param is not None:
        info["metadata"] = {"field": error.param}
    details = [info]
    if error.retry_after is not None:
        details.append({"@type": _RETRY_INFO, "retryDelay": f"{error.retry_after}s"})
    named = STATUSES.get(status, "UNKNOWN")
    return {"code": status, "message": message, "status": named, "details": details}


def _limit(given: Any) -> int | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise WrongType(
            "`generationConfig.maxOutputTokens` must be a number.", param="generationConfig.maxOutputTokens"
        )
    return int(given) if given > 0 else None


def _model(card: ModelCard) -> dict[str, Any]:
    known = {
        "name": f"models/{card.id}",
        "version": card.id,
        "displayName": card.display_name,
        "description": card.description,
        "inputTokenLimit": card.context_window,
        "outputTokenLimit": card.max_output_tokens,
        "supportedGenerationMethods": METHODS if card.kind == "text" else [],
    }
    return {name: value for name, value in known.items() if value is not None}
