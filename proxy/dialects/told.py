"""What a surface may say about an answer beside its content, as far as the dialects need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from proxy.usage import Usage


class Told(Protocol):
    """Read-only; the pipeline's own record of the same name fits."""

    @property
    def request_id(self) -> str:
        """The gateway's id of the exchange."""

    @property
    def created_s(self) -> int:
        """Unix time."""

    @property
    def provider(self) -> str:
        """The provider that answered."""

    @property
    def model(self) -> str:
        """The public name."""

    @property
    def upstream_model(self) -> str:
        """The name it goes by at the provider."""

    @property
    def context_window(self) -> int | None:
        """Tokens; `None` when not known."""

    @property
    def latency_s(self) -> float:
        """Seconds from the client's first byte to the end of the answer."""

    @property
    def usage(self) -> Usage | None:
        """What the answer cost in tokens, counted or estimated."""
