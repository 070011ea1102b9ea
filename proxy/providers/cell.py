"""What authenticates requests for a while: read by every request without waiting, replaced in the background.

Who fills a cell, and when, is the affair of `proxy.control.credentials`; nothing here touches a socket or a file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from proxy.errors import CredentialPending

Secret_contra = TypeVar("Secret_contra", contravariant=True)
Ready_co = TypeVar("Ready_co", covariant=True)


def _nobody() -> None:
    """Whom a cell tells that nobody looks after."""


class Cell(Generic[Secret_contra, Ready_co]):
    """One credential that expires. `repr` and `str` never show it.

    `prepare` makes of a secret what requests need of it (a header line, a signer), once for all of them.
    """

    __slots__ = ("_clock", "_expires_s", "_prepare", "_ready", "_wish")

    def __init__(self, prepare: Callable[[Secret_contra], Ready_co], clock: Callable[[], float]) -> None:
        """`clock` tells Unix time: credentials are dated."""
        self._prepare = prepare
        self._clock = clock
        self._ready: Ready_co | None = None
        self._expires_s = 0.0
        self._wish: Callable[[], None] = _nobody

    def __repr__(self) -> str:
        state = "empty" if self._ready is None else "valid" if self.is_valid else "expired"
        return f"<{state} credential>"

    @property
    def is_valid(self) -> bool:
        """Whether a request may be made with it now."""
        return self._ready is not None and self._clock() < self._expires_s

    def fill(self, secret: Secret_contra, expires_s: float) -> None:
        """From now on requests use `secret`, until `expires_s` (Unix time). Raises `ValueError` if none can."""
        self._ready = self._prepare(secret)
        self._expires_s = expires_s

    def take(self) -> Ready_co:
        """What a request needs. Raises `CredentialPending` while there is none that is valid."""
        ready = self._ready
        if ready is None or self._clock() >= self._expires_s:
            self._wish()
            expired = "none has come yet" if ready is None else "the last one has expired"
            raise CredentialPending("The provider cannot be called at present.", detail=f"no credential: {expired}")
        return ready

    def refresh_soon(self) -> None:
        """The provider refused it before its time: have another one fetched. Returns at once; too much is ignored."""
        self._wish()

    def tended_by(self, wish: Callable[[], None]) -> None:
        """Call `wish`, which must neither raise nor wait, when another credential is wanted."""
        self._wish = wish
