"""An hour of mixed load, to see what is left behind; `python -m benchmarks.soak --minutes 60`."""
