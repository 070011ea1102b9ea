"""Runs the HTTP gateway that TensorZero's Python package brings along; leaves its port in a file.

Runs in an environment of its own, which has nothing of this project: `python tensorzero_server.py CONFIG PORT_FILE`.
The package's last version still starts it for `patch_openai_client`; there is no program of it on PyPI or npm.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tensorzero.tensorzero import _start_http_gateway  # type: ignore[import-not-found]  # its own environment has it


def main() -> None:
    """Serve until a signal."""
    config, port_file = sys.argv[1:]
    gateway = _start_http_gateway(
        config_file=config, clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
    )
    address = str(gateway.base_url)
    Path(port_file).write_text(address.split(":")[2].split("/", maxsplit=1)[0])
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    main()
