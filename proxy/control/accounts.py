"""Who is calling: keys, and the short-lived signed tokens OneInfer's clients exchange them for."""

from __future__ import annotations

import importlib
import secrets
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from proxy.errors import Forbidden, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.world import KeyGrant, World

ALGORITHM = "HS256"
TOKEN_DOTS = 2
"""A JWT has two; our keys need not avoid them: what is no valid token is tried as a key."""
SECRET_BYTES = 32


@cache
def tokens() -> Any:
    """PyJWT, read when the first token comes: with `cryptography` beside it, it is 12 MB that few workers need."""
    return importlib.import_module("jwt")


def random_secret() -> str:
    """For signing, when the configuration names none. Tokens then end with the process."""
    return secrets.token_hex(SECRET_BYTES)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Authenticates tokens and keys, and issues tokens. Holds the signing secret."""

    wall_clock: Callable[[], float]
    fallback_secret: str = field(default_factory=random_secret, repr=False)

    def authenticate(self, world: World, token: str | None) -> KeyGrant:
        """The grant behind a key or a token issued here. Raises `Unauthenticated`."""
        if token is not None and token.isascii() and token.count(".") == TOKEN_DOTS:
            name = self._subject(world, token)
            if name is not None:
                return world.keys.named(name)
        return world.keys.grant(token)

    def issue(self, world: World, api_key: str) -> tuple[str, int]:
        """A token for `api_key` and its lifetime in seconds. Raises `Forbidden` if the key is not ours.

        Source: OneInfer's authentication endpoint, which answers a bad key with 403.
        """
        try:
            grant = world.keys.grant(api_key)
        except Unauthenticated as error:
            raise Forbidden("API key is invalid or expired") from error
        now_s = int(self.wall_clock())
        lifetime_s = int(world.config.oneinfer.token_lifetime_s)
        claims = {"developer_id": grant.name, "is_ula": True, "iat": now_s, "exp": now_s + lifetime_s}
        token: str = tokens().encode(claims, self._secret(world), ALGORITHM)
        return token, lifetime_s

    def _subject(self, world: World, token: str) -> str | None:
        """The key's name in a valid token, `None` if it is not a token of ours. Raises when it has expired."""
        jwt = tokens()
        try:
            claims = jwt.decode(token, self._secret(world), [ALGORITHM], options={"require": ["exp", "developer_id"]})
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired. Exchange the API key for a new one.") from None
        except jwt.InvalidTokenError:
            return None
        return str(claims["developer_id"])

    def _secret(self, world: World) -> str:
        configured = world.config.oneinfer.token_secret
        return configured.get_secret_value() if configured is not None else self.fallback_secret
