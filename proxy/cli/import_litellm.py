"""`pointsman import-litellm FILE`: a LiteLLM proxy's configuration as one of ours, and what could not be said."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from proxy.cli.importing.litellm import Converted, convert
from proxy.control.source import MAX_FILE_BYTES

UNREADABLE = 2
"""The exit code."""
WIDTH = 120


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Define the subcommand."""
    parser = subparsers.add_parser(
        "import-litellm",
        help="turn a LiteLLM proxy's config.yaml into a configuration file",
        description="Reads a LiteLLM proxy's config.yaml and writes the same as a configuration of this gateway. What "
        "has no counterpart is listed at the head of the file and on standard error. Secrets are never copied: each "
        "becomes a reference to an environment variable. Exit code 2 if FILE cannot be read.",
        epilog="example: pointsman import-litellm config.yaml --output pointsman.yaml",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="LiteLLM's config.yaml")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write to (standard output); never over a file"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Convert one file."""
    try:
        document = _read(options.file)
    except ValueError as error:
        print(error, file=sys.stderr)
        return UNREADABLE
    converted = convert(document)
    text = written(converted, options.file.name)
    if options.output is None:
        sys.stdout.write(text)
    else:
        try:
            with options.output.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            print(f"`{options.output}` cannot be written: {error.strerror}", file=sys.stderr)
            return UNREADABLE
    for note in converted.notes:
        print(note, file=sys.stderr)
    return 0


def written(converted: Converted, source: str) -> str:
    """The file's text: notes as comments, then the settings, a blank line between sections."""
    document, notes = converted
    lines = [f"# From `{_one_line(source)}`, a LiteLLM proxy's. `pointsman check` tells what is still missing."]
    if notes:
        lines += ["#", "# Not as it was:", *(f"# - {_one_line(note)}" for note in notes)]
    sections = [
        yaml.safe_dump({name: value}, sort_keys=False, width=WIDTH, allow_unicode=True, default_flow_style=None)
        for name, value in document.items()
    ]
    return "\n".join(("\n".join(lines) + "\n", *sections))


def _one_line(text: str) -> str:
    """Nothing of the original may end a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _read(path: Path) -> dict[Any, Any]:
    """The mapping in the file. Raises `ValueError` saying why there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"`{path}` cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES:
        raise ValueError(f"`{path}` is larger than {MAX_FILE_BYTES} bytes")
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"`{path}` is not valid YAML: {' '.join(str(error).split())}") from error
    except RecursionError:
        raise ValueError(f"`{path}` is nested too deeply") from None
    if not isinstance(document, dict):
        message = f"`{path}` is no LiteLLM configuration: it must be a mapping with a `model_list`"
        raise ValueError(message)  # noqa: TRY004 - what is wrong is the file, whatever its type
    return document
