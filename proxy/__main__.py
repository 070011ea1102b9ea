"""The command `pointsman`."""

from __future__ import annotations

import sys

from proxy.cli.main import run


def main() -> None:
    """Run the command line; the exit code is 0 for success, 1 for a problem of the input, 2 for wrong usage."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
