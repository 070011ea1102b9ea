"""Counters and histograms as plain numbers, and families that render them as text.

Single-threaded: updates and scrapes run on the event loop. A slot is looked up once for a label set and then updated
in place, which is some ten times cheaper than asking a metrics library for a child and its lock each time.
Source of the format: Prometheus, "Exposition formats", text format 0.0.4.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from proxy.telemetry.catalogue import Spec

OTHER = "other"


class Cell:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class Histogram:
    """Counts by bucket, not cumulative until rendered. A value on a boundary belongs below it (`le`)."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum: float = 0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Counters:
    """A family of counters: one `Cell` for each label set, at most `max_series`, then all go to `other`."""

    __slots__ = ("_cells", "_head", "_max_series", "_prefixes", "_unit", "dropped", "spec")

    def __init__(self, spec: Spec, max_series: int, unit: int = 1) -> None:
        self.spec = spec
        self.dropped = 0
        """Label sets asked for beyond the cap."""
        self._unit = unit
        """What is counted is this many times smaller than what is shown: whole nano-USD, say, for USD."""
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
        unit = self._unit
        if unit == 1:
            out.extend([f"{prefix}{cell.value}" for prefix, cell in self._prefixes])
        else:
            out.extend([f"{prefix}{cell.value / unit}" for prefix, cell in self._prefixes])


class Histograms:
    """A family of histograms, bounded as `Counters`."""

    __slots__ = ("_head", "_max_series", "_slots", "_templates", "dropped", "spec")

    def __init__(self, spec: Spec, max_series: int) -> None:
        self.spec = spec
        self.dropped = 0
        """Label sets asked for beyond the cap."""
        self._max_series = max_series
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
        out.append(self._head)
        for template, slot in self._templates:
            totals = (*accumulate(slot.counts),)
            out.append(template % (*totals, slot.sum, totals[-1]))

    def _template(self, values: tuple[str, ...]) -> str:
        name, labels = self.spec.name, self.spec.labels
        bounds = [*(repr(bound) for bound in self.spec.buckets), "+Inf"]
        names = [f"{name}_bucket{label_text((*labels, 'le'), (*values, bound))}" for bound in bounds]
        plain = label_text(labels, values)
        names += [f"{name}_sum{plain}", f"{name}_count{plain}"]
        return "\n".join(line.replace("%", "%%") + " %s" for line in names)


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
