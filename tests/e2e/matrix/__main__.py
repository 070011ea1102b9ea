"""`PYTHONPATH=.:tests python -m e2e.matrix [--write] [client[/provider[/scene]]...]`: plays the matrix, or a part.

Prints what fails and the tables; `--write` puts them into the README.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from e2e.matrix.clients.table import CLIENTS
from e2e.matrix.results import FAIL, Cell, matrix_of, play
from e2e.matrix.scenes import SCENES, Pair
from e2e.matrix.section import TITLES, section_of, write
from e2e.matrix.stage import Stage

MAX_CHARS = 600


def _is_wanted(name: str, wanted: list[str]) -> bool:
    return not wanted or any(name.startswith(each) for each in wanted)


def alike(failed: list[Cell]) -> list[str]:
    """Failures, those of the same words together."""
    cells: dict[str, list[str]] = {}
    for cell in failed:
        cells.setdefault(cell.detail[:MAX_CHARS], []).append(f"{cell.client}/{cell.provider}/{cell.scene}")
    return [f"{len(names)} x {detail}\n    {', '.join(names)}" for detail, names in cells.items()]


def main(arguments: list[str]) -> int:
    """The exit code: 1 if a cell fails."""
    wanted = [each for each in arguments if not each.startswith("-")]
    with tempfile.TemporaryDirectory() as folder, Stage(Path(folder)) as stage:
        cells = [
            play(Pair(stage, client, provider), scene)
            for client in CLIENTS
            for provider in stage.fakes.values()
            for scene in SCENES
            if _is_wanted(f"{client.name}/{provider.dialect}/{scene}", wanted)
        ]
        failed = [cell for cell in cells if cell.outcome == FAIL]
        if failed or wanted:
            complaints = [line for line in stage.gateway.said if "INFO" not in line]
            told = "\n".join([*alike(failed), *matrix_of(cells, TITLES), *complaints])
        else:
            told = section_of(cells, stage)
            if "--write" in arguments:
                write(told)
        print(told)  # noqa: T201 - a program
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
