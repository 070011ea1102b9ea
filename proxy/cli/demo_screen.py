"""How the demo looks: a cast, then calls, each with its answer wrapped as it streams. Plain text on standard output."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proxy.cli.common import table
from proxy.zero import STAND_INS

if TYPE_CHECKING:
    from proxy.cli.demo_calls import Call

CHARACTERS = {"express": "fast and dear", "local": "slow and cheap", "freight": "slower, sells flex"}
INDENT = "    "
ANSWER = f"{INDENT}| "
LABEL_CHARS = 10
MIN_COLUMNS, MAX_COLUMNS = 60, 96


@dataclass(slots=True)
class Screen:
    """Prints to standard output, wrapping what arrives word by word."""

    columns: int = 0
    _column: int = 0

    def __post_init__(self) -> None:
        """Take the terminal's width, within reason."""
        self.columns = self.columns or min(max(shutil.get_terminal_size().columns, MIN_COLUMNS), MAX_COLUMNS)

    def open(self, url: str) -> None:
        """Present the cast."""
        rows = [("PROVIDER", "FIRST TOKEN", "THEN", "USD/M IN", "USD/M OUT", "CHARACTER")]
        for spec in STAND_INS:
            price = spec.price
            rows.append(
                (
                    spec.name,
                    f"{spec.ttft_s:g} s",
                    f"{spec.tokens_per_second:g} tokens/s",
                    f"{price.input_usd_per_mtok:g}" if price else "-",
                    f"{price.output_usd_per_mtok:g}" if price else "-",
                    CHARACTERS.get(spec.name, ""),
                )
            )
        print(f"Three simulated providers on loopback, and the gateway before them at {url}\n")
        print(table(rows, right=(3, 4)))

    def announce(self, number: str, call: Call) -> None:
        """Say what is asked."""
        print(f"\n{number} {call.title}")
        self.note("call", f"POST {call.path}, model `{call.model}`")
        self.note("about", call.about)
        self.note("asks", call.prompt)

    def note(self, label: str, text: str) -> None:
        """One labelled line, or more if it is long."""
        start = f"{INDENT}{label:<{LABEL_CHARS}}"
        print(textwrap.fill(text, self.columns, initial_indent=start, subsequent_indent=" " * len(start)), flush=True)

    def begin_answer(self) -> None:
        """Leave a line."""
        self._column = 0
        print()

    def say(self, piece: str) -> None:
        """A piece of the answer, as soon as it is there."""
        for word in piece.split():
            if self._column and self._column + 1 + len(word) > self.columns:
                print()
                self._column = 0
            lead = " " if self._column else ANSWER
            print(f"{lead}{word}", end="", flush=True)
            self._column += len(lead) + len(word)

    def end_answer(self) -> None:
        """End its last line."""
        print("\n")
