"""Plays the whole matrix and writes it down."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from e2e.matrix.clients.table import CLIENTS
from e2e.matrix.limits import limit_of
from e2e.matrix.scenes import SCENES, Pair
from e2e.matrix.stage import Refusal, Stage

BAD_REQUEST = 400
PASS, REFUSED, FAIL = "pass", "refused", "fail"


@dataclass(frozen=True, slots=True)
class Cell:
    """How one scene went between a client and a provider."""

    client: str
    provider: str
    scene: str
    outcome: str
    detail: str = ""
    """Why it failed, or was refused."""


def play_all(stage: Stage) -> dict[tuple[str, str, str], Cell]:
    """Every scene between every client and every provider, by these three names."""
    cells = [
        play(Pair(stage, client, provider), scene)
        for client in CLIENTS
        for provider in stage.fakes.values()
        for scene in SCENES
    ]
    return {(cell.client, cell.provider, cell.scene): cell for cell in cells}


def play(pair: Pair, scene: str) -> Cell:
    """Never raises: what goes wrong is the cell's detail."""
    names = pair.client.name, pair.provider.dialect, scene
    limit = limit_of(*names)
    asked, refused = len(pair.provider.requests), len(pair.provider.refusals)
    try:
        SCENES[scene](pair)
    except Refusal as refusal:
        was_asked = len(pair.provider.requests) > asked
        if limit and refusal.status == BAD_REQUEST and f"`{limit.param}`" in refusal.said and not was_asked:
            return Cell(*names, REFUSED, limit.why)
        told = "; ".join(each.message for each in pair.provider.refusals[refused:])
        return Cell(*names, FAIL, f"{refusal}" + (f" [the provider: {told}]" if told else ""))
    except Exception as failure:  # noqa: BLE001 - each cell is told, whatever the reader of an answer stumbled over
        frame = traceback.extract_tb(failure.__traceback__)[-1]
        where = f"{Path(frame.filename).name}:{frame.lineno}: {frame.line}"
        return Cell(*names, FAIL, f"{where}: {type(failure).__name__}: {failure}")
    if limit is not None:
        return Cell(*names, FAIL, f"passes, although `limits.py` says: {limit.why}")
    return Cell(*names, PASS)


def matrix_of(cells: Iterable[Cell], titles: dict[str, str]) -> list[str]:
    """Markdown: clients down, providers across, how many of the scenes pass; refusals are footnotes."""
    cells = list(cells)
    providers = list(dict.fromkeys(cell.provider for cell in cells))
    notes: list[str] = []
    lines = ["| client \\ provider | " + " | ".join(titles[each] for each in providers) + " |"]
    lines.append("|---" * (len(providers) + 1) + "|")
    for client in dict.fromkeys(cell.client for cell in cells):
        row = [titles[client]]
        for provider in providers:
            played = [cell for cell in cells if (cell.client, cell.provider) == (client, provider)]
            row.append(_told(played, notes))
        lines.append("| " + " | ".join(row) + " |")
    return [*lines, *([""] if notes else []), *(f"{number}. {note}" for number, note in enumerate(notes, 1))]


def _told(played: list[Cell], notes: list[str]) -> str:
    passed = sum(cell.outcome == PASS for cell in played)
    told = f"{passed}/{len(played)}"
    for cell in played:
        if cell.outcome == PASS:
            continue
        note = f"{cell.scene}: {cell.detail}" if cell.outcome == REFUSED else f"{cell.scene} fails"
        if note not in notes:
            notes.append(note)
        told += f" ({notes.index(note) + 1})"
    return told
