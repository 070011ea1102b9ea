"""What a scrape costs: `python -m benchmarks.scrape [SAMPLES]`.

Feeds a gateway's metrics with requests over many routes and deployments until a scrape shows at least SAMPLES samples
(5,000), then times each step that holds the event loop or a supervisor.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from proxy.config import TelemetryConfig
from proxy.facts import AttemptFact, Finished, Outcome
from proxy.telemetry.access_log import line
from proxy.telemetry.batch import FLUSH_FACTS
from proxy.telemetry.merging import merged
from proxy.telemetry.metrics import Metrics
from proxy.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLES = 5_000
UPSTREAMS = 60
MAX_INVENTED = 10_000
"""More would show nothing new."""
ROUNDS = 50
WORKERS = 4


def invented(number: int) -> Finished:
    """One request; its route, deployment, outcome and figures follow from its number."""
    deployment = f"provider-{number % 8}/model-{number % UPSTREAMS}"
    usage = Usage(input_tokens=50 + number % 1000, output_tokens=number % 300)
    streams = number % 2 == 1
    ttft_s = 0.02 + number % 97 / 100 if streams else None
    duration_s = 0.05 + number % 131 / 50
    attempt = AttemptFact(
        deployment, deployment.partition("/")[0], "ok", 200, duration_s, ttft_s, f"req_{number}", usage=usage
    )
    return Finished(
        exchange_id=f"req_{number:032x}",
        started_at_s=1_790_000_000.123456 + number,
        surface="openai",
        operation="chat",
        route=f"model-{number % UPSTREAMS}",
        provider=attempt.provider,
        deployment=deployment,
        upstream_model=f"model-{number % UPSTREAMS}",
        key="bench",
        stream=streams,
        outcome=Outcome.COMPLETED,
        status=200,
        error_code=None,
        error_detail=None,
        tier="default",
        lane="default",
        usage=usage,
        cost_nano_usd=123_456,
        baseline_nano_usd=123_456,
        duration_s=duration_s + 0.0003,
        ttft_s=ttft_s,
        tpot_s=0.012 if streams else None,
        upstream_s=duration_s,
        queue_s=0.0,
        bytes_in=300,
        bytes_out=1024,
        finish_reason="stop",
        attempts=(attempt,),
    )


def samples(text: bytes) -> int:
    """Lines that are no comments."""
    return sum(not line.startswith(b"#") for line in text.splitlines())


def best_us(work: Callable[[], object]) -> float:
    """The best of `ROUNDS`: what it costs when nothing else disturbs it."""
    found = float("inf")
    for _ in range(ROUNDS):
        began_s = time.perf_counter()
        work()
        found = min(found, time.perf_counter() - began_s)
    return found * 1e6


def main(wanted: int) -> None:
    """Print the table."""
    for naming in ("native", "both"):
        metrics = Metrics(TelemetryConfig(naming=naming))
        count = 0
        while samples(metrics.render()) < wanted and count < MAX_INVENTED:
            for number in range(count, count + 50):
                metrics.finished(invented(number))
            count += 50
        facts = [invented(number) for number in range(0, 2 * FLUSH_FACTS, 2)]
        snapshots = [metrics.snapshot(str(number)) for number in range(WORKERS)]
        rows = {
            f"scrape of {samples(metrics.render()):,} samples": best_us(metrics.render),
            f"snapshot, {len(snapshots[0]) // 1024:,} KiB": best_us(metrics.snapshot),
            f"merging {WORKERS} workers": best_us(lambda snapshots=snapshots: merged(snapshots)),
            "metrics, one request": best_us(lambda m=metrics, f=facts: [m.finished(x) for x in f]) / len(facts),
            "access log, one request": best_us(lambda f=facts: [line(x) for x in f]) / len(facts),
        }
        print(f"naming: {naming}")
        for name, micros in rows.items():
            print(f"  {name:32} {micros:10,.1f} us")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else SAMPLES)
