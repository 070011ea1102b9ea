"""Google's surface: `generateContent` under `/v1beta` and `/v1`. Source: https://ai.google.dev/api/generate-content.

The model is in the path, and the key may be in the query: neither the query nor any part of it is logged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.gemini.surface import GeminiSurface
from proxy.dialects.request import Operation
from proxy.downstream.client import HttpDownstream
from proxy.downstream.response import Response
from proxy.errors import GatewayError, ModelNotFound
from proxy.surfaces.calls import GATEWAY_KEY_HEADER, GOOGLE_KEY_HEADER, JSON, make_call, token_of
from proxy.surfaces.counting import count_tokens
from proxy.world import shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from proxy.downstream.request import Request
    from proxy.exchange import Call
    from proxy.surfaces.calls import Desk
    from proxy.surfaces.router import Handler, Router

VERSIONS = ("/v1beta", "/v1")
KINDS = {"models": "", "tunedModels": "tunedModels/"}
"""A collection of models -> what stands before the names of its models."""
_KEY = "key"


def mount(router: Router, desk: Desk) -> None:
    """Add the paths."""
    router.owns("/v1beta/", GeminiSurface.error)
    for version in VERSIONS:
        for kind, prefix in KINDS.items():
            path = f"{version}/{kind}/{{model:path}}"
            router.add("POST", f"{path}:generateContent", _generating(desk, prefix, stream=False))
            router.add("POST", f"{path}:streamGenerateContent", _generating(desk, prefix, stream=True))
            router.add("POST", f"{path}:countTokens", _answering(desk, _counter(desk, prefix)))
    router.add("GET", "/v1beta/models", _answering(desk, _list(desk)))
    router.add("GET", "/v1beta/models/{model:path}", _answering(desk, _get(desk)))


def _generating(desk: Desk, prefix: str, *, stream: bool) -> Handler:
    def handle(request: Request, path: Mapping[str, str]) -> Awaitable[None]:
        is_array = stream and request.query.get("alt") != "sse"
        surface = GeminiSurface(prefix + path["model"], stream=stream, is_array=is_array)
        call = _call(request, surface, Operation.CHAT)
        if is_array:
            call.stream_type = JSON
        return desk.pipeline.serve(call, HttpDownstream(request))

    return handle


def _answering(desk: Desk, answer: Callable[[Request, Mapping[str, str]], Awaitable[Response]]) -> Handler:
    """`answer` for whoever has a key; what it raises is told in Google's form under every version."""

    async def handle(request: Request, path: Mapping[str, str]) -> Response:
        try:
            desk.accounts.authenticate(desk.world(), token_of(request.headers) or _query_key(request))
            return await answer(request, path)
        except GatewayError as error:
            status, body = GeminiSurface.error(error)
            return Response(body, status)

    return handle


def _counter(desk: Desk, prefix: str) -> Callable[[Request, Mapping[str, str]], Awaitable[Response]]:
    async def count(request: Request, path: Mapping[str, str]) -> Response:
        """The provider's own count where one of the route's can be asked, else an estimate that says so."""
        surface = GeminiSurface(prefix + path["model"])
        return await count_tokens(desk, surface, _call(request, surface, Operation.COUNT_TOKENS), request)

    return count


def _list(desk: Desk) -> Callable[[Request, Mapping[str, str]], Awaitable[Response]]:
    async def models(_: Request, __: Mapping[str, str]) -> Response:
        return Response(GeminiSurface.models(desk.world().cards))

    return models


def _get(desk: Desk) -> Callable[[Request, Mapping[str, str]], Awaitable[Response]]:
    async def model(_: Request, path: Mapping[str, str]) -> Response:
        name = path["model"]
        card = next((card for card in desk.world().cards if card.id == name), None)
        if card is None:
            raise ModelNotFound(f"There is no model `{shown(name)}`; `GET /v1beta/models` lists those there are.")
        return Response(GeminiSurface.model(card))

    return model


def _call(request: Request, surface: GeminiSurface, operation: Operation) -> Call:
    """As for every surface, with the key where Google's clients may put it too."""
    call = make_call(request, surface, operation)
    key = request.headers.get(GOOGLE_KEY_HEADER) or _query_key(request)
    call.token = call.token or key
    if call.provider_key is None and request.headers.get(GATEWAY_KEY_HEADER):
        call.provider_key = key
    return call


def _query_key(request: Request) -> str | None:
    return request.query.get(_KEY) or None if f"{_KEY}=" in request.query_string else None
