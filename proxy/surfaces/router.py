"""From method and path to a handler: exact paths in a dictionary, a few patterns behind it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from proxy.downstream.response import Response
from proxy.errors import GatewayError, MethodNotAllowed, NotFound

if TYPE_CHECKING:
    from proxy.downstream.request import Request

Handler = Callable[["Request", Mapping[str, str]], Awaitable[Response | None]]
"""Serves a request with what its path's pattern captured. `None`: the answer has been sent already."""
RenderError = Callable[[GatewayError], tuple[int, bytes]]

MAX_PATH_CHARS = 2048
NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(slots=True)
class Router:
    """The paths of all surfaces. A surface owns its prefixes, so that even an unknown path fails in its shape."""

    _exact: dict[tuple[str, str], Handler] = field(default_factory=dict)
    _patterns: list[tuple[str, re.Pattern[str], Handler]] = field(default_factory=list)
    _prefixes: list[tuple[str, RenderError]] = field(default_factory=list)

    def add(self, method: str, path: str, handler: Handler) -> None:
        """`{name}` in `path` stands for one segment, `{name:path}` for the rest."""
        if "{" not in path:
            self._exact[(method, path)] = handler
            return
        pattern = re.sub(r"\\{(\w+):path\\}", r"(?P<\1>.+)", re.escape(path))
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", pattern)
        self._patterns.append((method, re.compile(pattern), handler))

    def owns(self, prefix: str, render: RenderError) -> None:
        """Errors below `prefix` are rendered by `render`; longer prefixes win."""
        self._prefixes.append((prefix, render))
        self._prefixes.sort(key=lambda entry: -len(entry[0]))

    def handle(self, request: Request) -> Awaitable[Response | None]:
        """Serve one request. Raises `GatewayError`, here or when awaited: `error` renders it."""
        handler = self._exact.get((request.method, request.path))
        return self._by_pattern(request) if handler is None else handler(request, NOTHING)

    def error(self, path: str, error: GatewayError) -> Response:
        """`error` as the surface that owns `path` would say it."""
        for prefix, render in self._prefixes:
            if path.startswith(prefix):
                status, body = render(error)
                retry_after = error.retry_after
                return Response(body, status, headers=None if retry_after is None else {"Retry-After": retry_after})
        raise AssertionError("the OpenAI surface owns every path")

    async def _by_pattern(self, request: Request) -> Response | None:
        if len(request.path) > MAX_PATH_CHARS:
            raise NotFound("The path is too long.")
        path = unquote(request.path)
        if (exact := self._exact.get((request.method, path))) is not None:
            return await exact(request, NOTHING)
        allowed = {method for method, known in self._exact if known == path}
        for method, pattern, handler in self._patterns:
            if (match := pattern.fullmatch(path)) is not None:
                if method == request.method:
                    return await handler(request, match.groupdict())
                allowed.add(method)
        if not allowed:
            raise NotFound("There is nothing at this path.")
        methods = ", ".join(sorted(allowed))
        response = self.error(path, MethodNotAllowed(f"This path takes {methods}, not {request.method}."))
        response.headers["Allow"] = methods  # RFC 9110, 15.5.6: a 405 must name them
        return response
