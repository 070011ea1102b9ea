"""`pointsman settings`: every setting with its default and its unit, as the README has them.

Read from the JSON schema of the configuration models, so that nothing here can differ from what is in force.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from proxy.config import Config

FOREMOST = ("timeouts", "retries", "routes.<name>.hedge", "health", "limits")
"""What decides how a failing provider is met; shown first, the rest folded."""
HEAD = ("setting", "default", "unit", "allowed", "what it does")

_UNITS = {
    "_usd_per_mtok": "USD/Mtok",
    "_bytes": "bytes",
    "_s": "s",
    "_tokens": "tokens",
    "context_window": "tokens",
    "rpm": "requests/min",
    "weight": "relative",
    "priority": "rank",
}
"""How a name ends -> its unit. A number from 0 to 1 is a share, any other whole number a count."""
_BOUNDS = {"exclusiveMinimum": "> {}", "minimum": ">= {}", "exclusiveMaximum": "< {}", "maximum": "<= {}"}
_WORDS = {"boolean": "`true`, `false`", "array": "a list", "object": "names and values"}

Schema = Mapping[str, Any]


class Setting(NamedTuple):
    """One row."""

    path: str
    """Dotted; `<name>` stands for a key of the file's own choice, `[]` for an entry of a list."""
    default: str
    unit: str
    allowed: str
    purpose: str


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the subcommand."""
    parser = subparsers.add_parser(
        "settings",
        help="list every setting with its default and its unit",
        description="Prints every setting of the configuration file as Markdown tables: its default, its unit, what "
        "it may be and what it does. First those that decide how a failing provider is met.",
        epilog="example: pointsman settings | grep timeouts",
    )
    parser.set_defaults(run=run)


def run(_: argparse.Namespace) -> int:
    """Print the tables."""
    print(markdown())
    return 0


def markdown() -> str:
    """Both tables, as the README has them."""
    rows = list(settings())
    first = [row for name in FOREMOST for row in rows if _is_of(row, name)]
    others = [row for row in rows if row not in first]
    summary = f"<summary>The other {len(others)} settings, in the order of the file</summary>"
    return "\n".join([_table(first), "", "<details>", summary, "", _table(others), "", "</details>"])


def settings() -> Iterator[Setting]:
    """Every setting, in the order of the file."""
    schema = Config.model_json_schema()
    return _Walk(schema["$defs"], schema).section("", schema, {})


def _is_of(row: Setting, name: str) -> bool:
    return row.path == name or row.path.startswith(f"{name}.")


class _Walk:
    """A way through the tree of sections."""

    def __init__(self, sections: Mapping[str, Schema], root: Schema) -> None:
        self._sections = sections
        self._shared = {field["$ref"]: name for name, field in root["properties"].items() if "$ref" in field}
        """A section of the whole file -> its name there: elsewhere it is not repeated."""

    def section(self, prefix: str, section: Schema, defaults: Mapping[str, Any]) -> Iterator[Setting]:
        """The settings of one section; `defaults` are those of the field that holds it, and win over its own."""
        for name, field in section["properties"].items():
            given = {**field, "default": defaults[name]} if name in defaults else field
            required = name in section.get("required", ()) and name not in defaults
            yield from self._setting(f"{prefix}{name}", given, required=required)

    def _setting(self, path: str, field: Schema, *, required: bool) -> Iterator[Setting]:
        below, suffix = _inner(field)
        default = field.get("default", {} if field.get("type") == "object" else None)
        row = Setting(
            path=path,
            default="required" if required else _yaml(default),
            unit=_unit(path, field),
            allowed=_allowed(field, self._sections),
            purpose=field.get("description", ""),
        )
        if below is None or "enum" in self._sections[_name_of(below)]:
            yield row
            return
        if (shared := self._shared.get(below)) is not None and path != shared:
            yield row._replace(default=f"as `{shared}`", allowed=f"as `{shared}`")
            return
        if "$ref" not in field:  # a section that must be there has no default of its own
            yield row
        inner = default if isinstance(default, dict) and not suffix else {}
        yield from self.section(f"{path}{suffix}.", self._sections[_name_of(below)], inner)


def _inner(field: Schema) -> tuple[str | None, str]:
    """The section within, and what stands for it in a path; `None` for a plain value."""
    for choice in (field, *field.get("anyOf", ())):
        # names that must fit a pattern are `patternProperties`
        values = choice.get("additionalProperties"), *choice.get("patternProperties", {}).values()
        for suffix, holders in (("", (choice,)), ("[]", (choice.get("items"),)), (".<name>", values)):
            for holder in holders:
                if isinstance(holder, Mapping) and "$ref" in holder:
                    return str(holder["$ref"]), suffix
    return None, ""


def _name_of(reference: str) -> str:
    return reference.rpartition("/")[2]


def _choices(field: Schema) -> list[Schema]:
    return [choice for choice in field.get("anyOf", (field,)) if choice.get("type") != "null"]


def _unit(path: str, field: Schema) -> str:
    for ending, unit in _UNITS.items():
        if path.endswith(ending):
            return unit
    numbers = [choice for choice in _choices(field) if choice.get("type") in ("number", "integer")]
    if not numbers:
        return ""
    if numbers[0]["type"] == "number" and numbers[0].get("maximum") == 1:
        return "share 0..1"
    return "count" if numbers[0]["type"] == "integer" else ""


def _allowed(field: Schema, sections: Mapping[str, Schema]) -> str:
    words = [word for choice in _choices(field) if (word := _of_choice(choice, sections))]
    if len(_choices(field)) < len(field.get("anyOf", ())) and field.get("default") is not None:
        words.append("`null`")
    return " or ".join(words)


def _of_choice(choice: Schema, sections: Mapping[str, Schema]) -> str:
    values = choice.get("enum") or ([choice["const"]] if "const" in choice else [])
    if values:
        return ", ".join(f"`{value}`" for value in values)
    kind = choice.get("type")
    if kind in ("number", "integer"):
        return ", ".join(how.format(_number(choice[bound])) for bound, how in _BOUNDS.items() if bound in choice)
    if kind == "string":
        return _text(choice)
    if "$ref" in (items := choice.get("items", {})) and "enum" in (named := sections[_name_of(items["$ref"])]):
        return f"a list of {_of_choice(named, sections)}"
    if kind is not None:
        return _WORDS[kind]
    section = sections[_name_of(choice["$ref"])]
    return "this and options of its own" if section.get("additionalProperties") else "as below"


def _text(choice: Schema) -> str:
    if choice.get("format") == "password":
        return "a secret"
    longest = choice.get("maxLength")
    return "text" if longest is None else f"up to {longest} characters"


def _yaml(value: Any) -> str:
    """A value as it is written in the file."""
    match value:
        case None:
            return "none"
        case bool():
            return f"`{str(value).lower()}`"
        case int() | float():
            return f"`{_number(value)}`"
        case dict():
            return "`{" + ", ".join(f"{name}: {inner}" for name, inner in value.items()) + "}`"
        case list() | tuple():
            return f"`[{', '.join(map(str, value))}]`"
    return f"`{value}`"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _table(rows: list[Setting]) -> str:
    cells = [(f"`{row.path}`", *row[1:]) for row in rows]
    lines = [HEAD, ("---",) * len(HEAD), *cells]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
