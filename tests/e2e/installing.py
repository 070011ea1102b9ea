"""Environments of their own for clients of other makes, made once and kept until what they consist of changes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
INSTALL_S = 240
RUN_S = 60


def run(command: list[str], folder: Path, timeout_s: float) -> bytes:
    """Its standard output. Fails with its standard error."""
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=timeout_s, check=False)  # noqa: S603
    assert 0 == done.returncode, done.stderr.decode(errors="replace")[-3000:]
    return done.stdout


def installed(config: pytest.Config, source: Path, manifest: str, command: list[str]) -> Path:
    """A folder with `source`'s files in which `command` has once succeeded; kept until the manifest changes."""
    digest = hashlib.sha256((source / manifest).read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = config.cache.mkdir("e2e-clients") / f"{source.name}-{digest}"
    folder.mkdir(exist_ok=True)
    for file in source.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    done = folder / "installed"
    if not done.exists():
        try:
            run(command, folder, INSTALL_S)
        except (AssertionError, subprocess.TimeoutExpired) as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"the client cannot be installed: {error}")
        done.touch()
    return folder
