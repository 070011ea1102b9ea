"""What the benchmarks have to know of a system."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks import answers
from benchmarks.pointsman import KEY
from benchmarks.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Origin(NamedTuple):
    """The provider a system passes requests on to, on loopback."""

    port: int
    authority: Path | None = None
    """PEM of who vouches for its certificate, which is for `localhost`; `None`: plain HTTP."""

    @property
    def url(self) -> str:
        """Without a path."""
        return f"https://localhost:{self.port}" if self.authority else f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class Launch:
    """How one is started."""

    command: list[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    port_file: Path | None = None
    """Where it leaves its port, if it chooses that itself."""


@dataclass(frozen=True, slots=True)
class System:
    """One of them. `launch` writes what configuration it needs into the folder it is given."""

    name: str
    what: str
    launch: Callable[[Path, int, Origin], Launch]
    """(folder, own port, provider)."""
    missing: Callable[[], str | None]
    """Why it cannot run here, `None` if it can."""
    install: Callable[[], None] | None = None
    """Fetches it from a registry into the cache folder. Raises `subprocess.SubprocessError` or `OSError`."""
    is_peer: bool = False
    """Measured only when asked for."""
    path: str = "/v1/chat/completions"
    model: str = answers.MODEL
    key: str = KEY
    headers: Callable[[Origin], Mapping[str, str]] = field(default=lambda _: {})
    """Besides those of every client."""
    ready_s: float = 30.0
    """For its first answer."""
    root: Path = ROOT
    """Where the command runs."""
