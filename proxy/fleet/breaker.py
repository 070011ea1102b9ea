"""When a deployment is set aside, and how it comes back.

    closed --`failures` in a row--> open --time is up--> half-open --success--> closed
                                     ^                      |
                                     +---- failure, longer--+

Half-open admits exactly one attempt, the probe; that holds for the last deployment of a route as well. Each change of
state begins a new *era*, and a verdict counts only in the era its attempt began in: a hundred requests that were under
way when the breaker opened do not lengthen the pause when they fail too, nor does one that began long ago close it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy.config import HealthConfig

UNCOUNTED = -1
"""The era of an attempt made while the breaker did not admit it: whatever comes of it is no verdict."""


class State(IntEnum):
    """As shown by the gauge."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Breaker:
    """Of one deployment. Synchronous; every question carries the time (monotonic seconds)."""

    __slots__ = (
        "_cool_reason",
        "_cool_until_s",
        "_failures",
        "_open",
        "_open_until_s",
        "_pause_s",
        "_probing",
        "ejections",
        "era",
    )

    def __init__(self) -> None:
        self.era = 0
        """Of the attempts that begin while all is well."""
        self.ejections = 0
        """Times it has opened, after a failed probe as well."""
        self._failures = 0
        self._open = False
        self._open_until_s = 0.0
        self._pause_s = 0.0
        self._probing = False
        self._cool_until_s = 0.0
        self._cool_reason = ""

    def state(self, now_s: float) -> State:
        """Half-open as soon as a probe may go, and while it is under way."""
        if not self._open:
            return State.CLOSED
        return State.HALF_OPEN if self._probing or now_s >= self._open_until_s else State.OPEN

    @property
    def is_spotless(self) -> bool:
        """Closed, and no failure counted. A cooling down may still be under way."""
        return not self._open and not self._failures

    def unusable(self, now_s: float) -> str | None:
        """The reason for people why no attempt is admitted, `None` if one is."""
        if now_s < self._cool_until_s:
            return f"{self._cool_reason} for {self._cool_until_s - now_s:.1f} s"
        if not self._open:
            return None
        if self._probing:
            return "breaker half-open, probe under way"
        if now_s < self._open_until_s:
            return f"breaker open, probe in {self._open_until_s - now_s:.1f} s"
        return None

    def enter(self, now_s: float) -> int:
        """Begin an attempt, as the probe if one is due; the answer is the era to report its verdict with.

        Never refuses: an attempt made against `admits` gets `UNCOUNTED`.
        """
        if not self._open:
            return self.era
        if self._probing or now_s < self._open_until_s:
            return UNCOUNTED
        self._probing = True
        self.era += 1
        return self.era

    def leave(self, era: int) -> None:
        """End an attempt. If it was the probe and gave no verdict, the next one may go at once. Idempotent."""
        if era == self.era and self._probing:
            self._probing = False
            self.era += 1

    def answering(self, era: int) -> None:
        """The first content has come: enough to end a probe, not to forget earlier failures."""
        if era == self.era and self._probing:
            self._close()

    def succeed(self, era: int) -> None:
        """The attempt ended well."""
        if era != self.era:
            return
        if self._probing:
            self._close()
        else:
            self._failures = 0

    def fail(self, now_s: float, era: int, health: HealthConfig) -> None:
        """The deployment is to blame for the attempt's end."""
        if era != self.era:
            return
        self._failures += 1
        if self._probing or self._failures >= health.failures:
            self._pause_s = min(self._pause_s * 2 if self._pause_s else health.open_s, health.open_max_s)
            self._open_until_s = now_s + self._pause_s
            self._open = True
            self.ejections += 1
            self._probing = False
            self._failures = 0
            self.era += 1

    def set_aside(self, until_s: float, reason: str) -> None:
        """Cool down until `until_s`, whatever the state; never shortens a longer one."""
        if until_s > self._cool_until_s:
            self._cool_until_s = until_s
            self._cool_reason = reason

    def _close(self) -> None:
        self._open = False
        self._probing = False
        self._failures = 0
        self._pause_s = 0.0
        self.era += 1
