"""Several workers, one exposition: as if one had done all the work."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from proxy.config import HealthConfig, TelemetryConfig
from proxy.errors import Health
from proxy.facts import AttemptFact, Finished, Outcome
from proxy.fleet.live import Fleet
from proxy.telemetry.catalogue import LOOP_LAG, SPECS
from proxy.telemetry.merging import RULES, merged
from proxy.telemetry.metrics import Connections, Gauges, Metrics
from proxy.usage import Usage

Series = tuple[str, frozenset[tuple[str, str]]]


def worker(gauges: Gauges | None = None, **config: Any) -> Metrics:
    return Metrics(TelemetryConfig(**config), gauges)


def samples(text: bytes, *kinds: str) -> dict[Series, float]:
    """Of all families of these kinds, none of them twice."""
    read: dict[Series, float] = {}
    for family in text_string_to_metric_families(text.decode()):
        if family.type not in kinds:
            continue
        for sample in family.samples:
            series = (sample.name, frozenset(sample.labels.items()))
            assert series not in read
            read[series] = sample.value
    return read


def value(text: bytes, name: str, **labels: str) -> float | None:
    stem = name.removesuffix("_sum").removesuffix("_count").encode()
    lines = b"".join(line + b"\n" for line in text.splitlines() if stem in line)
    return samples(lines, "gauge", "counter", "histogram").get((name, frozenset(labels.items())))


def invented(seed: int) -> Finished:
    """Any exchange. Times are whole fractions of a power of two: their sums are exact in whatever order."""
    rng = random.Random(seed)

    def seconds() -> float:
        return rng.randrange(1, 1 << 16) / (1 << 10)

    def usage() -> Usage | None:
        counts = [rng.choice((0, rng.randrange(1 << 20))) for _ in range(5)]
        return rng.choice((None, Usage(*counts, estimated=rng.random() < 0.3)))

    def attempt(code: str) -> AttemptFact:
        deployment = rng.choice(("a/m", "b/m", "c/m#flex"))
        cost = rng.choice((None, rng.randrange(10**12)))
        ttft_s = rng.choice((None, seconds()))
        part = rng.choice(("answer", "hedge", "splice", "continuation"))
        return AttemptFact(deployment, deployment[0], code, 200, seconds(), ttft_s, None, part, None, usage(), cost)

    outcome, code = rng.choice(
        ((Outcome.COMPLETED, None), (Outcome.ABANDONED, None), (Outcome.FAILED, "upstream_connect_failed"),
         (Outcome.REJECTED, "rate_limit_exceeded"), (Outcome.TRUNCATED, "upstream_stream_broken"))
    )  # fmt: skip
    codes = rng.choices(("ok", "upstream_error", "hedge_lost", "cancelled", "upstream_diverged"), k=rng.randrange(4))
    attempts = tuple(attempt(code) for code in codes)
    last = attempts[-1] if attempts else None
    return Finished(
        "id", 0.0, "openai", rng.choice(("chat", "embeddings")), rng.choice(("m", "n", "*", 'odd"\\\n')),
        last.provider if last else "", last.deployment if last else "", "um", rng.choice(("ci", "lab")),
        rng.random() < 0.5, outcome, rng.choice((200, 429, 499, 502, 418)), code, None, "default",
        rng.choice(("default", "flex")), usage(), rng.choice((None, rng.randrange(10**12))), None, 2 * seconds(),
        rng.choice((None, seconds())), rng.choice((None, seconds())), seconds(), rng.choice((0.0, seconds())), 1, 2,
        None, attempts,
    )  # fmt: skip


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 2)), max_size=40))
def test_workers_together_have_counted_what_one_would_have(work: list[tuple[int, int]]):
    """Whichever of them took a request, and even if one of them is gone."""
    one, several = worker(), [worker() for _ in range(3)]
    for seed, taker in work:
        one.finished(invented(seed))
        several[taker].finished(invented(seed))

    first, second, gone = (taker.snapshot(str(number)) for number, taker in enumerate(several))
    wanted = counted(one.render())
    assert wanted == counted(merged([first, second, gone]))
    assert wanted == counted(merged([second, first], [gone]))


def counted(text: bytes) -> dict[str, float]:
    """Counters and histograms, by the very text of their names and labels."""
    kinds: dict[str, str] = {}
    found: dict[str, float] = {}
    name = ""
    for line in text.decode().splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kinds[name] = line.split(" ")
        elif not line.startswith("#") and kinds[name] != "gauge" and not told_apart(name):
            series, _, number = line.rpartition(" ")
            assert series not in found
            found[series] = float(number)
    return found


def told_apart(name: str) -> bool:
    """Figures of the process, not of what it served."""
    return name.startswith((LOOP_LAG.name, "process_", "python_"))


def test_a_single_worker_is_shown_as_it_shows_itself(fact):
    alone = worker(Gauges(queued=lambda: {"default": 3}, streams_open=lambda: 2))
    alone.finished(fact())
    alone.in_flight("gpt", 1)
    alone.reloaded("abc", 1_790_000_000.0)

    def ours(text: bytes) -> list[str]:
        return [line for line in text.decode().splitlines() if not told_apart(line.split()[2 if "# " in line else 0])]

    assert ours(alone.render()) == ours(merged([alone.snapshot()]))


def test_the_process_and_the_loop_are_told_apart_by_worker():
    crew = [worker(), worker()]
    for number, member in enumerate(crew):
        member.loop_lag.observe(0.003 * (1 + number))

    text = merged([member.snapshot(name) for member, name in zip(crew, ("a", "b"), strict=True)])

    for name, lag_s in (("a", 0.003), ("b", 0.006)):
        assert value(text, "pointsman_event_loop_lag_seconds_sum", worker=name) == lag_s
        assert value(text, "process_resident_memory_bytes", worker=name) > 1_000_000
        assert value(text, "process_cpu_seconds_total", worker=name) > 0
        assert value(text, "python_gc_collections_total", worker=name, generation="0") is not None
    assert text.count(b"# TYPE process_cpu_seconds_total counter\n") == 1
    assert value(text, "pointsman_event_loop_lag_seconds_sum") is None


def test_workers_without_a_name_are_told_apart_by_their_place():
    text = merged([worker().snapshot(), worker().snapshot()], [worker().snapshot()])

    assert value(text, "process_resident_memory_bytes", worker="1") is not None
    assert value(text, "process_resident_memory_bytes", worker="2") is None
    assert value(text, "process_cpu_seconds_total", worker="2") is not None


def test_one_that_took_anothers_place_goes_on_with_its_counts():
    before, after = worker(), worker()
    before.loop_lag.observe(0.5)
    after.loop_lag.observe(0.25)

    text = merged([after.snapshot("0")], [before.snapshot("0")])

    assert value(text, "pointsman_event_loop_lag_seconds_count", worker="0") == 2
    assert value(text, "pointsman_event_loop_lag_seconds_sum", worker="0") == 0.75


def sick_and_well() -> tuple[Metrics, Metrics]:
    """Two workers that see one deployment differently."""
    workers = []
    for share, ttft_s, fails in ((0.5, 0.2, True), (0.25, 0.4, False)):
        fleet = Fleet(HealthConfig(failures=1))
        live = fleet.live("a/m", "a")
        live.told_rate_limit(share, 100.0)
        era = live.begin(1.0, 10)
        live.answering(1.0, era, ttft_s)
        if fails:
            live.fail(1.0, era, Health.SICK)
        gauges = Gauges(
            upstreams=lambda fleet=fleet: fleet.readings(1.0),
            connections=lambda: (Connections("https://a:443", 2, 3),),
            queued=lambda: {"default": 3, "flex": 4},
            streams_open=lambda: 5,
            retries_denied=lambda: 6,
            dropped=lambda: {"access_log": 7},
            draining=lambda fails=fails: fails,
        )
        told = worker(gauges)
        told.in_flight("m", 1)
        told.reloaded("old" if fails else "new", 100.0 if fails else 200.0)
        workers.append(told)
    return workers[0], workers[1]


GAUGES = [
    ("upstream_in_flight", {"upstream": "a/m"}, 2),
    ("upstream_up", {"upstream": "a/m"}, 0),
    ("upstream_breaker_state", {"upstream": "a/m"}, 2),
    ("upstream_ejections_total", {"upstream": "a/m"}, 1),
    ("upstream_ewma_ttft_seconds", {"upstream": "a/m"}, 0.3),
    ("upstream_ratelimit_remaining", {"upstream": "a/m"}, 0.25),
    ("pool_connections", {"origin": "https://a:443", "state": "busy"}, 4),
    ("pool_connections", {"origin": "https://a:443", "state": "idle"}, 6),
    ("requests_in_flight", {"model": "m"}, 2),
    ("requests_queued", {"priority": "flex"}, 8),
    ("streams_open", {}, 10),
    ("retry_budget_denied_total", {}, 12),
    ("telemetry_dropped_total", {"sink": "access_log"}, 14),
    ("draining", {}, 1),
    ("config_last_reload_success_timestamp_seconds", {}, 100.0),
    ("config_info", {"hash": "old"}, 1),
    ("config_info", {"hash": "new"}, 1),
    ("config_reloads_total", {"result": "success"}, 2),
]


@pytest.mark.parametrize(("name", "labels", "wanted"), GAUGES)
def test_gauges_of_several_workers_are_one_by_the_rule_of_their_family(name, labels, wanted):
    text = merged([member.snapshot() for member in sick_and_well()])

    assert value(text, f"pointsman_{name}", **labels) == pytest.approx(wanted)


def test_a_worker_that_is_gone_has_counters_but_no_gauges():
    gone, alive = sick_and_well()

    text = merged([alive.snapshot()], [gone.snapshot()])

    assert value(text, "pointsman_retry_budget_denied_total") == 12
    assert value(text, "pointsman_upstream_ejections_total", upstream="a/m") == 1
    assert value(text, "pointsman_config_reloads_total", result="success") == 2
    assert value(text, "pointsman_upstream_up", upstream="a/m") == 1
    assert value(text, "pointsman_upstream_in_flight", upstream="a/m") == 1
    assert value(text, "pointsman_requests_in_flight", model="m") == 1
    assert value(text, "pointsman_streams_open") == 5
    assert value(text, "pointsman_draining") == 0
    assert value(text, "pointsman_config_info", hash="old") is None


def test_every_family_has_a_rule_and_counters_are_always_sums():
    for spec in SPECS.values():
        assert spec.merge in RULES, spec.name
        assert spec.kind == "gauge" or spec.merge == "sum" or spec is LOOP_LAG, spec.name


def test_each_family_is_introduced_once():
    crew = [worker(naming=naming) for naming in ("native", "both")]

    lines = merged([member.snapshot() for member in crew]).decode().splitlines()

    introductions = [line for line in lines if line.startswith("# ")]
    assert len(set(introductions)) == len(introductions) > 2 * 40


def test_the_cap_holds_over_all_workers_and_nothing_is_lost_past_it(fact):
    crew = [worker(max_series=10), worker(max_series=10)]
    for number in range(24):
        member = crew[number % 2]
        member.finished(fact(route=f"m{number:02}"))
        member.in_flight(f"m{number:02}", 1)

    text = merged([member.snapshot() for member in crew])

    for name in (
        "pointsman_requests_total",
        "pointsman_requests_in_flight",
        "pointsman_request_duration_seconds_count",
    ):
        shown = {
            labels: v for (found, labels), v in samples(text, "counter", "gauge", "histogram").items() if found == name
        }
        assert len(shown) == 11, name
        assert sum(shown.values()) == 24, name
    # two of each worker's, and ten of the twenty label sets they tell of beside `other`
    assert value(text, "pointsman_metric_series_dropped_total", metric="pointsman_requests_total") == 2 * 2 + 10


def test_what_is_counted_as_other_never_shrinks_while_label_sets_join_and_workers_leave(fact):
    crew = [worker(max_series=10, naming="native"), worker(max_series=10, naming="native")]
    rng = random.Random(7)
    before = 0.0
    for turn in range(40):
        crew[turn % 2].finished(fact(route=f"m{rng.randrange(30):02}"))
        first, second = (member.snapshot() for member in crew)
        text = merged([first, second]) if turn % 3 else merged([second], [first])
        other = value(text, "pointsman_requests_total", model="other", operation="other", code="other", stream="other")
        assert (other or 0.0) >= before
        before = other or 0.0
    assert before > 0


def test_nobody_has_nothing_to_tell():
    assert merged([]) == b""
