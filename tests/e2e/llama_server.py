"""llama.cpp's own HTTP server as a process: `python llama_server.py MODEL.gguf` prints its address and serves.

It ends when its standard input does, so it never outlives whoever started it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx2

CONTEXT_TOKENS = 32_768
SLOTS = 2
THREADS = 1
"""A tiny model is no faster with more; a real one gets them by the second argument."""
START_S = 30.0


class LlamaServer:
    """`with LlamaServer(model) as server`."""

    def __init__(self, model: Path, log: Path, *, threads: int = THREADS, context_tokens: int = CONTEXT_TOKENS) -> None:
        self._options = (str(model), str(threads), str(context_tokens))
        self._log = log
        self.url = ""

    @property
    def base_url(self) -> str:
        """As a provider's in the configuration."""
        return f"{self.url}/v1"

    def metric(self, name: str) -> float:
        """The value of `llamacpp:<name>`."""
        lines = httpx2.get(f"{self.url}/metrics", timeout=10).text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(f"llamacpp:{name} "))

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this very file
                [sys.executable, __file__, *self._options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().decode().strip()
        assert self.url.startswith("http://"), self._log.read_text(errors="replace")[-2000:]
        until_s = time.monotonic() + START_S
        while httpx2.get(f"{self.url}/health", timeout=10).status_code != httpx2.codes.OK:
            assert time.monotonic() < until_s, "the model was not loaded in time"
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def main(model: str, threads: str, context_tokens: str) -> None:
    """Serve until standard input ends."""
    import xllamacpp  # noqa: PLC0415 - only this process loads it

    params = xllamacpp.CommonParams()
    params.model.path = model
    params.model_alias = "tiny"
    params.port = 0
    params.n_ctx = int(context_tokens)
    params.n_parallel = SLOTS
    params.cpuparams.n_threads = int(threads)
    params.endpoint_metrics = True
    params.use_jinja = True
    params.ui = False
    params.warmup = False
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 - told to whoever started us
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
