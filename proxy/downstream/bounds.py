"""How long, and how much, a client's connection may take."""

from __future__ import annotations

KEEPALIVE_S = 75.0
"""For an idle connection."""
LINGER_S = 2.0
"""To read what a client still sends after our last answer, so that it can read that."""
LINGER_BYTES = 32 * 1024 * 1024
"""The same as an amount."""
MAX_AHEAD_BYTES = 64 * 1024
"""Sent behind a request that is being answered, above which nothing is read until it is."""
HIGH_WATER_BODY_BYTES = 256 * 1024
"""Of a body nobody reads, above which no more is read."""
HIGH_WATER_BYTES = 64 * 1024
"""Of unsent answer, above which its provider is paused."""
JOIN_BELOW_BYTES = 8 * 1024
"""Bytes up to this size are copied into one write with what frames them; larger ones are passed by reference.

Measured with uvloop over loopback: the copy is up to 6 % cheaper below, and costs 6 % more at 16 KiB, 15 % at 64 KiB.
"""
RETRY_S = 1.0
"""When to come back, for a client that was turned away."""
