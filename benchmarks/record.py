"""All that a run has measured, as it is kept in `results.json`: tables and charts are made of it without measuring."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from benchmarks.profiles.profile import Value

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"


class Summary(NamedTuple):
    """One figure over all rounds."""

    median: float
    low: float
    high: float
    at_least: bool
    """More of the rounds than not were limited by the load."""


@dataclass(slots=True)
class Entry:
    """One system."""

    name: str
    what: str
    note: str | None = None
    """Why it was not measured, `None` if it was."""
    values: dict[str, list[Value]] = field(default_factory=dict)
    """Profile and row -> a value for each round that had one."""
    errors: dict[str, int] = field(default_factory=dict)
    """Profile -> requests and streams that failed, of all rounds."""
    failures: dict[str, str] = field(default_factory=dict)
    """Profile -> why it could not be measured, the last time it could not."""

    def summary(self, key: str) -> Summary | None:
        """Of one row; `None` without a value."""
        values = self.values.get(key)
        if not values:
            return None
        figures = [value.figure for value in values]
        bounded = sum(value.at_least for value in values) * 2 > len(values)
        return Summary(statistics.median(figures), min(figures), max(figures), bounded)


@dataclass(slots=True)
class Record:
    """One run."""

    date: str
    command: str
    rounds: int
    seconds: float
    profiles: list[str]
    facts: list[str]
    """Of the machine and the programs."""
    entries: list[Entry]

    def entry(self, name: str) -> Entry | None:
        """A system that was measured."""
        return next((entry for entry in self.entries if entry.name == name and entry.values), None)

    def write(self, path: Path = RESULTS) -> None:
        """Keep it."""
        option = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        path.write_bytes(orjson.dumps(asdict(self), tuple, option))

    @classmethod
    def read(cls, path: Path = RESULTS) -> Self:
        """What was kept. Raises `OSError`, and `orjson.JSONDecodeError` or `TypeError` for what is none."""
        document: dict[str, Any] = orjson.loads(path.read_bytes())
        for entry in document["entries"]:
            entry["values"] = {key: [Value(*value) for value in values] for key, values in entry["values"].items()}
        return cls(**{**document, "entries": [Entry(**entry) for entry in document["entries"]]})
