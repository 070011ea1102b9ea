"""Deterministic unit vectors in place of embeddings."""

from __future__ import annotations

import base64
import math
import struct
from typing import TYPE_CHECKING, Any

from proxy.simulator.ask import Refusal
from proxy.simulator.text import count, source

if TYPE_CHECKING:
    from proxy.simulator.spec import SimulatedProvider

DEFAULT_DIMENSIONS = 256
MAX_DIMENSIONS = 3072
MAX_INPUTS = 2048
"""OpenAI's limit of one request."""


def embeddings(doc: dict[str, Any], spec: SimulatedProvider) -> dict[str, Any]:
    """The whole answer. Raises `Refusal`."""
    texts = _texts(doc.get("input"))
    dimensions = doc.get("dimensions") or DEFAULT_DIMENSIONS
    if not isinstance(dimensions, int) or not 1 <= dimensions <= MAX_DIMENSIONS:
        raise Refusal(400, f"`dimensions` must be between 1 and {MAX_DIMENSIONS}.", param="dimensions")
    packed = doc.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        numbers = vector(f"{spec.seed}:{text}", dimensions)
        # the API's base64 is little-endian float32
        encoded: Any = base64.b64encode(struct.pack(f"<{dimensions}f", *numbers)).decode() if packed else numbers
        data.append({"object": "embedding", "index": index, "embedding": encoded})
    tokens = sum(map(count, texts))
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": doc["model"], "usage": usage}


def vector(text: str, dimensions: int) -> list[float]:
    """A vector of length 1 that depends on the text alone."""
    rng = source(text)
    raw = [rng.gauss(0, 1) for _ in range(dimensions)]
    length = math.sqrt(sum(each * each for each in raw)) or 1.0
    return [each / length for each in raw]


def _texts(given: Any) -> list[str]:
    """Every input as text: a string, strings, token numbers, or lists of these."""
    if isinstance(given, str) and given:
        return [given]
    if isinstance(given, list) and given:
        if isinstance(given[0], int):
            return [" ".join(map(str, given))]
        if len(given) > MAX_INPUTS:
            raise Refusal(400, f"`input` may have at most {MAX_INPUTS} entries.", param="input")
        if all(isinstance(each, str | list) for each in given):
            return [each if isinstance(each, str) else " ".join(map(str, each)) for each in given]
    raise Refusal(400, "Missing required parameter: 'input'.", param="input", code="missing_required_parameter")
