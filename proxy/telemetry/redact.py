"""Masks what looks like a credential, before a text reaches the log.

Providers echo keys in their error messages ("Incorrect API key provided: sk-..."), and clients put them anywhere.
"""

from __future__ import annotations

import re

MASK = "[redacted]"
MAX_CHARS = 1024
"""A longer text is cut: an error's detail, not a document."""

_SECRET = re.compile(
    r"""
    (?P<keep>\bauthorization["']?\s*[:=]\s*["']?(?:bearer\s+|basic\s+)?
      | \b(?:bearer|basic)\s+(?=\S*[0-9=])                # "a basic understanding" is no credential
      | \b(?:api[\s_-]?key|access[_-]?token|secret|password|x-goog-api-key)["']?\s*[:=]\s*["']?
      | [?&](?:key|token|sig|signature)=)
      [^\s"'&,;]{4,}
    | \b(?:sk|pk|rk|gsk|xai|hf|pplx|nvapi|csk|fw|r8|tgp|oi|jina)[-_][A-Za-z0-9_*.-]{6,}   # prefixes of model providers
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}                                                        # AWS access key ids
    | \bAIza[A-Za-z0-9_-]{20,}                                                            # Google API keys
    | \beyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+){1,2}                                     # JSON web tokens
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact(text: str, max_chars: int = MAX_CHARS) -> str:
    """`text` with every key-like string masked, at most `max_chars` of it. Linear in its length."""
    # Masked before it is cut: half a key at the end would no longer look like one.
    masked = _SECRET.sub(_mask, text[: 4 * MAX_CHARS])
    return masked if len(masked) <= max_chars else masked[: max_chars - 3] + "..."


def _mask(found: re.Match[str]) -> str:
    return (found["keep"] or "") + MASK
