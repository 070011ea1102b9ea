"""The OpenAI surface: `/v1/...`. Source: OpenAI API reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation
from proxy.errors import ModelNotFound
from proxy.surfaces.calls import bytes_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.downstream.request import Request
    from proxy.downstream.response import Response
    from proxy.surfaces.calls import Desk
    from proxy.surfaces.router import Router


def mount(router: Router, desk: Desk) -> None:
    """Add the paths. This surface owns every path no other surface claims."""
    surface = OpenAISurface()
    router.owns("", surface.error)  # also the targets that are no path: `*`, and the authority of a CONNECT
    router.add("POST", "/v1/chat/completions", desk.endpoint(surface, Operation.CHAT))
    router.add("POST", "/v1/completions", desk.endpoint(surface, Operation.TEXT_COMPLETION))
    router.add("POST", "/v1/embeddings", desk.endpoint(surface, Operation.EMBEDDINGS))
    router.add("POST", "/v1/responses", desk.endpoint(surface, Operation.RESPONSES))

    async def models(request: Request, _: Mapping[str, str]) -> Response:
        desk.grant(request)
        return bytes_response(surface.models(desk.world().cards))

    async def model(request: Request, path: Mapping[str, str]) -> Response:
        desk.grant(request)
        card = next((card for card in desk.world().cards if card.id == path["id"]), None)
        if card is None:
            raise ModelNotFound("There is no such model here; `GET /v1/models` lists those there are.", param="model")
        return bytes_response(surface.model(card))

    router.add("GET", "/v1/models", models)
    router.add("GET", "/v1/models/{id:path}", model)
