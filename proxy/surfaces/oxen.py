"""The Oxen surface: `/api/ai/...`, its older paths under `/api/...`. Source: Oxen Inference API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.dialects.cards import CardFilter
from proxy.dialects.oxen import OxenSurface
from proxy.dialects.request import Operation
from proxy.errors import MissingField, ModelNotFound, NotOffered
from proxy.surfaces.calls import bytes_response
from proxy.world import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy.dialects.cards import ModelCard
    from proxy.downstream.request import Request
    from proxy.downstream.response import Response
    from proxy.surfaces.calls import Desk
    from proxy.surfaces.router import Handler, Router

COMING = (
    ("POST", "/images/generate"),
    ("POST", "/images/edit"),
    ("POST", "/videos/generate"),
    ("POST", "/queue"),
    ("GET", "/queue"),
    ("GET", "/queue/{id}"),
    ("DELETE", "/queue/{id}"),
    ("POST", "/models/{id:path}/activate"),
    ("POST", "/models/{id:path}/deactivate"),
)
"""Documented by Oxen, not served by this version."""


def mount(router: Router, desk: Desk) -> None:
    """Add the paths."""
    surface = OxenSurface()
    router.owns("/api/", surface.error)
    chat = desk.endpoint(surface, Operation.CHAT)

    def listing(
        render: Callable[[list[ModelCard]], bytes], filter_of: Callable[[Mapping[str, str]], CardFilter]
    ) -> Handler:
        async def handle(request: Request, _: Mapping[str, str]) -> Response:
            _check_may_list(desk, request)
            return bytes_response(render(filter_of(request.query).select(desk.world().cards)))

        return handle

    def single(render: Callable[[ModelCard], bytes]) -> Handler:
        async def handle(request: Request, path: Mapping[str, str]) -> Response:
            _check_may_list(desk, request)
            return bytes_response(render(_card(desk, path["id"])))

        return handle

    async def coming(request: Request, _: Mapping[str, str]) -> Response:
        desk.grant(request)
        raise NotOffered("This version of the gateway does not serve this endpoint yet.")

    router.add("POST", "/api/ai/chat/completions", chat)
    router.add("POST", "/api/chat/completions", chat)
    router.add("GET", "/api/ai/models", listing(surface.models, _filter))
    router.add("GET", "/api/ai/models/search", listing(surface.models, _search))
    router.add("GET", "/api/ai/models/{id:path}", single(surface.model))
    router.add("GET", "/api/evaluations/models", listing(surface.legacy_models, _filter))
    router.add("GET", "/api/evaluations/models/search", listing(surface.legacy_models, _search))
    router.add("GET", "/api/evaluations/models/{id:path}", single(surface.legacy_model))
    for method, path in COMING:
        router.add(method, f"/api/ai{path}", coming)
    for path in ("/api/images/generate", "/api/images/edit", "/api/videos/generate"):
        router.add("POST", path, coming)
    router.add("GET", "/api/media/generations/status/{namespace}/{model:path}", coming)
    router.add("DELETE", "/api/media/generations/{namespace}/{id}", coming)


def _check_may_list(desk: Desk, request: Request) -> None:
    if not desk.world().config.oxen.public_model_list:
        desk.grant(request)


def _card(desk: Desk, name: str) -> ModelCard:
    for card in desk.world().cards:
        if card.id == name:
            return card
    raise ModelNotFound(f"There is no model `{shown(name)}`.", model=shown(name), param="model")


def _filter(query: Mapping[str, str]) -> CardFilter:
    return CardFilter(
        developer=query.get("developer_name") or query.get("developer"),
        provider=query.get("provider_name"),
        takes=query.get("input_capability"),
        gives=query.get("output_capability"),
    )


def _search(query: Mapping[str, str]) -> CardFilter:
    text = query.get("search")
    if not text:
        raise MissingField("`search` is required", param="search")
    return CardFilter(search=text)
