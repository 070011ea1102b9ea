"""Other gateways for LLMs, from PyPI and npm, each in a folder of its own that is made when first asked for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import yaml

from benchmarks.answers import MODEL
from benchmarks.pointsman import KEY
from benchmarks.systems.system import Launch, Origin, System

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pointsman-benchmarks"
INSTALL_S = 900.0
LITELLM_KEY = f"sk-{KEY}"
"""It wants its keys to begin so."""
TENSORZERO = """\
[gateway]
observability.enabled = false

[models.{model}]
routing = ["engine"]

[models.{model}.providers.engine]
type = "openai"
model_name = "{model}"
api_base = "{url}/v1/"
api_key_location = "env::BENCH_PROVIDER_KEY"
"""


def _venv(name: str, package: str) -> Callable[[], None]:
    def install() -> None:
        python = CACHE / name / "bin" / "python"
        _run([sys.executable, "-m", "venv", str(CACHE / name)])
        _run([str(python), "-m", "pip", "install", "--quiet", package])
        (CACHE / name / "complete").touch()

    return install


def _npm(name: str, package: str, **overrides: str) -> Callable[[], None]:
    def install() -> None:
        folder = CACHE / name
        folder.mkdir(parents=True, exist_ok=True)
        document = {"private": True, "dependencies": {package: "*"}, "overrides": overrides}
        (folder / "package.json").write_bytes(orjson.dumps(document))
        _run(["npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(folder)])
        (folder / "complete").touch()

    return install


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=INSTALL_S, stdout=subprocess.DEVNULL)


def _missing(name: str, *, program: str = sys.executable) -> Callable[[], str | None]:
    def missing() -> str | None:
        if shutil.which(program) is None:
            return f"{program} is not installed"
        return None if (CACHE / name / "complete").exists() else "could not be installed"

    return missing


def _litellm(folder: Path, port: int, origin: Origin) -> Launch:
    path = folder / "litellm.yaml"
    parameters = {"model": f"openai/{MODEL}", "api_base": f"{origin.url}/v1", "api_key": "none"}
    document = {
        "model_list": [{"model_name": MODEL, "litellm_params": parameters}],
        "general_settings": {"master_key": LITELLM_KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    path.write_text(yaml.safe_dump(document))
    command = [str(CACHE / "litellm" / "bin" / "litellm"), "--config", str(path), "--host", "127.0.0.1"]
    # its list of prices comes from the network otherwise
    environ = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", **_trust(origin)}
    return Launch([*command, "--port", str(port), "--num_workers", "1"], environ)


def _portkey(_folder: Path, port: int, origin: Origin) -> Launch:
    script = CACHE / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    environ = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", **_trust(origin)}
    return Launch(["node", str(script), f"--port={port}", "--headless"], environ)


def _portkey_headers(origin: Origin) -> Mapping[str, str]:
    """It has no file of deployments: each request says where it goes."""
    return {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{origin.url}/v1"}


def _tensorzero(folder: Path, _port: int, origin: Origin) -> Launch:
    path, port_file = folder / "tensorzero.toml", folder / "tensorzero.port"
    path.write_text(TENSORZERO.format(model=MODEL, url=origin.url))
    program = Path(__file__).with_name("tensorzero_server.py")
    command = [str(CACHE / "tensorzero" / "bin" / "python"), str(program), str(path), str(port_file)]
    return Launch(command, {"BENCH_PROVIDER_KEY": "none", **_trust(origin)}, port_file)


def _trust(origin: Origin) -> dict[str, str]:
    if origin.authority is None:
        return {}
    return {"SSL_CERT_FILE": str(origin.authority), "NODE_EXTRA_CA_CERTS": str(origin.authority)}


PEERS = (
    System(
        "litellm",
        "PyPI `litellm[proxy]`, one worker; a master key, one deployment, no database",
        _litellm,
        _missing("litellm"),
        _venv("litellm", "litellm[proxy]"),
        is_peer=True,
        key=LITELLM_KEY,
        ready_s=120.0,
    ),
    System(
        "portkey",
        "npm `@portkey-ai/gateway`, one process; the request names the provider",
        _portkey,
        _missing("portkey", program="node"),
        # of later ones its streams fail. Source: Portkey-AI/gateway, issue 1389
        _npm("portkey", "@portkey-ai/gateway", **{"@hono/node-server": "1.13.8"}),
        is_peer=True,
        headers=_portkey_headers,
    ),
    System(
        "tensorzero",
        "PyPI `tensorzero`, the HTTP gateway inside the package; one model, observability off",
        _tensorzero,
        _missing("tensorzero"),
        _venv("tensorzero", "tensorzero"),
        is_peer=True,
        path="/openai/v1/chat/completions",
        model=f"tensorzero::model_name::{MODEL}",
    ),
)
