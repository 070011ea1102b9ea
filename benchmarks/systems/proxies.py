"""The general proxies, one worker or thread each, with keep-alive on both sides; and a naive one in Python."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from benchmarks.systems.system import Launch, Origin, System

if TYPE_CHECKING:
    from pathlib import Path

SBIN = "/usr/sbin:/usr/local/sbin"
"""Debian keeps servers off the path of ordinary users."""
NGINX = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log /dev/null;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 32m;
    client_body_buffer_size 1m;
    keepalive_requests 100000000;
    upstream engine {{ server 127.0.0.1:{upstream}; keepalive 4096; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location / {{
            proxy_pass {scheme}://engine;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            {tls}
        }}
    }}
}}
"""
NGINX_TLS = (
    "proxy_ssl_verify on; proxy_ssl_trusted_certificate {authority}; "
    "proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_session_reuse on;"
)
HAPROXY = """\
global
    nbthread 1
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option http-no-delay
    http-reuse always
    timeout connect 5s
    timeout client 120s
    timeout server 120s
frontend clients
    bind 127.0.0.1:{port} backlog 4096
    default_backend engine
backend engine
    server engine 127.0.0.1:{upstream} pool-max-conn 4096 {tls}
"""


def find(name: str) -> str | None:
    """The program's path, if it is installed."""
    return shutil.which(name) or shutil.which(name, path=SBIN)


def _nginx(folder: Path, port: int, origin: Origin) -> Launch:
    path = folder / "nginx.conf"
    tls = NGINX_TLS.format(authority=origin.authority) if origin.authority else ""
    scheme = "https" if origin.authority else "http"
    path.write_text(NGINX.format(folder=folder, port=port, upstream=origin.port, scheme=scheme, tls=tls))
    return Launch([find("nginx") or "nginx", "-c", str(path), "-e", str(folder / "error.log")])


def _haproxy(folder: Path, port: int, origin: Origin) -> Launch:
    path = folder / "haproxy.cfg"
    tls = f"ssl verify required ca-file {origin.authority} verifyhost localhost sni str(localhost)"
    path.write_text(HAPROXY.format(port=port, upstream=origin.port, tls=tls if origin.authority else ""))
    return Launch([find("haproxy") or "haproxy", "-f", str(path)])


def _naive(_folder: Path, port: int, origin: Origin) -> Launch:
    command = [sys.executable, "-m", "benchmarks.naive", "--port", str(port), "--upstream", origin.url]
    return Launch(command, {"SSL_CERT_FILE": str(origin.authority)} if origin.authority else {})


def _missing(name: str) -> str | None:
    return None if find(name) else f"{name} is not installed"


PROXIES = (
    System("nginx", "one worker; proxy_pass with keep-alive, no buffering", _nginx, lambda: _missing("nginx")),
    System(
        "haproxy",
        "one thread; keep-alive, http-reuse always, http-no-delay, access log",
        _haproxy,
        lambda: _missing("haproxy"),
    ),
    System("naive", "aiohttp server and ClientSession on uvloop, nothing else", _naive, lambda: None),
)
