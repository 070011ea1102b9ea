"""Text format: what would break a scrape."""

from __future__ import annotations

import math
import random
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from proxy.telemetry.catalogue import Spec
from proxy.telemetry.series import MANY, Counters, Histogram, Histograms, label_text, render_now

COUNTER = Spec("things_total", "counter", ("a", "b"), "Things.")
HISTOGRAM = Spec("took_seconds", "histogram", ("a",), "Took.", (0.1, 1.0, 10.0))


def parsed(family) -> list:
    out: list[str] = []
    family.render(out)
    return [sample for found in text_string_to_metric_families("\n".join(out) + "\n") for sample in found.samples]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\r"), min_size=1))
def test_any_label_value_comes_back_as_it_was(value: str):
    counters = Counters(COUNTER, 10)
    counters.cell(value, "x").value += 1
    histograms = Histograms(HISTOGRAM, 10)
    histograms.slot(value).observe(0.5)

    assert [{"a": value, "b": "x"}] == [sample.labels for sample in parsed(counters)]
    assert {value} == {sample.labels["a"] for sample in parsed(histograms)}


def test_quotes_backslashes_and_newlines_are_escaped():
    assert r'{a="\"\\\n%"}' == label_text(("a",), ('"\\\n%',))


def test_an_empty_label_is_no_label():
    assert label_text(("a", "b"), ("", "x")) == '{b="x"}'
    assert label_text(("a",), ("",)) == ""


def test_buckets_are_cumulative_and_infinity_is_the_count():
    histograms = Histograms(HISTOGRAM, 10)
    rng = random.Random(7)
    values = [rng.uniform(0, 20) for _ in range(1000)]
    for value in values:
        histograms.slot("x").observe(value)

    samples = {(sample.name, sample.labels.get("le")): sample.value for sample in parsed(histograms)}

    for bound in (0.1, 1.0, 10.0):
        assert sum(value <= bound for value in values) == samples["took_seconds_bucket", str(bound)]
    assert samples["took_seconds_bucket", "+Inf"] == samples["took_seconds_count", None] == 1000
    assert sum(values) == samples["took_seconds_sum", None]


EIGHTHS = st.integers(0, 100).map(lambda number: number / 8)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.lists(EIGHTHS, max_size=3 * MANY), max_size=4))
def test_values_are_counted_alike_in_whatever_portions_they_are_folded(portions: list[list[float]]):
    histogram = Histogram((0.125, 1.0, 1.5, 10.0))
    for portion in portions:
        for value in portion:
            histogram.observe(value)
        histogram.fold()
    values = [value for portion in portions for value in portion]

    below = [sum(value <= bound for value in values) for bound in (*histogram.bounds, math.inf)]
    assert below == list(accumulate(histogram.counts))
    assert sum(values) == histogram.sum


def test_a_value_on_a_boundary_belongs_below_it():
    histograms = Histograms(HISTOGRAM, 10)
    histograms.slot("x").observe(1.0)

    assert [0, 1, 1, 1] == [sample.value for sample in parsed(histograms) if sample.name.endswith("_bucket")]


def test_the_smallest_and_the_largest_numbers_survive_the_text():
    counters = Counters(COUNTER, 10)
    for number, value in enumerate((1e-9, 1e21, 2**60, 0.1 + 0.2)):
        counters.cell(str(number), "x").value = value

    assert [1e-9, 1e21, float(2**60), 0.1 + 0.2] == [sample.value for sample in parsed(counters)]


def test_help_texts_are_escaped():
    out: list[str] = []
    render_now(Spec("x", "gauge", (), "a\\b\nc"), [((), 1)], out)

    assert ["# HELP x a\\\\b\\nc\n# TYPE x gauge", "x 1"] == out


def test_the_same_labels_get_the_same_slot():
    counters, histograms = Counters(COUNTER, 1), Histograms(HISTOGRAM, 1)

    assert counters.cell("x", "y") is counters.cell("x", "y")
    assert histograms.slot("x") is histograms.slot("x")
    assert counters.cell("past", "it") is counters.cell("other", "one")
    assert histograms.slot("past") is histograms.slot("other")
    assert (2, 1) == (counters.dropped, histograms.dropped)
