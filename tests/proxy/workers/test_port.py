"""The port that is kept for the workers."""

from __future__ import annotations

import errno
import socket

import pytest

from proxy.workers.port import ReservedPort


def listening(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    """As a worker does it."""
    server = socket.socket(family)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind((host, port))
    server.listen()
    return server


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_kernels_choice_is_kept_for_those_who_share_it(family, host):
    """Nobody else gets it, and no connection is lost to the socket that only keeps it."""
    with ReservedPort(host, 0) as port:
        with pytest.raises(OSError, match="in use"), socket.socket(family) as stranger:
            stranger.bind((host, port.number))
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, port.number))
        with listening(family, host, port.number), listening(family, host, port.number):
            for _ in range(20):
                socket.create_connection((host, port.number)).close()


def test_a_port_of_ones_own_choice_is_kept_too():
    with ReservedPort("127.0.0.1", 0) as first, ReservedPort("127.0.0.1", first.number) as second:
        assert first.number == second.number


def test_all_addresses_of_a_name_have_the_same_port():
    with ReservedPort("localhost", 0) as port:
        families = {family for family, *_ in socket.getaddrinfo("localhost", 0, type=socket.SOCK_STREAM)}
        for family in families:
            host = "127.0.0.1" if family == socket.AF_INET else "::1"
            with pytest.raises(OSError, match="in use"), socket.socket(family) as stranger:
                stranger.bind((host, port.number))


def test_a_taken_port_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use") as refused:
        ReservedPort("127.0.0.1", taken.getsockname()[1])
    assert errno.EADDRINUSE == refused.value.errno


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_the_port_of_another_gateways_workers_is_refused(family, host):
    """They would share it: each gateway would get half of the other's clients, and nobody would be told."""
    with ReservedPort(host, 0) as first, listening(family, host, first.number):
        with pytest.raises(OSError, match="in use") as refused:
            ReservedPort(host, first.number)
        assert errno.EADDRINUSE == refused.value.errno


def test_it_is_free_again_afterwards():
    with ReservedPort("127.0.0.1", 0) as port:
        pass
    with socket.create_server(("127.0.0.1", port.number)):
        pass
