"""Of measured values: the table, the page and the chart, the same each time."""

from __future__ import annotations

import pytest

from benchmarks import chart
from benchmarks.machine import interpreter
from benchmarks.profiles.profile import Value
from benchmarks.profiles.table import PROFILES
from benchmarks.record import Entry, Record
from benchmarks.report import page
from benchmarks.tables import table, times


def values(*figures: float, at_least: int = 0) -> list[Value]:
    """The first so many are bounds."""
    return [Value(figure, place < at_least) for place, figure in enumerate(figures)]


@pytest.fixture
def record() -> Record:
    return Record(
        date="2026-11-21",
        command="python -m benchmarks",
        rounds=3,
        seconds=3.0,
        profiles=["json", "late"],
        facts=["a machine"],
        entries=[
            Entry("pointsman", "everything on", values={"json.cpu": values(60, 50, 55), "late.streams": values(900)}),
            Entry(
                "nginx",
                "one worker",
                values={"json.cpu": values(20, 22, 18), "late.streams": values(1000, 1100, 1200, at_least=2)},
                errors={"json": 0, "late": 3},
                failures={"tls": "it ended with code 1"},
            ),
            Entry("haproxy", "one thread", note="haproxy is not installed"),
        ],
    )


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_table_has_medians_their_spread_and_ratios_of_the_same_run(record):
    rows = {found[0]: found[1:] for found in map(cells, table(record).splitlines()) if len(found) > 1}
    assert ["unit", "pointsman", "nginx"] == rows[""]
    assert ["us/request", "55.0 (50.0..60.0) 2.75x", "20.0 (18.0..22.0)"] == rows["CPU, 1 KB answer"]
    assert ["requests/s", "-", "-"] == rows["throughput, 1 KB answer"]
    assert ["streams", "900 0.82x", ">= 1100 (1000..1200)"] == rows["streams without a late event"]
    assert ["count", "0", "3"] == rows["errors"]


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.0, "1.00x"), (3.444, "3.44x"), (12.72, "12.7x"), (652.4, "652x"), (0.5, "0.50x"), (0.0214, "0.021x")],
)
def test_a_ratio_is_told_as_precisely_as_it_is_worth(ratio, text):
    assert text == times(ratio)


def test_what_is_missing_or_failed_is_told_below(record):
    assert [
        "- haproxy: not measured, haproxy is not installed",
        "- nginx, `late`: 3 errors",
        "- nginx, `tls`: not measured, it ended with code 1",
    ] == table(record).splitlines()[-3:]


def test_the_table_s_columns_are_even(record):
    lines = [line for line in table(record).splitlines() if line.startswith("|")]
    assert 1 == len({len(line) for line in lines})


def test_without_the_baseline_there_are_no_ratios(record):
    del record.entries[1]
    assert "x |" not in table(record)


def test_a_record_is_read_as_it_was_written(record, tmp_path):
    record.write(tmp_path / "results.json")
    assert record == Record.read(tmp_path / "results.json")


def test_the_page_keeps_what_people_wrote(record):
    text = page(record, "A flame graph's top ten.")
    assert text.endswith("## Notes\n\nA flame graph's top ten.\n")
    assert table(record) in text
    assert all(each.how in text for each in PROFILES if each.name in record.profiles)


def test_the_chart_of_a_record_is_always_the_same(record, tmp_path):
    pytest.importorskip("matplotlib", reason="the extra `bench` is not installed")
    for name in ("one.svg", "other.svg"):
        chart.draw(record, tmp_path / name)
    one = (tmp_path / "one.svg").read_text()
    assert (tmp_path / "other.svg").read_text() == one
    assert all(text in one for text in ("pointsman", "nginx", "CPU, 1 KB answer", "&gt;= 1100"))
    assert "haproxy" not in one


def test_profiles_have_names_and_rows_of_their_own():
    names = [profile.name for profile in PROFILES]
    titles = [row.title for profile in PROFILES for row in profile.rows]
    assert (len(names), len(titles)) == (len(set(names)), len(set(titles)))


def test_the_interpreter_is_told_with_its_build():
    assert " PGO, " in interpreter()
