"""Asks a token endpoint once. The only file of this room that speaks HTTP; what is answered is never logged."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isnan
from typing import TYPE_CHECKING, Any

import orjson

from proxy.dialects.reading import as_dict, as_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import aiohttp

    from proxy.providers.sources import AwsKeys

ASK_S = 10.0
"""For one answer of a token endpoint, connecting included."""
MAX_ANSWER_BYTES = 256 * 1024
MAX_SAID_CHARS = 200
"""Of what an endpoint says is wrong."""
DEFAULT_LIFETIME_S = 3600.0
"""Of a token whose answer does not tell. Source: what Google and Microsoft document as their usual one."""
MAX_LIFETIME_S = 86_400.0
OK = 200


class FetchFailed(Exception):
    """No credential came. The text says why, for the log; it quotes no secret."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential, and until when it may be used (Unix time)."""

    secret: str | AwsKeys = field(repr=False)
    expires_s: float


class Endpoints:
    """Token endpoints, asked over two sessions: what is near (a metadata server) never goes through a proxy."""

    def __init__(self) -> None:
        self._near: aiohttp.ClientSession | None = None
        self._far: aiohttp.ClientSession | None = None

    async def get(self, url: str, headers: Mapping[str, str], params: Mapping[str, str]) -> dict[str, Any]:
        """What a metadata server answers. Raises `FetchFailed`."""
        if self._near is None:
            self._near = _session(through_proxy=False)
        return await _ask(self._near, "GET", url, headers=headers, params=params)

    async def post(self, url: str, form: Mapping[str, str]) -> dict[str, Any]:
        """What an authority answers to a form. Raises `FetchFailed`."""
        if self._far is None:
            self._far = _session(through_proxy=True)
        return await _ask(self._far, "POST", url, data=form)

    async def close(self) -> None:
        """Let go of the connections."""
        for session in (self._near, self._far):
            if session is not None:
                await session.close()
        self._near = self._far = None


def _session(*, through_proxy: bool) -> aiohttp.ClientSession:
    import aiohttp  # noqa: PLC0415 - 100 ms of start-up that only credentials which expire need

    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_S), trust_env=through_proxy)


async def _ask(session: aiohttp.ClientSession, method: str, url: str, **more: Any) -> dict[str, Any]:
    import aiohttp  # noqa: PLC0415 - imported already: there is a session

    try:
        async with session.request(method, url, allow_redirects=False, **more) as response:
            status, body = response.status, await response.content.read(MAX_ANSWER_BYTES)
            while len(body) < MAX_ANSWER_BYTES and (piece := await response.content.read(MAX_ANSWER_BYTES)):
                body += piece
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        raise FetchFailed(f"`{url}` cannot be reached: {type(error).__name__}") from error
    try:
        answer = as_dict(orjson.loads(body))
    except orjson.JSONDecodeError:
        answer = {}
    if status != OK:
        raise FetchFailed(f"`{url}` answered with status {status}{_said(answer)}")
    return answer


def _said(answer: Mapping[str, Any]) -> str:
    """What is wrong, as RFC 6749, section 5.2, has it told."""
    words = [as_text(answer.get(name)) for name in ("error", "error_description")]
    said = ": ".join(word for word in words if word)
    return f" ({said[:MAX_SAID_CHARS]})" if said else ""


def read_token(answer: Mapping[str, Any], url: str, clock: Callable[[], float]) -> Issued:
    """The access token of an answer as RFC 6749, section 5.1, has it. Raises `FetchFailed` when there is none.

    Microsoft's managed identities write the lifetime as text.
    """
    token = as_text(answer.get("access_token"))
    if not token:
        raise FetchFailed(f"`{url}` answered without an `access_token`")
    try:
        lifetime_s = float(answer.get("expires_in") or DEFAULT_LIFETIME_S)
    except (TypeError, ValueError):
        lifetime_s = DEFAULT_LIFETIME_S
    if isnan(lifetime_s):
        lifetime_s = DEFAULT_LIFETIME_S
    return Issued(token, clock() + min(max(lifetime_s, 0.0), MAX_LIFETIME_S))
