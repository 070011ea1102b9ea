"""`RESULTS.md`, made of a record and of `NOTES.md`, which people write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import chart
from benchmarks.profiles.table import PROFILES
from benchmarks.record import HERE
from benchmarks.systems.table import BASELINE
from benchmarks.tables import table

if TYPE_CHECKING:
    from benchmarks.record import Record

PAGE = HERE / "RESULTS.md"
NOTES = HERE / "NOTES.md"


def write(record: Record) -> None:
    """The page and the chart."""
    chart.draw(record)
    PAGE.write_text(page(record, NOTES.read_text().strip() if NOTES.exists() else ""))


def page(record: Record, notes: str) -> str:
    """The whole of it."""
    rounds = f"medians of {record.rounds} rounds (lowest..highest)" if record.rounds > 1 else "one round"
    profiles = "\n".join(
        f"- `{each.name}` ({'; '.join(row.title for row in each.rows)}): {each.how}."
        for each in PROFILES
        if each.name in record.profiles
    )
    systems = "\n".join(f"- `{each.name}`: {each.what}." for each in record.entries)
    facts = "\n".join(f"- {fact}" for fact in record.facts)
    return f"""\
# Results

{record.date}, `{record.command}`, {rounds}. Made by the benchmarks, but for the notes at the end.

{table(record)}

![the same as bars]({chart.CHART.name})

`3.4x` is the ratio to {BASELINE}'s median of the same run. `>=` says that the load, not the system, was the limit, or
that the search ended at its bound. A dash: not measured, or none of the tries passed. Errors are answers other than
200, streams that were cut or had another number of events than they should, and connections refused or broken.

## How it is measured

One system at a time on a core of its own; the provider and the load on another (on two others where there are three).
Systems take turns: each round measures every system once, so that what else the machine does meets all alike. CPU is
what the system's processes have used, to the nanosecond, from `/proc`, divided by what they served; it counts the
gateway's work alone and is steadier on shared machines than requests a second. Loads last {record.seconds:g} s, behind
a warm-up. Read the ratios: absolute figures belong to the machine.

{profiles}

## Systems

{systems}

## Machine

{facts}

## Notes

{notes or "None."}
"""
