"""Snapshots of those who are gone, as one: nothing that adds up is lost, nothing of the moment is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import fsum

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.config import TelemetryConfig
from proxy.telemetry.folding import exact, folded
from proxy.telemetry.merging import merged
from proxy.telemetry.metrics import Gauges, Metrics


@pytest.fixture
def life(fact) -> Callable[[int], bytes]:
    """What one process leaves: as many requests as `seed` says, of two models."""

    def lived(seed: int) -> bytes:
        metrics = Metrics(TelemetryConfig(), Gauges(streams_open=lambda: 7, retries_denied=lambda: seed))
        for number in range(seed):
            metrics.finished(fact(route=f"m{number % 2}", duration_s=number / 8))
        return metrics.snapshot("0")

    return lived


def totals(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        if family.type in {"counter", "histogram"}
        for sample in family.samples
    }


def test_many_folded_one_by_one_count_as_all_of_them(life):
    lives = [life(number) for number in range(1, 8)]
    together = folded(lives[:1])
    for each in lives[1:]:
        together = folded([together, each])
    own, lives_told = life(3), lives[:]
    random.Random(7).shuffle(lives_told)
    # to the last bit: a sum that is lower by one would read as a restart
    assert totals(merged([own], lives_told)) == totals(merged([own], [together]))
    assert 28 == sum(
        value for (name, _), value in totals(merged([], [together])).items() if name == "pointsman_requests_total"
    )


def test_sums_are_added_to_the_last_bit_in_any_order():
    rng = random.Random(11)
    numbers = [rng.uniform(0, 1) * 10 ** rng.randrange(-9, 9) for _ in range(300)]
    parts = exact(numbers)
    assert fsum(numbers) == fsum(parts) == fsum(exact(reversed(numbers)))
    assert len(parts) < 8
    assert [6] == exact([1, 2, 3])


def test_what_was_true_for_a_moment_is_left_out(life):
    names = {family["name"] for family in orjson.loads(folded([life(2)]))["now"]}
    assert "pointsman_streams_open" not in names
    assert "process_resident_memory_bytes" not in names
    assert {"pointsman_retry_budget_denied_total", "process_cpu_seconds_total"} <= names


def test_it_does_not_grow_with_every_life(life):
    together = folded([life(9)])
    size = len(folded([together, life(9)]))
    for _ in range(50):
        together = folded([together, life(9)])
    assert len(together) < 1.2 * size


@pytest.mark.parametrize("broken", [b"", b"{}", b"[]", b'{"counted":[{"name":"a"}],"now":[]}'])
def test_what_is_no_snapshot_is_refused(life, broken):
    with pytest.raises(ValueError, match=r"cannot be read|empty document"):
        folded([life(1), broken])
