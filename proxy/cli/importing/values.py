"""Reading values of a LiteLLM file: what is of the wrong type is absent, `os.environ/NAME` is `${NAME}`."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Any

MARK = "os.environ/"
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_S = 86_400.0
"""The longest our settings take."""


def reference(value: Any) -> str | None:
    """`os.environ/NAME` as `${NAME}`; `None` for anything else."""
    if not isinstance(value, str) or not value.startswith(MARK):
        return None
    name = value.removeprefix(MARK).strip()
    return f"${{{name}}}" if VARIABLE.fullmatch(name) else None


def text(value: Any) -> str | None:
    """A string with something in it."""
    return value.strip() or None if isinstance(value, str) else None


def plain(value: Any) -> str | None:
    """A string that is no secret: a reference, or as it stands; a number reads as its digits."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return reference(value) or text(value)


def number(value: Any) -> float | None:
    """A finite number above 0, also as digits in a string."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if 0 < found < float("inf") else None


def count(value: Any) -> int | None:
    """A whole number, 0 or more."""
    if value == 0 and not isinstance(value, bool):
        return 0
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def seconds(value: Any) -> float | None:
    """A time our settings take; longer ones are cut to a day."""
    found = number(value)
    return None if found is None else tidy(min(found, MAX_S))


def usd_per_mtok(value: Any) -> float | None:
    """USD per token -> USD per million, without a float's noise. `None` for what is no price."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(Decimal(str(value)) * 1_000_000)
    except (InvalidOperation, ValueError):
        return None
    return tidy(found) if 0 <= found < float("inf") else None


def tidy(value: float) -> float:
    """Whole numbers without a point."""
    return int(value) if value == int(value) else value


def mapping(value: Any) -> dict[str, Any]:
    """An object with strings for keys, else an empty one."""
    return {key: item for key, item in value.items() if isinstance(key, str)} if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """A list, else an empty one."""
    return value if isinstance(value, list) else []
