"""A port kept for the workers, and chosen if need be, before there are any."""

from __future__ import annotations

import errno
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from types import TracebackType

PORT_TRIES = 16
"""To find a port that is free at every address of a name: `localhost` often has two."""


class ReservedPort:
    """Bound with `SO_REUSEPORT` and never listening: nobody else gets it, and no connection comes here.

    Not to be had while anybody listens there, not even another gateway's workers, who would share it.

    Source: Linux, socket(7), `SO_REUSEPORT`: connections are spread over the sockets that listen.
    """

    def __init__(self, host: str, port: int) -> None:
        """Port 0 is the kernel's choice. Raises `OSError` when the address is taken, or not ours."""
        addresses = _addresses(host)
        tries = PORT_TRIES if port == 0 and len(addresses) > 1 else 1
        while True:
            tries -= 1
            try:
                self._sockets, self.number = _bind(addresses, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE or not tries:
                    raise
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sockets.close()


Address = tuple[socket.AddressFamily, tuple[Any, ...]]


def _addresses(host: str) -> list[Address]:
    found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # a table of hosts may name one address twice
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bind(addresses: list[Address], port: int) -> tuple[ExitStack, int]:
    with ExitStack() as sockets:
        for family, (host, _, *scope) in addresses:
            if port:
                with _unbound(family) as alone:  # without the option, so that it is refused what is in use
                    alone.bind((host, port, *scope))
            one = sockets.enter_context(_unbound(family))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, port, *scope))
            port = one.getsockname()[1]
        return sockets.pop_all(), port


def _unbound(family: socket.AddressFamily) -> socket.socket:
    one = socket.socket(family, socket.SOCK_STREAM)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    return one
