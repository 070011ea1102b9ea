"""The proxy one writes in an afternoon: an aiohttp server and a `ClientSession`. Run as `python -m benchmarks.naive`.

It checks no key, routes nowhere, meters nothing and retries nothing: what is left is the cost of the libraries.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import uvloop
from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SESSION = web.AppKey("session", ClientSession)
UPSTREAM = web.AppKey("upstream", str)
DROPPED = frozenset({"host", "content-length", "connection", "transfer-encoding"})


async def forward(request: web.Request) -> web.StreamResponse:
    """Pass one request on and its answer back, event by event."""
    body = await request.read()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
    url = request.app[UPSTREAM] + request.path_qs
    async with request.app[SESSION].request(request.method, url, data=body, headers=headers) as answer:
        kind = answer.headers.get("Content-Type", "application/json")
        if not kind.startswith("text/event-stream"):
            return web.Response(status=answer.status, body=await answer.read(), headers={"Content-Type": kind})
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": kind})
        await response.prepare(request)
        async for data in answer.content.iter_any():
            await response.write(data)
        await response.write_eof()
        return response


async def session(app: web.Application) -> AsyncIterator[None]:
    """One client for the life of the server, without aiohttp's limits of 100 connections and 5 minutes."""
    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(total=None)) as client:
        app[SESSION] = client
        yield


def main() -> None:
    """Command line of the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="such as http://127.0.0.1:9000")
    args = parser.parse_args()
    app = web.Application(client_max_size=32 * 1024 * 1024)
    app[UPSTREAM] = args.upstream
    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{path:.*}", forward)
    web.run_app(app, host="127.0.0.1", port=args.port, loop=uvloop.new_event_loop(), access_log=None, print=None)


if __name__ == "__main__":
    main()
