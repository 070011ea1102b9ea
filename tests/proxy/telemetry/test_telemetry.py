"""All sinks together, as a process has them."""

from __future__ import annotations

import orjson
from prometheus_client.parser import text_string_to_metric_families

from proxy.config import Config
from proxy.facts import Finished
from proxy.telemetry.metrics import Gauges
from proxy.telemetry.telemetry import Telemetry


class Broken:
    name = "broken"

    def finished(self, fact: Finished) -> None:
        raise RuntimeError(f"disk full at {fact.exchange_id}")


def scraped(telemetry: Telemetry) -> dict[str, float]:
    text = telemetry.metrics.render().decode()
    families = text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


async def test_each_request_is_counted_and_written_to_standard_output(fact, capfd):
    telemetry = Telemetry(Config(), Gauges())
    telemetry.start()
    for number in range(3):
        telemetry.finished(fact(exchange_id=f"req-{number}"))
    telemetry.close()

    lines = capfd.readouterr().out.splitlines()

    assert ["req-0", "req-1", "req-2"] == [orjson.loads(line)["request_id"] for line in lines]
    assert scraped(telemetry)["pointsman_requests_total"] == 3
    assert {} == telemetry.dropped()


def test_the_access_log_can_be_off(fact, capfd):
    telemetry = Telemetry(Config.model_validate({"telemetry": {"access_log": "none"}}), Gauges())
    telemetry.finished(fact())
    telemetry.close()

    assert capfd.readouterr().out == ""
    assert scraped(telemetry)["pointsman_requests_total"] == 1


def test_what_a_sink_loses_is_shown(fact):
    config = Config.model_validate({"telemetry": {"access_log": "none"}})
    telemetry = Telemetry(config, Gauges(), (Broken(),))

    telemetry.finished(fact())

    assert {"broken": 1} == telemetry.dropped()


def test_another_configuration_has_another_digest():
    config = Config.model_validate({"telemetry": {"access_log": "none"}})
    telemetry = Telemetry(config, Gauges())
    before = telemetry.metrics.render()

    telemetry.reloaded(config.model_copy(update={"listen": "127.0.0.1:9"}))

    def digest(text: bytes) -> bytes:
        return next(line for line in text.splitlines() if line.startswith(b"pointsman_config_info{"))

    assert digest(before) != digest(telemetry.metrics.render())
    assert scraped(telemetry)["pointsman_config_reloads_total"] == 2
