"""The key a provider is called with. It never shows in `repr`, `str` or an error message."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
"""Visible ASCII: a key cannot end a header line and begin another."""


class KeyMode(StrEnum):
    """Whose key goes upstream."""

    OWN = "own"
    """The operator's, from the configuration."""
    CLIENT = "client"
    """The client's own, passed through."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Credential:
    """Whose key, and the key itself if it is the operator's."""

    mode: KeyMode
    secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.mode is KeyMode.OWN) != (self.secret is not None):
            raise ValueError("a key of one's own needs a secret, any other has none")
        if self.secret is not None and not is_key(self.secret):
            raise ValueError("the key is empty or holds spaces, line breaks or non-ASCII characters")

    def __str__(self) -> str:
        return f"<{self.mode} key>"


NO_KEY = Credential(KeyMode.NONE)
CLIENT_KEY = Credential(KeyMode.CLIENT)


def is_key(text: str) -> bool:
    """Whether `text` can be sent in a header as a key."""
    return _KEY.fullmatch(text) is not None
