"""`pointsman check`: every problem of a configuration at once, or its JSON schema."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import orjson

from proxy.app import summary
from proxy.cli.common import build_world
from proxy.config import Config
from proxy.control.source import ConfigProblems, Problem, further, load


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the subcommand."""
    parser = subparsers.add_parser(
        "check",
        help="find every problem of a configuration file",
        description="Reads a configuration file as `serve` would, and prints all its problems at once with their place "
        "and a suggestion. Exit code 1 if there are any.",
        epilog="example: pointsman check pointsman.yaml",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="the file to check")
    parser.add_argument("--config", dest="config", type=Path, metavar="FILE", help="the same, as for `serve`")
    parser.add_argument("--schema", action="store_true", help="print the JSON schema of the file instead, for editors")
    parser.set_defaults(run=run, parser=parser)


def run(options: argparse.Namespace) -> int:
    """Check, or print the schema."""
    if options.schema:
        print(orjson.dumps(Config.model_json_schema(), option=orjson.OPT_INDENT_2).decode())
        return 0
    path = options.file or options.config
    if path is None:
        options.parser.error("name the file to check, or ask for `--schema`")
    try:
        config = load(path, os.environ)
    except ConfigProblems as found:
        raise ConfigProblems([*found.problems, *_further(found)]) from found
    world = build_world(config)
    print(f"`{path}` is fine: {summary(world)}")
    return 0


def _further(found: ConfigProblems) -> list[Problem]:
    """What is wrong beside, in the parts that are sound by themselves."""
    if found.sound is None:
        return []
    try:
        build_world(found.sound)
    except ConfigProblems as more:
        return further(more.problems, found.problems)
    return []
