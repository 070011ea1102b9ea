"""What every end-to-end test may take as given: names, prices, and the tools it needs."""

from __future__ import annotations

import os

import pytest

MODEL = "prose"
KEY = "pk-e2e-0123456789abcdef"
ALPHA_PRICE = {"input_usd_per_mtok": 1.0, "output_usd_per_mtok": 2.0}
BETA_PRICE = {"input_usd_per_mtok": 3.0, "output_usd_per_mtok": 6.0}


def require(found: str | None, name: str) -> str:
    """Where a tool is. Without it a test is skipped here, but fails in CI, which must have it."""
    if found is None:
        if os.environ.get("CI"):
            pytest.fail(f"`{name}` is not installed, and CI must have it")
        pytest.skip(f"`{name}` is not installed")
    return found
