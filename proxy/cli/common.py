"""What several subcommands share: finding the configuration, building a world without serving it, plain tables."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import load
from proxy.fleet.live import Fleet
from proxy.zero import STAND_INS, environment_config, simulated_config

if TYPE_CHECKING:
    from proxy.config import Config
    from proxy.world import World

NOWHERE = "http://127.0.0.1:9/v1"
"""Stands for a simulated provider that is only looked at (9 is the discard port)."""
USD_PER_NANO = 1e-9


def add_config(parser: argparse.ArgumentParser) -> None:
    """`--config`."""
    parser.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        help="configuration file (YAML); without it every provider whose key variable is set, e.g. OPENAI_API_KEY",
    )


def read_config(path: Path | None, environ: Mapping[str, str] = os.environ, **overrides: Any) -> Config:
    """The configuration in force. Raises `ConfigProblems`."""
    if path is not None:
        return load(path, environ, overrides)
    found = environment_config(environ, overrides)
    if found is not None:
        return found
    print("no provider key is set: simulated providers stand in", file=sys.stderr)
    return simulated_config({provider.name: NOWHERE for provider in STAND_INS}, overrides)


def build_world(config: Config, environ: Mapping[str, str] = os.environ) -> World:
    """What `serve` would serve, without serving it. Raises `ConfigProblems`."""
    catalogue = Catalogue.load(at=datetime.now(UTC))
    return publish(config, catalogue=catalogue, fleet=Fleet(config.health), environ=environ)


def cannot_listen(error: OSError) -> str:
    """Why a socket could not be opened, and the way out."""
    way_out = " Another process has that port: choose one with `--listen`." if error.errno == errno.EADDRINUSE else ""
    return f"cannot listen: {error.strerror or error}.{way_out}"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int] = ()) -> str:
    """Columns as wide as their longest cell; the first row is the head; `right` names right-aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def usd(nano_usd: int | None) -> str:
    """An amount for people; `-` when not known."""
    return "-" if nano_usd is None else f"${nano_usd * USD_PER_NANO:.6f}"


def usd_per_mtok(nano_usd_per_mtok: int | None) -> str:
    """A price for people."""
    return "-" if nano_usd_per_mtok is None else f"{nano_usd_per_mtok * USD_PER_NANO:.6g}"
