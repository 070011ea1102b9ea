"""The sink behind the demo's table: what each deployment did, cost and saved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.cli.common import table, usd

if TYPE_CHECKING:
    from proxy.facts import Finished

SETTLED_S = 5.0
"""For the gateway to settle an exchange whose answer has come."""
HEAD = ("MODEL", "DEPLOYMENT", "CALLS", "TTFT", "TOKENS", "COST", "SAVED BY POLICY")
FOOTNOTE = """\
TTFT: mean time to first token of the streamed calls. Saved by policy: what the same
tokens would have cost at the deployment its route lists first, less what they did cost."""


@dataclass(slots=True)
class Row:
    """One deployment under one model."""

    calls: int = 0
    tokens: int = 0
    streams: int = 0
    ttft_s: float = 0.0
    """Sum over `streams`."""
    cost_nano_usd: int = 0
    saved_nano_usd: int = 0

    def add(self, fact: Finished) -> None:
        """Count one exchange."""
        self.calls += 1
        self.tokens += fact.usage.total_tokens if fact.usage is not None else 0
        if fact.stream and fact.ttft_s is not None:
            self.streams += 1
            self.ttft_s += fact.ttft_s
        self.cost_nano_usd += fact.cost_nano_usd or 0
        self.saved_nano_usd += saved_nano_usd(fact)

    def merge(self, other: Row) -> None:
        """Add the sums of `other`."""
        self.calls += other.calls
        self.tokens += other.tokens
        self.streams += other.streams
        self.ttft_s += other.ttft_s
        self.cost_nano_usd += other.cost_nano_usd
        self.saved_nano_usd += other.saved_nano_usd

    def cells(self) -> tuple[str, ...]:
        """Everything beside the names."""
        ttft = f"{self.ttft_s / self.streams:.2f} s" if self.streams else "-"
        return str(self.calls), ttft, str(self.tokens), usd(self.cost_nano_usd), usd(self.saved_nano_usd)


class Takings:
    """Sums by route and deployment: bounded by the configuration, however long the gateway is kept running."""

    name = "demo"

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Row] = {}
        self._waiting: dict[str, asyncio.Future[Finished]] = {}

    def finished(self, fact: Finished) -> None:
        """Take one exchange."""
        self._rows.setdefault((fact.route, fact.deployment), Row()).add(fact)
        waiting = self._waiting.pop(fact.exchange_id, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(fact)

    def expect(self, exchange_id: str) -> asyncio.Future[Finished]:
        """The fact of an exchange about to begin."""
        waiting = self._waiting[exchange_id] = asyncio.get_running_loop().create_future()
        return waiting

    def table(self) -> str:
        """All of it, with the sum and a footnote."""
        total = Row()
        rows: list[tuple[str, ...]] = [HEAD]
        for (route, deployment), row in self._rows.items():
            total.merge(row)
            rows.append((route, deployment or "-", *row.cells()))
        rows.append(("together", "", *total.cells()))
        return f"{table(rows, right=(2, 3, 4, 5, 6))}\n\n{FOOTNOTE}"


def saved_nano_usd(fact: Finished) -> int:
    """What the policy saved, below 0 when it paid more, e.g. for speed; 0 when either price is unknown."""
    if fact.baseline_nano_usd is None or fact.cost_nano_usd is None:
        return 0
    return fact.baseline_nano_usd - fact.cost_nano_usd
