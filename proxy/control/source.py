"""From a configuration file to a `Config`, or to the list of everything that is wrong with it.

Never stops at the first problem: an operator mends a file once.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from proxy.config import Config

REFERENCE = re.compile(r"\$\{([^}]*)\}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FILE_PREFIX = "file:"
MERGE_TAG = "tag:yaml.org,2002:merge"
UNRESOLVED = "unresolved"
"""Stands for what a reference should have brought, so that the rest can be checked."""
BARE = re.compile(r"[\w-]+")
"""Keys that need no quotes in a path."""
MAX_FILE_BYTES = 4 * 1024 * 1024
MAX_SECRET_BYTES = 64 * 1024
CLOSE_ENOUGH = 0.6
"""`difflib` similarity from which a name is offered as what was meant."""

MAX_LOOKS = 8
"""At a document, each without what was wrong before."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong, where, and what would be right."""

    path: str
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        text = f"`{self.path}`: {self.message}" if self.path else self.message
        return f"{text} ({self.suggestion})" if self.suggestion else text


class ConfigProblems(Exception):
    """Everything wrong with a configuration. `sound` is what is left without its wrong parts, if that is anything."""

    def __init__(self, problems: Iterable[Problem], sound: Config | None = None) -> None:
        self.problems = tuple(problems)
        self.sound = sound
        super().__init__("\n".join(str(problem) for problem in self.problems))


def load(path: Path, environ: Mapping[str, str], overrides: Mapping[str, Any] = NOTHING) -> Config:
    """Read, resolve references and validate; `overrides` replace settings of the file. Raises `ConfigProblems`."""
    return parse(_read(path), environ, overrides)


def parse(text: str, environ: Mapping[str, str], overrides: Mapping[str, Any] = NOTHING) -> Config:
    """As `load`, for text in hand."""
    try:
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader that also refuses duplicate keys
    except yaml.YAMLError as error:
        raise ConfigProblems([_yaml_problem(error)]) from error
    except RecursionError:
        raise ConfigProblems([Problem("", "the file is nested too deeply")]) from None
    if document is None:
        document = {}
    if not isinstance(document, dict):
        raise ConfigProblems([Problem("", "the file must be a mapping of settings", "see the README's example")])
    problems: list[Problem] = []
    resolved = _resolve(document, environ, "", problems)
    try:
        config = validate({**resolved, **overrides})
    except ConfigProblems as found:
        known = {problem.path for problem in problems}  # a reference that failed is not also of a wrong form
        problems += (problem for problem in found.problems if problem.path not in known)
        raise ConfigProblems(problems, found.sound) from found
    if problems:
        raise ConfigProblems(problems, config)
    return config


def validate(document: Mapping[str, Any]) -> Config:
    """The settings of a document without references. Raises `ConfigProblems`.

    Some problems show only once others are gone, so the wrong parts are taken out and the rest is looked at again.
    """
    problems: list[Problem] = []
    rest: Any = document
    for _ in range(MAX_LOOKS):
        try:
            config = Config.model_validate(rest)
        except ValidationError as error:
            items = error.errors(include_url=False, include_input=False)
            problems += further([_validation_problem(item) for item in items], problems)
            rest = _without(rest, [item["loc"] for item in items])
        else:
            if problems:
                raise ConfigProblems(problems, config)
            return config
    raise ConfigProblems(problems)


def further(found: Iterable[Problem], before: Sequence[Problem]) -> list[Problem]:
    """Of the problems `found` without the wrong parts, those that are no consequence of taking them out."""
    return [
        problem
        for problem in found
        if not any(known.path.startswith(problem.path) or problem.path.startswith(known.path) for known in before)
    ]


def _without(document: Any, locations: Iterable[tuple[int | str, ...]]) -> Any:
    """A copy without what stands at `locations`; a place that is not there takes what should hold it along."""
    copy = deepcopy(document)
    for location in sorted(locations, key=lambda path: [str(part).zfill(6) for part in path], reverse=True):
        holder: Any = None
        part: Any = None
        at: Any = copy
        for step in location:
            is_there = step in at if isinstance(at, dict) else isinstance(at, list) and step in range(len(at))
            if not is_there:
                break
            holder, part, at = at, step, at[step]
        if holder is not None:
            del holder[part]
    return copy


def closest(name: str, known: Iterable[str]) -> str:
    """`did you mean ...?`, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=CLOSE_ENOUGH)
    return f"did you mean `{found[0]}`?" if found else ""


class _Loader(yaml.SafeLoader):
    """YAML without silent surprises: a key given twice is a mistake."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == MERGE_TAG:  # `<<: *shared`: what it brings may be given again, to replace it
            continue
        key = loader.construct_object(key_node)
        if not isinstance(key, Hashable):
            raise yaml.constructor.ConstructorError(None, None, "a key must be a name", key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"`{key}` is given twice", key_node.start_mark)
        seen.add(key)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigProblems([Problem("", f"`{path}` is larger than {MAX_FILE_BYTES} bytes")])
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigProblems([Problem("", f"there is no file `{path}`", "give another path with `--config`")]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigProblems([Problem("", f"`{path}` cannot be read: {error}")]) from error


def _resolve(value: Any, environ: Mapping[str, str], path: str, problems: list[Problem]) -> Any:
    """`value` with every `${...}` replaced."""
    if isinstance(value, dict):
        return {key: _resolve(item, environ, join(path, key), problems) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, environ, f"{path}[{index}]", problems) for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replacement(match: re.Match[str]) -> str:
        return _referenced(match[1], environ, path, problems)

    return REFERENCE.sub(replacement, value)


def _referenced(reference: str, environ: Mapping[str, str], path: str, problems: list[Problem]) -> str:
    """The text a reference stands for. Messages name the reference, never what it brought."""
    if reference.startswith(FILE_PREFIX):
        return _content(reference.removeprefix(FILE_PREFIX), path, problems)
    if not VARIABLE.fullmatch(reference):
        problems.append(Problem(path, f"`${{{reference}}}` is no reference", "write `${NAME}` or `${file:/path}`"))
        return UNRESOLVED
    if environ.get(reference) == "":
        problems.append(Problem(path, f"the environment variable `{reference}` is empty"))
        return UNRESOLVED
    if reference not in environ:
        hint = closest(reference, environ) or "export it before the start"
        problems.append(Problem(path, f"the environment variable `{reference}` is not set", hint))
        return UNRESOLVED
    return environ[reference]


def _content(name: str, path: str, problems: list[Problem]) -> str:
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_SECRET_BYTES + 1)
        text = content.decode().strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        problems.append(Problem(path, f"`{name}` cannot be read: {reason}"))
        return UNRESOLVED
    if not text or len(content) > MAX_SECRET_BYTES:
        wrong = f"is larger than {MAX_SECRET_BYTES} bytes" if text else "is empty"
        problems.append(Problem(path, f"`{name}` {wrong}"))
        return UNRESOLVED
    return text


def _yaml_problem(error: yaml.YAMLError) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return Problem(where, f"not valid YAML: {getattr(error, 'problem', None) or ' '.join(str(error).split())}")


def _validation_problem(item: Any) -> Problem:
    location: tuple[int | str, ...] = tuple(part for part in item["loc"] if part != "[key]")
    path = ""
    for part in location:
        path = f"{path}[{part}]" if isinstance(part, int) else join(path, part)
    if item["type"] == "extra_forbidden":
        known = _fields_at(location[:-1])
        hint = closest(str(location[-1]), known) or f"there are {_listed(known)}"
        return Problem(path, "there is no such setting", hint)
    if item["type"] == "missing":
        return Problem(path, "is required")
    if item["type"] == "model_type":
        return Problem(path, "must be a mapping of settings", f"there are {_listed(_fields_at(location))}")
    message = item["msg"].removeprefix("Value error, ")
    return Problem(path, message[0].lower() + message[1:])


def _fields_at(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The settings that may stand at a place of the tree."""
    section: type[BaseModel] | None = Config
    parts = iter(location)
    for part in parts:
        if section is None or str(part) not in section.model_fields:
            return ()
        annotation = section.model_fields[str(part)].annotation
        if get_origin(annotation) in (dict, tuple):
            next(parts, None)  # the key or the index of an entry
        section = _section_in(annotation)
    return tuple(section.model_fields) if section is not None else ()


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """The one section an annotation speaks of, alone or in a container."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _section_in(argument))), None)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def join(path: str, key: object) -> str:
    """One step further down a path; a key that is no plain word is quoted."""
    text = str(key)
    if not BARE.fullmatch(text):
        text = f"'{text}'"
    return f"{path}.{text}" if path else text
