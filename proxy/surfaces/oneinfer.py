"""The OneInfer surface: `/v1/ula/...` and `/v1/developer/...`. Source: OneInfer Inference API reference."""

from __future__ import annotations

from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING

import orjson

from proxy.dialects.cards import CardFilter
from proxy.dialects.oneinfer import OneInferSurface
from proxy.dialects.oneinfer_request import form_document
from proxy.dialects.openai_chat import write_object
from proxy.dialects.request import Operation
from proxy.downstream.client import HttpDownstream
from proxy.errors import BadRequest, MissingField, NotOffered
from proxy.surfaces.calls import bytes_response, make_call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from email.message import Message

    from proxy.downstream.request import Request
    from proxy.downstream.response import Response
    from proxy.surfaces.calls import Desk
    from proxy.surfaces.router import Handler, Router

MAX_TOKEN_BODY_BYTES = 16 * 1024
MULTIPART = "multipart/form-data"
MAX_FORM_PARTS = 64
"""A chat request has about thirty fields."""
MAX_PART_HEAD_BYTES = 4 * 1024
COMING = (
    ("POST", "/v1/ula/generate-image"),
    ("POST", "/v1/ula/generate-video"),
    ("GET", "/v1/ula/generate-video/{id}"),
    ("POST", "/v1/ula/generate-audio"),
    ("GET", "/v1/ula/get-supported-voice-for-audio-models"),
    ("GET", "/v1/developer/{id}/get-credits"),
)
"""Documented by OneInfer, not served by this version."""


class FormDownstream(HttpDownstream):
    """A `multipart/form-data` request, read as the JSON body it stands for."""

    __slots__ = ()

    async def read_body(self, limit: int, idle_s: float) -> bytes:
        """The fields as one JSON object. Raises as `HttpDownstream` does, and `BadRequest` for file parts."""
        body = await super().read_body(limit, idle_s)
        fields = parse_form(body, self.request.headers.get("content-type", ""))
        return write_object(form_document(fields))


def mount(router: Router, desk: Desk) -> None:
    """Add the paths."""
    surface = OneInferSurface()
    router.owns("/v1/ula/", surface.error)
    router.owns("/v1/developer/", surface.error)

    def chat(request: Request, _: Mapping[str, str]) -> Awaitable[None]:
        is_form = request.headers.get("content-type", "").lower().startswith(MULTIPART)
        client = FormDownstream(request) if is_form else HttpDownstream(request)
        return desk.pipeline.serve(make_call(request, surface, Operation.CHAT), client)

    async def authenticate(request: Request, _: Mapping[str, str]) -> Response:
        api_key = request.query.get("api_key") or request.headers.get("x-api-key")
        if not api_key:
            api_key = await _key_in_body(HttpDownstream(request), desk.world().config.limits.body_idle_s)
        if not api_key:
            raise MissingField(
                "`api_key` is required: in the query, the body or the header `X-API-KEY`.", param="api_key"
            )
        return bytes_response(surface.token(*desk.accounts.issue(desk.world(), api_key)))

    async def coming(request: Request, _: Mapping[str, str]) -> Response:
        desk.grant(request)
        raise NotOffered("This version of the gateway does not serve this endpoint yet.")

    router.add("POST", "/v1/ula/chat/completions", chat)
    router.add("POST", "/v1/ula/oauth-authentication", authenticate)
    router.add("POST", "/v1/ula/cli-authentication", authenticate)
    router.add(
        "GET",
        "/v1/developer/get-all-models",
        _listing(desk, surface, lambda: desk.world().config.oneinfer.public_model_list),
    )
    router.add("GET", "/v1/ula/models", _listing(desk, surface, lambda: False))
    router.add("GET", "/v1/ula/get-models", _listing(desk, surface, lambda: False))
    for method, path in COMING:
        router.add(method, path, coming)


def _listing(desk: Desk, surface: OneInferSurface, is_public: Callable[[], bool]) -> Handler:
    async def models(request: Request, _: Mapping[str, str]) -> Response:
        if not is_public():
            desk.grant(request)
        return bytes_response(surface.models(_filter(request.query).select(desk.world().cards)))

    return models


def parse_form(body: bytes, content_type: str) -> dict[str, str]:
    """The text fields of a multipart body. Raises `BadRequest` when it is none, carries files or has too many parts.

    Linear in the body's size; only the head of a part is read as a message. Source: RFC 7578; RFC 2046, 5.1.1.
    """
    boundary = _header("Content-Type", content_type).get_boundary()
    if not boundary or not boundary.isascii():
        raise _no_form()
    # the line break before a boundary belongs to it, and the first boundary may have none
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode(), MAX_FORM_PARTS + 1)
    parts, rest = pieces[1:-1], pieces[-1]
    if not parts or not rest.startswith(b"--"):
        if len(parts) < MAX_FORM_PARTS:
            raise _no_form()
        raise BadRequest(f"A form may have {MAX_FORM_PARTS} parts.")
    return dict(_form_field(part) for part in parts)


def _form_field(part: bytes) -> tuple[str, str]:
    """Name and text of what stands between two boundaries."""
    head, blank, value = part.partition(b"\r\n\r\n")
    if not blank or len(head) > MAX_PART_HEAD_BYTES:
        raise _no_form()
    headers = BytesParser(policy=HTTP).parsebytes(head.lstrip() + b"\r\n\r\n", headersonly=True)
    name = headers.get_param("name", header="content-disposition")
    if not isinstance(name, str):
        raise BadRequest("A part of the form has no name.")
    if headers.get_filename() is not None:
        raise BadRequest("Chat takes no files here: send images as URLs in `messages`.", param=name)
    return name, value.decode("utf-8", "replace")


def _header(name: str, value: str) -> Message:
    head = f"{name}: {value}\r\n\r\n".encode("latin-1", "replace")
    return BytesParser(policy=HTTP).parsebytes(head, headersonly=True)


def _no_form() -> BadRequest:
    return BadRequest("The body is not `multipart/form-data` as its content type says.")


def _filter(query: Mapping[str, str]) -> CardFilter:
    return CardFilter(search=query.get("search"), provider=query.get("provider"), kind=query.get("type"))


async def _key_in_body(client: HttpDownstream, idle_s: float) -> str | None:
    body = await client.read_body(MAX_TOKEN_BODY_BYTES, idle_s)
    try:
        document = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None
    key = document.get("api_key") if isinstance(document, dict) else None
    return key if isinstance(key, str) else None
