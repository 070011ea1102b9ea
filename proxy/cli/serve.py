"""`pointsman serve`: the gateway itself."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import uvloop

from proxy.admission.shares import beyond
from proxy.app import Settings, summary
from proxy.app import run as serve
from proxy.cli.common import add_config, build_world, cannot_listen, read_config
from proxy.config import worker_count
from proxy.control.source import ConfigProblems, Problem, load
from proxy.siblings.place import Place
from proxy.siblings.siblings import Siblings
from proxy.workers.cores import usable_cores
from proxy.workers.supervisor import supervise
from proxy.zero import STAND_INS, environment_config, simulated_config

if TYPE_CHECKING:
    from proxy.config import Config

log = logging.getLogger("pointsman")


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
        "--workers",
        type=_workers,
        metavar="N",
        help="processes on the same port, `auto`: one a core; overrides the file's `workers` (1)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the configuration, then serve until a signal."""
    place = Place.from_environ()
    teller = "" if place is None else f" {place.name}:"
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"%(asctime)s %(levelname)s{teller} %(message)s")
    overrides = {"listen": options.listen} if options.listen else {}
    settings = _settings(options.config, overrides)
    if settings is None and place is None:
        log.warning("no provider key is set: simulated ones answer. Set one, e.g. OPENAI_API_KEY, or give --config")
    try:
        if place is None:
            wanted = options.workers or (1 if settings is None else settings.load().workers)
            count = usable_cores() if wanted == "auto" else wanted
            if count > 1:
                return _supervise(count, options.config, overrides)
            siblings = None
        else:
            siblings = Siblings(place)
        uvloop.run(_simulated(overrides, siblings) if settings is None else serve(replace(settings, siblings=siblings)))
    except OSError as error:
        print(cannot_listen(error), file=sys.stderr)
        return 1
    return 0


def _settings(file: Path | None, overrides: Mapping[str, str]) -> Settings | None:
    """The file, or else the environment; `None` when neither says anything."""
    if file is not None:
        return Settings(load=lambda: load(file, os.environ, overrides), file=file)
    if environment_config(os.environ, overrides) is not None:
        return Settings(load=lambda: _from_environment(overrides))
    return None


def _supervise(count: int, file: Path | None, overrides: Mapping[str, str]) -> int:
    """Several workers. A bad configuration ends here, once, and not in each of them."""
    world = build_world(read_config(file, os.environ, **overrides))
    for path in beyond(world.config, count):
        log.warning("`%s` is less than one for each of %d workers: each takes one", path, count)
    return supervise(count, world.config.host_port, summary(world))


async def _simulated(overrides: Mapping[str, str], siblings: Siblings | None) -> None:
    """Serve with stand-ins for providers."""
    from proxy.simulator.server import start  # noqa: PLC0415 - its aiohttp is 13 MB that a real gateway does without

    running = await asyncio.gather(*(start(spec) for spec in STAND_INS))
    try:
        urls = {spec.name: one.base_url for spec, one in zip(STAND_INS, running, strict=True)}
        await serve(Settings(load=lambda: simulated_config(urls, overrides), siblings=siblings))
    finally:
        await asyncio.gather(*(one.stop() for one in running))


def _from_environment(overrides: Mapping[str, str]) -> Config:
    found = environment_config(os.environ, overrides)
    if found is None:
        raise ConfigProblems([Problem("environment", "the provider keys are gone")])
    return found


def _workers(text: str) -> int | Literal["auto"]:
    try:
        return worker_count(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"`{text}` {error}") from error
