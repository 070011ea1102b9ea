"""The systems that are compared: how each is configured and started."""

from __future__ import annotations

import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from benchmarks.process import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "bench-key"
DEPLOYMENTS = 8


@dataclass(frozen=True, slots=True)
class System:
    """One of them. `command` writes what configuration it needs into the folder it is given."""

    name: str
    what: str
    command: Callable[[Path, int, int], list[str]]
    """(folder, own port, upstream port) -> command."""
    missing: Callable[[], str | None]
    """Why it cannot run here, `None` if it can."""
    root: Path = ROOT
    """Where the command runs."""


def _pointsman(folder: Path, port: int, upstream: int) -> list[str]:
    names = [f"engine-{number}" for number in range(1, DEPLOYMENTS + 1)]
    provider = {"dialect": "openai_chat", "base_url": f"http://127.0.0.1:{upstream}/v1"}
    price = {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}
    deployments = [{"provider": name, "model": "bench-model", "price": price} for name in names]
    config = {
        "auth": {"keys": [{"name": "bench", "key": KEY}]},
        "providers": dict.fromkeys(names, provider),
        "routes": {"bench-model": {"policy": {"name": "least_loaded"}, "deployments": deployments}},
        "telemetry": {"access_log": "stdout"},
        "catalogue": False,
    }
    path = folder / "pointsman.yaml"
    path.write_text(yaml.dump(config, Dumper=_Plain))
    return [sys.executable, "-m", "proxy", "serve", "--config", str(path), "--listen", f"127.0.0.1:{port}"]


class _Plain(yaml.SafeDumper):
    """No anchors and aliases: the file reads as a person would write it."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


NGINX = """\
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log /dev/null;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 100000000;
    upstream engine {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
        }}
    }}
}}
"""


def _nginx(folder: Path, port: int, upstream: int) -> list[str]:
    path = folder / "nginx.conf"
    path.write_text(NGINX.format(folder=folder, port=port, upstream=upstream))
    return [nginx_path() or "nginx", "-c", str(path), "-e", str(folder / "error.log")]


def _naive(_folder: Path, port: int, upstream: int) -> list[str]:
    address = f"http://127.0.0.1:{upstream}"
    return [sys.executable, "-m", "benchmarks.naive", "--port", str(port), "--upstream", address]


def before(root: Path) -> System:
    """Pointsman as it is in another checkout, to be compared with this one."""

    def missing() -> str | None:
        return None if (root / "proxy" / "__main__.py").is_file() else "there is no `proxy` in that checkout"

    return System("before", "the same from another checkout", _pointsman, missing, root)


def nginx_path() -> str | None:
    """Debian keeps it off the path of ordinary users."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """A port nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


SYSTEMS = (
    System(
        "pointsman", "one process; keys, least_loaded over 8 deployments, metrics, access log", _pointsman, lambda: None
    ),
    System(
        "nginx",
        "one worker; proxy_pass with keep-alive, no buffering",
        _nginx,
        lambda: None if nginx_path() else "nginx is not installed",
    ),
    System("naive", "aiohttp server and ClientSession on uvloop, nothing else", _naive, lambda: None),
)
