"""The key a provider is called with. It never shows in `repr`, `str` or an error message."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.providers.sources import AwsKeys, RefreshedSource

_KEY = re.compile(r"[\x21-\x7e]{1,4096}")
"""Visible ASCII: a key cannot end a header line and begin another."""
_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
"""The same for tokens that are issued, which are longer: they tell roles and groups."""


class KeyMode(StrEnum):
    """Whose key goes upstream."""

    OWN = "own"
    """The operator's, from the configuration."""
    CLIENT = "client"
    """The client's own, passed through."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Credential:
    """Whose key, and the key itself if it is the operator's, or where the operator's comes from."""

    mode: KeyMode
    secret: str | None = field(default=None, repr=False)
    source: AwsKeys | RefreshedSource | None = None
    """In place of a secret: what requests are signed with, or where tokens are asked for."""

    def __post_init__(self) -> None:
        given = (self.secret is not None) + (self.source is not None)
        if given != (self.mode is KeyMode.OWN):
            raise ValueError("a key of one's own needs a secret or a source, any other has none")
        if self.secret is not None and not is_key(self.secret):
            raise ValueError("the key is empty or holds spaces, line breaks or non-ASCII characters")

    def __str__(self) -> str:
        return f"<{self.mode} key>"


NO_KEY = Credential(KeyMode.NONE)
CLIENT_KEY = Credential(KeyMode.CLIENT)


def is_token(text: str) -> bool:
    """Whether `text` can be sent in a header as a token."""
    return _TOKEN.fullmatch(text) is not None


def is_key(text: str) -> bool:
    """Whether `text` can be sent in a header as a key."""
    return _KEY.fullmatch(text) is not None
