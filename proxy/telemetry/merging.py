"""One exposition for all workers of a gateway, from what each of them counts (`Metrics.snapshot`). Pure.

Counters and histograms are sums of whole numbers, worker by worker and series by series: nothing is averaged and
nothing is read back from text. How the gauges of a family become one is said in the catalogue (`Spec.merge`).
"""

from __future__ import annotations

from math import fsum
from operator import add
from typing import TYPE_CHECKING, Any

import orjson

from proxy.telemetry import catalogue
from proxy.telemetry.catalogue import SPECS, Spec
from proxy.telemetry.series import OTHER, Counters, Histograms, render_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Labels = tuple[str, ...]
    Document = dict[str, Any]
    Buckets = tuple[list[int], float]

WORKER = "worker"
RULES: Mapping[str, Callable[[list[float]], float]] = {
    "sum": sum,
    "max": max,
    "min": min,
    "mean": lambda values: sum(values) / len(values),
    "worker": fsum,  # of one worker and those whose place it took
}


def merged(live: Sequence[bytes], departed: Sequence[bytes] = ()) -> bytes:
    """The text format, version 0.0.4, of all workers together; `departed` are the last snapshots of those that ended.

    A worker is called what it called itself in its snapshot, else by its place in `live`, then `departed`. At most
    `max_series` label sets a family are shown, beyond them one for all others, as each worker does it.
    """
    workers = [_told(data, number) for number, data in enumerate((*live, *departed))]
    max_series = max((worker["max_series"] for worker in workers), default=0)
    out: list[str] = []
    folded: dict[Labels, float] = {}
    for spec, told in _by_family(workers, "counted"):
        family = _added_up(spec, told, max_series)
        family.render(out)
        if family.dropped:
            folded[spec.name,] = family.dropped
    for spec, told in _by_family(workers, "now", only_living=len(live)):
        values = _by_rule(spec, told)
        if spec is catalogue.SERIES_DROPPED:
            values = {labels: values.get(labels, 0) + folded.get(labels, 0) for labels in {**values, **folded}}
        elif spec is catalogue.IN_FLIGHT:
            values = _capped(values, max_series)
        render_now(_labelled(spec), values.items(), out)
    return "\n".join([*out, ""]).encode()


def _told(data: bytes, number: int) -> Document:
    worker: Document = orjson.loads(data)
    worker[WORKER] = worker[WORKER] or str(number)
    return worker


def _by_family(
    workers: Sequence[Document], part: str, *, only_living: int | None = None
) -> Iterable[tuple[Spec, list[tuple[Labels, Any]]]]:
    """Each family once, in the order it is first told of, with the samples of all workers.

    `only_living`: so many come first; the gauges of the others are left out.
    """
    families: dict[Spec, list[tuple[Labels, Any]]] = {}
    for number, worker in enumerate(workers):
        own = (worker[WORKER],)
        for told in worker[part]:
            spec = SPECS.get(told["name"]) or _foreign(told)
            if spec.kind == "gauge" and only_living is not None and number >= only_living:
                continue
            extra = own if spec.merge == WORKER else ()
            samples = [((*labels, *extra), value) for labels, value in told["samples"]]
            families.setdefault(spec, []).extend(samples)
    return families.items()


def _foreign(told: Document) -> Spec:
    """A family of the process's own collectors, which no catalogue of ours has: told apart by worker."""
    return Spec(told["name"], told["kind"], tuple(told["labels"]), told["help"], merge=WORKER)


def _labelled(spec: Spec) -> Spec:
    return spec._replace(labels=(*spec.labels, WORKER)) if spec.merge == WORKER else spec


def _added_up(spec: Spec, samples: Sequence[tuple[Labels, Any]], max_series: int) -> Counters | Histograms:
    """All samples of one family in a family of its own."""
    if spec.kind == "counter":
        counters = Counters(_labelled(spec), max_series)
        numbers = _by_rule(spec, samples)
        for labels in _in_order(numbers, max_series):
            counters.cell(*labels).value += numbers[labels]
        return counters
    histograms = Histograms(_labelled(spec), max_series)
    slots: dict[Labels, list[Buckets]] = {}
    for labels, buckets in samples:
        slots.setdefault(labels, []).append(buckets)
    for labels in _in_order(slots, max_series):
        slot = histograms.slot(*labels)
        for counts, _ in slots[labels]:
            slot.counts = [*map(add, slot.counts, counts)]
        slot.sum = _sum([slot.sum, *(total for _, total in slots[labels])])
    return histograms


def _by_rule(spec: Spec, samples: Sequence[tuple[Labels, float]]) -> dict[Labels, float]:
    values: dict[Labels, list[float]] = {}
    for labels, value in samples:
        values.setdefault(labels, []).append(value)
    rule = RULES[spec.merge]
    return {labels: rule(several) for labels, several in values.items()}


def _sum(values: list[float]) -> float:
    """The same in whatever order, so that it never comes out lower by its last bit: that would read as a restart."""
    return fsum(values) if any(isinstance(value, float) for value in values) else sum(values)


def _capped(values: Mapping[Labels, float], max_series: int) -> dict[Labels, float]:
    kept: dict[Labels, float] = {}
    for labels in _in_order(values, max_series):
        place = labels if labels in kept or len(kept) < max_series else (OTHER,) * len(labels)
        kept[place] = kept.get(place, 0) + values[labels]
    return kept


def _in_order(by_labels: Mapping[Labels, Any], max_series: int) -> Iterable[Labels]:
    """As they came while all fit, else sorted."""
    # Label sets only ever join, so one that is past the cap stays past it: `other` never shrinks, whoever comes first.
    return by_labels if len(by_labels) <= max_series else sorted(by_labels)
