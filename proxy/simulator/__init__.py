"""Providers that are not there: OpenAI-compatible answers over real HTTP, with latency, prices and faults on demand."""
