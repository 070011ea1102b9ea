"""JSON Schema as Google takes it, and Google's own OpenAPI subset as JSON Schema.

Source: https://ai.google.dev/api/caching#Schema, https://ai.google.dev/gemini-api/docs/structured-output
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 64
"""Levels of a schema."""

_NAMED = ("properties", "$defs", "definitions")
"""Keywords that hold schemas by name."""
_LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = ("items", "additionalProperties")
_COUNTS = ("minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties")
_OWN = frozenset({"nullable", "propertyOrdering", "example", "type", *_COUNTS})
_SNAKE = {
    "any_of": "anyOf",
    "additional_properties": "additionalProperties",
    "property_ordering": "propertyOrdering",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "defs": "$defs",
    "ref": "$ref",
}


def for_google(schema: Any, depth: int = 0) -> Any:
    """`schema` with `const`, which Google refuses, as an `enum` of one. The same object if it has none.

    Raises `BadRequest` beyond `MAX_DEPTH` levels.
    """
    if not isinstance(schema, dict):
        return schema
    changed: dict[str, Any] = {}
    for name, value in _children(schema, depth):
        new = _mapped(name, value, depth, for_google)
        if new is not value:
            changed[name] = new
    if "const" not in schema:
        return {**schema, **changed} if changed else schema
    rest = {name: value for name, value in schema.items() if name != "const"}
    return {**rest, **changed, "enum": [schema["const"]]}


def from_google(schema: Any, depth: int = 0) -> Any:
    """Google's `Schema` as JSON Schema: types in lower case, `nullable` as a type, counts as numbers.

    Raises `BadRequest` beyond `MAX_DEPTH` levels.
    """
    if not isinstance(schema, dict):
        return schema
    schema = {_SNAKE.get(name, name): value for name, value in schema.items()}
    found = {name: value for name, value in schema.items() if name not in _OWN}
    for name, value in _children(schema, depth):
        found[name] = _mapped(name, value, depth, from_google)
    for name in _COUNTS:
        if name in schema:
            found[name] = _count(schema[name])
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "TYPE_UNSPECIFIED":
        kind = kind.lower()
        found["type"] = [kind, "null"] if schema.get("nullable") is True else kind
    elif isinstance(kind, list):
        found["type"] = [one.lower() if isinstance(one, str) else one for one in kind]
    if schema.get("nullable") is True and isinstance(found.get("enum"), list) and None not in found["enum"]:
        found["enum"] = [*found["enum"], None]
    return found


def _children(schema: dict[str, Any], depth: int) -> list[tuple[str, Any]]:
    if depth >= MAX_DEPTH:
        raise BadRequest(f"A JSON schema may have {MAX_DEPTH} levels.")
    return [(name, schema[name]) for name in (*_NAMED, *_LISTED, *_SINGLE) if name in schema]


def _mapped(name: str, value: Any, depth: int, change: Callable[[Any, int], Any]) -> Any:
    """The value of the keyword `name` with each schema in it changed; the same object if none is."""
    if isinstance(value, list):
        items = [change(one, depth + 1) for one in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if name in _NAMED and isinstance(value, dict):
        named = {key: change(one, depth + 1) for key, one in value.items()}
        return named if any(named[key] is not one for key, one in value.items()) else value
    return change(value, depth + 1)


def _count(value: Any) -> Any:
    """Google writes 64-bit numbers as strings."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value
