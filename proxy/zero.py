"""A configuration without a file: the providers whose key variables are set, or else simulated ones.

Simulated providers listen on loopback and are described to the gateway like any other provider, so everything behind
them is the real thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.control.source import ConfigProblems, Problem, validate
from proxy.providers.environment import from_environment
from proxy.simulator.spec import SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.config import Config

ROUTE = "pointsman-demo"
"""The cheapest, and flex for those who ask for it."""
FAST_ROUTE = "pointsman-fast"
"""The quickest."""
SAFE_ROUTE = "pointsman-safe"
"""In a fixed order, each when the one before it fails."""
FAST_PRIOR_S = 0.05
"""Below any stand-in's time, so that each of them is tried before one is preferred."""

STAND_INS = (
    SimulatedProvider.model_validate(
        {
            "name": "express",
            "seed": 1,
            "ttft_s": 0.08,
            "tokens_per_second": 160,
            "words": 40,
            "price": {"input_usd_per_mtok": 5.0, "output_usd_per_mtok": 15.0},
            "context_window": 128_000,
        }
    ),
    SimulatedProvider.model_validate(
        {
            "name": "local",
            "seed": 2,
            "ttft_s": 0.25,
            "tokens_per_second": 80,
            "words": 40,
            "price": {"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 1.5},
            "context_window": 32_000,
        }
    ),
    SimulatedProvider.model_validate(
        {
            "name": "freight",
            "seed": 3,
            "ttft_s": 0.4,
            "tokens_per_second": 60,
            "words": 40,
            "flex": True,
            "price": {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 3.0},
            "context_window": 128_000,
        }
    ),
)
"""Three characters: fast and dear, slow and cheap, and one that sells an unhurried tier at half its price."""


def environment_config(environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Config | None:
    """Every provider this machine has a key for; `None` when there is none. Raises `ConfigProblems`."""
    try:
        found = from_environment(environ)
    except ValueError as error:
        raise ConfigProblems([Problem("environment", str(error))]) from error
    if not found:
        return None
    return validate({**overrides, "providers": dict(found)})


def simulated_config(base_urls: Mapping[str, str], overrides: Mapping[str, Any]) -> Config:
    """The stand-ins, each at its `base_urls`, behind three routes that choose among them by different policies."""
    express, local, freight = (_offers(provider) for provider in STAND_INS)
    return validate(
        {
            **overrides,
            "providers": {name: {"profile": "simulated", "base_url": url} for name, url in base_urls.items()},
            "routes": {
                ROUTE: {"policy": "flex", "deployments": [*express, *local, *freight]},
                FAST_ROUTE: {
                    "policy": {"name": "latency", "prior_s": FAST_PRIOR_S},
                    "deployments": [*express, *local],
                },
                SAFE_ROUTE: {"policy": "failover", "deployments": [freight[0], *local, *express]},
                "*": {"policy": "cost", "deployments": [{"provider": name} for name in base_urls]},
            },
        }
    )


def _offers(provider: SimulatedProvider) -> list[dict[str, Any]]:
    """What a route may list of it: the default tier, then flex if it is sold.

    The same upstream model on every route, so that what is learnt of a deployment on one is known on the others.
    """
    price = provider.price.model_dump(exclude_none=True) if provider.price is not None else None
    offer = {"provider": provider.name, "model": ROUTE, "context_window": provider.context_window, "price": price}
    if not provider.flex or price is None:
        return [offer]
    return [offer, {**offer, "tier": "flex", "price": {name: value / 2 for name, value in price.items()}}]
