"""Pointsman itself, of this checkout or another."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import pointsman
from benchmarks.systems.system import Launch, Origin, System

if TYPE_CHECKING:
    from pathlib import Path

WHAT = f"one process; keys, limits, least_loaded over {pointsman.DEPLOYMENTS} deployments, usage, metrics, access log"


def launch(folder: Path, port: int, origin: Origin) -> Launch:
    """Everything on."""
    path = folder / "pointsman.yaml"
    pointsman.write(path, pointsman.document(f"{origin.url}/v1"))
    command = [sys.executable, "-m", "proxy", "serve", "--config", str(path), "--listen", f"127.0.0.1:{port}"]
    return Launch(command, {"SSL_CERT_FILE": str(origin.authority)} if origin.authority else {})


POINTSMAN = System("pointsman", WHAT, launch, lambda: None)


def before(root: Path) -> System:
    """As it is in another checkout, to be compared with this one."""

    def missing() -> str | None:
        return None if (root / "proxy" / "__main__.py").is_file() else "there is no `proxy` in that checkout"

    return System("before", "the same from another checkout", launch, missing, root=root)
