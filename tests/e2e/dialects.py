"""The three surfaces as a test sees them: a path, and what an error looks like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Surface:
    """Where chat is, and how to read an error."""

    name: str
    chat: str
    models: str
    code: Callable[[dict[str, Any]], str | None]
    """What the error object calls itself. Raises unless the body has the surface's own shape."""


def _openai(body: dict[str, Any]) -> str | None:
    assert {"error"} == set(body)
    assert {"message", "type", "param", "code"} == set(body["error"])
    assert body["error"]["message"]
    return str(body["error"]["code"])


def _oneinfer(body: dict[str, Any]) -> str | None:
    assert {"api_details", "data", "error", "detail"} == set(body)
    assert ("error", {}) == (body["api_details"]["api_status"], body["data"])
    said = body["error"]["error_description"]
    assert said
    assert [said] * 3 == [body["detail"], body["api_details"]["api_message"], body["error"]["message"]]
    return str(body["error"]["error_code"])


def _oxen(body: dict[str, Any]) -> str | None:
    if {"error"} == set(body):
        assert {"message"} == set(body["error"])
        return None
    assert ("error", body["error"]["type"]) == (body["status"], body["status_message"])
    assert body["error"]["title"]
    return str(body["error"]["type"])


OPENAI = Surface("openai", "/v1/chat/completions", "/v1/models", _openai)
ONEINFER = Surface("oneinfer", "/v1/ula/chat/completions", "/v1/ula/models", _oneinfer)
OXEN = Surface("oxen", "/api/ai/chat/completions", "/api/ai/models", _oxen)
SURFACES = (OPENAI, ONEINFER, OXEN)
