"""Several snapshots of one worker's post as one: of the processes that held it before, and are gone. Pure.

What adds up is added, to the last bit: a sum that came out lower by one bit, only because its parts were added in
another order, would read as a restart. Gauges told of a moment that is over and are left out.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, Any

import orjson

from proxy.telemetry.catalogue import SPECS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Family = dict[str, Any]


def folded(snapshots: Sequence[bytes]) -> bytes:
    """One snapshot for `merging.merged` instead of several, at least one, of the same worker. The last names it.

    Holds every label set any of them had: those of all configurations there have been. Raises `ValueError` when it is
    passed anything else.
    """
    lives: list[Family] = [orjson.loads(each) for each in snapshots]
    try:
        return orjson.dumps(
            {
                **lives[-1],
                "counted": _added_up([family for life in lives for family in life["counted"]]),
                "now": _added_up([family for life in lives for family in life["now"] if _grows(family)]),
            }
        )
    except (KeyError, TypeError) as error:  # of another version
        raise ValueError(f"a snapshot that cannot be read: {error!r}") from error


def exact(values: Iterable[float]) -> list[float]:
    """Numbers that do not overlap and whose sum is that of `values`: one, or a few if no single one is.

    Source: J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997,
    grow-expansion.
    """
    parts: list[float] = []
    for value in values:
        rest, kept = value, []
        for part in parts:
            high = rest + part
            shadow = high - rest
            low = (rest - (high - shadow)) + (part - shadow)
            if low:
                kept.append(low)
            rest = high
        parts = [*kept, rest]
    return parts


def _grows(family: Family) -> bool:
    spec = SPECS.get(family["name"])
    return bool((family["kind"] if spec is None else spec.kind) == "counter")


def _added_up(families: Sequence[Family]) -> list[Family]:
    """Each family once."""
    heads: dict[str, Family] = {}
    values: dict[str, dict[tuple[str, ...], list[Any]]] = {}
    for family in families:
        heads[family["name"]] = family
        of_family = values.setdefault(family["name"], {})
        for labels, value in family["samples"]:
            of_family.setdefault(tuple(labels), []).append(value)
    return [
        {**head, "samples": [(labels, part) for labels, several in values[name].items() for part in _parts(several)]}
        for name, head in heads.items()
    ]


def _parts(several: Sequence[Any]) -> Iterator[Any]:
    """One counter, or one histogram's counts by bucket and sum; and after it what its sum has beyond one number."""
    if not isinstance(several[0], list):
        yield from exact(several)
        return
    counts = [0] * len(several[0][0])
    for more, _ in several:
        counts = [*map(add, counts, more)]
    for total in exact(total for _, total in several):
        yield counts, total
        counts = [0] * len(counts)
