"""What a surface may say about a model in its lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One public model. `None` where nobody knows."""

    id: str
    provider: str
    display_name: str
    description: str = ""
    context_window: int | None = None
    """Tokens."""
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    input_usd_per_token: float | None = None
    output_usd_per_token: float | None = None
    created_s: int = 0
    """Unix time."""
    developer: str = ""
    released_at: str | None = None
    """RFC 3339."""
    kind: str = "text"
    """`text`, `image`, `video` or `audio`."""

    @property
    def pricing(self) -> dict[str, str | float | None]:
        """By the token, in USD."""
        return {
            "method": "token",
            "input_cost_per_token": self.input_usd_per_token,
            "output_cost_per_token": self.output_usd_per_token,
        }


@dataclass(frozen=True, slots=True)
class CardFilter:
    """Which models a list is asked for; `None` leaves a field open. Case does not matter."""

    search: str | None = None
    """Part of the id or the display name."""
    developer: str | None = None
    provider: str | None = None
    kind: str | None = None
    takes: str | None = None
    """An input modality."""
    gives: str | None = None
    """An output modality."""

    def select(self, cards: Iterable[ModelCard]) -> list[ModelCard]:
        """The cards that fit, in their order."""
        return [card for card in cards if self._fits(card)]

    def _fits(self, card: ModelCard) -> bool:
        named = self.search is None or self.search.lower() in f"{card.id}\n{card.display_name}".lower()
        return (
            named
            and _same(self.developer, card.developer)
            and _same(self.provider, card.provider)
            and _same(self.kind, card.kind)
            and (self.takes is None or self.takes.lower() in card.input_modalities)
            and (self.gives is None or self.gives.lower() in card.output_modalities)
        )


def _same(wanted: str | None, actual: str) -> bool:
    return wanted is None or wanted.lower() == actual.lower()
