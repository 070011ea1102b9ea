"""Words of Anthropic's API and of the hub that stand for each other."""

from __future__ import annotations

import re
from typing import Any

from proxy.dialects.hub import ReasoningFormat
from proxy.dialects.reading import as_text

OWN = ReasoningFormat.ANTHROPIC.value

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""From `stop_reason`; what is not listed is `stop`. Source: Anthropic, "Stop reasons and fallback"."""

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""The reverse."""

JSON_TOOL = "pointsman_json_answer"
"""The tool by which a model without `output_config.format` answers in JSON; its input is the answer."""

SERVER_TOOL = re.compile(r"[a-z_]+_20\d{6}")
"""The `type` of a tool that Anthropic defines, or runs itself: `web_search_20250305`."""


def finish_reason(stop_reason: Any, *, unwrapped: bool = False) -> str:
    """The hub's word. `unwrapped`: the only call was the one that stands for the answer."""
    reason = FINISH_REASONS.get(as_text(stop_reason) or "", "stop")
    return "stop" if unwrapped and reason == "tool_calls" else reason


def stop_reason(finish: str | None, stop: Any, *, refused: bool) -> tuple[str, str | None]:
    """Anthropic's `stop_reason` and `stop_sequence`, by the hub's `finish_reason` and `stop_reason`."""
    if refused:
        return "refusal", None
    found = STOP_REASONS.get(finish or "stop", "end_turn")
    if found == "end_turn" and (met := as_text(stop)):
        return "stop_sequence", met
    return found, None
