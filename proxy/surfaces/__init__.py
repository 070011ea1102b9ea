"""Client-facing HTTP APIs, one file each: paths to `pipeline.serve`, lists and probes."""
