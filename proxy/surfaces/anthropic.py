"""The Anthropic surface: `/v1/messages`, and all of it below `/anthropic`. Source: Anthropic API reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.request import Operation
from proxy.errors import ModelNotFound
from proxy.surfaces.calls import bytes_response, make_call
from proxy.surfaces.counting import count_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.downstream.request import Request
    from proxy.downstream.response import Response
    from proxy.surfaces.calls import Desk
    from proxy.surfaces.router import Router

PREFIX = "/anthropic"
"""For clients whose base URL is to be theirs alone."""


def mount(router: Router, desk: Desk) -> None:
    """Add the paths."""
    surface = AnthropicSurface()
    router.owns("/v1/messages", surface.error)
    router.owns(f"{PREFIX}/", surface.error)

    async def count(request: Request, _: Mapping[str, str]) -> Response:
        desk.grant(request)
        return await count_tokens(desk, surface, make_call(request, surface, Operation.COUNT_TOKENS), request)

    async def models(request: Request, _: Mapping[str, str]) -> Response:
        desk.grant(request)
        return bytes_response(surface.models(desk.world().cards))

    async def model(request: Request, path: Mapping[str, str]) -> Response:
        desk.grant(request)
        card = next((card for card in desk.world().cards if card.id == path["id"]), None)
        if card is None:
            raise ModelNotFound("There is no such model here; `GET /v1/models` lists those there are.", param="model")
        return bytes_response(surface.model(card))

    for prefix in ("", PREFIX):
        router.add("POST", f"{prefix}/v1/messages", desk.endpoint(surface, Operation.CHAT))
        router.add("POST", f"{prefix}/v1/messages/count_tokens", count)
    router.add("GET", f"{PREFIX}/v1/models", models)
    router.add("GET", f"{PREFIX}/v1/models/{{id:path}}", model)
