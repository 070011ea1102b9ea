"""Who of a route's deployments may be asked, and why the others may not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from proxy.control.catalogue import Catalogue
from proxy.control.publish import publish
from proxy.control.source import validate
from proxy.dialects.request import ModelRequest, Operation
from proxy.errors import Health
from proxy.fleet.live import Fleet
from proxy.world import Route

NOW_S = 50.0


def route(*deployments: Mapping[str, Any], policy: str = "failover") -> Route:
    """`m`, over these deployments; `engine` can do anything, `hosted` knows no embeddings and one choice only."""
    config = validate(
        {
            "providers": {
                "engine": {"base_url": "http://127.0.0.1:9/v1"},
                "hosted": {"base_url": "http://127.0.0.1:10/v1", "profile": "groq"},
            },
            "routes": {"m": {"policy": policy, "deployments": list(deployments)}},
        }
    )
    catalogue = Catalogue.load(at=datetime(2026, 11, 21, tzinfo=UTC))
    return publish(config, catalogue=catalogue, fleet=Fleet(config.health), environ={}).routes["m"]


ENGINE, HOSTED = {"provider": "engine", "model": "e"}, {"provider": "hosted", "model": "h"}
FLEX = {"provider": "engine", "model": "f", "tier": "flex"}


def request(operation: Operation = Operation.CHAT, tier: str = "default", **doc: Any) -> ModelRequest:
    return ModelRequest(operation=operation, doc=doc, raw=None, model="m", service_tier=tier)


@pytest.mark.parametrize(
    ("deployments", "asked", "usable", "skipped"),
    [
        ((ENGINE, HOSTED), request(), ["engine/e", "hosted/h"], {}),
        ((ENGINE,), request(Operation.EMBEDDINGS), ["engine/e"], {}),
        ((HOSTED,), request(Operation.EMBEDDINGS), [], {"hosted/h": "does not offer embeddings"}),
        (
            (HOSTED, ENGINE),
            request(Operation.EMBEDDINGS),
            ["engine/e"],
            {"hosted/h": "does not offer embeddings"},
        ),
        ((ENGINE, HOSTED), request(n=1), ["engine/e", "hosted/h"], {}),
        ((ENGINE, HOSTED), request(n=2), ["engine/e"], {"hosted/h": "answers with one choice only"}),
        ((ENGINE, FLEX), request(), ["engine/e"], {"engine/f#flex": "flex was not asked for"}),
        ((ENGINE, FLEX), request(tier="flex"), ["engine/e", "engine/f#flex"], {}),
        ((FLEX,), request(), ["engine/f#flex"], {}),
    ],
)
def test_a_request_goes_to_those_who_can_serve_it(deployments, asked, usable, skipped):
    found, reasons = route(*deployments).usable(asked, (), NOW_S)

    assert usable == [deployment.id for deployment in found]
    assert skipped == reasons


def test_a_context_window_that_has_proven_too_small_rules_out_its_like():
    small, large = {**ENGINE, "context_window": 1000}, {**HOSTED, "context_window": 9000}

    found, reasons = route(small, large, FLEX).usable(request(tier="flex"), (), NOW_S, min_window=1000)

    assert ["hosted/h", "engine/f#flex"] == [deployment.id for deployment in found], "an unknown one may be large"
    assert {"engine/e": "context window 1000 is no larger"} == reasons


def test_one_set_aside_is_named_and_the_tried_ones_are_not():
    among = route(ENGINE, HOSTED, FLEX)
    live = among.deployments[0].live
    live.fail(NOW_S, live.begin(NOW_S, 5), Health.BUSY, retry_after_s=7.0)

    found, reasons = among.usable(request(tier="flex"), {"hosted/h"}, NOW_S + 1)
    assert (["engine/f#flex"], {"engine/e": "rate limited for 6.0 s"}) == ([d.id for d in found], reasons)
    found, reasons = among.usable(request(tier="flex"), {"hosted/h"}, NOW_S + 7)
    assert (["engine/e", "engine/f#flex"], {}) == ([d.id for d in found], reasons)


def test_a_policy_sees_the_load_as_it_is_now():
    deployment = route(ENGINE).deployments[0]
    seen = [(deployment.inflight_requests, deployment.inflight_tokens)]
    deployment.live.begin(NOW_S, 30)
    seen.append((deployment.inflight_requests, deployment.inflight_tokens))

    assert [(0, 0), (1, 30)] == seen
    assert "engine" == deployment.provider


@pytest.mark.parametrize(("policy", "learns"), [("least_loaded", False), ("latency", True), ("cost", True)])
def test_only_a_policy_that_learns_is_told_how_it_went(policy: str, learns: bool):  # noqa: FBT001 - a table's column
    assert learns is route(ENGINE, policy=policy).policy_learns
