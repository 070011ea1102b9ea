"""Google's streams and requests, and the short ways to put them through the dialect."""

from __future__ import annotations

from typing import Any

import orjson

from proxy.dialects.dialect import Target
from proxy.dialects.gemini.dialect import GeminiDialect
from proxy.dialects.openai_chat import decode
from proxy.dialects.quirks import Quirks
from proxy.dialects.request import Operation
from proxy.dialects.sse import data_of, events_of

DIALECT = GeminiDialect()
NEW, OLD = "gemini-3.5-flash", "gemini-2.5-flash"
DEVELOPER = Quirks(
    fetches_urls=False,
    own_urls=("gs://", "https://generativelanguage.googleapis.com/", "https://youtu.be/"),
    tiers={"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"},
)
VERTEX = Quirks(call_ids=False, tiers_in_headers=True, labels=True)
HI = [{"role": "user", "content": "hi"}]


def target(model: str = NEW, quirks: Quirks = DEVELOPER, **fields: Any) -> Target:
    return Target(model, quirks=quirks, **fields)


def written(doc: dict[str, Any], to: Target | None = None) -> Any:
    """A hub request as it goes to Google."""
    request = decode(Operation.CHAT, orjson.dumps({"model": "m", "messages": HI, **doc}))
    return orjson.loads(DIALECT.encode(request, to or target()))


def conversation(*messages: dict[str, Any], to: Target | None = None) -> Any:
    return written({"messages": list(messages)}, to)["contents"]


def event(doc: Any) -> bytes:
    """As Google frames it."""
    return b"data: %b\r\n\r\n" % orjson.dumps(doc)


def candidate(*parts: dict[str, Any], reason: str | None = None, index: int = 0, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": index, **fields}
    return found if reason is None else {**found, "finishReason": reason}


def said(*candidates: dict[str, Any], usage: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"candidates": list(candidates), "modelVersion": NEW, "responseId": "r1", **fields}
    return found if usage is None else {**found, "usageMetadata": usage}


def streamed(*docs: Any) -> bytes:
    """All of what a client of the hub gets of a stream that ended by itself."""
    decoder = DIALECT.decoder(target())
    framer = DIALECT.framer(1 << 20)
    block = framer.feed(b"".join(event(doc) for doc in docs))
    return decoder.feed(block) + decoder.end()


def chunks_of(stream: bytes) -> list[dict[str, Any]]:
    """The chunks of a hub stream, without `[DONE]`."""
    texts = [data_of(one) for one in events_of(stream)]
    return [orjson.loads(text) for text in texts if text is not None and text != b"[DONE]"]


def folded(stream: bytes) -> dict[str, Any]:
    """A hub stream as the whole answer it amounts to."""
    choices: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for chunk in chunks_of(stream):
        for name in ("id", "model", "created", "usage", "service_tier", "error"):
            if name in chunk:
                answer[name] = chunk[name]
        for choice in chunk.get("choices", ()):
            known = choices.setdefault(choice["index"], {"index": choice["index"], "message": {"content": None}})
            _fold(known, choice)
    if choices:
        answer["choices"] = [choices[index] for index in sorted(choices)]
    return answer


def _fold(known: dict[str, Any], choice: dict[str, Any]) -> None:
    known["finish_reason"] = choice["finish_reason"] or known.get("finish_reason")
    known.setdefault("logprobs", None)
    if (logprobs := choice.get("logprobs")) is not None:
        known["logprobs"] = known["logprobs"] or {"content": [], "refusal": None}
        known["logprobs"]["content"] += logprobs["content"]
    message = known["message"]
    for name, value in choice["delta"].items():
        if name == "role":
            message["role"] = value
        elif name == "tool_calls":
            calls = [{key: inner for key, inner in call.items() if key != "index"} for call in value]
            message.setdefault("tool_calls", []).extend(calls)
        elif isinstance(value, list):
            message.setdefault(name, []).extend(value)
        elif value:
            message[name] = (message.get(name) or "") + value
