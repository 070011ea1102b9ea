"""`pointsman explain MODEL`: which deployment each policy would choose, and why, without sending anything."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from policies.api import Policy, Refused, RoutingRequest
from policies.options import PolicyError
from policies.registry import build, names
from proxy.cli.common import add_config, build_world, read_config, table, usd
from proxy.dialects.needs import NO_NEEDS, estimated
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import GatewayError
from proxy.need import Need

if TYPE_CHECKING:
    from proxy.world import Deployment, Route, World

NEEDS_OPTIONS = frozenset({"tiered"})
"""Policies that say nothing without options of their own."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the subcommand."""
    parser = subparsers.add_parser(
        "explain",
        help="show which deployment each policy would choose, and why",
        description="Asks every policy which deployment of MODEL it would choose for a request of the given size, "
        "and prints the reasons. Sends nothing; latencies are those of a gateway that has just started.",
        epilog="example: pointsman explain gpt-4o-mini --prompt-tokens 2000 --max-tokens 500 --tier flex",
    )
    parser.add_argument("model", metavar="MODEL", help="a public model name, or provider/model")
    add_config(parser)
    parser.add_argument("--prompt-tokens", type=_count, default=1000, metavar="N", help="length of the prompt (1000)")
    parser.add_argument("--max-tokens", type=_count, default=None, metavar="N", help="most output tokens (no limit)")
    parser.add_argument("--tier", choices=("default", "flex"), default="default", help="service tier asked for")
    parser.add_argument(
        "--needs",
        type=_needs,
        default=NO_NEEDS,
        metavar="LIST",
        help=f"what the request takes beside text, with commas between: {', '.join(Need)}",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print the explanation; exit code 1 when there is no such model."""
    world = build_world(read_config(options.config))
    request = ModelRequest(
        operation=Operation.CHAT,
        doc={},
        raw=None,
        model=options.model,
        service_tier=options.tier,
        prompt_tokens=options.prompt_tokens,
        max_output_tokens=options.max_tokens,
        needs=options.needs,
        prompt_size=estimated(options.prompt_tokens),
    )
    try:
        print(explanation(world, request, now_s=0.0))
    except GatewayError as error:
        print(error.message, file=sys.stderr)
        print("`pointsman models` lists what is routable.", file=sys.stderr)
        return 1
    return 0


def explanation(world: World, request: ModelRequest, now_s: float) -> str:
    """What each policy would choose for `request` at `now_s` (monotonic), and why. Raises as `World.route` does."""
    route = world.route(request)
    question = RoutingRequest(
        model=route.name,
        now_s=now_s,
        prompt_tokens=request.prompt_tokens,
        max_output_tokens=request.max_output_tokens,
        service_tier=request.service_tier,
    )
    usable, skipped = route.usable(request, (), now_s)
    unmet = None if usable else route.unmet(request)
    nobody = "no deployment is usable" if unmet is None else unmet.message
    size = f"{request.prompt_tokens} prompt tokens, {question.expected_output_tokens()} expected output tokens"
    state_head = ("DEPLOYMENT", "TIER", "WEIGHT", "PRIORITY", "EXPECTED COST", "STATE")
    return "\n\n".join(
        (
            f"{route.name}: {size}, tier {request.service_tier}",
            table([state_head, *_state(route, question, skipped)]),
            table([("POLICY", "CHOOSES", "WHY"), *_choices(route, question, usable, nobody)]),
        )
    )


def _state(route: Route, question: RoutingRequest, skipped: dict[str, str]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for deployment in route.deployments:
        price = deployment.price
        cost = price.cost_nano_usd(question.prompt_tokens, question.expected_output_tokens()) if price else None
        rows.append(
            (
                deployment.id,
                deployment.tier,
                f"{deployment.weight:g}",
                str(deployment.priority),
                usd(cost),
                skipped.get(deployment.id, "usable"),
            )
        )
    return rows


def _choices(route: Route, question: RoutingRequest, usable: list[Deployment], nobody: str) -> list[tuple[str, ...]]:
    """`nobody`: what is said where there is nothing to choose from."""
    rows: list[tuple[str, ...]] = []
    for policy in [route.policy, *(_plain(name) for name in names() if name != route.policy.name)]:
        if policy is None:
            continue
        label = f"{policy.name} (this route's)" if policy is route.policy else policy.name
        if not usable:
            rows.append((label, "-", nobody))
            continue
        try:
            chosen = policy.choose(question, usable)
        except Refused as refusal:
            rows.append((label, "-", str(refusal)))
        else:
            rows.append((label, chosen.id, policy.why(question, usable, chosen)))
    return rows


def _plain(name: str) -> Policy | None:
    """The policy with its default options, `None` if it has none to go by."""
    if name in NEEDS_OPTIONS:
        return None
    try:
        return build(name, {})
    except PolicyError:
        return None


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"`{text}` is no number of tokens")
    return int(text)


def _needs(text: str) -> frozenset[Need]:
    try:
        return frozenset(Need(name.strip()) for name in text.split(",") if name.strip())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; there are: {', '.join(Need)}") from None
