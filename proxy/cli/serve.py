"""`pointsman serve`: the gateway itself."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import uvloop

from proxy.app import Settings
from proxy.app import run as serve
from proxy.cli.common import add_config, build_world, cannot_listen, read_config
from proxy.control.source import ConfigProblems, Problem, load
from proxy.simulator.server import start
from proxy.workers import is_worker, supervise
from proxy.zero import STAND_INS, environment_config, simulated_config

if TYPE_CHECKING:
    from proxy.config import Config

log = logging.getLogger("pointsman")

MAX_WORKERS = 256


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the subcommand."""
    parser = subparsers.add_parser(
        "serve",
        help="run the gateway",
        description="Serves the OpenAI, OneInfer and Oxen surfaces on one port. Without a file, every provider whose "
        "usual key variable is set is enabled and every catalogue model it serves is routable; with no key at all, "
        "simulated providers answer. SIGHUP, or a change of the file, reloads; SIGTERM drains.",
        epilog="example: OPENAI_API_KEY=... pointsman serve --listen 127.0.0.1:8080",
    )
    add_config(parser)
    parser.add_argument("--listen", metavar="HOST:PORT", help="overrides the file's `listen` (127.0.0.1:8080)")
    parser.add_argument(
        "--workers", type=_workers, default=1, metavar="N", help="processes on the same port; `auto`: one a core (1)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the configuration, then serve until a signal."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    overrides = {"listen": options.listen} if options.listen else {}

    if options.config is not None:
        source = Settings(load=lambda: load(options.config, os.environ, overrides), file=options.config)
    elif environment_config(os.environ, overrides) is not None:
        source = Settings(load=lambda: _from_environment(overrides))
    else:
        source = None
        log.warning("no provider key is set: simulated ones answer. Set one, e.g. OPENAI_API_KEY, or give --config")
    if options.workers > 1 and not is_worker():
        # a bad file ends here, once, and not in each worker
        config = build_world(read_config(options.config, **overrides)).config
        if config.host_port[1] == 0:
            print("`listen` names port 0: several workers need one port to share, e.g. 8080", file=sys.stderr)
            return 1
        return supervise(options.workers)
    try:
        uvloop.run(_simulated(overrides) if source is None else serve(source, reuse_port=is_worker()))
    except OSError as error:
        print(cannot_listen(error), file=sys.stderr)
        return 1
    return 0


async def _simulated(overrides: Mapping[str, str]) -> None:
    """Serve with stand-ins for providers."""
    running = await asyncio.gather(*(start(spec) for spec in STAND_INS))
    try:
        urls = {spec.name: one.base_url for spec, one in zip(STAND_INS, running, strict=True)}
        await serve(Settings(load=lambda: simulated_config(urls, overrides)), reuse_port=is_worker())
    finally:
        await asyncio.gather(*(one.stop() for one in running))


def _from_environment(overrides: Mapping[str, str]) -> Config:
    found = environment_config(os.environ, overrides)
    if found is None:
        raise ConfigProblems([Problem("environment", "the provider keys are gone")])
    return found


def _workers(text: str) -> int:
    if text == "auto":
        return len(os.sched_getaffinity(0))
    try:
        number = int(text)
    except ValueError:
        number = 0
    if not 1 <= number <= MAX_WORKERS:
        raise argparse.ArgumentTypeError(f"`{text}` is neither `auto` nor a number from 1 to {MAX_WORKERS}")
    return number
