"""The command line, run within the test or as the real process, without any provider key of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from proxy.cli import main
from proxy.providers.table import ROWS

ROOT = Path(__file__).parents[3]
PATIENCE_S = 30
INSTALLED = f"import sys; sys.path[0] = {str(ROOT)!r}; from proxy.__main__ import main; main()"
LISTENING = re.compile(rb"listening on (http://\S+):")


class Told(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str


@pytest.fixture
def no_keys(monkeypatch):
    for row in ROWS:
        for variable in (*row.key_variables, *row.address_variables):
            monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def pointsman(capsys, no_keys) -> Callable[..., Told]:
    """Runs a command within this process."""

    def run(*arguments: object) -> Told:
        capsys.readouterr()
        try:
            code = main.run([str(argument) for argument in arguments])
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        return Told(code, *capsys.readouterr())

    return run


@dataclass
class Running:
    """The real command, as a process of its own."""

    process: asyncio.subprocess.Process

    async def line(self, pattern: re.Pattern[bytes], stream: str = "stderr") -> re.Match[bytes]:
        """Read until a line matches."""
        reader = getattr(self.process, stream)
        seen: list[bytes] = []
        async with asyncio.timeout(PATIENCE_S):
            while line := await reader.readline():
                seen.append(line)
                if found := pattern.search(line):
                    return found
        raise AssertionError(f"{pattern.pattern!r} never came: {b''.join(seen).decode()}")

    async def url(self) -> str:
        """Where it listens."""
        return (await self.line(LISTENING))[1].decode()

    async def end(self) -> Told:
        """Wait until it ends by itself; the rest of what it said."""
        async with asyncio.timeout(PATIENCE_S):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Told(self.process.returncode, out.decode(), err.decode())


@pytest.fixture
async def launch() -> AsyncIterator[Callable[..., Any]]:
    """Starts the real command; kills what a failed test leaves."""
    started: list[asyncio.subprocess.Process] = []

    async def start(*arguments: object, folder: Path = ROOT, **environ: str) -> Running:
        # in another folder: as the installed command does it
        how = ("-m", "proxy") if folder == ROOT else ("-c", INSTALLED)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", *how, *map(str, arguments)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **environ},
        )
        started.append(process)
        return Running(process)

    yield start
    for process in started:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.communicate()


@pytest.fixture
def config(tmp_path) -> Callable[[str], Path]:
    """Writes a configuration file."""

    def write(text: str) -> Path:
        path = tmp_path / "pointsman.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
