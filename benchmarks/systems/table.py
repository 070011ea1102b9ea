"""All systems, in the order of the tables."""

from __future__ import annotations

from benchmarks.systems.gateway import POINTSMAN
from benchmarks.systems.peers import PEERS
from benchmarks.systems.proxies import PROXIES

SYSTEMS = (POINTSMAN, *PROXIES, *PEERS)
BASELINE = "nginx"
"""What the ratios are taken to."""
