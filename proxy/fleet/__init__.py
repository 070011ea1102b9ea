"""The live state of deployments, which outlives a configuration reload."""
