"""How each exchange ended for its client, and whether something we did to the gateway explains it."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

KILL_SHADOW_S = 2.0
"""After a worker was killed, a connection that breaks is its."""
MAX_EXAMPLES = 20
MAX_EXAMPLE_CHARACTERS = 300
MAX_KILLS = 64
"""Remembered; far more than fit into the longest exchange."""
FAULT_CODES = ("upstream_", "no_deployment_available")
"""Beginnings of error codes that a failing provider explains."""


class Ended(NamedTuple):
    """One exchange."""

    kind: str
    """Which client: `json`, `paced`, ..."""
    how: str
    """`ok`, `cut` (by ourselves), `refused` (garbage), `error` (said by the gateway), `broken` or `wrong`."""
    detail: str = ""
    """An error's code, or what was wrong."""


class Outcomes:
    """Counts them. What is neither well nor explained is unexpected and kept as an example."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """`kind how` -> times."""
        self.unexpected = 0
        self.examples: deque[str] = deque(maxlen=MAX_EXAMPLES)
        self._kills: deque[float] = deque(maxlen=MAX_KILLS)

    def killed(self, now_s: float) -> None:
        """A worker is being killed."""
        self._kills.append(now_s)

    def note(self, ended: Ended, begun_s: float, now_s: float) -> None:
        """Count one that ran from `begun_s` to `now_s`, times of one clock."""
        how = self._explained(ended, begun_s, now_s)
        self.counts[f"{ended.kind} {how}"] += 1
        if how == "unexpected":
            self.unexpected += 1
            after = f"{now_s - begun_s:.3f} s"
            self.examples.append(f"{ended.kind} {ended.how} after {after}: {ended.detail}"[:MAX_EXAMPLE_CHARACTERS])

    def _explained(self, ended: Ended, begun_s: float, now_s: float) -> str:
        if ended.how in {"ok", "cut", "refused"}:
            return ended.how
        if ended.how == "error" and ended.detail.startswith(FAULT_CODES):
            return "provider failed"
        # wrong bytes are never explained: a dead worker cuts an answer off, it does not garble it
        if ended.how == "broken" and any(begun_s - KILL_SHADOW_S <= at_s <= now_s for at_s in self._kills):
            return "worker killed"
        return "unexpected"
