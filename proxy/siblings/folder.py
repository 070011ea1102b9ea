"""The private folder where the workers of one gateway meet, and the figures they leave there.

Each life keeps its last snapshot in a file of its own. When it has died, the supervisor folds that file into the one of
its post's dead, which also says up to which life it goes: a reader that looks at the living first and at the dead last
counts every life exactly once, whenever the supervisor is at work, and a thousand restarts leave one file.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from proxy.admission.shared_limits import make_table
from proxy.siblings.place import Life

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger("pointsman")

MAX_PATH_BYTES = 90
"""Of the folder: what follows must fit a Unix socket's address (108 bytes; unix(7))."""


class Departed(NamedTuple):
    """The figures of all the dead of one post, and up to which life they go."""

    last: int = -1
    snapshot: bytes | None = None
    """`None` when nobody left any."""


class Folder:
    """The files. Every one of them appears whole or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: int | None = None
        """The folder itself, if it was made here."""

    @classmethod
    def create(cls) -> Self:
        """A new one, for this user alone. Raises `OSError`."""
        path = Path(tempfile.mkdtemp(prefix="pointsman-"))  # mode 0700
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            path.rmdir()
            raise OSError(f"`{path.parent}` is too long a name for sockets below it: set TMPDIR to a shorter one")
        folder = cls(path)
        try:
            folder._held = os.open(path, os.O_RDONLY)
            # whoever clears old files away passes by what is locked; tmpfiles.d(5), "Age"
            fcntl.flock(folder._held, fcntl.LOCK_SH)
            make_table(folder.limits)
        except OSError:
            folder.remove()
            raise
        return folder

    def remove(self) -> None:
        """With all that is in it."""
        if self._held is not None:
            os.close(self._held)
            self._held = None
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def limits(self) -> Path:
        """The table of requests a minute."""
        return self.path / "limits"

    def ear(self, life: Life) -> Path:
        """The socket where this worker is asked."""
        return self.path / f"{life}.ear"

    def keep(self, life: Life, snapshot: bytes) -> None:
        """Replace what `life` has left. Raises `OSError`."""
        self._write(self._kept(life), snapshot)

    def kept(self, life: Life) -> bytes | None:
        """What `life` has left last."""
        return _read(self._kept(life))

    def lives(self) -> list[Life]:
        """Those who have kept something and are not among the departed, dead or alive. None when the folder is gone."""
        return [Life.read(path.stem) for path in self.path.glob("*.kept")]

    def announce(self, life: Life) -> None:
        """Say that `life` is listening."""
        self._up(life).touch()

    def is_up(self, life: Life) -> bool:
        """Whether it has said so."""
        return self._up(life).exists()

    def departed(self, post: int) -> Departed:
        """The dead that are folded. To be read last: who dies meanwhile is then either in here or in hand."""
        data = _read(self._departed(post))
        if data is None:
            return Departed()
        last, _, snapshot = data.partition(b"\n")
        return Departed(int(last), snapshot or None)

    def bury(self, life: Life, fold: Callable[[Sequence[bytes]], bytes]) -> None:
        """Add what the dead `life` left to the departed, by `fold`, and clear its files away. The supervisor's alone.

        What cannot be written, as on a full disk, stays where readers find it, and is added with the next one of its
        post; what cannot be read is lost to the figures. Both are told in the log.
        """
        dead = sorted(each for each in self.lives() if each.post == life.post and each.number <= life.number)
        try:
            for each in dead:
                self._add(each, fold)
        except OSError as error:
            log.error("the figures of worker %d cannot be added up yet: %s", life.post, error)  # noqa: TRY400 - the supervisor goes on
        for path in (self._up(life), self.ear(life), _draft(self._kept(life))):
            path.unlink(missing_ok=True)

    def _add(self, life: Life, fold: Callable[[Sequence[bytes]], bytes]) -> None:
        kept = self.kept(life)
        if kept is None:
            return
        try:
            before = self.departed(life.post).snapshot
            snapshot = fold([kept] if before is None else [before, kept])
        except ValueError as error:
            log.error("the figures of worker %d are lost to the metrics: %s", life.post, error)  # noqa: TRY400 - the supervisor goes on
        else:
            self._write(self._departed(life.post), b"%d\n%b" % (life.number, snapshot))
        self._kept(life).unlink(missing_ok=True)

    def _kept(self, life: Life) -> Path:
        return self.path / f"{life}.kept"

    def _departed(self, post: int) -> Path:
        return self.path / f"{post}.departed"

    def _up(self, life: Life) -> Path:
        return self.path / f"{life}.up"

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        draft = _draft(path)
        try:
            draft.write_bytes(data)
            draft.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()  # what is there of it takes the room that is wanting
            raise


def _draft(path: Path) -> Path:
    return path.with_name(path.name + ".draft")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
