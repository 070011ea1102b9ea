"""The subcommands, and how to tell a user what went wrong."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from proxy import __version__
from proxy.control.source import ConfigProblems

COMMANDS = ("serve", "demo", "check", "settings", "models", "explain", "simulate", "import-litellm")
"""Modules of this package, with underscores for dashes."""

DESCRIPTION = """\
An edge reverse proxy for LLM inference. Clients change their base URL; Pointsman
chooses a deployment, streams the answer byte for byte and records what it cost.
"""
EPILOG = "Try `pointsman demo` first: it needs no key and no configuration."


def run(arguments: Sequence[str]) -> int:
    """Parse `arguments` and run the subcommand. Answers the exit code."""
    parser = argparse.ArgumentParser(
        prog="pointsman", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"pointsman {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked_for = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
    for name in asked_for:  # the others stay unread: what only the demo needs is a fifth of a worker's memory
        importlib.import_module(f"proxy.cli.{name.replace('-', '_')}").add_parser(subparsers)
    options = parser.parse_args(arguments)
    try:
        code = int(options.run(options))
        sys.stdout.flush()
        return code
    except ConfigProblems as problems:
        count = len(problems.problems)
        print(f"{count} problem{'s' if count > 1 else ''} in the configuration:", file=sys.stderr)
        for problem in problems.problems:
            print(f"  {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the flush at exit fails again
        return 1
    except KeyboardInterrupt:
        return 130
