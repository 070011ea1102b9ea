"""What a client's field must be: the value if it is that, else a clear 400 that names the field."""

from __future__ import annotations

from typing import Any

from proxy.errors import MissingField, WrongType


def text_at(value: Any, at: str) -> str:
    """A string, which may be empty. Raises `MissingField` or `WrongType`."""
    if isinstance(value, str):
        return value
    if value is None:
        raise MissingField(f"`{at}` is required.", param=at)
    raise WrongType(f"`{at}` must be a string.", param=at)


def dict_at(value: Any, at: str) -> dict[str, Any]:
    """An object. Raises `WrongType`."""
    if not isinstance(value, dict):
        raise WrongType(f"`{at}` must be an object.", param=at)
    return value


def list_at(value: Any, at: str) -> list[Any]:
    """A list; an absent one is empty. Raises `WrongType`."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongType(f"`{at}` must be an array.", param=at)
    return value
