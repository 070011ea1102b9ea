"""Counters and histograms as plain numbers, and families that render them as text.

Single-threaded: updates and scrapes run on the event loop. A slot is looked up once for a label set and then updated
in place, which is some ten times cheaper than asking a metrics library for a child and its lock each time.
Source of the format: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from proxy.telemetry.catalogue import Spec

OTHER = "other"
MANY = 16
"""Values from which on it is quicker to sort them and look for the boundaries than the other way round."""


class Cell:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Histogram:
    """Counts by bucket, not cumulative until rendered. A value on a boundary belongs below it (`le`).

    Observing only keeps the value; `fold` sorts what is kept into the buckets, many at a third of the price of each.
    Whoever observes sees to it that `fold` follows, or the list grows without end.
    """

    __slots__ = ("_values", "bounds", "counts", "observe", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: float = 0
        self._values: list[float] = []
        self.observe: Callable[[float], None] = self._values.append
        """Count one value."""

    def fold(self) -> None:
        """Bring `counts` and `sum` up to date. O(n log n) in the values kept."""
        values = self._values
        if not values:
            return
        self.sum += sum(values)
        if len(values) < MANY:
            for value in values:
                self.counts[bisect_left(self.bounds, value)] += 1
        else:
            values.sort()
            below = 0
            for index, bound in enumerate(self.bounds):
                upto = bisect_right(values, bound, below)
                self.counts[index] += upto - below
                below = upto
            self.counts[-1] += len(values) - below
        values.clear()


class Counters:
    """A family of counters: one `Cell` for each label set, at most `max_series`, then all go to `other`."""

    __slots__ = ("_cells", "_head", "_max_series", "_prefixes", "dropped", "spec")

    def __init__(self, spec: Spec, max_series: int) -> None:
        self.spec = spec
        self.dropped = 0
        """Label sets asked for beyond the cap."""
        self._max_series = max_series
        self._cells: dict[tuple[str, ...], Cell] = {}
        self._prefixes: list[tuple[str, Cell]] = []
        self._head = head(spec)

    def cell(self, *values: str) -> Cell:
        """The slot of this label set, in the order of `spec.labels`."""
        found = self._cells.get(values)
        if found is not None:
            return found
        if len(self._cells) >= self._max_series:
            self.dropped += 1
            values = (OTHER,) * len(values)
            if (found := self._cells.get(values)) is not None:
                return found
        found = self._cells[values] = Cell()
        self._prefixes.append((f"{self.spec.name}{label_text(self.spec.labels, values)} ", found))
        return found

    def render(self, out: list[str]) -> None:
        """Append the family's lines."""
        out.append(self._head)
        unit = self.spec.unit
        if unit == 1:
            out.extend([f"{prefix}{cell.value}" for prefix, cell in self._prefixes])
        else:
            out.extend([f"{prefix}{cell.value / unit}" for prefix, cell in self._prefixes])

    def samples(self) -> list[tuple[tuple[str, ...], float]]:
        """Label values and number of each cell, in units of counting."""
        return [(values, cell.value) for values, cell in self._cells.items()]


class Histograms:
    """A family of histograms, bounded as `Counters`."""

    __slots__ = ("_bounds", "_head", "_max_series", "_slots", "_templates", "dropped", "spec")

    def __init__(self, spec: Spec, max_series: int) -> None:
        self.spec = spec
        self.dropped = 0
        """Label sets asked for beyond the cap."""
        self._max_series = max_series
        self._bounds = [*(repr(bound) for bound in spec.buckets), "+Inf"]
        self._slots: dict[tuple[str, ...], Histogram] = {}
        self._templates: list[tuple[str, Histogram]] = []
        """All lines of a slot as one text to fill in: one call of the formatter instead of twenty."""
        self._head = head(spec)

    def slot(self, *values: str) -> Histogram:
        """The slot of this label set, in the order of `spec.labels`."""
        found = self._slots.get(values)
        if found is not None:
            return found
        if len(self._slots) >= self._max_series:
            self.dropped += 1
            values = (OTHER,) * len(values)
            if (found := self._slots.get(values)) is not None:
                return found
        found = self._slots[values] = Histogram(self.spec.buckets)
        self._templates.append((self._template(values), found))
        return found

    def render(self, out: list[str]) -> None:
        """Append the family's lines: cumulative buckets, `+Inf` equal to the count."""
        self.fold()
        out.append(self._head)
        for template, slot in self._templates:
            totals = (*accumulate(slot.counts),)
            out.append(template % (*totals, slot.sum, totals[-1]))

    def samples(self) -> list[tuple[tuple[str, ...], tuple[list[int], float]]]:
        """Label values, counts by bucket and sum of each slot."""
        self.fold()
        return [(values, (slot.counts, slot.sum)) for values, slot in self._slots.items()]

    def fold(self) -> None:
        """Bring every slot up to date."""
        for slot in self._slots.values():
            slot.fold()

    def _template(self, values: tuple[str, ...]) -> str:
        name, plain = self.spec.name, label_text(self.spec.labels, values).replace("%", "%%")
        others = plain[1:-1] + "," if plain else ""
        lines = [f'{name}_bucket{{{others}le="{bound}"}} %s' for bound in self._bounds]
        return "\n".join([*lines, f"{name}_sum{plain} %s", f"{name}_count{plain} %s"])


def render_now(spec: Spec, samples: Iterable[tuple[tuple[str, ...], float]], out: list[str]) -> None:
    """Append a family read at this moment: label values and number."""
    out.append(head(spec))
    out.extend([f"{spec.name}{label_text(spec.labels, values)} {value}" for values, value in samples])


def head(spec: Spec) -> str:
    """The two lines before a family's samples."""
    meaning = spec.help.replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {spec.name} {meaning}\n# TYPE {spec.name} {spec.kind}"


def label_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """`{a="x",b="y"}`; an empty value is the same as no label and is left out."""
    pairs = [f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True) if value]
    return "{" + ",".join(pairs) + "}" if pairs else ""


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
