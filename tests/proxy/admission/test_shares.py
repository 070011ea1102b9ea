"""Bounds of a whole gateway, divided."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.admission.shares import beyond, share
from proxy.config import Config

LIMITS = ("max_inflight", "max_inflight_flex", "max_waiting", "max_followed", "splice_total_bytes")


def config(connections: int = 512, **limits: int) -> Config:
    provider: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "max_connections": connections}
    return Config.model_validate({"providers": {"engine": provider}, "limits": limits})


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_parts_never_exceed_the_whole(workers):
    whole = config(100, max_inflight=101, max_inflight_flex=50, max_waiting=10, max_followed=5)
    part = share(whole, workers)
    for name in LIMITS:
        total, each = getattr(whole.limits, name), getattr(part.limits, name)
        assert total - workers < each * workers <= total
    assert 100 - workers < part.providers["engine"].max_connections * workers <= 100
    assert [] == list(beyond(whole, workers))


def test_all_else_is_everybodys():
    whole = config(max_body_bytes=1000)
    part = share(whole, 4)
    assert whole.limits.max_body_bytes == part.limits.max_body_bytes
    assert whole.model_copy(update={"limits": None, "providers": None}) == part.model_copy(
        update={"limits": None, "providers": None}
    )


def test_every_worker_can_serve_even_if_the_whole_is_less_than_one_for_each():
    whole = config(2, max_inflight=2, max_inflight_flex=1, max_waiting=2, max_followed=0)
    part = share(whole, 3)
    assert (1, 1, 0, 0) == tuple(getattr(part.limits, name) for name in LIMITS[:-1])
    assert 1 == part.providers["engine"].max_connections
    assert ["limits.max_inflight", "limits.max_inflight_flex", "providers.engine.max_connections"] == list(
        beyond(whole, 3)
    )
