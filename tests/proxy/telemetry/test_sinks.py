"""Every sink hears of every fact, whatever the others do."""

from __future__ import annotations

from proxy.facts import Finished
from proxy.telemetry.sinks import Sinks


class Listener:
    name = "listener"

    def __init__(self) -> None:
        self.heard: list[Finished] = []

    def finished(self, fact: Finished) -> None:
        self.heard.append(fact)


class Broken:
    name = "broken"

    def finished(self, fact: Finished) -> None:
        raise RuntimeError(f"disk full at {fact.exchange_id}")


def test_a_sink_that_fails_hurts_neither_the_request_nor_other_sinks(fact, caplog):
    first, last = Listener(), Listener()
    sinks = Sinks([first, Broken(), last])

    for _ in range(3):
        sinks.finished(fact())

    assert [3, 3] == [len(first.heard), len(last.heard)]
    assert {"broken": 3} == sinks.dropped
    assert ["telemetry sink `broken` failed; further failures are only counted"] == caplog.messages
    assert "disk full" in caplog.text
