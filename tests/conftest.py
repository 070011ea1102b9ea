"""What tests of every folder may use."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder with a name so short that sockets may lie below it, which `tmp_path` need not have."""
    with tempfile.TemporaryDirectory(prefix="pm-", dir="/tmp") as name:
        yield Path(name)
