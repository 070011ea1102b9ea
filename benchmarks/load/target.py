"""What a load asks, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from benchmarks import answers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.answers import Plan


class LoadFailed(Exception):
    """A load could not be run to its end, or said what cannot be read."""


class Target(NamedTuple):
    """One request, sent again and again."""

    port: int
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def request(self) -> bytes:
        """All of it, as it goes over the wire."""
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        first = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{head}"
        return f"{first}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body


def target(  # noqa: PLR0913 - what differs between systems comes by name
    port: int,
    plan: Plan,
    *,
    key: str,
    path: str = "/v1/chat/completions",
    model: str = answers.MODEL,
    headers: Mapping[str, str] | None = None,
    padding: int = 0,
) -> Target:
    """The request for `plan`, its prompt longer by `padding` bytes."""
    sent = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **(headers or {})}
    return Target(port, path, sent, answers.request_body(plan, model=model, padding=padding))
