"""Dialects: pure functions between bytes and records. No sockets, no clocks, no configuration."""
