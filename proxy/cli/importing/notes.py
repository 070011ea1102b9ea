"""What a converted file does not say as the original did: told once, with all the places it holds for."""

from __future__ import annotations

from collections.abc import Iterator

MAX_PLACES = 4
"""Named for one note; the others are counted."""


class Notes:
    """Notes in the order they were first made."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, None]] = {}
        """Text -> places, each once."""

    def add(self, place: str, text: str) -> None:
        """`place` is a path in the original file."""
        self._places.setdefault(text, {})[place] = None

    def __iter__(self) -> Iterator[str]:
        """Each as one line."""
        for text, places in self._places.items():
            named = ", ".join(f"`{place}`" for place in list(places)[:MAX_PLACES])
            more = f" and {len(places) - MAX_PLACES} more" if len(places) > MAX_PLACES else ""
            yield f"{named}{more}: {text}"

    def __len__(self) -> int:
        """How many lines."""
        return len(self._places)
