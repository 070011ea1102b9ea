"""What one model of OpenAI's does and another does not, where the API refuses the difference.

Source: OpenAI model pages; "Reasoning", encrypted reasoning items.
"""

from __future__ import annotations

import re

_REASONING = re.compile(r"(?:^|/)(?:o\d|gpt-(?:[5-9]|\d\d|oss)|codex|computer-use)", re.IGNORECASE)
_CHATTING = re.compile(r"-chat(?:-|$)", re.IGNORECASE)
"""`gpt-5-chat-latest` and its kin do not reason."""


def reasons(model: str) -> bool:
    """Whether the model has reasoning items: only then may their encrypted content be asked for."""
    return _REASONING.search(model) is not None and _CHATTING.search(model) is None
