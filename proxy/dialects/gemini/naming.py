"""Field names: Google's API takes each in camel case and in snake case.

Source: Protocol Buffers, "ProtoJSON Format".
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from proxy.errors import WrongType

MAX_KNOWN_NAMES = 512
"""Names whose camel case is remembered."""


@lru_cache(maxsize=MAX_KNOWN_NAMES)
def camel(name: str) -> str:
    """`generation_config` as `generationConfig`."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def fields_of(value: Any, at: str) -> dict[str, Any]:
    """The fields of an object in camel case, without those that are null; `None` has none. Raises `WrongType`."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise WrongType(f"`{at}` must be an object.", param=at)
    return {camel(name) if "_" in name else name: inner for name, inner in value.items() if inner is not None}


def list_of(value: Any, at: str) -> list[Any]:
    """An array; a lone object is one of one, and `None` is empty. Raises `WrongType`."""
    if value is None:
        return []
    if isinstance(value, dict):
        return [value]
    if not isinstance(value, list):
        raise WrongType(f"`{at}` must be an array.", param=at)
    return value


def text_at(value: Any, at: str) -> str:
    """A string. Raises `WrongType`."""
    if not isinstance(value, str):
        raise WrongType(f"`{at}` must be a string.", param=at)
    return value
