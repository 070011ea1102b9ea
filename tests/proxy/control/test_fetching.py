"""What a client names by address: fetched from public places alone, within bounds."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proxy.config import MediaConfig
from proxy.control.fetching import MAX_REDIRECTS, Fetcher, checked
from proxy.errors import BadRequest

SEEN = web.AppKey("seen", list)
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(50)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def image(request: web.Request) -> web.Response:
        request.app[SEEN].append(dict(request.headers))
        return web.Response(body=PIXEL, content_type="image/png")

    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async def hop(request: web.Request) -> web.Response:
        left = int(request.match_info["left"])
        raise web.HTTPFound(f"/hop/{left - 1}" if left else "/image.png")

    async def inside(request: web.Request) -> web.Response:
        raise web.HTTPFound("ftp://169.254.169.254/latest/meta-data/")

    app = web.Application()
    app[SEEN] = []
    app.router.add_get("/image.png", image)
    app.router.add_get("/page", page)
    app.router.add_get("/hop/{left}", hop)
    app.router.add_get("/inside", inside)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
async def fetcher() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(lambda: MediaConfig(allow_private=True, max_bytes=1000, max_items=3))
    yield fetcher
    await fetcher.close()


@pytest.fixture
async def guarded() -> AsyncIterator[Fetcher]:
    fetcher = Fetcher(MediaConfig)
    yield fetcher
    await fetcher.close()


async def test_an_image_becomes_a_data_url_and_nothing_of_ours_goes_along(server: TestServer, fetcher: Fetcher):
    url = str(server.make_url("/image.png"))

    assert {url: "data:image/png;base64," + base64.b64encode(PIXEL).decode()} == await fetcher.fetch([url])
    (headers,) = server.app[SEEN]
    assert {"Host", "Accept", "Accept-Encoding", "User-Agent", "Connection"} == headers.keys()


async def test_redirects_are_followed_so_far(server: TestServer, fetcher: Fetcher):
    near = str(server.make_url(f"/hop/{MAX_REDIRECTS - 1}"))
    far = str(server.make_url(f"/hop/{MAX_REDIRECTS}"))

    assert near in await fetcher.fetch([near])
    with pytest.raises(BadRequest, match="redirected too often"):
        await fetcher.fetch([far])


@pytest.mark.parametrize(
    ("path", "said"), [("/page", "leads to no image"), ("/nothing", "status 404"), ("/image.png?big", "larger than")]
)
async def test_what_is_not_wanted_is_the_clients_fault(server: TestServer, path: str, said: str):
    fetcher = Fetcher(lambda: MediaConfig(allow_private=True, max_bytes=20))
    with pytest.raises(BadRequest, match=said):
        await fetcher.fetch([str(server.make_url(path))])
    await fetcher.close()


async def test_a_refused_connection_is_the_clients_fault_and_tells_no_address(fetcher: Fetcher, unused_tcp_port: int):
    with pytest.raises(BadRequest) as refused:
        await fetcher.fetch([f"http://127.0.0.1:{unused_tcp_port}/x.png"])
    assert "127.0.0.1" not in refused.value.message + str(refused.value.detail)


async def test_all_of_a_request_together_has_a_limit_too(server: TestServer):
    fetcher = Fetcher(lambda: MediaConfig(allow_private=True, max_bytes=100, max_request_bytes=100))
    urls = [str(server.make_url(f"/image.png?{number}")) for number in range(2)]

    assert urls[:1] == [*await fetcher.fetch(urls[:1])]
    with pytest.raises(BadRequest, match="larger than"):
        await fetcher.fetch(urls)
    await fetcher.close()


async def test_nothing_compressed_is_asked_for(server: TestServer, fetcher: Fetcher):
    await fetcher.fetch([str(server.make_url("/image.png"))])

    (headers,) = server.app[SEEN]
    assert "identity" == headers["Accept-Encoding"]


async def test_so_many_and_no_more(fetcher: Fetcher):
    with pytest.raises(BadRequest, match="At most 3"):
        await fetcher.fetch([f"http://example.org/{number}" for number in range(4)])


async def test_an_operator_may_switch_it_off():
    fetcher = Fetcher(lambda: MediaConfig(fetch=False))
    with pytest.raises(BadRequest, match="`data:` URL"):
        await fetcher.fetch(["https://example.org/a.png"])


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://10.1.2.3/x",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]/x",
        "http://[::ffff:10.0.0.1]/x",
        "http://[64:ff9b::a00:1]/x",
        "http://[fd00::1]/x",
        "http://0.0.0.0/x",
        "http://100.64.0.1/x",
        "http://224.0.0.1/x",
        "http://localhost/x",
        "http://localhost:80/x",
        "http://example.org:22/x",
        "http://user:secret@example.org/x",
        "ftp://example.org/x",
        "file:///etc/passwd",
        "http://2130706433/x",
        "http://168.63.129.16/machine",
        "http://192.0.0.192/opc",
        "http://[::7f00:1]/x",
        "http://[fec0::1]/x",
        "http:///x",
    ],
)
async def test_nothing_that_is_not_public_is_reached(guarded: Fetcher, url: str):
    with pytest.raises(BadRequest):
        await guarded.fetch([url])


async def test_every_hop_of_a_redirect_is_judged_like_the_first(server: TestServer, fetcher: Fetcher):
    with pytest.raises(BadRequest, match="does not fetch from"):
        await fetcher.fetch([str(server.make_url("/inside"))])


def test_a_public_address_may_be_fetched():
    assert "example.org" == checked("https://example.org/a.png?b=1", allow_private=False).host
    assert "1.1.1.1" == checked("https://1.1.1.1/a.png", allow_private=False).host
