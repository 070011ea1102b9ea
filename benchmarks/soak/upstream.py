"""A provider that now and then fails: what the gateway makes of it is the clients' business to judge.

Run as `python -m benchmarks.soak.upstream --faults 0.02`; prints its port.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from typing import TYPE_CHECKING

import uvloop

from benchmarks.upstream import Clock, Upstream, serve

if TYPE_CHECKING:
    from benchmarks.answers import Plan

STALL_MS = 60_000
"""Longer than the gateway waits."""
_ERROR = b'{"error":{"message":"The engine is in pieces.","type":"server_error","code":null,"param":null}}'
_REFUSALS = tuple(
    b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(_ERROR), _ERROR)
    for status in (b"500 Internal Server Error", b"503 Service Unavailable", b"429 Too Many Requests")
)
KINDS = ("refuse", "reset", "stall", "cut", "hang")
"""An error status, a reset, or silence in the place of an answer; a reset or silence in its middle."""


class Faulty(Upstream):
    """As its parent, but for a share of the answers."""

    def __init__(self, clock: Clock, chance: random.Random, share: float) -> None:
        super().__init__(clock)
        self._later = clock
        self._chance = chance
        self._share = share
        self._until = 0
        """Events of a stream before it fails; 0: it does not."""
        self._sent = 0
        self._cut = False

    def answer(self, plan: Plan) -> bool:
        """Choose how it goes."""
        self._until = self._sent = 0
        if self._chance.random() >= self._share:
            return super().answer(plan)
        kind = self._chance.choice(KINDS)
        if kind in {"cut", "hang"} and plan.events and plan.every_ms:
            self._until, self._cut = self._chance.randint(1, plan.events), kind == "cut"
            return super().answer(plan)
        if kind == "refuse" and self.transport is not None:
            self.transport.write(self._chance.choice(_REFUSALS))
        elif kind in {"reset", "cut"}:
            self._give_up()
        else:
            self._later.after(STALL_MS, self._give_up)
        return False

    def go_on(self) -> bool:
        """The next event, or the fault in its place."""
        self._sent += 1
        if self._sent != self._until:
            return super().go_on()
        if self._cut:
            self._give_up()
        else:
            self._later.after(STALL_MS, self._give_up)
        return False

    def _give_up(self) -> bool:
        if self.transport is not None:
            self.transport.abort()
        return False


async def run(args: argparse.Namespace) -> None:
    """Serve what was asked for on the command line."""
    clock, chance = Clock(asyncio.get_running_loop()), random.Random(args.seed)
    await serve(lambda: Faulty(clock, chance, args.faults), 0, None)


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=float, default=0.02, help="share of the answers (%(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    try:
        uvloop.run(run(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
