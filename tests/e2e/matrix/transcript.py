"""What was said between an SDK and a provider of another dialect, for people: `pytest -s` shows it."""

from __future__ import annotations


class Transcript:
    """One conversation, printed line by line."""

    def __init__(self, sdk: str, provider: str) -> None:
        print(f"\n--- {sdk} -> {provider}")  # noqa: T201 - it is there to be read

    def __call__(self, what: str, said: object) -> None:
        """`what` was done, `said` is what came of it."""
        print(f"    {what}: {said}")  # noqa: T201 - it is there to be read
