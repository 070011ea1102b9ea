"""The README's section on dialects, as a run produced it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from e2e.matrix import parameters
from e2e.matrix.clients.table import CLIENTS
from e2e.matrix.parity import TURNS, compare, table_of
from e2e.matrix.results import Cell, matrix_of
from e2e.matrix.scenes import SCENES
from e2e.matrix.stage import Stage

README = Path(__file__).parents[3] / "README.md"
BEGIN, END = "<!-- dialects:begin -->\n", "<!-- dialects:end -->\n"
TITLES = {client.name: client.title for client in CLIENTS} | {
    "bedrock_converse": "Bedrock Converse",
    "cohere": "Cohere",
    "ollama": "Ollama",
    "mistral": "Mistral",
}


def section_of(cells: Iterable[Cell], stage: Stage) -> str:
    """Both tables."""
    rows = [compare(stage, provider, what) for provider in stage.fakes for what in TURNS]
    scenes = ", ".join(SCENES)
    return "\n".join(
        [
            f"Scenes that pass, of seven ({scenes}):",
            "",
            *matrix_of(cells, TITLES),
            "",
            "What a provider lacks is refused by name, or left out (and told) for a lenient client; hints always are:",
            "",
            *parameters.table_of(parameters.try_all(stage), TITLES),
            "",
            f"The same answers whole and streamed ({', '.join(TURNS)}, added up):",
            "",
            *table_of(rows, TITLES),
            "",
        ]
    )


def written() -> str:
    """What the README has."""
    return README.read_text().split(BEGIN)[1].split(END)[0]


def write(section: str) -> None:
    before, rest = README.read_text().split(BEGIN)
    README.write_text(before + BEGIN + section + END + rest.split(END)[1])
