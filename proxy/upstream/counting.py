"""Asks a provider how many tokens a request has, in the client's own dialect. It costs nothing and is not billed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from proxy.dialects.dialect import Target
from proxy.dialects.request import Operation
from proxy.dialects.spoken import SPOKEN
from proxy.errors import ConnectionLost, MalformedAnswer, UpstreamError, UpstreamRejected
from proxy.providers.credential import KeyMode
from proxy.upstream.faults import ConnectionFault
from proxy.upstream.judge import Judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy.dialects.request import ModelRequest
    from proxy.exchange import Call
    from proxy.upstream.connection import Connection
    from proxy.upstream.pool import Pool, Pools
    from proxy.world import Deployment, Route

COUNT_S = 10.0
"""For the provider to answer: who counts waits before it asks."""
MAX_COUNT_BYTES = 64 * 1024
"""Of the answer: a number and a few words."""
OK = 200


class TokenCounter:
    """Asks the first deployment of a route that can count."""

    __slots__ = ("_clock", "_pools", "_wall_clock")

    def __init__(self, pools: Pools, clock: Callable[[], float], wall_clock: Callable[[], float] = time.time) -> None:
        """`clock` is that of the routes' health."""
        self._pools = pools
        self._clock = clock
        self._wall_clock = wall_clock

    async def count(self, request: ModelRequest, route: Route, call: Call) -> bytes | None:
        """The provider's own answer; `None` when there is nobody to ask, or it failed.

        Raises `UpstreamRejected` for a request that the provider refuses.
        """
        deployment = self._able(request, route)
        if deployment is None:
            return None
        try:
            return await self._ask(deployment, request, call)
        except UpstreamRejected:
            raise
        except (UpstreamError, ConnectionFault):
            return None  # an estimate serves better than a failure

    def _able(self, request: ModelRequest, route: Route) -> Deployment | None:
        usable, _ = route.usable(replace(request, operation=Operation.CHAT), (), self._clock())
        for deployment in usable:
            provider = deployment.provider_config
            has_key = provider.credential.mode is not KeyMode.CLIENT
            if has_key and provider.offers(request.dialect, Operation.COUNT_TOKENS):
                return deployment
        return None

    async def _ask(self, deployment: Deployment, request: ModelRequest, call: Call) -> bytes:
        provider = deployment.provider_config
        # where messages name their model in the address, counts still name it in the body
        quirks = replace(provider.profile.quirks, model_in_path=False)
        target = Target(deployment.upstream_model, deployment.tier, quirks, lenient=call.is_lenient)
        body = SPOKEN[request.dialect].adapt(request, target)
        path = provider.path(request.dialect, Operation.COUNT_TOKENS, target.model, stream=False)
        head = provider.request_head(path, body, None, call.headers)
        pool = self._pools.get(provider.origin, provider.max_connections)
        message = (pool.head(head) if pool.rewrites else head, body)
        connection = await pool.acquire(COUNT_S)
        try:
            return await self._exchange(pool, connection, deployment, message)
        except ConnectionFault:
            if not connection.is_stale:
                raise
        connection = await pool.acquire(COUNT_S, fresh=True)
        return await self._exchange(pool, connection, deployment, message)

    async def _exchange(
        self, pool: Pool, connection: Connection, deployment: Deployment, message: tuple[bytes, bytes]
    ) -> bytes:
        try:
            connection.send(*message)
            found = await self._answer(connection, deployment)
        except UpstreamError:
            pool.release(connection)  # kept if its answer is whole
            raise
        except BaseException:
            connection.abort()
            raise
        pool.release(connection)
        return found

    async def _answer(self, connection: Connection, deployment: Deployment) -> bytes:
        response = await connection.whole(COUNT_S, lambda _: True, MAX_COUNT_BYTES)
        if response.body is None:
            raise ConnectionLost("The provider's count is longer than a count can be.")
        if response.status != OK:
            quirks = deployment.provider_config.profile.quirks
            raise Judge(quirks, self._wall_clock, own_key=True).response(response, response.body)
        if not isinstance(_parsed(response.body), dict):
            raise MalformedAnswer("The provider's count is no JSON object.")
        return response.body


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
