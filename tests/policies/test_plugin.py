"""A policy somebody else wrote, packaged and installed by itself, is found by its name."""

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parents[2]
MODULE = """
from dataclasses import dataclass
from typing import ClassVar

from policies.api import Policy


@dataclass
class Last(Policy):
    name: ClassVar[str] = "last"
    offset: int = 1

    def choose(self, request, candidates):
        return candidates[-self.offset]
"""
PROGRAM = """
from policies.api import RoutingRequest
from policies.registry import PolicyError, build, names

policy = build("last", {"offset": 2})
print(policy.name, policy.choose(RoutingRequest("m", 0.0), "abc"), "last" in names(), build("cost", {}).name)
for name, options in (("last", {"ofset": 1}), ("broken", {})):
    try:
        build(name, options)
    except PolicyError as error:
        print(error)
"""


BROKEN = (
    "policy `broken` cannot be loaded from `last_policy.missing:Broken` of package `last-policy`: "
    "ModuleNotFoundError: No module named 'last_policy.missing'; 'last_policy' is not a package"
)


def wheel(folder: Path) -> Path:
    """A wheel is a zip file with a `dist-info`: no build tool needed."""
    path = folder / "last_policy-1.0-py3-none-any.whl"
    info = "last_policy-1.0.dist-info"
    content = {
        "last_policy.py": MODULE,
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: last-policy\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": (
            "[pointsman.policies]\nlast = last_policy:Last\nbroken = last_policy.missing:Broken\n"
        ),
    }
    with ZipFile(path, "w") as archive:
        for name, text in content.items():
            archive.writestr(name, text)
        record = "".join(f"{name},,\n" for name in (*content, f"{info}/RECORD"))
        archive.writestr(f"{info}/RECORD", record)
    return path


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Where pip has installed the package."""
    target = tmp_path / "site"
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *options, str(wheel(tmp_path))]
    subprocess.run(command, check=True)  # noqa: S603 - pip, for the wheel above
    return target


def test_an_installed_package_s_policy_is_found_by_name(site):
    """Its options are checked like a built-in's, and its broken sister breaks nobody else."""
    path = os.pathsep.join((str(site), str(ROOT)))
    done = subprocess.run(  # noqa: S603 - the program above
        [sys.executable, "-W", "error", "-c", PROGRAM],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )

    assert [
        "last b True cost",
        "policy `last` has no option `ofset`; it takes `offset`.",
        BROKEN,
    ] == done.stdout.splitlines()
