"""Anthropic's Messages API: as a provider speaks it and as a client does."""
