"""What all errors have in common: whose fault, what may still be tried, what it says about the deployment."""

from __future__ import annotations

from enum import StrEnum
from math import ceil
from typing import ClassVar


class Blame(StrEnum):
    """Whose fault an error is."""

    CLIENT = "client"
    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class Retry(StrEnum):
    """What may still be tried before the first byte has gone to the client."""

    NEVER = "never"
    HERE = "here"
    """The same deployment once more, then others."""
    ELSEWHERE = "elsewhere"


class Health(StrEnum):
    """What an error says about the deployment."""

    FINE = "fine"
    SICK = "sick"
    """Counts towards its breaker."""
    BUSY = "busy"
    """A load signal, not an outage: cools down for the `Retry-After`."""
    LOCKED_OUT = "locked_out"
    """The credential is refused or out of money: set aside for minutes."""


class GatewayError(Exception):
    """The base of them all, by itself the end of trying. `message` is for the client, `detail` for the operator."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    kind: ClassVar[str] = "api_error"
    """OpenAI's `error.type`."""
    blame: ClassVar[Blame] = Blame.GATEWAY
    retry: ClassVar[Retry] = Retry.NEVER
    health: ClassVar[Health] = Health.FINE
    splice: ClassVar[bool] = False
    """True when another deployment may take over although content has gone to the client."""
    told: ClassVar[bool] = False
    """True when the client has seen it already, in the provider's own terminal event: nothing more is said."""

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def retry_after(self) -> str | None:
        """The `Retry-After` header: whole seconds, rounded up, as who comes early is refused again."""
        return None if self.retry_after_s is None else str(max(1, ceil(self.retry_after_s)))
