"""What a worker is told."""

from __future__ import annotations

from pathlib import Path

from proxy.siblings.place import Life, Place


def test_a_worker_reads_what_its_supervisor_wrote():
    place = Place(Life(2, 7), 4, ("::1", 8080), Path("/tmp/pöint"), 17)  # noqa: S108 - only a name
    assert place == Place.from_environ(place.environ())
    assert "worker 2" == place.name


def test_who_has_no_supervisor_is_no_worker():
    assert Place.from_environ({}) is None


def test_a_life_is_known_by_its_name():
    assert Life(2, 10) == Life.read(str(Life(2, 10)))
