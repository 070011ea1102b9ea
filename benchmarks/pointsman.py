"""Pointsman's configuration in the benchmarks: everything on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from benchmarks.answers import MODEL

if TYPE_CHECKING:
    from pathlib import Path

KEY = "bench-key"
DEPLOYMENTS = 8
RPM = 100_000_000
"""A limit that is checked and never met."""


def document(base_url: str) -> dict[str, Any]:
    """A key with a limit, eight deployments of one provider's model each with a price, metrics, access log."""
    names = [f"engine-{number}" for number in range(1, DEPLOYMENTS + 1)]
    price = {"input_usd_per_mtok": 0.15, "output_usd_per_mtok": 0.6}
    deployments = [{"provider": name, "model": MODEL, "price": price} for name in names]
    provider = {"dialect": "openai_chat", "base_url": base_url, "max_connections": 4096}
    return {
        "auth": {"keys": [{"name": "bench", "key": KEY, "rpm": RPM}]},
        "providers": dict.fromkeys(names, provider),
        "routes": {MODEL: {"policy": {"name": "least_loaded"}, "deployments": deployments}},
        "limits": {"max_inflight": 8192},
        "telemetry": {"access_log": "stdout"},
        "catalogue": False,
    }


def write(path: Path, content: dict[str, Any]) -> None:
    """As a person would write it. The file is replaced whole: the gateway may be watching it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(yaml.dump(content, Dumper=_Plain))
    fresh.replace(path)


class _Plain(yaml.SafeDumper):
    """No anchors and aliases."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True
