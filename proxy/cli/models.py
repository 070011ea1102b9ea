"""`pointsman models`: what is routable, where, at what price."""

from __future__ import annotations

import argparse

from proxy.cli.common import add_config, build_world, read_config, table, usd_per_mtok
from proxy.world import WILDCARD, Route


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the subcommand."""
    parser = subparsers.add_parser(
        "models",
        help="list what is routable, where, at what price",
        description="Lists every public model name with its deployments, their prices in USD per million tokens "
        "(`-`: unpriced, recorded as such and never as free) and their context windows in tokens.",
        epilog="example: pointsman models --search gpt-4o",
    )
    add_config(parser)
    parser.add_argument("--search", metavar="TEXT", default="", help="only models whose name contains TEXT")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the table; exit code 1 when nothing fits."""
    world = build_world(read_config(options.config))
    wanted = options.search.lower()
    routes = [route for name, route in sorted(world.routes.items()) if wanted in name.lower()]
    if world.wildcard is not None and not wanted:
        routes.append(world.wildcard)
    if not routes:
        print(f"no routable model matches `{options.search}`" if wanted else "no model is routable")
        return 1
    head = ("MODEL", "POLICY", "DEPLOYMENT", "TIER", "INPUT", "CACHED", "OUTPUT", "WINDOW")
    print(table([head, *(row for route in routes for row in _rows(route))], right=(4, 5, 6, 7)))
    print(f"\n{len(routes)} {'model' if len(routes) == 1 else 'models'}; prices in USD per million tokens")
    return 0


def _rows(route: Route) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for index, deployment in enumerate(route.deployments):
        price = deployment.price
        rows.append(
            (
                (f"{route.name} (any other name)" if route.name == WILDCARD else route.name) if index == 0 else "",
                route.policy.name if index == 0 else "",
                deployment.id,
                deployment.tier,
                usd_per_mtok(price.input_nano_usd_per_mtok if price else None),
                usd_per_mtok(price.cache_read_nano_usd_per_mtok if price else None),
                usd_per_mtok(price.output_nano_usd_per_mtok if price else None),
                str(deployment.context_window or "-"),
            )
        )
    return rows
