"""A change of the file is seen however it was made, and nothing else is taken for one."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from proxy.control.watch import fingerprint, watch
from proxy.tasks import spawn

PATIENCE_S = 10


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "pointsman.yaml"
    path.write_text("one")
    return path


def test_an_untouched_file_looks_the_same(file):
    assert fingerprint(file) == fingerprint(file)


def test_a_missing_file_has_no_look(tmp_path):
    assert fingerprint(tmp_path / "nowhere") is None
    assert fingerprint(tmp_path / "nowhere" / "deeper") is None


def test_a_write_in_place_is_a_change(file):
    before = fingerprint(file)
    file.write_text("longer")
    assert before != fingerprint(file)


def test_a_write_of_the_same_length_is_a_change(file):
    before = fingerprint(file)
    file.write_text("two")
    os.utime(file, ns=(0, 1))
    assert before != fingerprint(file)


def test_a_replacement_by_a_like_file_is_a_change(file, tmp_path):
    """As editors write: a new file, moved over the old one; here with the same size and time."""
    before = fingerprint(file)
    other = tmp_path / "new"
    other.write_text("two")
    stat = file.stat()
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.replace(file)
    assert before != fingerprint(file)


def test_a_swap_of_a_link_above_the_file_is_a_change(tmp_path):
    """As Kubernetes does it: `pointsman.yaml -> ..data/pointsman.yaml`, and `..data` is swapped."""
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "pointsman.yaml").write_text("same")
        os.utime(tmp_path / version / "pointsman.yaml", ns=(0, 0))
    data, path = tmp_path / "..data", tmp_path / "pointsman.yaml"
    data.symlink_to("v1")
    path.symlink_to("..data/pointsman.yaml")
    before = fingerprint(path)
    swapped = tmp_path / "..data_tmp"
    swapped.symlink_to("v2")
    swapped.replace(data)
    assert before != fingerprint(path)


class Watching:
    """`watch` at work, looking at every turn of the loop."""

    def __init__(self, path: Path) -> None:
        self.changes = 0
        self._changed = asyncio.Event()
        self.task = spawn(watch(path, self._note, poll_s=0), name="watch")

    def _note(self) -> None:
        self.changes += 1
        self._changed.set()

    async def turns(self, count: int = 10) -> None:
        """Let it look a few times."""
        for _ in range(count):
            await asyncio.sleep(0)

    async def change(self) -> None:
        """Wait for the next one."""
        async with asyncio.timeout(PATIENCE_S):
            await self._changed.wait()
        self._changed.clear()

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


async def test_each_change_is_told_once(file):
    watching = Watching(file)
    await watching.turns()
    assert 0 == watching.changes
    for number, text in enumerate(("a", "bb", "ccc"), 1):
        file.write_text(text * 7)
        await watching.change()
        await watching.turns()
        assert number == watching.changes
    await watching.stop()


async def test_a_file_that_vanishes_for_a_moment_is_waited_for(file):
    watching = Watching(file)
    await watching.turns()
    file.unlink()
    await watching.turns()
    assert 0 == watching.changes
    file.write_text("back again")
    await watching.change()
    assert 1 == watching.changes
    await watching.stop()


async def test_a_file_that_was_not_there_yet_is_a_change_when_it_comes(tmp_path):
    watching = Watching(tmp_path / "later")
    await watching.turns()
    (tmp_path / "later").write_text("x")
    await watching.change()
    await watching.stop()
