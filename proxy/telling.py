"""What a client is told beside the content of an answer: response headers, and what a surface may ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy.record import bill, route_header, server_timing

if TYPE_CHECKING:
    from proxy.errors import GatewayError
    from proxy.exchange import Exchange
    from proxy.usage import Usage
    from proxy.world import Deployment

PASSED_PREFIXES = ("x-ratelimit-", "openai-", "anthropic-ratelimit-")
"""Response headers of a provider that clients read."""
KEPT_HEADERS = frozenset({"openai-organization", "openai-project"})
"""Of these the ones that name an account, which is the operator's."""
MAX_DROPPED_CHARS = 1024
STREAM_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Beside the content type."""
JSON_HEADERS = {"Content-Type": "application/json"}


def error_headers(x: Exchange, error: GatewayError) -> dict[str, str]:
    """Of an error before the first byte of an answer."""
    headers = x.limit_headers | {"x-request-id": x.call.request_id} | JSON_HEADERS
    if error.retry_after is not None:
        headers["Retry-After"] = error.retry_after
    if x.attempts:
        headers["x-pointsman-route"] = route_header(x)
    return headers


def answer_headers(x: Exchange, now_s: float, content: dict[str, str]) -> dict[str, str]:
    """Of an answer whose form is `content`. Nobody may have answered yet when a stream begins."""
    theirs = x.reply.headers if x.reply is not None else {}
    headers = {
        name: value for name, value in theirs.items() if name.startswith(PASSED_PREFIXES) and name not in KEPT_HEADERS
    }
    headers |= content
    headers |= x.limit_headers  # the key's own limit is what the client must heed
    headers["x-request-id"] = x.call.request_id
    headers["x-pointsman-route"] = route_header(x)
    if x.answering is not None and x.answering.dropped:
        headers["x-pointsman-dropped"] = ", ".join(x.answering.dropped)[:MAX_DROPPED_CHARS]
    headers["Server-Timing"] = server_timing(x, now_s)
    return headers


class Told:
    """What a surface may say about an answer (a `proxy.dialects.told.Told`), looked up when it asks: few do."""

    __slots__ = ("_now_s", "_x")

    def __init__(self, x: Exchange, now_s: float) -> None:
        self._x = x
        self._now_s = now_s

    @property
    def request_id(self) -> str:
        """The gateway's id of the exchange."""
        return self._x.call.request_id

    @property
    def created_s(self) -> int:
        """Unix time."""
        return int(self._x.started_at_s)

    @property
    def provider(self) -> str:
        """The provider that answered."""
        return self._deployment.provider

    @property
    def model(self) -> str:
        """The public name."""
        return self._x.route.name if self._x.route is not None else ""

    @property
    def upstream_model(self) -> str:
        """The name it goes by at the provider."""
        return self._deployment.upstream_model

    @property
    def context_window(self) -> int | None:
        """Tokens; `None` when not known."""
        return self._deployment.context_window

    @property
    def latency_s(self) -> float:
        """From the client's first byte until this was made."""
        return self._now_s - self._x.started_s

    @property
    def usage(self) -> Usage | None:
        """The provider's own count, else an estimate."""
        return bill(self._x, self._x.reply)

    @property
    def _deployment(self) -> Deployment:
        return (self._x.answering or self._x.attempts[-1]).deployment
