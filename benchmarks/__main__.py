"""`python -m benchmarks`: measures, prints one table, and writes `RESULTS.md` if asked. Asserts nothing."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import chart, machine, report
from benchmarks.bench import NotReady, launched
from benchmarks.load.target import LoadFailed
from benchmarks.process import Cores, cores, raise_file_limit
from benchmarks.profiles.table import PROFILES
from benchmarks.record import RESULTS, Entry, Record
from benchmarks.systems.gateway import before
from benchmarks.systems.table import SYSTEMS
from benchmarks.tables import table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.bench import Bench
    from benchmarks.profiles.profile import Profile
    from benchmarks.systems.system import System

SMOKE_S = 1.0
SMOKE_PROFILES = ("start", "json", "paced")
"""For systems other than Pointsman, which runs them all."""


def main() -> int:
    """Run the rounds."""
    args = _arguments()
    if args.write and not chart.is_possible():
        print("the chart needs matplotlib: pip install '.[bench]'", file=sys.stderr)
        return 2
    if args.render:
        record = Record.read()
        report.write(record)
        print(table(record))
        return 0
    if not sys.platform.startswith("linux"):
        print("the benchmarks read /proc and pin cores: they need Linux", file=sys.stderr)
        return 2
    raise_file_limit()
    record = _measured(args)
    print(table(record))
    if args.write:
        record.write()
        report.write(record)
        print(f"written: {RESULTS.name}, {report.PAGE.name}, {chart.CHART.name}", file=sys.stderr)
    return 0


def _measured(args: argparse.Namespace) -> Record:
    systems = _chosen(args)
    profiles = [profile for profile in PROFILES if not args.profiles or profile.name in args.profiles]
    entries = [Entry(system.name, system.what, _installed(system)) for system in systems]
    placed = cores()
    if placed.system is None:
        print("one core only: nothing is pinned, expect noise", file=sys.stderr)
    for number in range(args.rounds):
        # in rotation: what else the machine does meets every system alike
        for system, entry in zip(systems, entries, strict=True):
            if entry.note is None:
                _say(f"round {number + 1} of {args.rounds}, {system.name}:")
                _round(system, entry, profiles, args, placed)
                _say("\n")
    return Record(
        date=f"{datetime.now(UTC):%Y-%m-%d}",
        command=_command(args),
        rounds=args.rounds,
        seconds=args.seconds,
        profiles=[profile.name for profile in profiles],
        facts=machine.facts(),
        entries=entries,
    )


def _chosen(args: argparse.Namespace) -> list[System]:
    if args.systems:
        chosen = [system for system in SYSTEMS if system.name in args.systems]
    else:
        chosen = [system for system in SYSTEMS if args.peers or not system.is_peer]
    return chosen if args.before is None else [*chosen, before(args.before.resolve())]


def _installed(system: System) -> str | None:
    """Why it cannot be measured, `None` if it can; what can be fetched is."""
    missing = system.missing()
    if missing is None or system.install is None:
        return missing
    _say(f"installing {system.name} ...\n")
    try:
        system.install()
    except (OSError, subprocess.SubprocessError) as error:
        return f"could not be installed: {str(error)[:200]}"
    return system.missing()


def _round(system: System, entry: Entry, profiles: Sequence[Profile], args: argparse.Namespace, placed: Cores) -> None:
    """One round of one system. A system that does not come up is noted and left out from then on."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        # workers of nginx drop to another user and keep their files here
        folder.chmod(0o755)
        try:
            with launched(system, placed, args.seconds, folder) as bench:
                bench.earlier = {key: list(values) for key, values in entry.values.items()}
                bench.is_smoke = args.smoke
                for profile in profiles:
                    if not args.smoke or profile.name in SMOKE_PROFILES or system is SYSTEMS[0]:
                        _profile(bench, profile, entry)
        except NotReady as reason:
            entry.note = str(reason)


def _profile(bench: Bench, profile: Profile, entry: Entry) -> None:
    begun_s = time.monotonic()
    bench.errors = 0
    try:
        found = profile.measure(bench)
    except (NotReady, LoadFailed, subprocess.SubprocessError) as reason:
        entry.failures[profile.name] = str(reason)[:200]
        _say(f" {profile.name} failed,")
        return
    for key, value in found.items():
        bench.known[f"{profile.name}.{key}"] = value
        entry.values.setdefault(f"{profile.name}.{key}", []).append(value)
    entry.errors[profile.name] = entry.errors.get(profile.name, 0) + bench.errors
    _say(f" {profile.name} {time.monotonic() - begun_s:.0f} s,")


def _say(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)


def _command(args: argparse.Namespace) -> str:
    words = ["DIR" if args.before is not None and Path(each) == args.before else each for each in sys.argv[1:]]
    return " ".join(["python -m benchmarks", *words])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rotations over all systems (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load (default: %(default)s)")
    parser.add_argument("--smoke", action="store_true", help="one short round: does everything run?")
    parser.add_argument("--peers", action="store_true", help="other LLM gateways as well, installed when missing")
    names = [system.name for system in SYSTEMS]
    parser.add_argument("--systems", nargs="+", choices=names, metavar="NAME", help=f"only these: {', '.join(names)}")
    names = [profile.name for profile in PROFILES]
    parser.add_argument("--profiles", nargs="+", choices=names, metavar="NAME", help=f"only these: {', '.join(names)}")
    parser.add_argument("--before", type=Path, metavar="DIR", help="another checkout, to compare with")
    parser.add_argument("--write", action="store_true", help="write results.json, RESULTS.md and results.svg")
    parser.add_argument("--render", action="store_true", help="make the table, page and chart of results.json again")
    args = parser.parse_args()
    if args.smoke:
        args.rounds, args.seconds = 1, SMOKE_S
    return args


if __name__ == "__main__":
    sys.exit(main())
