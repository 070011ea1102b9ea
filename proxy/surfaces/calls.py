"""From an aiohttp request to a `Call`: the credential, the ids, the content type. Shared by every surface."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson
from aiohttp import web

from proxy.downstream import HttpDownstream
from proxy.exchange import Call

if TYPE_CHECKING:
    from proxy.control.accounts import Accounts
    from proxy.dialects.request import Operation
    from proxy.exchange import Surface
    from proxy.pipeline import Pipeline
    from proxy.surfaces.router import Handler
    from proxy.world import KeyGrant, World

GATEWAY_KEY_HEADER = "x-pointsman-key"
"""Carries the gateway's key when `Authorization` holds the client's own provider key."""
SESSION_HEADER = "x-session-id"
MAX_TEXT_CHARS = 512
"""Of a header that is logged or hashed. As long as OpenAI allows `X-Client-Request-Id` to be."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
"""A client's own request id is taken over only in this form."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the surfaces work with."""

    world: Callable[[], World]
    pipeline: Pipeline
    accounts: Accounts
    draining: Callable[[], bool]

    def endpoint(self, surface: Surface, operation: Operation) -> Handler:
        """A handler that serves `operation` in the dialect of `surface`."""

        async def handle(request: web.BaseRequest, _: dict[str, str]) -> web.StreamResponse:
            return await self.serve(make_call(request, surface, operation), self.downstream(request))

        return handle

    async def serve(self, call: Call, client: HttpDownstream) -> web.StreamResponse:
        """Run the pipeline for one request."""
        await self.pipeline.serve(call, client)
        return client.response

    def downstream(self, request: web.BaseRequest) -> HttpDownstream:
        """The client's end of `request`."""
        return HttpDownstream(request, self.world().config.limits.client_write_s, self.draining)

    def grant(self, request: web.BaseRequest) -> KeyGrant:
        """For handlers beside the pipeline. Raises `Unauthenticated`."""
        return self.accounts.authenticate(self.world(), token_of(request.headers))


def make_call(request: web.BaseRequest, surface: Surface, operation: Operation) -> Call:
    """Read what the pipeline needs of the head."""
    headers = request.headers
    bearer = _bearer(headers)
    sent_id = headers.get("x-request-id")
    return Call(
        surface=surface,
        operation=operation,
        token=token_of(headers),
        content_type=headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        request_id=request_id(sent_id),
        client_request_id=_text(headers, "x-client-request-id"),
        provider_key=bearer,
        session=_text(headers, SESSION_HEADER),
        headers=headers,
    )


def request_id(sent: str | None) -> str:
    """The client's own id if it is one, else a new one."""
    if sent is not None and REQUEST_ID.fullmatch(sent):
        return sent
    return f"req_{secrets.token_hex(12)}"


def token_of(headers: Mapping[str, str]) -> str | None:
    """The gateway's key, wherever clients of the surfaces put it."""
    return headers.get(GATEWAY_KEY_HEADER) or _bearer(headers) or headers.get("x-api-key") or None


def _text(headers: Mapping[str, str], name: str) -> str | None:
    """A header that is kept or hashed: cut to `MAX_TEXT_CHARS`, `None` if it is no text (bytes that are no UTF-8)."""
    value = headers.get(name)
    return value[:MAX_TEXT_CHARS] if value and value.isprintable() else None


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def json_response(document: object, status: int = 200) -> web.Response:
    """A small JSON answer."""
    return web.Response(status=status, body=orjson.dumps(document), content_type="application/json")


def bytes_response(body: bytes, status: int = 200) -> web.Response:
    """Rendered JSON."""
    return web.Response(status=status, body=body, content_type="application/json")
