"""What a surface is told of an answer, with values to look for."""

from __future__ import annotations

from dataclasses import dataclass

from proxy.usage import Usage

USAGE = Usage(24, 156)


@dataclass(frozen=True)
class Said:
    request_id: str = "0123456789abcdef01234567"
    created_s: int = 1711468800
    provider: str = "openai"
    model: str = "gpt-4o-mini"
    upstream_model: str = "gpt-4o-mini-2024-07-18"
    context_window: int | None = 128_000
    latency_s: float = 1.25
    usage: Usage | None = USAGE
