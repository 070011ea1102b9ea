"""The clients of the benchmarks. `wrk` asks for whole answers where it is installed, our own programs for the rest."""
