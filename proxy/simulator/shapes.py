"""A value that fits a JSON schema, for structured output and tool arguments. Knows the keywords schemas are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy.simulator.text import WORDS

if TYPE_CHECKING:
    import random

MAX_DEPTH = 12
"""Deeper schemas, and those that contain themselves, end in an empty value."""
MAX_ITEMS = 100
MAX_STRING = 1000

_FORMATS = {
    "date-time": "2025-03-01T06:30:00Z",
    "date": "2025-03-01",
    "time": "06:30:00Z",
    "duration": "PT9M",
    "email": "pointsman@example.com",
    "hostname": "junction.example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/line",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}
_EMPTY: dict[str, Any] = {"object": {}, "array": [], "string": "", "integer": 0, "number": 0, "boolean": False}


def sample(schema: Any, rng: random.Random) -> Any:
    """A value for `schema`. Keywords it does not know (`pattern`, `not`, conditionals) are not honoured."""
    return _Sampler(schema if isinstance(schema, dict) else {}, rng).value(schema, MAX_DEPTH)


class _Sampler:
    """Holds the root, in which `$ref` looks."""

    def __init__(self, root: dict[str, Any], rng: random.Random) -> None:
        self._root = root
        self._rng = rng

    def value(self, schema: Any, depth: int) -> Any:
        """One value; every nested schema costs one of `depth`."""
        if not isinstance(schema, dict) or depth <= 0:
            return _EMPTY.get(_kind(schema))
        if "const" in schema:
            return schema["const"]
        if isinstance(choices := schema.get("enum"), list) and choices:
            return self._rng.choice(choices)
        if isinstance(reference := schema.get("$ref"), str):
            return self.value(self._resolve(reference), depth - 1)
        if (other := self._combined(schema)) is not None:
            return self.value(other, depth - 1)
        return self._typed(_kind(schema), schema, depth)

    def _combined(self, schema: dict[str, Any]) -> dict[str, Any] | None:
        for keyword in ("anyOf", "oneOf"):
            if isinstance(options := schema.get(keyword), list) and options and isinstance(options[0], dict):
                return options[0]
        if isinstance(parts := schema.get("allOf"), list) and parts:
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            return _merged([self._dereferenced(part) for part in parts if isinstance(part, dict)] + [rest])
        return None

    def _typed(self, kind: str, schema: dict[str, Any], depth: int) -> Any:
        match kind:
            case "object":
                properties = schema.get("properties")
                items = properties.items() if isinstance(properties, dict) else ()
                return {name: self.value(inner, depth - 1) for name, inner in items}
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema)
            case "integer" | "number":
                return self._number(kind, schema)
            case "boolean":
                return self._rng.random() < 0.5  # noqa: PLR2004 - a coin
            case _:
                return None

    def _array(self, schema: dict[str, Any], depth: int) -> list[Any]:
        if isinstance(fixed := schema.get("prefixItems"), list):
            return [self.value(inner, depth - 1) for inner in fixed[:MAX_ITEMS]]
        most = min(int(schema.get("maxItems", MAX_ITEMS)), MAX_ITEMS)
        least = min(int(schema.get("minItems", 1)), most)
        size = self._rng.randint(least, min(most, least + 1))
        return [self.value(schema.get("items", {"type": "string"}), depth - 1) for _ in range(size)]

    def _string(self, schema: dict[str, Any]) -> str:
        if (known := _FORMATS.get(str(schema.get("format")))) is not None:
            return known
        text = " ".join(self._rng.sample(WORDS, 2))
        least = min(int(schema.get("minLength", 0)), MAX_STRING)
        while len(text) < least:
            text += " " + self._rng.choice(WORDS)
        most = schema.get("maxLength")
        return text if most is None else text[: max(0, int(most))]

    def _number(self, kind: str, schema: dict[str, Any]) -> float:
        step = schema.get("multipleOf") or 1
        low, high = schema.get("minimum"), schema.get("maximum")
        if low is None and (bound := schema.get("exclusiveMinimum")) is not None:
            low = bound + step
        if high is None and (bound := schema.get("exclusiveMaximum")) is not None:
            high = bound - step
        if low is None:
            low = 0 if high is None else min(0, high)
        if high is None:
            high = low + 100 * step
        if kind == "integer":
            least, most = -int(-low // step), int(high // step)
            return self._rng.randint(least, max(least, most)) * step
        return round(self._rng.uniform(low, max(low, high)), 2) if high - low >= 1 else low

    def _resolve(self, reference: str) -> Any:
        found: Any = self._root
        for part in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
            found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
        return found

    def _dereferenced(self, schema: dict[str, Any]) -> dict[str, Any]:
        if isinstance(reference := schema.get("$ref"), str) and isinstance(found := self._resolve(reference), dict):
            return found
        return schema


def _kind(schema: Any) -> str:
    """The type to make: the first that is not `null`, or what the keywords suggest; `null` for what is no schema."""
    if not isinstance(schema, dict):
        return "null"
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if isinstance(kind, str):
        return kind
    if "properties" in schema:
        return "object"
    if "items" in schema or "prefixItems" in schema:
        return "array"
    return "string"


def _merged(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """All of them in one; properties are united, the last word wins otherwise."""
    whole: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for schema in schemas:
        whole |= schema
        if isinstance(inner := schema.get("properties"), dict):
            properties |= inner
    if properties:
        whole["properties"] = properties
    return whole
