"""What the workers leave in their folder. A figure is a number here, and folding is adding."""

from __future__ import annotations

import fcntl
import os
import resource
import stat
import tempfile
from collections.abc import Iterator, Sequence

import pytest

from proxy.admission.shared_limits import TABLE_BYTES
from proxy.siblings.folder import Departed, Folder
from proxy.siblings.place import Life


def added(snapshots: Sequence[bytes]) -> bytes:
    return str(sum(map(int, snapshots))).encode()


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Iterator[Folder]:
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder = Folder.create()
    yield folder
    folder.remove()


def test_nobody_else_may_look_and_nothing_is_left(folder):
    assert 0o700 == stat.S_IMODE(folder.path.stat().st_mode)
    folder.keep(Life(0, 0), b"1")
    folder.remove()
    assert not folder.path.exists()
    assert [] == folder.lives()


def test_a_folder_too_deep_for_sockets_is_refused_with_the_way_out(tmp_path, monkeypatch):
    deep = tmp_path / ("x" * 90)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(OSError, match="set TMPDIR to a shorter one"):
        Folder.create()
    assert [] == list(deep.iterdir())


def test_where_there_is_no_room_nothing_is_left(short_path, monkeypatch):
    """As on a full disk: that is told at the start, and not by the death of a worker that writes to the table."""
    monkeypatch.setattr(tempfile, "tempdir", str(short_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (TABLE_BYTES - 1, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            Folder.create()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [] == list(short_path.iterdir())


def test_whoever_clears_old_files_away_passes_it_by(folder):
    """As systemd-tmpfiles does, which takes the lock of a folder before it empties it."""
    fd = os.open(folder.path, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    folder.remove()
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_what_is_kept_is_the_last(folder):
    for number in (b"1", b"2"):
        folder.keep(Life(0, 0), number)
    assert (b"2", None) == (folder.kept(Life(0, 0)), folder.kept(Life(1, 0)))


def test_the_dead_of_a_post_are_folded_into_one_and_their_files_go(folder):
    for number in range(1000):
        life = Life(number % 2, number // 2)
        folder.keep(life, b"1")
        folder.announce(life)
        folder.bury(life, added)
    assert Departed(499, b"500") == folder.departed(0) == folder.departed(1)
    assert Departed(-1, None) == folder.departed(2)
    assert {"0.departed", "1.departed", "limits"} == {path.name for path in folder.path.iterdir()}


def test_who_died_without_a_word_adds_nothing(folder):
    folder.bury(Life(0, 0), added)
    assert None is folder.departed(0).snapshot
    folder.keep(Life(0, 1), b"3")
    folder.bury(Life(0, 1), added)
    folder.bury(Life(0, 2), added)
    assert b"3" == folder.departed(0).snapshot


def test_figures_nobody_can_read_are_given_up_and_told(folder, caplog):
    for number, figure in enumerate((b"5", b"?", b"6")):
        folder.keep(Life(1, number), figure)
        folder.bury(Life(1, number), added)
    assert b"11" == folder.departed(1).snapshot
    assert "the figures of worker 1 are lost to the metrics" in caplog.text
    assert [] == folder.lives()


def test_figures_there_is_no_room_for_stay_until_there_is(folder, caplog):
    """As on a full disk: nobody's are lost, and each is added once."""
    folder.keep(Life(0, 0), b"5")
    folder.bury(Life(0, 0), added)
    blocked = folder.path / "0.departed.draft"
    blocked.mkdir()  # nothing can be written to its name
    for number in (1, 2):
        folder.keep(Life(0, number), b"%d" % number)
        folder.bury(Life(0, number), added)
    assert Departed(0, b"5") == folder.departed(0)
    assert {Life(0, 1), Life(0, 2)} == set(folder.lives())
    assert "the figures of worker 0 cannot be added up yet" in caplog.text
    blocked.rmdir()
    folder.keep(Life(0, 3), b"3")
    folder.bury(Life(0, 3), added)
    assert Departed(3, b"11") == folder.departed(0)
    assert [] == folder.lives()


def test_one_killed_while_it_wrote_leaves_no_half_a_file(folder):
    folder.keep(Life(0, 0), b"1")
    (folder.path / "0.0.kept.draft").write_bytes(b"1")
    folder.bury(Life(0, 0), added)
    assert {"0.departed", "limits"} == {path.name for path in folder.path.iterdir()}


def test_a_worker_is_up_once_it_says_so(folder):
    assert not folder.is_up(Life(0, 1))
    folder.announce(Life(0, 1))
    assert folder.is_up(Life(0, 1))
    assert not folder.is_up(Life(0, 2))
