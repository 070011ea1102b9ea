"""OneInfer's surface: requests checked and defaulted as documented, answers in its envelope, its own stream chunks.

Source: OneInfer Inference API reference, "Chat Completions". Where it is silent, so is the envelope: fields are added,
none is left out or renamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects import oneinfer_errors
from proxy.dialects.lanes import Calls, Unreadable
from proxy.dialects.oneinfer_request import decode
from proxy.dialects.reading import as_dict, as_text, choices_of, finish_reason_of, joined, parse
from proxy.dialects.request import Operation
from proxy.dialects.sse import KEEPALIVE, data_of, events_of
from proxy.errors import ErrorInStream, NotOffered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.dialects.cards import ModelCard
    from proxy.dialects.request import ModelRequest
    from proxy.dialects.told import Told
    from proxy.errors import GatewayError
    from proxy.usage import Usage

CHAT_MESSAGE = "Chat completion generated successfully."
MESSAGE = "API has returned response successfully."
MAX_TOOL_CALL_BYTES = 1 << 22
"""Of tool-call arguments gathered for the last chunk of a stream."""
_HIGH_FIRST, _HIGH_LAST = "\ud800", "\udbff"
"""The first halves of surrogate pairs."""


class OneInferSurface:
    """Chat as OneInfer documents it. Stateless."""

    name = "oneinfer"
    content_types = frozenset({"application/json", "multipart/form-data"})
    keepalive = KEEPALIVE

    def decode(self, operation: Operation, body: bytes) -> ModelRequest:
        """Raise `WrongType` for 422, other `BadRequest`s for 400, `NotOffered` for speech."""
        if operation is not Operation.CHAT:
            raise NotOffered("This surface serves chat completions.")
        return decode(body)

    def answer(self, body: bytes, told: Told) -> bytes:
        """The answer in the envelope."""
        doc = orjson.loads(body)
        choice = next(iter(choices_of(doc)), {})
        message = as_dict(choice.get("message"))
        data: dict[str, Any] = {
            "id": _public_id(told.request_id),
            "created": told.created_s,
            "text": _plain_text(message.get("content")),
            "finish_reason": finish_reason_of(choice),
            **_told_fields(told),
        }
        calls = message.get("tool_calls")
        if isinstance(calls, list) and calls:
            data["tool_calls"] = calls
        return envelope(data, CHAT_MESSAGE)

    def stream(self, told: Told) -> OneInferStream:  # noqa: ARG002 - only the end needs it
        """An encoder for one stream."""
        return OneInferStream()

    def error(self, error: GatewayError) -> tuple[int, bytes]:
        """Status and JSON body."""
        return oneinfer_errors.render(error)

    def stream_error(self, error: GatewayError) -> bytes:
        """The last event of a broken stream. `[DONE]` would say it went well."""
        chunk = {
            "id": "chunk_error",
            "text": "",
            "delta": "",
            "finish_reason": "error",
            "error": oneinfer_errors.error_object(error),
        }
        return _event(chunk)

    def models(self, cards: Iterable[ModelCard]) -> bytes:
        """The list behind "GET Models"."""
        models = [_model(card) for card in cards]
        return envelope({"models": models, "total": len(models)}, MESSAGE)

    def token(self, access_token: str, expires_in_s: int) -> bytes:
        """The answer to a key exchange: documented at the top level, sent live within `data`, so in both places."""
        data = {"access_token": access_token, "token_type": "bearer", "expires_in": expires_in_s}
        return orjson.dumps({**_envelope(data, MESSAGE), "access_token": access_token})


class OneInferStream:
    """Turns OpenAI chunks into OneInfer's: one for each piece of text, the rest told in the last."""

    __slots__ = ("_calls", "_calls_bytes", "_chunks", "_finish_reason", "_half", "_turns")

    def __init__(self) -> None:
        self._chunks = 0
        self._half = ""
        self._finish_reason: str | None = None
        self._calls: dict[int, dict[str, Any]] = {}
        self._calls_bytes = 0
        self._turns = Calls()

    def feed(self, data: bytes) -> bytes:
        """Encode whole upstream events; may be empty.

        Raises `ErrorInStream` when tool calls grow past `MAX_TOOL_CALL_BYTES` or cannot be read.
        """
        return b"".join([self._encode(payload) for event in events_of(data) if (payload := data_of(event))])

    def end(self, told: Told) -> bytes:
        """The last chunk, with all that is known of the answer, and `[DONE]`."""
        chunk: dict[str, Any] = {
            "id": "chunk_final",
            "text": "",
            "delta": "",
            # a complete stream without a reason ended by `[DONE]`, which means `stop`
            "finish_reason": self._finish_reason or "stop",
            "request_id": _public_id(told.request_id),
            **_told_fields(told),
        }
        if self._calls:
            chunk["tool_calls"] = [_joined(call) for call in self._calls.values()]
        return _event(chunk) + b"data: [DONE]\n\n"

    def _encode(self, payload: bytes) -> bytes:
        try:
            doc = parse(payload)
        except ValueError:
            return b""  # `[DONE]`
        choice = next(iter(choices_of(as_dict(doc))), {})
        delta = as_dict(choice.get("delta"))
        self._finish_reason = finish_reason_of(choice) or self._finish_reason
        try:
            for turn in self._turns.turns(choice):
                self._gather(turn.entry, turn.number, len(payload))
        except Unreadable as error:
            raise ErrorInStream("A tool call of the provider cannot be read.", detail=str(error)) from None
        text = self._whole_characters(_plain_text(delta.get("content")))
        if not text:
            return b""
        self._chunks += 1
        return _event({"id": f"chunk_{self._chunks}", "text": text, "finish_reason": None, "delta": text})

    def _whole_characters(self, text: str) -> str:
        """`text` with the half emoji that was held back before it, without the one that it ends in."""
        text, self._half = self._half + text, ""
        if text and _HIGH_FIRST <= text[-1] <= _HIGH_LAST:
            text, self._half = text[:-1], text[-1]
        return joined(text)

    def _gather(self, call: dict[str, Any], index: int, size: int) -> None:
        self._calls_bytes += size
        if self._calls_bytes > MAX_TOOL_CALL_BYTES:
            raise ErrorInStream("The tool call is too long.", detail=f"over {MAX_TOOL_CALL_BYTES} bytes of chunks")
        known = self._calls.setdefault(index, {"id": "", "type": "function", "function": {"name": "", "arguments": []}})
        function = as_dict(call.get("function"))
        known["id"] = as_text(call.get("id")) or known["id"]
        # a continuation may repeat the name as an empty string
        known["function"]["name"] = as_text(function.get("name")) or known["function"]["name"]
        known["function"]["arguments"].append(as_text(function.get("arguments")) or "")


def envelope(data: dict[str, Any], message: str) -> bytes:
    """A success as every endpoint sends it: `error` is an empty object, never null."""
    return orjson.dumps(_envelope(data, message))


def _envelope(data: dict[str, Any], message: str) -> dict[str, Any]:
    return {"api_details": {"api_status": "success", "api_message": message}, "data": data, "error": {}}


def _joined(call: dict[str, Any]) -> dict[str, Any]:
    function = call["function"]
    return {**call, "function": {"name": function["name"], "arguments": joined("".join(function["arguments"]))}}


def _event(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % orjson.dumps(chunk)


def _told_fields(told: Told) -> dict[str, Any]:
    usage = _usage_fields(told.usage)
    window = told.context_window
    return {
        "provider": told.provider,
        "model": told.model,
        "usage": usage,
        "latency_ms": round(told.latency_s * 1000, 2),
        "is_context_length_full": window is not None and usage["total_tokens"] >= window,
    }


def _usage_fields(usage: Usage | None) -> dict[str, int]:
    if usage is None:
        return {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }


def _public_id(request_id: str) -> str:
    return request_id if request_id.startswith("req_") else f"req_{request_id}"


def _plain_text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(as_text(as_dict(part).get("text")) or "" for part in content)
    return as_text(content) or ""


def _model(card: ModelCard) -> dict[str, Any]:
    window = card.context_window
    return {
        "model_id": card.id,
        "model_name": card.id,
        "display_name": card.display_name,
        "provider": card.provider,
        "description": card.description,
        "model_type": card.kind,
        # clients replace the K by three zeros and read a number: never `1M`
        "model_context_length": None if window is None else f"{window // 1000}K",
        "context_length": window,
        "max_output_tokens": card.max_output_tokens,
        "input_modalities": card.input_modalities,
        "output_modalities": card.output_modalities,
        "supports_streaming": card.kind == "text",
        "pricing": card.pricing,
    }
