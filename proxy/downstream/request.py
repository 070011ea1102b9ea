"""One request as it came: its head, and of its body what is here."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from proxy.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy.downstream.connection import Connection
    from proxy.errors import GatewayError

MAX_QUERY_FIELDS = 100
MAX_LOOSE_PIECES = 256
"""Of a body. More are joined: a body in chunks of a few bytes may not cost ten times its size."""


class Request:
    """Filled by its `Connection`, read by whoever serves it."""

    __slots__ = (
        "_joined", "answer", "complete", "connection", "fault", "headers", "is_old", "keep_alive", "method", "path",
        "pieces", "query_string", "size",
    )  # fmt: skip

    def __init__(
        self, connection: Connection, method: str, target: str, headers: dict[str, str], *, is_old: bool
    ) -> None:
        self.connection = connection
        self.method = method
        self.path, _, self.query_string = target.partition("?")
        """As they were sent: percent-encoded."""
        self.headers = headers
        """Lower-case names; repeated ones joined by a comma. Bytes that are no UTF-8 are escaped as surrogates."""
        self.is_old = is_old
        """HTTP/1.0: knows no chunks and no 100, and closes unless it says otherwise."""
        self.keep_alive = False
        self.pieces: list[bytes] = []
        self._joined = 0
        self.size = 0
        """Of the body, as far as it is here, in bytes."""
        self.complete = False
        """Whether all of the body is here."""
        self.fault: GatewayError | None = None
        """Why the rest of the body will never come."""
        self.answer = 0
        """How far it is: `NOT_BEGUN`, `BEGUN`, `ENDED`."""

    @property
    def query(self) -> Mapping[str, str]:
        """The first value of each name. Raises `BadRequest` for more than `MAX_QUERY_FIELDS`."""
        try:
            fields = parse_qsl(
                self.query_string, keep_blank_values=True, errors="replace", max_num_fields=MAX_QUERY_FIELDS
            )
        except ValueError:
            raise BadRequest(f"A query may have {MAX_QUERY_FIELDS} fields.") from None
        return dict(reversed(fields))

    @property
    def expects_continue(self) -> bool:
        """Whether the client waits to be asked for its body. Source: RFC 9110, 10.1.1."""
        return not self.is_old and self.size == 0 and self.headers.get("expect", "").lower() == "100-continue"

    def keep(self, piece: bytes) -> None:
        """Add a piece of the body, by reference as long as there are few."""
        pieces = self.pieces
        pieces.append(piece)
        self.size += len(piece)
        if len(pieces) - self._joined > MAX_LOOSE_PIECES:
            pieces[self._joined :] = [b"".join(pieces[self._joined :])]
            self._joined += 1

    def body(self) -> bytes:
        """All that is here; a single piece stays the very object."""
        pieces = self.pieces
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


NOT_BEGUN, BEGUN, ENDED = range(3)
"""How far the answer to a request is."""
