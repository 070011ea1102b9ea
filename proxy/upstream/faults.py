"""Every way a connection can fail its request, and what that means by how far the request had come: one table.

Whether it may be asked elsewhere, and whose fault it was, is then the error's own business (`proxy.errors`).
"""

from __future__ import annotations

from enum import Enum

from proxy.errors import (
    ConnectFailed,
    ConnectionLost,
    ConnectionsExhausted,
    FirstTokenTimeout,
    StreamBroken,
    StreamStalled,
    StreamTimeout,
    TotalTimeout,
    UpstreamError,
)

TOO_LONG = "The request took longer than this gateway allows."
UNREACHABLE = "The provider cannot be reached."


class ConnectionFault(Exception):
    """The connection ended or misbehaved; the text is for the log."""


class ReadTimeout(ConnectionFault):
    """Nothing came for as long as the caller was willing to wait."""


class ConnectTimeout(ConnectionFault):
    """The provider did not take the connection in time."""


class NoneFree(ConnectionFault):
    """Every connection that is allowed is in use: the gateway's own limit, not the provider's fault."""


class OutOfTime(ConnectionFault):
    """Not the provider's slowness: the time for the whole exchange is up."""


class Phase(Enum):
    """How far a request has come. What is retried unseen is decided before this: see `HttpUpstream`."""

    CONNECTING = "nothing of the request has been sent"
    ASKED = "it has been sent; what has come of the answer has no content, or is only a part of a whole"
    ANSWERING = "content has come"


_MEANING: dict[tuple[Phase, type[ConnectionFault]], tuple[type[UpstreamError], str]] = {
    (Phase.CONNECTING, ConnectionFault): (ConnectFailed, UNREACHABLE),
    (Phase.CONNECTING, ConnectTimeout): (ConnectFailed, UNREACHABLE),
    (Phase.CONNECTING, NoneFree): (ConnectionsExhausted, "Too many requests are under way to this provider."),
    (Phase.ASKED, ConnectionFault): (ConnectionLost, "The provider closed the connection before it answered."),
    (Phase.ASKED, ReadTimeout): (FirstTokenTimeout, "The provider did not begin to answer in time."),
    (Phase.ASKED, OutOfTime): (TotalTimeout, TOO_LONG),
    (Phase.ANSWERING, ConnectionFault): (StreamBroken, "The provider broke off in the middle of its answer."),
    (Phase.ANSWERING, ReadTimeout): (StreamStalled, "The provider fell silent in the middle of its answer."),
    (Phase.ANSWERING, OutOfTime): (StreamTimeout, TOO_LONG),
}


def meaning(phase: Phase, fault: ConnectionFault, kind: type[ConnectionFault] | None = None) -> UpstreamError:
    """The error that `fault` is in this phase; `kind`, if given, is what it really was."""
    error, message = _MEANING.get((phase, kind or type(fault))) or _MEANING[phase, ConnectionFault]
    return error(message, detail=str(fault))
