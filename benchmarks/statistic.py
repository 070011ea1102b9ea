"""The arithmetic of the benchmarks, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GROWTH = 1.4
"""From one step of a search to the next, as long as no limit is known on that side."""
CLOSE = 1.06
"""Of the lowest failure to the highest success: then the search ends."""


def quantile(samples: Sequence[float], share: float) -> float:
    """The nearest-rank quantile, 0 of nothing."""
    ordered = sorted(samples)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Found(NamedTuple):
    """The end of a search."""

    passed: int
    """The highest number that passed; 0: none did."""
    failed: int | None
    """The lowest that did not; `None`: none failed up to the ceiling, or there was no step left to see one."""


def highest(passes: Callable[[int], bool], start: int, *, ceiling: int, steps: int, growth: float = GROWTH) -> Found:
    """Search the highest number that passes, in at most `steps` tries, each taken as final.

    From `start` up by `growth`, or down by twice that, until there is a success and a failure; then by halving between
    them.
    """
    low, high = 0, 0
    number = max(1, min(start, ceiling))
    for _ in range(steps):
        if passes(number):
            low = max(low, number)
        else:
            high = number
        if low == ceiling or (low and high and high <= low * CLOSE) or high == 1:
            break
        if not high:
            number = min(ceiling, max(low + 1, round(low * growth)))
        elif not low:
            number = max(1, min(high - 1, round(high / growth**2)))
        else:
            number = round((low * high) ** 0.5)
            if number in {low, high}:
                break
    return Found(low, high or None)
