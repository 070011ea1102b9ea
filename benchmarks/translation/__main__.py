"""`python -m benchmarks.translation [--process] [--write]`: CPU microseconds a request and an event, pair by pair.

Fails when a pair costs more than is allowed beside OpenAI's own dialect passed through in the same run. `--write` puts
the tables into `benchmarks/TRANSLATION.md`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import machine
from benchmarks.translation import hot
from benchmarks.translation.process import Bench
from benchmarks.translation.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable

BASELINE = ("openai_chat", "openai_chat")
MAX_REQUEST_US, MAX_EVENT_US = 120.0, 15.0
"""That translation may add."""
ROUNDS, PROCESS_ROUNDS = 4, 5
RESULTS = Path(__file__).resolve().parent.parent / "TRANSLATION.md"
HEAD = """# What translation costs

CPU microseconds by pair of dialects, beside OpenAI's chat passed through in the same run; the best of several rounds. A
request is a conversation of five messages with two tools; a stream has 256 pieces of text, each an event of its own.
`python -m benchmarks.translation --write` wrote this; `--process` measures the same through the real process.
"""


def main(arguments: list[str]) -> int:
    """The exit code: 1 if a limit is broken."""
    tables = [
        _measured("A request: from the client's body to the provider's", hot.request_us, MAX_REQUEST_US),
        _measured("An event: from the provider's to the client's, metering included", hot.event_us, MAX_EVENT_US),
    ]
    if "--process" in arguments:
        with Bench() as bench:
            tables += [
                _measured("A whole exchange through the real process", bench.request_us, None, PROCESS_ROUNDS),
                _measured("An event of a stream through the real process", bench.event_us, None, PROCESS_ROUNDS),
            ]
    where = [f"- {machine.interpreter()}", ""]
    told = "\n".join([HEAD, *where, *(line for table in tables for line in table.lines())])
    print(told)
    if "--write" in arguments:
        RESULTS.write_text(told)
    return 0 if all(table.is_within for table in tables) else 1


def _measured(
    title: str, measure: Callable[[str, str], float], allowed_us: float | None, rounds: int = ROUNDS
) -> Table:
    """Of several rounds over all pairs the best counts: a disturbance lasts longer than one measurement."""
    pairs = [(client, provider) for client in hot.SURFACES for provider in hot.ROWS]
    best = dict.fromkeys(pairs, float("inf"))
    for _ in range(rounds):
        for pair in pairs:
            best[pair] = min(best[pair], measure(*pair))
    return Table(title, best, BASELINE, allowed_us)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
