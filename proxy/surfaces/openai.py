"""The OpenAI surface: `/v1/...`. Source: OpenAI API reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.anthropic.surface import AnthropicSurface
from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.openai_surface import OpenAISurface
from proxy.dialects.request import Operation
from proxy.dialects.responses.surface import ResponsesSurface
from proxy.downstream.client import HttpDownstream
from proxy.errors import GatewayError, ModelNotFound
from proxy.surfaces.calls import GOOGLE_KEY_HEADER, bytes_response, make_call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from proxy.downstream.request import Request
    from proxy.downstream.response import Response
    from proxy.surfaces.calls import Desk
    from proxy.surfaces.router import Handler, Router


ANTHROPIC_VERSION = "anthropic-version"


def mount(router: Router, desk: Desk) -> None:
    """Add the paths. This surface owns every path no other surface claims."""
    surface = OpenAISurface()
    for_anthropic = AnthropicSurface()

    def lister(request: Request) -> OpenAISurface | AnthropicSurface | type[GeminiSurface]:
        """Whose list is asked for: three clients ask at one path, each with headers of its own."""
        if ANTHROPIC_VERSION in request.headers:
            return for_anthropic
        return GeminiSurface if GOOGLE_KEY_HEADER in request.headers else surface

    router.owns("", surface.error)  # also the targets that are no path: `*`, and the authority of a CONNECT
    router.add("POST", "/v1/chat/completions", desk.endpoint(surface, Operation.CHAT))
    router.add("POST", "/v1/completions", desk.endpoint(surface, Operation.TEXT_COMPLETION))
    router.add("POST", "/v1/embeddings", desk.endpoint(surface, Operation.EMBEDDINGS))

    def responses(request: Request, _: Mapping[str, str]) -> Awaitable[None]:
        # a response repeats what was asked for: the surface remembers one request
        return desk.pipeline.serve(make_call(request, ResponsesSurface(), Operation.RESPONSES), HttpDownstream(request))

    router.add("POST", "/v1/responses", responses)

    async def models(request: Request, _: Mapping[str, str]) -> Response:
        desk.grant(request)
        return bytes_response(lister(request).models(desk.world().cards))

    async def model(request: Request, path: Mapping[str, str]) -> Response:
        desk.grant(request)
        card = next((card for card in desk.world().cards if card.id == path["id"]), None)
        if card is None:
            raise ModelNotFound("There is no such model here; `GET /v1/models` lists those there are.", param="model")
        return bytes_response(lister(request).model(card))

    def told_to(handle: Handler) -> Handler:
        """What `handle` raises is told in the words of whose list it is: the path alone does not say."""

        async def handled(request: Request, path: Mapping[str, str]) -> Response | None:
            try:
                return await handle(request, path)
            except GatewayError as error:
                status, body = lister(request).error(error)
                return bytes_response(body, status)

        return handled

    router.add("GET", "/v1/models", told_to(models))
    router.add("GET", "/v1/models/{id:path}", told_to(model))
