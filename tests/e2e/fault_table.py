"""The fault table as it is printed after the tests of `faults`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Results = Iterable[tuple[str, dict[str, Any]]]
"""Outcome and `e2e.faults.table.result_of` of each row."""

HEADINGS = ("#", "the provider, or the client", "result", "cases", "primary", "fallback", "seconds", "")


def lines_of(results: Results) -> list[str]:
    """The table: (outcome, result) of each row, as text in columns. Attempts are those of one case."""
    rows = [HEADINGS]
    for outcome, told in results:
        figures = (str(told["cases"]), told["primary"], told["fallback"], f"{told['seconds']:.2f}", told["notes"])
        rows.append((told["number"], told["name"], outcome, *figures))
    widths = [max(len(line[column]) for line in rows) for column in range(len(HEADINGS))]
    rows.insert(1, tuple("-" * width for width in widths))
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in rows]


def shown_of(results: Results) -> list[str]:
    """What the operator sees of some rows."""
    return [f"row {told['number']}, {name}:\n    {text}" for _, told in results for name, text in told["shown"]]
