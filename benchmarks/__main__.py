"""`python -m benchmarks`: measures, prints one table, and writes `RESULTS.md` if asked. Asserts nothing."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import NotReady, await_ready, json_cost, stream_cost
from benchmarks.process import Cores, cores, rss_bytes, settled, started
from benchmarks.report import RESULTS, Rounds, page, table
from benchmarks.systems import SYSTEMS, System, before, free_port

WARM_UP_SHARE = 0.2
"""Of a load's seconds, before it is measured."""
SMOKE_S = 2.0


def main() -> int:
    """Run the rounds."""
    args = _arguments()
    if not sys.platform.startswith("linux"):
        print("the benchmarks read /proc and pin cores: they need Linux", file=sys.stderr)
        return 2
    if args.smoke:
        args.rounds, args.seconds = 1, SMOKE_S
    chosen = [system for system in SYSTEMS if not args.systems or system.name in args.systems]
    if args.before is not None:
        chosen.append(before(args.before.resolve()))
    measured = [Rounds(system.name, system.what, note=system.missing()) for system in chosen]
    placed = cores()
    if placed.load is None:
        print("one core only: nothing is pinned, expect noise", file=sys.stderr)
    for number in range(args.rounds):
        # in rotation: what else the machine does meets every system alike
        for system, record in zip(chosen, measured, strict=True):
            if record.note is None:
                print(f"round {number + 1} of {args.rounds}: {system.name}", file=sys.stderr, flush=True)
                _measure(system, record, args.seconds, args.interval_ms / 1000, placed)
    print(table(measured))
    if args.write:
        RESULTS.write_text(
            page(
                measured,
                args,
                "python -m benchmarks "
                + " ".join("DIR" if Path(each) == args.before else each for each in sys.argv[1:]),
            )
        )
        print(f"written to {RESULTS.name}", file=sys.stderr)
    return 0


def _measure(system: System, record: Rounds, seconds: float, interval_s: float, placed: Cores) -> None:
    """One round of one system. A system that does not come up is noted and left out from then on."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmarks-")))
        # workers of nginx drop to another user and keep their files here
        folder.chmod(0o755)
        upstream = stack.enter_context(
            started(
                [sys.executable, "-m", "benchmarks.upstream", "--interval-s", str(interval_s)], placed.load, pipe=True
            )
        )
        assert upstream.stdout is not None  # noqa: S101 - it was piped
        upstream_port = int(upstream.stdout.readline())
        port = free_port()
        process = stack.enter_context(
            started(system.command(folder, port, upstream_port), placed.gateway, root=system.root)
        )
        try:
            await_ready(process, port)
            settled(process.pid)
            rss = rss_bytes(process.pid)
            json_cost(process.pid, port, max(1.0, seconds * WARM_UP_SHARE), placed.load, folder)
            whole = json_cost(process.pid, port, seconds, placed.load, folder)
            stream = stream_cost(process.pid, port, seconds, placed.load)
        except NotReady as reason:
            record.note = str(reason)
            return
    record.rss_bytes.append(rss)
    record.whole.append(whole)
    record.stream.append(stream)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rotations over all systems (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=6.0, help="of each load (default: %(default)s)")
    parser.add_argument("--interval-ms", type=float, default=10.0, help="between two events; 0: bursts (%(default)s)")
    parser.add_argument("--smoke", action="store_true", help="one short round: does everything run?")
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md")
    parser.add_argument(
        "--systems", nargs="+", choices=[system.name for system in SYSTEMS], metavar="NAME", help="only these"
    )
    parser.add_argument("--before", type=Path, metavar="DIR", help="another checkout, to compare with")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
