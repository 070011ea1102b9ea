"""Routing policies: pure, clockless, and the same in production as in a simulation."""
