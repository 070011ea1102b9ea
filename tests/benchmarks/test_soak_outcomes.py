"""What the soak calls unexpected: all that no fault, kill or cut of its own explains."""

from __future__ import annotations

import pytest

from benchmarks.soak.outcomes import KILL_SHADOW_S, MAX_EXAMPLES, Ended, Outcomes

KILLED_S = 100.0


@pytest.mark.parametrize(
    ("ended", "begun_s", "now_s", "how"),
    [
        (Ended("json", "ok"), 90, 91, "ok"),
        (Ended("cut", "cut"), 90, 91, "cut"),
        (Ended("json", "error", "upstream_connection_lost"), 90, 91, "provider failed"),
        (Ended("json", "error", "no_deployment_available"), 90, 91, "provider failed"),
        (Ended("json", "error", "overloaded"), 90, 91, "unexpected"),
        (Ended("paced", "broken", "closed"), 98, 101, "worker killed"),
        (Ended("json", "broken", "no connection"), KILLED_S + KILL_SHADOW_S, 103, "worker killed"),
        (Ended("json", "broken", "no connection"), KILLED_S + KILL_SHADOW_S + 0.1, 103, "unexpected"),
        (Ended("paced", "broken", "closed"), 95, 99, "unexpected"),
        (Ended("paced", "wrong", "a word is missing"), 98, 101, "unexpected"),
    ],
)
def test_only_what_was_done_to_the_gateway_explains_a_bad_end(ended, begun_s, now_s, how):
    outcomes = Outcomes()
    outcomes.killed(KILLED_S)
    outcomes.note(ended, begun_s, now_s)
    assert {f"{ended.kind} {how}": 1} == outcomes.counts
    assert (how == "unexpected") == bool(outcomes.unexpected) == bool(outcomes.examples)


def test_all_unexpected_ends_are_counted_and_the_last_ones_shown():
    outcomes = Outcomes()
    for number in range(MAX_EXAMPLES + 1):
        outcomes.note(Ended("json", "wrong", f"number {number}."), 1.0, 1.5)
    assert MAX_EXAMPLES + 1 == outcomes.unexpected
    assert "json wrong after 0.500 s: number 1." == outcomes.examples[0]
