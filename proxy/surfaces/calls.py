"""From a request to a `Call`: the credential, the ids, the content type. Shared by every surface."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from proxy.downstream.client import HttpDownstream
from proxy.downstream.response import Response
from proxy.exchange import Call

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from proxy.control.accounts import Accounts
    from proxy.dialects.request import Operation
    from proxy.downstream.request import Request
    from proxy.exchange import Surface
    from proxy.pipeline import Pipeline
    from proxy.surfaces.router import Handler
    from proxy.upstream.counting import TokenCounter
    from proxy.world import KeyGrant, World

GATEWAY_KEY_HEADER = "x-pointsman-key"
"""Carries the gateway's key when `Authorization` holds the client's own provider key."""
GOOGLE_KEY_HEADER = "x-goog-api-key"
SESSION_HEADER = "x-session-id"
LENIENT_HEADER = "x-pointsman-lenient"
"""`true`: parameters that a provider cannot be told are left out, and named in `x-pointsman-dropped`."""
MAX_TEXT_CHARS = 512
"""Of a header that is logged or hashed. As long as OpenAI allows `X-Client-Request-Id` to be."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
"""A client's own request id is taken over only in this form."""
JSON = "application/json"

_ids = random.Random()  # noqa: S311 - an id is no secret: it need only differ, and asking the OS costs a syscall
os.register_at_fork(after_in_child=_ids.seed)


@dataclass(frozen=True, slots=True)
class Desk:
    """What the surfaces work with."""

    world: Callable[[], World]
    pipeline: Pipeline
    accounts: Accounts
    counter: TokenCounter

    def endpoint(self, surface: Surface, operation: Operation) -> Handler:
        """A handler that serves `operation` in the dialect of `surface`."""
        serve = self.pipeline.serve

        def handle(request: Request, _: Mapping[str, str]) -> Awaitable[None]:
            return serve(make_call(request, surface, operation), HttpDownstream(request))

        return handle

    def grant(self, request: Request) -> KeyGrant:
        """For handlers beside the pipeline. Raises `Unauthenticated`."""
        return self.accounts.authenticate(self.world(), token_of(request.headers))


def make_call(request: Request, surface: Surface, operation: Operation) -> Call:
    """Read what the pipeline needs of the head."""
    headers = request.headers
    bearer = _bearer(headers)
    client_request_id, session = headers.get("x-client-request-id"), headers.get(SESSION_HEADER)
    return Call(
        surface=surface,
        operation=operation,
        token=headers.get(GATEWAY_KEY_HEADER) or bearer or token_of(headers),
        content_type=_media_type(headers),
        request_id=request_id(headers.get("x-request-id")),
        client_request_id=_text(client_request_id) if client_request_id else None,
        provider_key=bearer or headers.get("x-api-key") or headers.get(GOOGLE_KEY_HEADER),
        session=_text(session) if session else None,
        headers=headers,
        is_lenient=headers.get(LENIENT_HEADER, "") == "true",
    )


def request_id(sent: str | None) -> str:
    """The client's own id if it is one, else a new one."""
    if sent is not None and REQUEST_ID.fullmatch(sent):
        return sent
    return f"req_{_ids.getrandbits(96):024x}"


def token_of(headers: Mapping[str, str]) -> str | None:
    """The gateway's key, wherever clients of the surfaces put it."""
    found = headers.get(GATEWAY_KEY_HEADER) or _bearer(headers) or headers.get("x-api-key")
    return found or headers.get(GOOGLE_KEY_HEADER) or None


def _media_type(headers: Mapping[str, str]) -> str:
    """Without its parameters."""
    sent = headers.get("content-type", "")
    return sent if sent == JSON else sent.partition(";")[0].strip().lower()


def _text(value: str) -> str | None:
    """A header that is kept or hashed: cut to `MAX_TEXT_CHARS`, `None` if it is no text (bytes that are no UTF-8)."""
    return value[:MAX_TEXT_CHARS] if value.isprintable() else None


def _bearer(headers: Mapping[str, str]) -> str | None:
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() or None if scheme.lower() == "bearer" else None


def json_response(document: object, status: int = 200) -> Response:
    """A small JSON answer."""
    return Response(orjson.dumps(document), status)


def bytes_response(body: bytes, status: int = 200) -> Response:
    """Rendered JSON."""
    return Response(body, status)
