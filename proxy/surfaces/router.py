"""From method and path to a handler: exact paths in a dictionary, a few patterns behind it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from proxy.errors import GatewayError, MethodNotAllowed, NotFound

Handler = Callable[[web.BaseRequest, dict[str, str]], Awaitable[web.StreamResponse]]
RenderError = Callable[[GatewayError], tuple[int, bytes]]

MAX_PATH_CHARS = 2048


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

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request. A `GatewayError` of a handler is rendered in the shape of the path's surface."""
        path = request.path
        handler = self._exact.get((request.method, path))
        try:
            if handler is not None:
                return await handler(request, {})
            return await self._by_pattern(request, path)
        except GatewayError as error:
            return self.error(path, error)

    def error(self, path: str, error: GatewayError) -> web.Response:
        """`error` as the surface that owns `path` would say it."""
        for prefix, render in self._prefixes:
            if path.startswith(prefix):
                status, body = render(error)
                response = web.Response(status=status, body=body, content_type="application/json")
                if error.retry_after is not None:
                    response.headers["Retry-After"] = error.retry_after
                return response
        raise AssertionError("the OpenAI surface owns every path")

    async def _by_pattern(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        if len(path) > MAX_PATH_CHARS:
            raise NotFound("The path is too long.")
        allowed = {method for method, known in self._exact if known == path}
        for method, pattern, handler in self._patterns:
            if (match := pattern.fullmatch(path)) is not None:
                if method == request.method:
                    return await handler(request, match.groupdict())
                allowed.add(method)
        if allowed:
            methods = ", ".join(sorted(allowed))
            response = self.error(path, MethodNotAllowed(f"This path takes {methods}, not {request.method}."))
            response.headers["Allow"] = methods  # RFC 9110, 15.5.6: a 405 must name them
            return response
        raise NotFound("There is nothing at this path.")
