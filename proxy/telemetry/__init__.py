"""Sinks for facts: metrics and the access log. Nothing here decides anything."""
