"""For the machines around the gateway: probes and metrics.

`/livez` depends on nothing but the event loop. `/readyz` is off while draining; it never asks providers: one of them
being down must not take every replica out of service.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.downstream.response import Response
from proxy.surfaces.calls import json_response
from proxy.telemetry.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from proxy.downstream.request import Request
    from proxy.surfaces.router import Router


def mount(router: Router, *, draining: Callable[[], bool], render_metrics: Callable[[], Awaitable[bytes]]) -> None:
    """Add the paths."""

    async def alive(_: Request, __: Mapping[str, str]) -> Response:
        return json_response({"status": "ok"})

    async def ready(_: Request, __: Mapping[str, str]) -> Response:
        if draining():
            return json_response({"status": "draining"}, status=503)
        return json_response({"status": "ok"})

    async def metrics(_: Request, __: Mapping[str, str]) -> Response:
        return Response(await render_metrics(), content_type=CONTENT_TYPE)

    for method in ("GET", "HEAD"):
        router.add(method, "/livez", alive)
        router.add(method, "/readyz", ready)
        router.add(method, "/healthz", ready)
    router.add("GET", "/metrics", metrics)
