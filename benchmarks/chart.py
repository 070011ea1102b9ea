"""The figures as bars, in an SVG that is the same for the same record. Needs `matplotlib` (extra `bench`)."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

from benchmarks.record import HERE
from benchmarks.tables import drawn

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.profiles.profile import Row
    from benchmarks.record import Record

CHART = HERE / "results.svg"
COLUMNS = 3
SIZE_IN = (4.0, 0.9)
"""Of one panel, its height without bars."""
BAR_IN = 0.24
WIDE = 40.0
"""Highest to lowest above which a panel's scale is logarithmic."""
OURS, OTHERS = "#c2410c", "#94a3b8"


def is_possible() -> bool:
    """Whether there is a library to draw with."""
    return importlib.util.find_spec("matplotlib") is not None


def draw(record: Record, path: Path = CHART) -> None:
    """Write it. Raises `ImportError` without matplotlib."""
    from matplotlib import rc_context  # noqa: PLC0415 - an extra, and slow to import
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = [(key, row) for key, row in drawn(record) if row.chart]
    lines = -(-len(rows) // COLUMNS)
    systems = sum(bool(entry.values) for entry in record.entries)
    # identifiers from a fixed salt, text as text: nothing in the file depends on when or where it is drawn
    with rc_context({"svg.hashsalt": "pointsman", "svg.fonttype": "none", "font.size": 8}):
        size = (SIZE_IN[0] * COLUMNS, (SIZE_IN[1] + BAR_IN * systems) * lines)
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(lines, COLUMNS, squeeze=False).flatten()
        for panel, (key, row) in zip(panels, rows, strict=False):
            _panel(panel, record, key, row)
        for panel in panels[len(rows) :]:
            panel.set_axis_off()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _panel(panel: Any, record: Record, key: str, row: Row) -> None:
    found = [(entry.name, summary) for entry in record.entries if (summary := entry.summary(key)) is not None]
    names, medians = [name for name, _ in found], [summary.median for _, summary in found]
    spread = [[each.median - each.low for _, each in found], [each.high - each.median for _, each in found]]
    colours = [OURS if name == "pointsman" else OTHERS for name in names]
    panel.barh(names, medians, xerr=spread, color=colours, ecolor="#334155", height=0.7)
    panel.invert_yaxis()
    for place, (_, each) in enumerate(found):
        text = f"{'>= ' if each.at_least else ''}{each.median:.{row.digits}f}"
        panel.annotate(text, (each.high, place), xytext=(3, 0), textcoords="offset points", va="center")
    panel.set_title(f"{row.title} ({row.unit}; {'more' if row.more else 'less'} is better)", fontsize=8, loc="left")
    if medians and min(medians) > 0 and max(medians) / min(medians) > WIDE:
        panel.set_xscale("log")
    panel.margins(x=0.18)
    panel.spines[["top", "right"]].set_visible(False)
