"""A figure of every pair of dialects, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

Pair = tuple[str, str]
"""Client and provider."""


@dataclass(frozen=True, slots=True)
class Table:
    """Microseconds of CPU."""

    title: str
    figures: Mapping[Pair, float]
    baseline: Pair
    """What translates nothing."""
    allowed_us: float | None
    """That any pair may add to it; `None`: nothing is promised."""

    @property
    def dearest(self) -> Pair:
        """The pair that costs most."""
        return max(self.figures, key=lambda pair: self.figures[pair])

    @property
    def added_us(self) -> float:
        """What it costs more than the baseline."""
        return self.figures[self.dearest] - self.figures[self.baseline]

    @property
    def is_within(self) -> bool:
        """Whether that is allowed."""
        return self.allowed_us is None or self.added_us <= self.allowed_us

    def lines(self) -> list[str]:
        """Markdown."""
        clients = list(dict.fromkeys(client for client, _ in self.figures))
        providers = list(dict.fromkeys(provider for _, provider in self.figures))
        rows = [
            f"| {client} | " + " | ".join(f"{self.figures[client, each]:.2f}" for each in providers) + " |"
            for client in clients
        ]
        allowed = "." if self.allowed_us is None else f"; allowed are {self.allowed_us:.0f}."
        passed = f"OpenAI's chat passed through: {self.figures[self.baseline]:.2f}."
        return [
            f"## {self.title}",
            "",
            "| client \\ provider | " + " | ".join(providers) + " |",
            "|---" * (len(providers) + 1) + "|",
            *rows,
            "",
            f"{passed} The dearest pair, {' to '.join(self.dearest)}, adds {self.added_us:.2f}{allowed}",
            "",
        ]
