"""What a profile is: a load, and the rows of figures that come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.bench import Bench


class Value(NamedTuple):
    """One figure of one round."""

    figure: float
    at_least: bool = False
    """The load or the search's ceiling was the limit, not the system."""


class Row(NamedTuple):
    """One line of the tables."""

    key: str
    title: str
    unit: str
    digits: int = 1
    """Behind the point."""
    ratio: bool = True
    """Whether a ratio to the baseline says anything."""
    more: bool = False
    """Whether more is better."""
    chart: bool = False
    """Whether it is drawn."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One of them. Rows without a value are left empty."""

    name: str
    how: str
    """The load, for `RESULTS.md`."""
    rows: tuple[Row, ...]
    measure: Callable[[Bench], dict[str, Value]]
    """Answers the values by their rows' keys. Raises `LoadFailed`, `NotReady`."""
