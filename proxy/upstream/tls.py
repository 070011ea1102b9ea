"""TLS towards providers: verified, HTTP/1.1, and resumed where the provider lets us.

asyncio has no way to hand a session to a connection; but every event loop asks the context to wrap its buffers, and
there the last session with that name can be passed along. Source: RFC 8446, section 2.2 (resumption), 4.6.1 (tickets
come after the handshake), RFC 5077.
"""

from __future__ import annotations

import os
import ssl
import sys

MAX_SESSIONS = 256
"""Names whose last session is remembered; the oldest is forgotten first."""


class ResumingContext(ssl.SSLContext):
    """A client's context that offers each server the session it gave last."""

    def __init__(self, protocol: int) -> None:  # noqa: ARG002 - read by `SSLContext.__new__`
        self._sessions: dict[str, ssl.SSLSession] = {}

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - as above
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As the base class, with the session remembered for that name."""
        if session is None and isinstance(server_hostname, str):
            session = self._sessions.get(server_hostname)
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def remember(self, tls: ssl.SSLObject) -> None:
        """Keep the session of a connection that has served: by then its tickets have come.

        It is bound to this context and its name: a certificate that was verified once is so for what it resumes.
        """
        name, session = tls.server_hostname, tls.session
        if name is None or session is None:
            return
        self._sessions.pop(name, None)
        if len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[name] = session

    def forget(self, name: str) -> None:
        """Offer it no session, after a handshake that failed."""
        self._sessions.pop(name, None)


def tls_context() -> ResumingContext:
    """As `ssl.create_default_context` makes it, and with HTTP/1.1 named in the handshake (RFC 7301)."""
    context = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies certificates and names
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if sys.version_info >= (3, 13):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    if path := os.environ.get("SSLKEYLOGFILE"):
        context.keylog_filename = path
    context.set_alpn_protocols(["http/1.1"])
    return context
