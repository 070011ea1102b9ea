"""Where and with what it was measured."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sysconfig
from pathlib import Path

from benchmarks.load import wrk
from benchmarks.systems.proxies import find

PACKAGES = ("aiohttp", "uvloop", "httptools", "orjson")
VERSION_S = 10.0


def facts() -> list[str]:
    """A line for each part of it."""
    return [
        f"{_cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        f"{platform.system()} {platform.release()}",
        interpreter(),
        ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        *_versions(),
        f"load: {'wrk for whole answers' if wrk.is_here() else 'our own client, wrk is not installed'}",
    ]


def interpreter() -> str:
    """Version and build: without optimisation by profile and at link time, or with a shared library, it is slower."""
    options = sysconfig.get_config_var("CONFIG_ARGS") or ""
    shared = "shared" if sysconfig.get_config_var("Py_ENABLE_SHARED") else "static"
    guided = "with" if "--enable-optimizations" in options else "without"
    linked = "with" if "--with-lto" in options else "without"
    implementation = platform.python_implementation()
    return f"{implementation} {platform.python_version()}, libpython {shared}, {guided} PGO, {linked} LTO"


def _versions() -> list[str]:
    found = []
    for name in ("nginx", "haproxy"):
        if (path := find(name)) is not None:
            done = subprocess.run([path, "-v"], capture_output=True, text=True, check=False, timeout=VERSION_S)
            found.append((done.stdout + done.stderr).strip().splitlines()[0].removeprefix("nginx version: "))
    return found


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
