"""The one table: a row for each figure, a column for each system; Markdown that reads well in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.profiles.table import PROFILES
from benchmarks.systems.table import BASELINE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.profiles.profile import Row
    from benchmarks.record import Entry, Record, Summary


TEN_FOLD = 10.0


def table(record: Record) -> str:
    """Medians with their lowest and highest round, and how many times the baseline's median that is."""
    shown = [entry for entry in record.entries if entry.values]
    base = record.entry(BASELINE)
    rows = [["", "unit", *(entry.name for entry in shown)]]
    for key, row in drawn(record):
        below = base.summary(key) if base is not None and row.ratio else None
        rows.append(
            [row.title, row.unit, *(cell(entry, key, row, below if entry is not base else None) for entry in shown)]
        )
    rows.append(["errors", "count", *(str(sum(entry.errors.values())) for entry in shown)])
    return "\n".join([grid(rows), *remarks(record)])


def drawn(record: Record) -> Iterator[tuple[str, Row]]:
    """Keys and rows of the profiles that ran, in their order."""
    for profile in PROFILES:
        if profile.name in record.profiles:
            for row in profile.rows:
                yield f"{profile.name}.{row.key}", row


def cell(entry: Entry, key: str, row: Row, below: Summary | None) -> str:
    """Such as `68.1 (66.0..70.2) 3.4x`; a `>=` where the load was the limit."""
    found = entry.summary(key)
    if found is None:
        return "-"
    text = f"{'>= ' if found.at_least else ''}{found.median:.{row.digits}f}"
    if len(entry.values[key]) > 1:
        text += f" ({found.low:.{row.digits}f}..{found.high:.{row.digits}f})"
    if below is not None and below.median > 0 and found.median > 0:
        text += f" {times(found.median / below.median)}"
    return text


def times(ratio: float) -> str:
    """A ratio to two places, or to two figures where those would say nothing."""
    if ratio >= TEN_FOLD:
        return f"{ratio:.0f}x" if ratio >= TEN_FOLD**2 else f"{ratio:.1f}x"
    return f"{ratio:.2f}x" if ratio * TEN_FOLD >= 1 else f"{ratio:.2g}x"


def grid(rows: Sequence[Sequence[str]]) -> str:
    """Columns of even width, the first row as head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def remarks(record: Record) -> list[str]:
    """What a table cannot say: who is missing, what failed."""
    said = [f"- {entry.name}: not measured, {entry.note}" for entry in record.entries if entry.note]
    for entry in record.entries:
        said += [f"- {entry.name}, `{name}`: {count} errors" for name, count in entry.errors.items() if count]
        said += [f"- {entry.name}, `{name}`: not measured, {why}" for name, why in entry.failures.items()]
    return ["", *said] if said else []
