"""Counts a prompt's tokens for the surfaces that document it. The caller has been authenticated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from proxy.dialects.estimating import ESTIMATED_HEADER, estimate_tokens
from proxy.dialects.request import Operation
from proxy.downstream.client import HttpDownstream
from proxy.errors import UnsupportedMediaType
from proxy.surfaces.calls import bytes_response

if TYPE_CHECKING:
    from proxy.dialects.request import ModelRequest
    from proxy.downstream.request import Request
    from proxy.downstream.response import Response
    from proxy.exchange import Call
    from proxy.surfaces.calls import Desk


class CountingSurface(Protocol):
    """A surface that has a form for counts."""

    content_types: frozenset[str]

    def decode(self, operation: Operation, body: bytes) -> ModelRequest:
        """See `proxy.exchange.Surface`."""

    def count(self, tokens: int) -> bytes:
        """The answer that says so many."""


async def count_tokens(desk: Desk, surface: CountingSurface, call: Call, request: Request) -> Response:
    """The provider's own count where one of the route's can be asked, else an estimate that says so."""
    if call.content_type not in surface.content_types:
        raise UnsupportedMediaType("The content type must be `application/json`.")
    world = desk.world()
    limits = world.config.limits
    body = await HttpDownstream(request).read_body(limits.max_body_bytes, limits.body_idle_s)
    wanted = surface.decode(Operation.COUNT_TOKENS, body)
    counted = await desk.counter.count(wanted, world.route(wanted), call)
    if counted is not None:
        return bytes_response(counted)
    response = bytes_response(surface.count(estimate_tokens(wanted.hub.doc)))
    response.headers[ESTIMATED_HEADER] = "true"
    return response
