"""Pointsman: an edge reverse proxy for LLM inference."""

__version__ = "0.1.0"
