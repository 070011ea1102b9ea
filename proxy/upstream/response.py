"""What a provider has answered, beside a body that is still to come."""

from __future__ import annotations

REFUSED = 400
"""The first status that says no. Source: RFC 9110, 15.5."""
MAX_KNOWN_NAMES = 1024
"""Header names remembered in lower case: providers send the same ones again and again."""
MAX_KNOWN_NAME_BYTES = 64
"""Of each."""

NAMES: dict[bytes, str] = {}
"""Those that have come before. What is not in here, `lowered` reads."""


class Response:
    """Status and headers (lower-case names; repeated ones joined by a comma)."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status = status
        self.headers = headers
        self.body: bytes | None = None
        """If it was waited for as a whole."""


def lowered(name: bytes) -> str:
    """A header's name as a key; the first `MAX_KNOWN_NAMES` are remembered."""
    key = name.decode("latin-1").lower()
    if len(NAMES) < MAX_KNOWN_NAMES and len(name) <= MAX_KNOWN_NAME_BYTES:
        NAMES[name] = key
    return key
