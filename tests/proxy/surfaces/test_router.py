"""From a path as it was sent to whoever serves it."""

from __future__ import annotations

import pytest

from proxy.downstream.request import Request
from proxy.downstream.response import Response
from proxy.errors import GatewayError, NotFound
from proxy.surfaces.router import Router


async def echo(request, path):
    return Response(repr(dict(path)).encode())


@pytest.fixture
def router():
    router = Router()
    router.owns("", lambda error: (error.status, b"general"))
    router.owns("/a/", lambda error: (error.status, b"of a"))
    router.add("GET", "/a/b", echo)
    router.add("POST", "/a/b", echo)
    router.add("GET", "/models/{id:path}", echo)
    router.add("DELETE", "/queue/{id}", echo)
    return router


def request(method: str, target: str) -> Request:
    return Request(None, method, target, {}, is_old=False)  # type: ignore[arg-type]  # nobody answers here


@pytest.mark.parametrize(
    ("method", "target", "captured"),
    [
        ("GET", "/a/b", {}),
        ("GET", "/a/b?x=/y", {}),
        ("GET", "/%61/b", {}),
        ("GET", "/models/org/model", {"id": "org/model"}),
        ("GET", "/models/org%2Fmodel", {"id": "org/model"}),
        ("GET", "/models/100%2525", {"id": "100%25"}),
        ("GET", "/models/%ff", {"id": "\ufffd"}),
        ("DELETE", "/queue/7", {"id": "7"}),
    ],
)
async def test_a_path_is_decoded_once_and_found(router, method, target, captured):
    response = await router.handle(request(method, target))
    assert repr(captured).encode() == response.body


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/a"), ("GET", "/a/b/"), ("DELETE", "/queue/7/8"), ("GET", "/models/" + "m" * 3000)]
)
async def test_an_unknown_path_is_not_found(router, method, target):
    with pytest.raises(NotFound):
        await router.handle(request(method, target))


async def test_a_path_with_other_methods_names_them(router):
    response = await router.handle(request("PUT", "/a/b"))
    assert (405, "GET, POST", b"of a") == (response.status, response.headers["Allow"], response.body)


def test_an_error_is_told_as_the_paths_surface_would(router):
    told = router.error("/a/c", GatewayError("no", retry_after_s=3.0))
    assert (500, b"of a", "3") == (told.status, told.body, told.headers["Retry-After"])
    assert b"general" == router.error("*", GatewayError("no")).body
