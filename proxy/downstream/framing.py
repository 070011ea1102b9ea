"""From bytes to requests, without a socket or a clock.

llhttp (through httptools) finds where messages end and refuses what could be read in two ways; what it lets pass and
RFC 9112 does not is refused here: a coding other than `chunked`, a repeated header that decides something, a request
without `Host`. After a refusal nothing is taken for a request any more. Source: RFC 9112, sections 2 to 7 and 11.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

import httptools

from proxy.downstream.request import Request
from proxy.errors import BadRequest, GatewayError, HeadTooLarge

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.downstream.connection import Connection

MAX_LINE_BYTES = 16 * 1024
"""Of a request target, or of one header's value, repeated ones joined."""
MAX_HEAD_BYTES = 64 * 1024
"""Of a head, or of framing between two pieces of a body. What one read brought comes on top."""
MAX_HEADERS = 128
"""Different ones, and as many lines of trailers."""
MAX_AHEAD = 128
"""Requests that came before the first of them was taken. The connection ends with the last of them."""
SINGLE = frozenset({"authorization", "content-length", "content-type", "host", "x-api-key", "x-pointsman-key"})
"""Headers that decide something: twice, they could be read in two ways."""
ABSOLUTE = re.compile(r"https?://[^/?#]*(.*)", re.IGNORECASE)
CONNECT = b"CONNECT"
NEW = -1
"""No byte of framing has come alone yet."""


class Framer:
    """The requests of one connection, in their order. `feed` takes the stream cut anywhere."""

    __slots__ = (
        "_again", "_bare_bytes", "_connection", "_headers", "_parser", "_trailers", "is_over", "mid_message",
        "receiving", "refusal", "requests", "target",
    )  # fmt: skip

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parser = httptools.HttpRequestParser(self)
        self.requests: deque[Request] = deque()
        """Whose heads are whole, for the connection to take."""
        self.receiving: Request | None = None
        """The last of them, while its body is still coming."""
        self.mid_message = False
        """A message has begun that is not whole."""
        self.is_over = False
        """Nothing that comes is a request any more."""
        self.refusal: GatewayError | None = None
        """What was wrong with the head behind the last request."""
        self.target = b""
        """Of the head that came last, as far as it came."""
        self._headers: dict[str, str] = {}
        self._bare_bytes = NEW
        self._trailers = 0
        self._again = b""
        """A head to be read anew, without its `Upgrade`."""

    def feed(self, data: bytes) -> bytes:
        """Read the next bytes. What it gives back is to be fed in turn.

        O(len(data)); holds at most `MAX_HEAD_BYTES`, what one read brought, and bodies nobody reads.
        """
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as ended:
            # A client that offers another protocol is served in this one (RFC 9110, 7.8), but llhttp leaves its body.
            again, self._again = self._again, b""
            if again:
                self._parser = httptools.HttpRequestParser(self)
            return again + data[ended.args[0] :]
        except httptools.HttpParserError as error:
            reason = error.__context__
            self._refuse(reason if isinstance(reason, GatewayError) else None, str(error))
        else:
            if self.mid_message:
                self._count(len(data))
        return b""

    def close(self) -> None:
        """Let go: the parser and this object refer to each other."""
        self.is_over = True
        self.requests.clear()
        del self._parser

    def _count(self, size: int) -> None:
        """Bound what is neither a whole head nor body."""
        self._bare_bytes = 0 if self._bare_bytes == NEW else self._bare_bytes + size
        if self._bare_bytes > MAX_HEAD_BYTES:
            self._refuse(_too_much(), "framing without end")

    def _refuse(self, error: GatewayError | None, detail: str) -> None:
        """Stop reading. `None`: llhttp's own verdict. A body that is not what its head says is its reader's affair."""
        if self.is_over:
            return  # it came behind the last request there is
        self.is_over = True
        if self.receiving is not None:
            self.receiving.fault = BadRequest("The request body is not framed as its headers say.", detail=detail)
            self.receiving = None
        else:
            self.refusal = error or BadRequest("The request is not valid HTTP.", detail=detail)

    # --- for llhttp ---------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self.mid_message = True
        self.target = b""
        self._headers = {}
        self._bare_bytes = NEW

    def on_url(self, url: bytes) -> None:
        """Take the target, or a piece of it."""
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Trailers are dropped: nothing here reads them."""
        if self.receiving is not None:
            self._count_trailer()
            return
        headers = self._headers
        key = name.decode("latin-1").lower()
        text = value.decode("utf-8", "surrogateescape").rstrip(" \t")
        if key in headers:
            text = _joined(key, headers[key], text)
        if len(text) > MAX_LINE_BYTES or len(headers) >= MAX_HEADERS:
            raise HeadTooLarge(f"A request may have {MAX_HEADERS} headers of {MAX_LINE_BYTES} bytes.")
        headers[key] = text

    def on_headers_complete(self) -> None:
        """Give the request out; its body may still be coming."""
        parser, headers = self._parser, self._headers
        if "upgrade" in headers and parser.should_upgrade() and parser.get_method() != CONNECT:
            self._again = self._without_upgrade()
            return
        version = parser.get_http_version()
        if version != "1.1" or "host" not in headers or "transfer-encoding" in headers:
            _check_head(version, headers)
        if len(self.target) > MAX_LINE_BYTES or sum(map(len, headers.values())) > MAX_HEAD_BYTES:
            raise _too_much()
        if len(self.requests) >= MAX_AHEAD:
            # The client knows by the `close` which ones to ask again (RFC 9112, 9.3.2).
            self.requests[-1].keep_alive, self.is_over = False, True
            raise BadRequest("Too many requests at once.")  # has llhttp stop here; nobody is told
        method = parser.get_method()
        target = self.target.decode("latin-1")
        if target[0] != "/":
            target = _origin_form(target)
        request = Request(self._connection, method.decode(), target, headers, is_old=version == "1.0")
        request.keep_alive = parser.should_keep_alive() and method != CONNECT
        self.requests.append(request)
        self.receiving = request
        self._bare_bytes, self._trailers = NEW, 0

    def on_body(self, data: bytes) -> None:
        """Keep the piece."""
        if self.receiving is not None:
            self.receiving.keep(data)
            self._bare_bytes = NEW

    def on_message_complete(self) -> None:
        """The request is whole."""
        self.mid_message = False
        request = self.receiving
        if request is not None:
            self.receiving = None
            request.complete = True
            self.is_over = not request.keep_alive

    def _without_upgrade(self) -> bytes:
        """The present head without its offer."""
        method, version = self._parser.get_method(), self._parser.get_http_version()
        lines = "".join([f"{name}: {value}\r\n" for name, value in self._headers.items() if name != "upgrade"])
        fields = lines.encode("utf-8", "surrogateescape")
        return b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.target, version.encode(), fields)

    def _count_trailer(self) -> None:
        self._trailers += 1
        if self._trailers > MAX_HEADERS:
            raise BadRequest(f"A request may have {MAX_HEADERS} trailers.")


def _joined(name: str, first: str, second: str) -> str:
    """A repeated header as one. Source: RFC 9110, 5.3."""
    if name in SINGLE:
        raise BadRequest(f"The header `{name}` may be sent once.")
    return f"{first}, {second}"


def _check_head(version: str, headers: Mapping[str, str]) -> None:
    """Raise `BadRequest` for what llhttp lets pass. Source: RFC 9112, 3.2 and 6.1."""
    if version not in {"1.0", "1.1"}:
        raise BadRequest("This gateway speaks HTTP/1.1.")
    if version == "1.1" and "host" not in headers:
        raise BadRequest("A request needs the header `Host`.")
    coding = headers.get("transfer-encoding")
    if coding is not None and (version == "1.0" or coding.lower() != "chunked"):
        raise BadRequest("The only `Transfer-Encoding` read here is `chunked`, of HTTP/1.1.")


def _origin_form(target: str) -> str:
    """Path and query of an absolute target; any other (`*`, an authority) stays itself. Source: RFC 9112, 3.2."""
    absolute = ABSOLUTE.fullmatch(target)
    if absolute is None:
        return target
    path: str = absolute[1]
    return path if path.startswith("/") else f"/{path}"


def _too_much() -> HeadTooLarge:
    return HeadTooLarge(f"The head of a request may have {MAX_HEAD_BYTES} bytes.")
