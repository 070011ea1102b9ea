"""`pointsman simulate`: providers that are not there, to point a gateway, a client or a benchmark at."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from proxy.simulator.server import start
from proxy.simulator.spec import SimulatedProvider, load_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from proxy.simulator.server import RunningProvider

MAX_COUNT = 64
"""Providers of one command."""

EXAMPLE = """\
examples:
  pointsman simulate
      one provider on a free port; its base URL is printed
  pointsman simulate --count 3 --port 9001 --ttft 0.3 --jitter 0.5 --error-rate 0.05
      three slow and unreliable ones, on ports 9001 to 9003
  pointsman simulate --file providers.yaml
      as different as you like; the file holds a list such as
        - {name: fast, port: 9001, ttft_s: 0.05, tokens_per_second: 200}
        - {name: cheap, port: 9002, ttft_s: 0.8, flex: true, flex_unavailable: 0.3,
           price: {input_usd_per_mtok: 0.05, output_usd_per_mtok: 0.2}}

`GET /_simulator/stats` of each tells how often it was asked, refused and left.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "simulate",
        help="run simulated OpenAI-compatible providers",
        description="Run simulated OpenAI-compatible providers over real HTTP until interrupted.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    where = parser.add_argument_group("where")
    where.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    where.add_argument("--port", type=int, default=0, help="first port; 0 takes free ones (default: %(default)s)")
    where.add_argument("--count", type=int, default=1, help="how many, on successive ports (default: %(default)s)")
    where.add_argument("--file", type=Path, help="YAML or JSON list of providers, in place of all options below")
    speed = parser.add_argument_group("speed")
    speed.add_argument("--ttft", dest="ttft_s", type=float, metavar="S", help="seconds to the first token (0.2)")
    speed.add_argument("--tokens-per-second", type=float, metavar="N", help="then, one word being a token (60)")
    speed.add_argument("--jitter", type=float, metavar="SHARE", help="both vary by up to this share, 0..1 (0.1)")
    speed.add_argument("--words", type=int, metavar="N", help="mean length of an answer (60)")
    faults = parser.add_argument_group("faults")
    faults.add_argument("--error-rate", type=float, metavar="SHARE", help="requests that fail with 500, 0..1 (0)")
    faults.add_argument("--break-rate", type=float, metavar="SHARE", help="streams cut off in the middle, 0..1 (0)")
    faults.add_argument("--fail-first", type=int, metavar="N", help="the first N requests fail with 503 (0)")
    faults.add_argument("--rpm", type=int, metavar="N", help="requests a minute, then 429 (no limit)")
    offer = parser.add_argument_group("offer")
    offer.add_argument("--models", metavar="A,B", help="model names served (any)")
    offer.add_argument("--price-input", type=float, metavar="USD", help="for a million input tokens")
    offer.add_argument("--price-output", type=float, metavar="USD", help="for a million output tokens")
    offer.add_argument("--flex", action="store_true", default=None, help="sell `service_tier: flex`")
    offer.add_argument("--flex-unavailable", type=float, metavar="SHARE", help="flex requests without room, 0..1 (0)")
    offer.add_argument("--seed", type=int, metavar="N", help="of texts, jitter and faults (0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM; 0 after these, 2 for impossible options, 1 when a port is taken."""
    try:
        specs = load_file(args.file) if args.file else specs_from(args)
    except (ValueError, OSError) as error:
        print(f"pointsman simulate: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_serve(specs, args.host))
    except OSError as error:
        print(f"pointsman simulate: cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


def specs_from(args: argparse.Namespace) -> tuple[SimulatedProvider, ...]:
    """The providers the options describe. Raises `ValueError` naming the option that is wrong."""
    if not 1 <= args.count <= MAX_COUNT:
        raise ValueError(f"--count is {args.count}; it may be 1 to {MAX_COUNT}")
    if args.port and args.port + args.count - 1 > 65_535:  # noqa: PLR2004 - the last port
        raise ValueError(f"--port {args.port} leaves no room for {args.count} ports")
    names = (
        "ttft_s", "tokens_per_second", "jitter", "words", "error_rate", "break_rate", "fail_first", "rpm", "flex",
        "flex_unavailable", "seed",
    )  # fmt: skip
    common: dict[str, Any] = {name: value for name in names if (value := getattr(args, name)) is not None}
    if args.models:
        common["models"] = tuple(name.strip() for name in args.models.split(",") if name.strip())
    if args.price_input is not None or args.price_output is not None:
        common["price"] = {
            "input_usd_per_mtok": args.price_input or 0.0,
            "output_usd_per_mtok": args.price_output or 0.0,
        }
    try:
        return tuple(
            SimulatedProvider(name=f"sim-{index + 1}", port=args.port + index if args.port else 0, **common)
            for index in range(args.count)
        )
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        option = str(first["loc"][0]).removesuffix("_s").replace("_", "-") if first["loc"] else "options"
        raise ValueError(f"--{option}: {first['msg']}") from error


async def _serve(specs: Sequence[SimulatedProvider], host: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running: list[RunningProvider] = []
    try:
        for spec in specs:
            running.append(await start(spec, host))  # noqa: PERF401 - those started must be stopped if one fails
        width = max(len(spec.name) for spec in specs)
        for provider in running:
            models = ", ".join(provider.spec.models) or "any model"
            print(f"{provider.spec.name:<{width}}  {provider.base_url}  {models}", flush=True)
        await stop.wait()
    finally:
        await asyncio.gather(*(provider.stop() for provider in running))
