"""The rows of the fault table, and what is told of each when it was played."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from e2e.faults.stage import Trial

Play = Callable[[Trial], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Row:
    """One way a provider (by number) or a client (by letter) may misbehave."""

    number: str
    name: str
    play: Play
    stage: str
    """The gateway process it is played against, by name."""
    is_slow: bool
    """Waits for one of the ten-second limits: such rows wait side by side."""

    @property
    def label(self) -> str:
        return f"{self.number} {self.name}"


ROWS: list[Row] = []


def row(number: str, name: str, *, stage: str = "usual", is_slow: bool = False) -> Callable[[Play], Play]:
    """Enter a function into the table."""

    def enter(play: Play) -> Play:
        ROWS.append(Row(number, name, play, stage, is_slow))
        return play

    return enter


def _order(entry: Row) -> tuple[bool, int, str]:
    digits = "".join(filter(str.isdecimal, entry.number))
    return (not digits, int(digits or 0), entry.number)


def rows_in_order() -> list[Row]:
    """Numbers before letters."""
    return sorted(ROWS, key=_order)


def result_of(entry: Row, trial: Trial, seconds: float) -> dict[str, Any]:
    """What the table tells of a row, beside whether it passed."""
    return {
        "place": rows_in_order().index(entry),
        "number": entry.number,
        "name": entry.name,
        "cases": len(trial.seen),
        "primary": _span(seen[0] for seen in trial.seen),
        "fallback": _span(seen[1] for seen in trial.seen),
        "seconds": seconds,
        "notes": "; ".join(trial.notes),
        "shown": trial.shown,
    }


def _span(counts: Iterable[int]) -> str:
    """Of one case, or the least and the most of several."""
    known = sorted(set(counts))
    if not known:
        return "-"
    return str(known[0]) if len(known) == 1 else f"{known[0]}-{known[-1]}"
