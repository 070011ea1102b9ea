"""The response object: what it repeats of the request, its usage, its ids. Source: OpenAI API reference, "Response"."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from proxy.dialects.reading import as_dict

if TYPE_CHECKING:
    from proxy.dialects.told import Told
    from proxy.usage import Usage

_REPEATED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "temperature": 1.0,
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "user": None,
}
"""Fields of the request that the response has too, and what stands there if the request leaves them out."""
_FIXED: dict[str, Any] = {
    "background": False,
    "error": None,
    "incomplete_details": None,
    "previous_response_id": None,
    # nothing is kept or cut, whatever was asked for
    "store": False,
    "truncation": "disabled",
    "usage": None,
}
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reason -> `incomplete_details.reason`; an answer that ended otherwise is complete."""
_ID_CHARS = 32


class Shape:
    """The response objects of one answer."""

    __slots__ = ("_fields", "suffix")

    def __init__(self, doc: dict[str, Any], told: Told) -> None:
        """`doc` is the client's request."""
        seed = f"{told.request_id} {told.created_s}"
        self.suffix = hashlib.blake2s(seed.encode(errors="surrogatepass")).hexdigest()[:_ID_CHARS]
        """The end of the response's id and its items': a client's own request id may come twice."""
        given = as_dict(doc.get("reasoning"))
        self._fields: dict[str, Any] = {
            "id": f"resp_{self.suffix}",
            "object": "response",
            "created_at": told.created_s,
            "model": told.model,
            **_FIXED,
            **{name: _repeated(doc.get(name), default) for name, default in _REPEATED.items()},
            "reasoning": {"effort": given.get("effort"), "summary": given.get("summary")},
            "text": {"format": {"type": "text"}, **as_dict(doc.get("text"))},
        }

    def name(self, model: str | None) -> None:
        """What the provider calls its model; before any response object is made."""
        self._fields["model"] = model or self._fields["model"]

    def item_id(self, prefix: str, index: int) -> str:
        """The id of the item at `index` of the output."""
        return f"{prefix}_{self.suffix}{index:02x}"

    def begun(self) -> dict[str, Any]:
        """Before there is any output."""
        return {**self._fields, "status": "in_progress", "output": []}

    def ended(self, reason: str | None, output: list[dict[str, Any]], usage: Usage | None) -> dict[str, Any]:
        """The whole answer; `reason` is the hub's finish reason."""
        status = status_of(reason)
        ended = {**self._fields, "status": status, "output": output}
        if usage is not None:
            ended["usage"] = usage_of(usage)
            if usage.tier is not None:
                ended["service_tier"] = usage.tier
        if status == "incomplete":
            ended["incomplete_details"] = {"reason": _INCOMPLETE[reason or ""]}
        return ended

    def failed(self, error: dict[str, Any], output: list[dict[str, Any]]) -> dict[str, Any]:
        """An answer that broke off."""
        return {**self._fields, "status": "failed", "output": output, "error": error}


def status_of(reason: str | None) -> str:
    """Of a response, and of the item it ended in: `completed` or `incomplete`."""
    return "incomplete" if reason in _INCOMPLETE else "completed"


def usage_of(usage: Usage) -> dict[str, Any]:
    """As the Responses API counts: the input includes what was read from a cache or written to it."""
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }


def _repeated(value: Any, default: Any) -> Any:
    return default if value is None else value
