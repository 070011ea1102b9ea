"""What a dialect must be able to say, so that a provider which speaks it can serve any client."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from proxy.dialects.quirks import Quirks
from proxy.errors import Unsupported

if TYPE_CHECKING:
    from proxy.dialects.names import DialectName
    from proxy.dialects.request import ModelRequest

Recall = Callable[[str], Mapping[str, Any] | None]
"""From a tool call's id to the hub message fields that a client may have lost (see `StreamDecoder.opaque`)."""


MAX_DROPPED = 100
"""Names told of one request; what is left out beyond these is left out without its name."""
MAX_PARAM_CHARS = 200
_UNSHOWN = re.compile(r"[^ -~]")


def nothing_to_recall(_: str) -> None:
    """A memory of nothing."""


class Undecodable(ValueError):
    """A piece of a stream cannot be read: what follows has a gap before it. The text says why, quoting nothing."""

    told: bytes = b""
    """The hub's events of what came together with it, before it."""


def told(pieces: Iterable[bytes]) -> bytes:
    """All of `pieces` together. An `Undecodable` among them takes along what was told before it.

    So it makes no difference how a damaged stream is cut into reads.
    """
    found: list[bytes] = []
    try:
        found.extend(pieces)
    except Undecodable as damage:
        damage.told = b"".join(found)
        raise
    return b"".join(found)


CLIENTS_TOOLS = (None, "function", "custom")
"""Types of tools that the client runs."""


@dataclass(slots=True)
class Target:
    """Whom a hub request is written for, and what had to be left out on the way."""

    model: str
    """The provider's name of it."""
    tier: str = "default"
    """The deployment's: `default` or `flex`."""
    quirks: Quirks = field(default_factory=Quirks)
    max_output_tokens: int | None = None
    """The most the model can write; `None` when not known."""
    lenient: bool = False
    """The client said to leave out what cannot be expressed (`x-pointsman-lenient: true`)."""
    filled_in: frozenset[str] = frozenset()
    """Parameters that the client never asked for (see `ModelRequest.filled_in`): they go without a word."""
    recall: Recall = nothing_to_recall
    dropped: list[str] = field(default_factory=list)
    """Parameters left out; told in a response header."""
    offers_functions: bool = False
    """The client offers functions of its own, and leaves it to the model what to call."""

    def refuse(self, param: str, why: str) -> None:
        """`param` cannot be expressed: note it if the client is lenient, else raise `Unsupported`.

        `why` completes the sentence "`param` ...", e.g. "is not known to Anthropic's API.".
        """
        if param in self.filled_in:
            return
        param = _shown(param)
        if not self.lenient:
            raise Unsupported(f"`{param}` {why}", param=param)
        self.note(param)

    def refuse_tool(self, param: str, kind: object, why: str) -> None:
        """As `refuse`, of a tool of type `kind`; most are run by another provider, such as a search.

        Agents offer what their usual provider has beside functions of their own. There it is left out, and told: no
        model has to call what it may, and the talk goes on. Alone, or when a call is forced, it is what was asked for.
        """
        if self.offers_functions and kind not in CLIENTS_TOOLS:
            self.note(param)
        else:
            self.refuse(param, why)

    def note(self, param: str) -> None:
        """`param` is left out: tell the client."""
        if len(self.dropped) < MAX_DROPPED and param not in self.dropped:
            self.dropped.append(param)


def _shown(param: str) -> str:
    """A field's name for a message and a header: it may be of the client's own making."""
    name = param[:MAX_PARAM_CHARS]
    return name if name.isascii() and name.isprintable() else _UNSHOWN.sub("?", name)


class Framer(Protocol):
    """Cuts a byte stream into whole frames; `proxy.dialects.sse.Splitter` is the one for server-sent events."""

    def feed(self, data: bytes) -> bytes:
        """The whole frames at hand, together; may be empty. Bounded: raises `EventTooLong` or `Undecodable`."""

    def take(self) -> bytes:
        """What is held back at the end of the stream; empty when it ended with a whole frame."""


class StreamDecoder(Protocol):
    """Turns one stream into the hub's chunks. Made for one answer."""

    opaque: dict[str, dict[str, Any]]
    """Tool call id -> hub message fields (`reasoning_details`, `extra_content`) the provider wants back with it."""

    def feed(self, block: bytes) -> bytes:
        """Whole frames in, whole hub events out; may be empty. Unknown events say nothing.

        The provider's terminal event becomes `data: [DONE]`, an error event `data: {"error": ...}`.
        Raises `Undecodable` for a frame that is damaged.
        """

    def end(self) -> bytes:
        """What is still to be said when the provider's stream has ended by itself; nothing if it broke off."""

    def counted(self) -> dict[str, Any] | None:
        """The usage told so far, as the hub says it, for the bill of a stream that breaks off; `None` if none was."""


class Dialect(Protocol):
    """Pure functions from the hub and to it. Stateless."""

    name: DialectName
    stream_types: tuple[str, ...]
    """How the content type of a streamed answer begins, lower case."""

    def encode(self, request: ModelRequest, target: Target) -> bytes:
        """The body of `request`, a hub chat request, for `target`; never changes `request.doc`.

        Raises `Unsupported` for what the dialect cannot express, another `BadRequest` for what no one could.
        """

    def adapt(self, request: ModelRequest, target: Target) -> bytes:
        """The body of a request that is in this dialect already: the very bytes, unless the provider needs another.

        At most the model's name and what is written in `target.quirks` change.
        """

    def answer(self, doc: dict[str, Any], target: Target) -> dict[str, Any]:
        """A whole answer to what was written for `target`, or an error, as the hub's; `doc` is not changed.

        An error has the provider's own object under `error`. Missing fields read as absent.
        """

    def opaque(self, answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """As `StreamDecoder.opaque`, of a whole answer that `answer` returned."""

    def framer(self, max_event_bytes: int) -> Framer:
        """What cuts one stream into frames."""

    def decoder(self, target: Target) -> StreamDecoder:
        """What reads one stream, the answer to what was written for `target`."""
